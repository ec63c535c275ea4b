/* The naive model's answers to wide questions: lists of messages, and why one
 * of them is where it is. */
#include "naive.h"

#include <stdio.h>

/* ---- Lists ---- */

static enum delivery_state state_of(const struct naive_cell *cell)
{
    static const enum delivery_state states[NAIVE_STATUSES] = {
        [NAIVE_UNSEEN] = DELIVERY_PENDING,
        [NAIVE_OPEN] = DELIVERY_PENDING,
        [NAIVE_WAITING] = DELIVERY_RETRYING,
        [NAIVE_DEAD] = DELIVERY_DEAD,
        [NAIVE_AMBIGUOUS] = DELIVERY_AMBIGUOUS,
        [NAIVE_DELIVERED] = DELIVERY_DELIVERED,
        [NAIVE_FILTERED] = DELIVERY_FILTERED,
        [NAIVE_PARKED] = DELIVERY_PENDING,
        [NAIVE_DISCARDED] = DELIVERY_DISCARDED,
    };
    return cell->status == NAIVE_OPEN && cell->attempts > 1
               ? DELIVERY_RETRYING
               : states[cell->status];
}

/* When that delivery was processed, or 1 when it was not but is not asked to
 * have been; 0: it is not asked for. */
static uint64_t delivery_asked(const struct naive *naive,
                               const struct message_query *query,
                               const struct naive_message *message, uint32_t id)
{
    const struct naive_publisher *publisher = &naive->publishers[id];
    bool processed = message_query_by_processed(query);
    if (!publisher->exists || publisher->topic_id != message->topic_id ||
        (query->publisher_id != 0 && query->publisher_id != id))
        return 0;
    if (message->position == 0)
        return !processed &&
               (query->any_state || query->state == DELIVERY_SCHEDULED);
    const struct naive_cell *cell = &publisher->cells[message->position];
    if (!naive_wants(naive, id, message->position) ||
        (!query->any_state && state_of(cell) != query->state))
        return 0;
    if (!processed)
        return 1;
    bool settled =
        cell->status == NAIVE_DELIVERED || cell->status == NAIVE_DEAD ||
        cell->status == NAIVE_AMBIGUOUS || cell->status == NAIVE_DISCARDED;
    return settled && cell->since_ms >= query->processed_from_ms &&
                   (query->processed_to_ms == 0 ||
                    cell->since_ms <= query->processed_to_ms)
               ? cell->since_ms
               : 0;
}

static uint64_t asked(const struct naive *naive,
                      const struct message_query *query,
                      const struct naive_message *message)
{
    uint64_t latest = 0;
    if (message->topic_id == 0 || message->gone ||
        (query->topic_id != 0 && message->topic_id != query->topic_id) ||
        message->received_ms < query->received_from_ms ||
        (query->received_to_ms != 0 &&
         message->received_ms > query->received_to_ms) ||
        (query->key.length > 0 && message->key != key_hash(query->key)))
        return 0;
    if (query->publisher_id == 0 && query->any_state &&
        !message_query_by_processed(query))
        return 1;
    if (!query->any_state && query->state == DELIVERY_SCHEDULED)
        return message->position == 0 && !message_query_by_processed(query) &&
               (query->publisher_id == 0 ||
                naive->publishers[query->publisher_id].topic_id ==
                    message->topic_id);
    for (uint32_t id = 1; id <= naive->publisher_count; id++) {
        uint64_t ms = delivery_asked(naive, query, message, id);
        latest = ms > latest ? ms : latest;
    }
    return latest;
}

static struct search_place place_of(const struct naive *naive,
                                    const struct message_query *query,
                                    uint64_t id)
{
    const struct naive_message *message = &naive->messages[id];
    uint64_t ms = asked(naive, query, message);
    if (ms == 0)
        return (struct search_place){0};
    return message_query_by_processed(query)
               ? (struct search_place){.ms = ms, .id = message->position}
               : (struct search_place){.id = id};
}

static bool is_below(struct search_place a, struct search_place b)
{
    return a.ms != b.ms ? a.ms < b.ms : a.id < b.id;
}

