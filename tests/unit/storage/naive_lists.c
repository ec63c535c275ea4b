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

static bool delivery_asked(const struct naive *naive,
                           const struct message_query *query,
                           const struct naive_message *message, uint32_t id)
{
    const struct naive_publisher *publisher = &naive->publishers[id];
    if (!publisher->exists || publisher->topic_id != message->topic_id ||
        (query->publisher_id != 0 && query->publisher_id != id))
        return false;
    if (message->position == 0)
        return query->any_state || query->state == DELIVERY_SCHEDULED;
    return naive_wants(naive, id, message->position) &&
           (query->any_state ||
            state_of(&publisher->cells[message->position]) == query->state);
}

static bool asked(const struct naive *naive, const struct message_query *query,
                  const struct naive_message *message)
{
    if (message->topic_id == 0 || message->gone ||
        (query->topic_id != 0 && message->topic_id != query->topic_id) ||
        (query->key.length > 0 && message->key != key_hash(query->key)))
        return false;
    if (query->publisher_id == 0 && query->any_state)
        return true;
    if (!query->any_state && query->state == DELIVERY_SCHEDULED)
        return message->position == 0 &&
               (query->publisher_id == 0 ||
                naive->publishers[query->publisher_id].topic_id ==
                    message->topic_id);
    for (uint32_t id = 1; id <= naive->publisher_count; id++)
        if (delivery_asked(naive, query, message, id))
            return true;
    return false;
}

uint64_t naive_list_next(const struct naive *naive,
                         const struct message_query *query, uint64_t before,
                         uint64_t *ret_id)
{
    bool by_id = query->topic_id == 0 && query->publisher_id == 0;
    if (before > naive->sequence + 1)
        before = naive->sequence + 1;
    for (uint64_t n = before - 1; n > 0; n--) {
        uint64_t id = by_id ? n : naive->at[n];
        /* What has no position stands at its id. */
        if (!by_id && id == 0 && naive->messages[n].topic_id != 0 &&
            naive->messages[n].position == 0)
            id = n;
        if (id != 0 && asked(naive, query, &naive->messages[id])) {
            *ret_id = id;
            return n;
        }
    }
    return 0;
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
