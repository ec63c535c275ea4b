/* What the leader's pipelines ask for. */
#include "storage/exception.h"
#include "storage/query.h"
#include "storage/view.h"

/* ---- Items ---- */

/* A growing answer with its budget. */
struct items {
    struct feed_item *items; /* In the arena. */
    uint32_t count;
    uint32_t count_max;
    uint32_t capacity;
    size_t bytes;
    size_t bytes_max;
};

static bool items_full(const struct items *items)
{
    return items->count >= items->count_max ||
           (items->count > 0 && items->bytes >= items->bytes_max);
}

static struct feed_item *items_add(struct items *items, struct arena *arena)
{
    if (items->count == items->capacity) {
        uint32_t capacity = items->capacity == 0 ? 16 : 2 * items->capacity;
        struct feed_item *larger = arena_take(arena, capacity * sizeof *larger);
        if (items->count > 0)
            memcpy(larger, items->items, items->count * sizeof *larger);
        items->items = larger;
        items->capacity = capacity;
    }
    return &items->items[items->count++];
}

static int items_take(struct items *items, struct view *view,
                      struct arena *arena, struct log_pair pair,
                      uint32_t attempts, struct error *error)
{
    struct message message;
    int rc = view_message(view, pair.id, arena, &message, error);
    if (rc == ERR_NOT_FOUND)
        return error_set(error, ERR_CORRUPT, "database msg lacks message %llu",
                         (unsigned long long)pair.id);
    if (rc != 0)
        return rc;
    *items_add(items, arena) = (struct feed_item){
        .position = pair.position, .attempts = attempts, .message = message};
    items->bytes += message.payload.length;
    return 0;
}

/* ---- Messages by position ---- */

int query_feed(struct view *view, uint32_t topic_id, uint64_t from,
               uint32_t count_max, size_t bytes_max, struct arena *arena,
               struct feed_item **ret_items, uint32_t *ret_count,
               struct error *error)
{
    struct items items = {.count_max = count_max, .bytes_max = bytes_max};
    struct log_walk walk = {0};
    struct log_pair pair;
    int rc = log_walk_open(&view->transaction, topic_id, from, &walk, error);
    while (rc == 0 && !items_full(&items)) {
        rc = log_walk_next(&walk, &pair, error);
        if (rc == 0)
            rc = items_take(&items, view, arena, pair, 0, error);
    }
    log_walk_close(&walk);
    if (rc != 0 && rc != ERR_END)
        return rc;
    *ret_items = items.items;
    *ret_count = items.count;
    return 0;
}

/* ERR_NOT_FOUND when there is no message at that position. */
static int position_take(struct items *items, struct view *view,
                         struct log_walk *walk, uint64_t position,
                         uint32_t attempts, struct arena *arena,
                         struct error *error)
{
    struct log_pair pair;
    int rc = log_walk_skip(walk, position, error);
    if (rc == 0)
        rc = log_walk_next(walk, &pair, error);
    if (rc == ERR_END || (rc == 0 && pair.position != position))
        return ERR_NOT_FOUND;
    return rc == 0 ? items_take(items, view, arena, pair, attempts, error) : rc;
}

int query_positions(struct view *view, uint32_t topic_id,
                    const uint64_t *positions, uint32_t count,
                    struct arena *arena, struct feed_item **ret_items,
                    uint32_t *ret_count, struct error *error)
{
    struct items items = {.count_max = count, .bytes_max = SIZE_MAX};
    struct log_walk walk = {0};
    int rc = 0;
    if (count > 0)
        rc = log_walk_open(&view->transaction, topic_id, positions[0], &walk,
                           error);
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        rc = position_take(&items, view, &walk, positions[i], 0, arena, error);
        if (rc == ERR_NOT_FOUND)
            rc = 0;
    }
    log_walk_close(&walk);
    if (rc != 0)
        return rc;
    *ret_items = items.items;
    *ret_count = items.count;
    return 0;
}

/* ---- Retries ---- */

static int due_take(struct items *items, struct view *view,
                    uint32_t publisher_id, uint32_t topic_id, uint64_t position,
                    struct arena *arena, struct error *error)
{
    struct exception_row row;
    struct log_walk walk = {0};
    int rc =
        exception_get(&view->transaction, publisher_id, position, &row, error);
    if (rc == 0)
        rc =
            log_walk_open(&view->transaction, topic_id, position, &walk, error);
    if (rc == 0)
        rc = position_take(items, view, &walk, position, row.attempts, arena,
                           error);
    if (rc == 0)
        items->items[items->count - 1].doubt = row.doubt;
    log_walk_close(&walk);
    if (rc == ERR_NOT_FOUND)
        rc = error_set(error, ERR_CORRUPT,
                       "database rdue, publisher %u: position %llu is missing",
                       publisher_id, (unsigned long long)position);
    return rc;
}

