/* Topics, publishers and their counters. */
#include "storage/query.h"

#include "storage/blocked.h"
#include "storage/exception.h"
#include "storage/view.h"

int query_identity(struct view *view, struct cluster_identity *ret,
                   struct error *error)
{
    struct slice key = slice_text(GLOBAL_KEY);
    struct slice content;
    struct global_row row;
    int rc =
        record_get(&view->transaction, DATABASE_GLOBAL, key, &content, error);
    if (rc == ERR_NOT_FOUND)
        return error_set(error, ERR_CORRUPT, "database global is empty");
    if (rc != 0)
        return rc;
    rc = global_row_decode(content, &row);
    if (rc != 0)
        return record_error(error, rc, DATABASE_GLOBAL, key);
    memcpy(ret->cluster_id, row.cluster_id, sizeof ret->cluster_id);
    ret->id_space = row.id_space;
    return 0;
}

int query_idempotency_keys(struct view *view, uint64_t *ret_count,
                           struct error *error)
{
    return record_count(&view->transaction, DATABASE_IDEMPOTENCY, ret_count,
                        error);
}

/* ---- Lists of ids ---- */

/* Ids from a database keyed by id, behind `prefix` bytes that stay the same. */
static int ids_collect(struct view *view, enum database database,
                       struct key prefix, uint32_t after_id, uint32_t limit,
                       uint32_t *ids, uint32_t *ret_count, struct error *error)
{
    struct cursor cursor = {0};
    uint32_t count = 0;
    struct key key = prefix;
    *ret_count = 0;
    if (after_id == UINT32_MAX || limit == 0)
        return 0;
    key_u32(&key, after_id + 1);
    int rc = cursor_open(&view->transaction, database, &cursor, error);
    if (rc == 0)
        rc = cursor_seek(&cursor, key_slice(&key), error);
    while (rc == 0 && cursor_within(&cursor, key_slice(&prefix))) {
        if (cursor.key.length != key.length)
            rc = record_error(error, ERR_CORRUPT, database, cursor.key);
        else
            ids[count++] = get_key_u32(cursor.key.data + prefix.length);
        if (rc == 0)
            rc = count == limit ? ERR_END : cursor_next(&cursor, error);
    }
    cursor_close(&cursor);
    *ret_count = count;
    return rc == ERR_END ? 0 : rc;
}

int view_ids(struct view *view, enum database database, uint32_t after_id,
             uint32_t limit, struct arena *arena, uint32_t **ret_ids,
             uint32_t *ret_count, struct error *error)
{
    *ret_ids = arena_take(arena, limit * sizeof **ret_ids);
    return ids_collect(view, database, (struct key){.length = 0}, after_id,
                       limit, *ret_ids, ret_count, error);
}

int view_topic_publishers(struct view *view, uint32_t topic_id,
                          uint32_t after_id, uint32_t limit,
                          struct arena *arena, uint32_t **ret_ids,
                          uint32_t *ret_count, struct error *error)
{
    *ret_ids = arena_take(arena, limit * sizeof **ret_ids);
    return ids_collect(view, DATABASE_TOPIC_PUBLISHER, key_of_u32(topic_id),
                       after_id, limit, *ret_ids, ret_count, error);
}

/* A row that an index or another row has named. */
static int wanted(int rc, const char *what, uint32_t id, struct error *error)
{
    if (rc != ERR_NOT_FOUND)
        return rc;
    return error_set(error, ERR_CORRUPT, "%s %u is missing", what, id);
}

int query_purges(struct view *view, uint32_t limit, struct arena *arena,
                 uint32_t **ret_ids, uint32_t *ret_count, struct error *error)
{
    return view_ids(view, DATABASE_PURGE, 0, limit, arena, ret_ids, ret_count,
                    error);
}

/* ---- Topics ---- */