struct search_place naive_list_next(const struct naive *naive,
                                    const struct message_query *query,
                                    struct search_place before,
                                    uint64_t *ret_id)
{
    struct search_place highest = {0};
    for (uint64_t id = naive->sequence; id > 0; id--) {
        struct search_place place = place_of(naive, query, id);
        if (place.id == 0 || !is_below(place, before) ||
            !is_below(highest, place))
            continue;
        highest = place;
        *ret_id = id;
        if (place.ms == 0)
            break; /* The others are below. */
    }
    return highest;
}

/* ---- Explain ---- */

static uint64_t earlier(uint64_t least, uint64_t position)
{
    return least == 0 || position < least ? position : least;
}

/* The first one below `position` that holds it up; 0: none. */
static uint64_t blocker(const struct naive *naive, uint32_t id,
                        uint64_t position, uint64_t key)
{
    const struct naive_publisher *publisher = &naive->publishers[id];
    bool strict = publisher->ordering == ORDERING_STRICT;
    bool block = publisher->on_poison == POISON_BLOCK;
    uint64_t least = 0;
    if (publisher->ordering == ORDERING_NONE || (!strict && key == 0))
        return 0;
    for (uint64_t p = 1; p < position; p++) {
        const struct naive_cell *cell = &publisher->cells[p];
        if (!naive_wants(naive, id, p))
            continue;
        bool mine = strict || (cell->ordered && cell->key == key);
        bool held =
            cell->ordered && mine &&
            (cell->status == NAIVE_OPEN || cell->status == NAIVE_WAITING ||
             (cell->status == NAIVE_AMBIGUOUS && block));
        bool parked = cell->status == NAIVE_PARKED &&
                      (strict || naive->messages[naive->at[p]].key == key);
        if (held || parked)
            least = earlier(least, p);
    }
    return least;
}

static enum explain_reason waiting_reason(const struct naive *naive,
                                          uint32_t id, uint64_t position,
                                          uint64_t key, uint64_t now_ms,
                                          uint64_t *ret_blocker)
{
    const struct naive_publisher *publisher = &naive->publishers[id];
    const struct naive_cell *cell = &publisher->cells[position];
    if (cell->status == NAIVE_OPEN)
        return REASON_IN_FLIGHT;
    if (publisher->paused)
        return REASON_PAUSED;
    if (publisher->circuit == CIRCUIT_OPEN)
        return REASON_CIRCUIT_OPEN;
    if (publisher->throttled_until_ms > now_ms)
        return REASON_RETRY_AFTER;
    if (cell->status != NAIVE_WAITING || cell->ordered)
        *ret_blocker = blocker(naive, id, position, key);
    if (*ret_blocker != 0)
        return publisher->ordering == ORDERING_STRICT ? REASON_WAITING_FOR_ORDER
                                                      : REASON_WAITING_FOR_KEY;
    return cell->status == NAIVE_WAITING && cell->due_ms > now_ms
               ? REASON_BACKING_OFF
               : REASON_QUEUED;
}

enum explain_reason naive_explain(const struct naive *naive, uint64_t id,
                                  uint32_t publisher_id, uint64_t now_ms,
                                  uint64_t *ret_blocker)
{
    const struct naive_message *message = &naive->messages[id];
    const struct naive_publisher *publisher = &naive->publishers[publisher_id];
    *ret_blocker = 0;
    if (message->position == 0)
        return REASON_SCHEDULED;
    if (message->position < publisher->start)
        return REASON_BEFORE_FROM_NOW;
    switch (publisher->cells[message->position].status) {
    case NAIVE_DEAD:
        return REASON_DEAD;
    case NAIVE_AMBIGUOUS:
        return REASON_AMBIGUOUS;
    case NAIVE_DELIVERED:
        return REASON_DELIVERED;
    case NAIVE_FILTERED:
        return REASON_FILTERED;
    case NAIVE_DISCARDED:
        return REASON_DISCARDED;
    default:
        return waiting_reason(naive, publisher_id, message->position,
                              message->key, now_ms, ret_blocker);
    }
}
