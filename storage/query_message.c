/* One message, and what became of it at each publisher.
 *
 * Nothing is written per message and publisher while all goes well; the state
 * is derived: open, else what `exc` says, else what `out` says, else pending
 * at or behind `next`, else filtered, which has no row. */
#include "storage/blocked.h"
#include "storage/exception.h"
#include "storage/outcome.h"
#include "storage/position.h"
#include "storage/query.h"
#include "storage/view.h"

static void take_history(struct delivery *delivery,
                         const struct history *history, struct arena *arena)
{
    delivery->history_count = history->count;
    for (uint32_t i = 0; i < history->count; i++) {
        delivery->history[i] = history->attempts[i];
        delivery->history[i].response =
            arena_copy(arena, history->attempts[i].response);
    }
}

static void take_exception(struct delivery *delivery,
                           const struct exception_row *row, struct arena *arena)
{
    delivery->state = row->state;
    delivery->attempts = row->attempts;
    delivery->budget_from = row->budget_from;
    delivery->holds = row->holds;
    delivery->replay_id = row->replay_id;
    delivery->ordered = row->ordered;
    delivery->since_ms = row->since_ms;
    delivery->maybe_duplicate = row->doubt;
    if (row->state == DELIVERY_RETRYING)
        delivery->next_attempt_ms = row->due_ms;
    else
        delivery->processed_ms = row->since_ms;
    take_history(delivery, &row->history, arena);
}

static void take_settled(struct delivery *delivery, const struct settled *item)
{
    delivery->state = item->state;
    delivery->attempts = item->attempts;
    delivery->processed_ms = item->processed_ms;
    delivery->maybe_duplicate = item->maybe_duplicate;
    delivery->history_count = 1;
    delivery->history[0] = settled_attempt(item);
    delivery->since_ms = item->processed_ms;
}

/* Open: the attempt that is under way is not among those made. */
static void take_open(struct delivery *delivery,
                      const struct open_position *open)
{
    delivery->open = true;
    delivery->ordered = open->ordered;
    delivery->since_ms = 0;
    delivery->state = open->attempt > 1 ? DELIVERY_RETRYING : DELIVERY_PENDING;
    delivery->attempts = open->attempt - 1;
    delivery->maybe_duplicate = open->doubt;
    delivery->next_attempt_ms = 0;
}

/* Nothing is written of what is parked or filtered. */
static int derive_rowless(struct view *view, struct hot *hot, uint64_t position,
                          uint64_t key, struct delivery *delivery,
                          struct error *error)
{
    struct settled item;
    int rc = outcome_find(&view->transaction, delivery->publisher_id, position,
                          &item, error);
    if (rc == 0)
        take_settled(delivery, &item);
    if (rc != ERR_NOT_FOUND)
        return rc;
    rc = parked_is(&view->transaction, hot, delivery->publisher_id, key,
                   position, &delivery->parked, error);
    delivery->state = delivery->parked ? DELIVERY_PENDING : DELIVERY_FILTERED;
    return rc;
}

int view_derive(struct view *view, struct hot *hot, uint64_t position,
                uint64_t key, struct arena *arena, struct delivery *delivery,
                struct error *error)
{
    struct exception_row row;
    const struct open_position *open = hot_find(hot, position);
    int rc = exception_get(&view->transaction, delivery->publisher_id, position,
                           &row, error);
    if (rc == 0)
        take_exception(delivery, &row, arena);
    if (open != NULL && (rc == 0 || rc == ERR_NOT_FOUND)) {
        take_open(delivery, open);
        return 0;
    }
    if (rc != ERR_NOT_FOUND)
        return rc;
    if (position < hot->next)
        return derive_rowless(view, hot, position, key, delivery, error);
    delivery->state = DELIVERY_PENDING;
    return 0;
}

/* *ret_wanted: the publisher had started when the message took its place; what
 * is scheduled will stand behind every start. */
static int delivery_fill(struct view *view, uint32_t publisher_id,
                         uint64_t position, uint64_t key, struct arena *arena,
                         struct delivery *delivery, bool *ret_wanted,
                         struct error *error)
{
    struct publisher publisher;
    struct hot hot;
    int rc = view_publisher(view, publisher_id, arena, &publisher, error);
    if (rc == ERR_NOT_FOUND)
        rc = error_set(error, ERR_CORRUPT, "publisher %u is missing",
                       publisher_id);
    if (rc == 0)
        rc = view_hot(view, publisher_id, &hot, error);
    if (rc != 0)
        return rc;
    *ret_wanted = position == 0 || position >= hot.start;
    *delivery = (struct delivery){
        .publisher_id = publisher_id,
        .target = publisher.options.target,
        .type = publisher.options.type,
        .state = DELIVERY_SCHEDULED,
    };
    if (*ret_wanted && position != 0)
        rc = view_derive(view, &hot, position, key, arena, delivery, error);
    hot_close(&hot);
    return rc;
}

int view_deliveries(struct view *view, uint64_t position, struct arena *arena,
                    struct message_view *ret, struct error *error)
{
    uint32_t *ids;
    uint32_t count;
    struct topic topic;
    uint64_t key = key_hash(ret->message.key);
    int rc = view_topic(view, ret->message.topic_id, arena, &topic, error);
    if (rc == 0)
        rc = view_topic_publishers(view, topic.id, 0, topic.publishers, arena,
                                   &ids, &count, error);
    if (rc != 0)
        return rc;
    ret->topic = topic.options.name;
    ret->position = position;
    ret->deliveries = arena_take(arena, count * sizeof *ret->deliveries);
    ret->delivery_count = 0;
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        bool want;
        rc = delivery_fill(view, ids[i], position, key, arena,
                           &ret->deliveries[ret->delivery_count], &want, error);
        if (rc == 0 && want)
            ret->delivery_count++;
    }
    return rc;
}

/* A message whose topic was deleted is gone, though its bytes may be there. */
int query_message(struct view *view, uint64_t id, struct arena *arena,
                  struct message_view *ret, struct error *error)
{
    uint64_t position;
    int rc = view_message(view, id, arena, &ret->message, error);
    if (rc == 0)
        rc = position_of(&view->transaction, &ret->message, &position, error);
    if (rc == 0)
        rc = view_deliveries(view, position, arena, ret, error);
    return rc == ERR_NOT_FOUND
               ? error_set(error, rc, "message %llu: %s",
                           (unsigned long long)id, error_text(rc))
               : rc;
}