int query_topics(struct view *view, uint32_t after_id, uint32_t limit,
                 struct arena *arena, struct topic **ret_topics,
                 uint32_t *ret_count, struct error *error)
{
    uint32_t *ids;
    uint32_t count;
    int rc = view_ids(view, DATABASE_TOPIC, after_id, limit, arena, &ids,
                      &count, error);
    struct topic *topics = arena_take(arena, count * sizeof *topics);
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        rc = wanted(view_topic(view, ids[i], arena, &topics[i], error), "topic",
                    ids[i], error);
    if (rc != 0)
        return rc;
    *ret_topics = topics;
    *ret_count = count;
    return 0;
}

int query_topic(struct view *view, uint32_t id, struct arena *arena,
                struct topic *ret_topic, struct error *error)
{
    int rc = view_topic(view, id, arena, ret_topic, error);
    return rc == ERR_NOT_FOUND
               ? error_set(error, rc, "topic %u: %s", id, error_text(rc))
               : rc;
}

int query_topic_purges(struct view *view, uint32_t limit, struct arena *arena,
                       uint32_t **ret_ids, uint32_t *ret_count,
                       struct error *error)
{
    return view_ids(view, DATABASE_TOPIC_PURGE, 0, limit, arena, ret_ids,
                    ret_count, error);
}

/* ---- Publishers ---- */

/* The first position that waits in this state; 0: none. */
static int first_in_state(struct view *view, uint32_t publisher_id,
                          enum delivery_state state, uint64_t *ret_position,
                          struct error *error)
{
    struct cursor cursor = {0};
    struct key prefix = key_of_u32(publisher_id);
    key_u8(&prefix, (uint8_t)state);
    *ret_position = 0;
    int rc = cursor_open(&view->transaction, DATABASE_EXCEPTION_STATE, &cursor,
                         error);
    if (rc == 0)
        rc = cursor_seek(&cursor, key_slice(&prefix), error);
    if (rc == 0 && cursor_within(&cursor, key_slice(&prefix)) &&
        cursor.key.length == prefix.length + 8)
        *ret_position = get_key_u64(cursor.key.data + prefix.length);
    cursor_close(&cursor);
    return rc == ERR_END ? 0 : rc;
}

