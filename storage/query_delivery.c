/* What the leader's pipelines ask for. */
#include "storage/blocked.h"
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
                      struct error *error)
{
    struct message message;
    int rc = view_message(view, pair.id, arena, &message, error);
    if (rc == ERR_NOT_FOUND)
        return error_set(error, ERR_CORRUPT, "database msg lacks message %llu",
                         (unsigned long long)pair.id);
    if (rc != 0)
        return rc;
    *items_add(items, arena) = (struct feed_item){.position = pair.position,
                                                  .key = key_hash(message.key),
                                                  .message = message};
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
            rc = items_take(&items, view, arena, pair, error);
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
                         struct arena *arena, struct error *error)
{
    struct log_pair pair;
    int rc = log_walk_skip(walk, position, error);
    if (rc == 0)
        rc = log_walk_next(walk, &pair, error);
    if (rc == ERR_END || (rc == 0 && pair.position != position))
        return ERR_NOT_FOUND;
    return rc == 0 ? items_take(items, view, arena, pair, error) : rc;
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
        rc = position_take(&items, view, &walk, positions[i], arena, error);
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

/* What the row knows of an item. */
static void item_know(struct feed_item *item, const struct exception_row *row)
{
    item->attempts = row->attempts;
    item->budget_from = row->budget_from;
    item->holds = row->holds;
    item->replay_id = row->replay_id;
    item->due_ms = row->due_ms;
    item->doubt = row->doubt;
    item->ordered = row->ordered;
}

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
        rc = position_take(items, view, &walk, position, arena, error);
    if (rc == 0)
        item_know(&items->items[items->count - 1], &row);
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

/* ---- What a publisher knows of what it has not sent ---- */

static int publisher_open(struct view *view, uint32_t publisher_id,
                          struct arena *arena, struct publisher *ret_publisher,
                          struct hot *ret_hot, struct error *error)
{
    int rc = view_publisher(view, publisher_id, arena, ret_publisher, error);
    if (rc == ERR_NOT_FOUND)
        return error_set(error, rc, "publisher %u: %s", publisher_id,
                         error_text(rc));
    return rc == 0 ? view_hot(view, publisher_id, ret_hot, error) : rc;
}

static int ahead_know(struct view *view, const struct publisher *publisher,
                      const struct hot *hot, struct feed_item *item,
                      struct error *error)
{
    struct exception_row row;
    struct blocked_row blocked;
    int rc = ERR_NOT_FOUND;
    if (hot->ahead > 0)
        rc = exception_get(&view->transaction, publisher->id, item->position,
                           &row, error);
    item->discarded = rc == 0;
    if (rc != ERR_NOT_FOUND)
        return rc;
    if (publisher->options.ordering != ORDERING_KEY || item->key == 0 ||
        hot->ordered_waits + hot->ordered_stuck + hot->parked == 0)
        return 0;
    rc = blocked_get(&view->transaction, publisher->id, item->key, &blocked,
                     error);
    item->held =
        rc == 0 && blocked_holds(&blocked, publisher->options.on_poison);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

int query_ahead(struct view *view, uint32_t publisher_id, uint64_t from,
                uint32_t count_max, size_t bytes_max, struct arena *arena,
                struct feed_item **ret_items, uint32_t *ret_count,
                struct error *error)
{
    struct publisher publisher;
    struct hot hot = {0};
    int rc = publisher_open(view, publisher_id, arena, &publisher, &hot, error);
    if (rc == 0)
        rc = query_feed(view, publisher.topic_id,
                        from > hot.next ? from : hot.next, count_max, bytes_max,
                        arena, ret_items, ret_count, error);
    for (uint32_t i = 0; rc == 0 && i < *ret_count; i++)
        rc = ahead_know(view, &publisher, &hot, &(*ret_items)[i], error);
    hot_close(&hot);
    return rc;
}

static int open_know(struct view *view, uint32_t publisher_id,
                     const struct open_position *open, struct feed_item *item,
                     struct error *error)
{
    struct exception_row row;
    int rc = 0;
    if (open->recorded)
        rc = exception_get(&view->transaction, publisher_id, open->position,
                           &row, error);
    if (rc == ERR_NOT_FOUND)
        return error_set(error, ERR_CORRUPT,
                         "database exc lacks position %llu of publisher %u",
                         (unsigned long long)open->position, publisher_id);
    if (rc == 0 && open->recorded)
        item_know(item, &row);
    item->attempts = open->attempt - 1;
    item->due_ms = 0;
    item->doubt = open->doubt;
    item->ordered = open->ordered;
    return rc;
}

int query_open(struct view *view, uint32_t publisher_id, uint64_t from,
               uint32_t count_max, struct arena *arena,
               struct feed_item **ret_items, uint32_t *ret_count,
               struct error *error)
{
    struct items items = {.count_max = count_max, .bytes_max = SIZE_MAX};
    struct publisher publisher;
    struct hot hot = {0};
    struct log_walk walk = {0};
    int rc = publisher_open(view, publisher_id, arena, &publisher, &hot, error);
    if (rc == 0)
        rc = log_walk_open(&view->transaction, publisher.topic_id, from, &walk,
                           error);
    for (uint32_t i = 0; rc == 0 && i < hot.open_count; i++) {
        const struct open_position *open = &hot.open[i];
        if (open->position < from)
            continue;
        if (items_full(&items))
            break;
        rc = position_take(&items, view, &walk, open->position, arena, error);
        if (rc == 0)
            rc = open_know(view, publisher_id, open,
                           &items.items[items.count - 1], error);
        else if (rc == ERR_NOT_FOUND)
            rc = error_set(error, ERR_CORRUPT,
                           "database log lacks position %llu, which is open",
                           (unsigned long long)open->position);
    }
    log_walk_close(&walk);
    hot_close(&hot);
    if (rc != 0)
        return rc;
    *ret_items = items.items;
    *ret_count = items.count;
    return 0;
}

int query_parked(struct view *view, uint32_t publisher_id, uint64_t key,
                 uint64_t from, uint32_t count_max, size_t bytes_max,
                 struct arena *arena, struct feed_item **ret_items,
                 uint32_t *ret_count, struct error *error)
{
    struct items items = {.count_max = count_max, .bytes_max = bytes_max};
    struct publisher publisher;
    struct blocked_row blocked = {0};
    struct hot hot = {0};
    int rc = publisher_open(view, publisher_id, arena, &publisher, &hot, error);
    if (rc == 0)
        rc =
            blocked_get(&view->transaction, publisher_id, key, &blocked, error);
    if (from < blocked.first_parked)
        from = blocked.first_parked;
    while (rc == 0 && blocked.parked > items.count && !items_full(&items)) {
        struct log_walk walk = {0};
        uint64_t position;
        rc = parked_next(&view->transaction, &hot, publisher.topic_id,
                         publisher_id, key, from, &position, error);
        if (rc == 0)
            rc = log_walk_open(&view->transaction, publisher.topic_id, position,
                               &walk, error);
        if (rc == 0)
            rc = position_take(&items, view, &walk, position, arena, error);
        log_walk_close(&walk);
        from = position + 1;
    }
    hot_close(&hot);
    if (rc != 0 && rc != ERR_END && rc != ERR_NOT_FOUND)
        return rc;
    *ret_items = items.items;
    *ret_count = items.count;
    return 0;
}

/* ---- Blocked keys ---- */

static struct blocked_key blocked_key_of(uint64_t key,
                                         const struct blocked_row *row)
{
    return (struct blocked_key){.key = key,
                                .head = row->head,
                                .waits = row->waits,
                                .stuck = row->stuck,
                                .first_parked = row->first_parked,
                                .parked = row->parked};
}

int query_blocked(struct view *view, uint32_t publisher_id, uint64_t after_key,
                  uint32_t limit, struct arena *arena,
                  struct blocked_key **ret_keys, uint32_t *ret_count,
                  struct error *error)
{
    struct blocked_key *keys = arena_take(arena, limit * sizeof *keys);
    struct cursor cursor = {0};
    struct key prefix = key_of_u32(publisher_id);
    struct key from = key_of_blocked(publisher_id, after_key + 1);
    uint32_t count = 0;
    int rc = after_key == UINT64_MAX ? ERR_END : 0;
    if (rc == 0)
        rc = cursor_open(&view->transaction, DATABASE_BLOCKED, &cursor, error);
    if (rc == 0)
        rc = cursor_seek(&cursor, key_slice(&from), error);
    while (rc == 0 && count < limit &&
           cursor_within(&cursor, key_slice(&prefix))) {
        struct blocked_row row;
        uint32_t owner;
        uint64_t key;
        rc = key_read_position(cursor.key, &owner, &key);
        if (rc == 0)
            rc = blocked_row_decode(cursor.content, &row);
        if (rc != 0) {
            record_error(error, rc, DATABASE_BLOCKED, cursor.key);
            break;
        }
        keys[count++] = blocked_key_of(key, &row);
        rc = cursor_next(&cursor, error);
    }
    cursor_close(&cursor);
    if (rc != 0 && rc != ERR_END)
        return rc;
    *ret_keys = keys;
    *ret_count = count;
    return 0;
}

int query_first_blocked(struct view *view, uint32_t publisher_id,
                        struct blocked_key *ret_key, struct error *error)
{
    struct blocked_row row;
    uint64_t key;
    uint64_t position;
    int rc =
        blocked_first(&view->transaction, publisher_id, &key, &position, error);
    if (rc == ERR_NOT_FOUND)
        return rc;
    if (rc == 0)
        rc = blocked_get(&view->transaction, publisher_id, key, &row, error);
    if (rc == ERR_NOT_FOUND)
        rc = error_set(error, ERR_CORRUPT,
                       "database bkey, publisher %u: a key is missing",
                       publisher_id);
    if (rc == 0)
        *ret_key = blocked_key_of(key, &row);
    return rc;
}

/* ---- Pipelines ---- */

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
        rc = view_first_due(view, id, &ret->first_due_ms, error);
    if (rc == 0)
        rc = view_hot(view, id, &hot, error);
    if (rc != 0)
        return rc;
    ret->publisher.topic = topic.options.name;
    ret->next = hot.next;
    ret->last_position = topic.last_position;
    ret->retrying = hot.retrying;
    ret->ordered_waits = hot.ordered_waits;
    ret->ordered_stuck = hot.ordered_stuck;
    ret->parked = hot.parked;
    view_circuit(&hot, arena, &ret->circuit);
    ret->throttled_until_ms = hot.throttled_until_ms;
    ret->open_count = hot.open_count;
    ret->open = arena_take(arena, hot.open_count * sizeof *ret->open);
    if (hot.open_count > 0)
        memcpy(ret->open, hot.open, hot.open_count * sizeof *ret->open);
    hot_close(&hot);
    return 0;
}

int query_pipeline(struct view *view, uint32_t id, struct arena *arena,
                   struct pipeline_view *ret, struct error *error)
{
    struct key key = key_of_u32(id);
    struct slice content;
    int rc = record_get(&view->transaction, DATABASE_PUBLISHER, key_slice(&key),
                        &content, error);
    if (rc == ERR_NOT_FOUND)
        return error_set(error, rc, "publisher %u: %s", id, error_text(rc));
    return rc == 0 ? pipeline_fill(view, id, arena, ret, error) : rc;
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