int query_due(struct view *view, uint32_t publisher_id, uint64_t due_ms,
              uint32_t count_max, size_t bytes_max, struct arena *arena,
              struct feed_item **ret_items, uint32_t *ret_count,
              uint64_t *ret_next_due_ms, struct error *error)
{
    struct items items = {.count_max = count_max, .bytes_max = bytes_max};
    struct publisher publisher;
    struct cursor cursor = {0};
    struct key prefix = key_of_u32(publisher_id);
    *ret_next_due_ms = 0;
    int rc = view_publisher(view, publisher_id, arena, &publisher, error);
    if (rc == ERR_NOT_FOUND)
        return error_set(error, rc, "publisher %u: %s", publisher_id,
                         error_text(rc));
    if (rc == 0)
        rc =
            cursor_open(&view->transaction, DATABASE_RETRY_DUE, &cursor, error);
    if (rc == 0)
        rc = cursor_seek(&cursor, key_slice(&prefix), error);
    while (rc == 0 && cursor_within(&cursor, key_slice(&prefix))) {
        uint64_t due;
        uint64_t position;
        rc = key_read_due(cursor.key, &due, &position);
        if (rc != 0) {
            record_error(error, rc, DATABASE_RETRY_DUE, cursor.key);
            break;
        }
        if (due > due_ms || items_full(&items)) {
            *ret_next_due_ms = due;
            break;
        }
        rc = due_take(&items, view, publisher_id, publisher.topic_id, position,
                      arena, error);
        if (rc == 0)
            rc = cursor_next(&cursor, error);
    }
    cursor_close(&cursor);
    if (rc != 0 && rc != ERR_END)
        return rc;
    *ret_items = items.items;
    *ret_count = items.count;
    return 0;
}

/* ---- Pipelines ---- */

static int first_due(struct view *view, uint32_t publisher_id,
                     uint64_t *ret_due_ms, struct error *error)
{
    struct cursor cursor = {0};
    struct key prefix = key_of_u32(publisher_id);
    uint64_t position;
    *ret_due_ms = 0;
    int rc =
        cursor_open(&view->transaction, DATABASE_RETRY_DUE, &cursor, error);
    if (rc == 0)
        rc = cursor_seek(&cursor, key_slice(&prefix), error);
    if (rc == 0 && cursor_within(&cursor, key_slice(&prefix)) &&
        key_read_due(cursor.key, ret_due_ms, &position) != 0)
        rc = record_error(error, ERR_CORRUPT, DATABASE_RETRY_DUE, cursor.key);
    cursor_close(&cursor);
    return rc == ERR_END ? 0 : rc;
}

static int pipeline_fill(struct view *view, uint32_t id, struct arena *arena,
                         struct pipeline_view *ret, struct error *error)
{
    struct topic topic = {0};
    struct hot hot = {0};
    *ret = (struct pipeline_view){0};
    int rc = view_publisher(view, id, arena, &ret->publisher, error);
    if (rc == 0)
        rc = view_topic(view, ret->publisher.topic_id, arena, &topic, error);
    if (rc == ERR_NOT_FOUND)
        rc = error_set(error, ERR_CORRUPT,
                       "publisher %u or its topic is missing", id);
    if (rc == 0)
        rc = first_due(view, id, &ret->first_due_ms, error);
    if (rc == 0)
        rc = view_hot(view, id, &hot, error);
    if (rc != 0)
        return rc;
    ret->publisher.topic = topic.options.name;
    ret->next = hot.next;
    ret->last_position = topic.last_position;
    ret->retrying = hot.retrying;
    ret->open_count = hot.open_count;
    ret->open = arena_take(arena, hot.open_count * sizeof *ret->open);
    if (hot.open_count > 0)
        memcpy(ret->open, hot.open, hot.open_count * sizeof *ret->open);
    hot_close(&hot);
    return 0;
}

int query_pipelines(struct view *view, uint32_t after_id, uint32_t limit,
                    struct arena *arena, struct pipeline_view **ret,
                    uint32_t *ret_count, struct error *error)
{
    uint32_t *ids;
    uint32_t count;
    int rc = view_ids(view, DATABASE_PUBLISHER, after_id, limit, arena, &ids,
                      &count, error);
    if (rc != 0)
        return rc;
    struct pipeline_view *pipelines =
        arena_take(arena, count * sizeof *pipelines);
    for (uint32_t i = 0; i < count; i++) {
        rc = pipeline_fill(view, ids[i], arena, &pipelines[i], error);
        if (rc != 0)
            return rc;
    }
    *ret = pipelines;
    *ret_count = count;
    return 0;
}