static int first_parked(struct view *view, uint32_t publisher_id,
                        const struct hot *hot, uint64_t *position,
                        struct error *error)
{
    uint64_t key;
    uint64_t parked;
    if (hot->parked == 0)
        return 0;
    int rc =
        blocked_first(&view->transaction, publisher_id, &key, &parked, error);
    if (rc == 0 && parked < *position)
        *position = parked;
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* As far as a read may go: behind so many, the next one will do. */
static int skip_discarded(struct view *view, uint32_t publisher_id,
                          uint32_t topic_id, const struct hot *hot,
                          uint64_t *position, struct error *error)
{
    struct log_walk walk = {0};
    struct log_pair pair;
    if (hot->ahead == 0)
        return 0;
    int rc =
        log_walk_open(&view->transaction, topic_id, hot->next, &walk, error);
    for (uint32_t i = 0; rc == 0 && i < BOUND_READ_RECORDS; i++) {
        struct exception_row row;
        rc = log_walk_next(&walk, &pair, error);
        if (rc != 0)
            break;
        *position = pair.position;
        rc = exception_get(&view->transaction, publisher_id, pair.position,
                           &row, error);
        if (rc != 0)
            break;
    }
    log_walk_close(&walk);
    return rc == ERR_NOT_FOUND || rc == ERR_END ? 0 : rc;
}

/* The least of next, first open, first retrying and first parked. What was
 * discarded before its turn is passed over. */
static int oldest(struct view *view, uint32_t publisher_id, uint32_t topic_id,
                  const struct hot *hot, uint64_t *ret_received_ms,
                  struct error *error)
{
    uint64_t position = hot->next;
    uint64_t retrying = 0;
    struct message message;
    int rc = 0;
    if (hot->retrying > 0)
        rc = first_in_state(view, publisher_id, DELIVERY_RETRYING, &retrying,
                            error);
    if (rc != 0)
        return rc;
    if (retrying != 0 && retrying < position)
        position = retrying;
    if (hot->open_count > 0 && hot->open[0].position < position)
        position = hot->open[0].position;
    rc = first_parked(view, publisher_id, hot, &position, error);
    if (rc == 0 && position == hot->next)
        rc =
            skip_discarded(view, publisher_id, topic_id, hot, &position, error);
    *ret_received_ms = 0;
    if (rc == 0)
        rc = view_first_message(view, topic_id, position, &message, error);
    if (rc == 0)
        *ret_received_ms = message.received_ms;
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static int counts_fill(struct view *view, const struct publisher *publisher,
                       const struct topic *topic, struct arena *arena,
                       struct publisher_view *ret_view, struct error *error)
{
    struct hot hot;
    struct publisher_counts *ret = &ret_view->counts;
    int rc = view_hot(view, publisher->id, &hot, error);
    if (rc != 0)
        return rc;
    view_circuit(&hot, arena, &ret_view->circuit);
    ret_view->throttled_until_ms = hot.throttled_until_ms;
    *ret = (struct publisher_counts){
        .backlog = hot_backlog(&hot, topic->messages),
        .scheduled = topic->scheduled,
        .parked = hot.parked,
        .ordered_waits = hot.ordered_waits,
        .open = hot.open_count,
        .retrying = hot.retrying,
        .dead = hot.dead,
        .ambiguous = hot.ambiguous,
        .discarded = hot.discarded,
        .delivered = hot.delivered,
        .filtered = hot.filtered,
        .last_delivered_ms = hot.last_delivered_ms,
        .last_error_ms = hot.last_error_ms,
        .last_error = hot.last_error,
    };
    ret->last_error.response = arena_copy(arena, hot.last_error.response);
    if (ret->backlog > 0)
        rc = oldest(view, publisher->id, publisher->topic_id, &hot,
                    &ret->oldest_undelivered_ms, error);
    hot_close(&hot);
    if (rc == 0)
        rc =
            view_first_due(view, publisher->id, &ret_view->first_due_ms, error);
    return rc;
}

int query_publisher(struct view *view, uint32_t id, struct arena *arena,
                    struct publisher_view *ret, struct error *error)
{
    struct topic topic;
    int rc = view_publisher(view, id, arena, &ret->publisher, error);
    if (rc == ERR_NOT_FOUND)
        return error_set(error, rc, "publisher %u: %s", id, error_text(rc));
    if (rc == 0)
        rc = wanted(
            view_topic(view, ret->publisher.topic_id, arena, &topic, error),
            "topic", ret->publisher.topic_id, error);
    if (rc != 0)
        return rc;
    ret->publisher.topic = topic.options.name;
    return counts_fill(view, &ret->publisher, &topic, arena, ret, error);
}

int query_publishers(struct view *view, uint32_t topic_id, uint32_t after_id,
                     uint32_t limit, struct arena *arena,
                     struct publisher_view **ret_publishers,
                     uint32_t *ret_count, struct error *error)
{
    uint32_t *ids;
    uint32_t count;
    int rc = topic_id == 0
                 ? view_ids(view, DATABASE_PUBLISHER, after_id, limit, arena,
                            &ids, &count, error)
                 : view_topic_publishers(view, topic_id, after_id, limit, arena,
                                         &ids, &count, error);
    if (rc != 0)
        return rc;
    struct publisher_view *publishers =
        arena_take(arena, count * sizeof *publishers);
    for (uint32_t i = 0; i < count; i++) {
        rc = wanted(query_publisher(view, ids[i], arena, &publishers[i], error),
                    "publisher", ids[i], error);
        if (rc != 0)
            return rc;
    }
    *ret_publishers = publishers;
    *ret_count = count;
    return 0;
}
