/* A view reads LMDB only, never the writer's memory, so that it needs no lock
 * and may live on any thread. */
#include "storage/view.h"

#include "storage/command.h"
#include "storage/machine.h"

static int read_applied(struct view *view, struct error *error)
{
    struct slice key = slice_text(META_KEY_APPLIED);
    struct slice content;
    int rc =
        record_get(&view->transaction, DATABASE_META, key, &content, error);
    if (rc == 0)
        rc = applied_row_decode(content, &view->applied) == 0
                 ? 0
                 : record_error(error, ERR_CORRUPT, DATABASE_META, key);
    else if (rc == ERR_NOT_FOUND)
        rc = error_set(error, ERR_CORRUPT, "database meta lacks the index");
    return rc;
}

int view_begin(struct store *store, struct view **ret_view, struct error *error)
{
    struct view *view = memory_new_zeroed(1, sizeof *view);
    int rc =
        transaction_begin(store->environment, false, &view->transaction, error);
    if (rc == 0)
        rc = read_applied(view, error);
    if (rc != 0) {
        view_end(view);
        return rc;
    }
    *ret_view = view;
    return 0;
}

void view_end(struct view *view)
{
    if (view == NULL)
        return;
    if (view->bodies_open)
        body_reader_close(&view->bodies);
    transaction_abort(&view->transaction);
    free(view);
}

uint64_t view_applied_index(const struct view *view)
{
    return view->applied.index;
}

struct state_hash view_state_hash(const struct view *view)
{
    return (struct state_hash){.low = view->applied.hash_low,
                               .high = view->applied.hash_high};
}

/* ---- Rows ---- */

int view_topic(struct view *view, uint32_t id, struct arena *arena,
               struct topic *ret_topic, struct error *error)
{
    struct key key = key_of_u32(id);
    struct slice content;
    struct topic_row row;
    int rc = record_get(&view->transaction, DATABASE_TOPIC, key_slice(&key),
                        &content, error);
    if (rc != 0)
        return rc;
    rc = topic_row_decode(content, &row);
    if (rc == 0)
        rc = topic_options_decode(row.options, &ret_topic->options);
    if (rc != 0)
        return record_error(error, rc, DATABASE_TOPIC, key_slice(&key));
    ret_topic->id = id;
    ret_topic->options.name = arena_copy(arena, ret_topic->options.name);
    ret_topic->options.origin_host =
        arena_copy(arena, ret_topic->options.origin_host);
    ret_topic->options.indexed_fields =
        arena_copy(arena, ret_topic->options.indexed_fields);
    ret_topic->created_ms = row.created_ms;
    ret_topic->messages = row.messages;
    ret_topic->gone = row.gone;
    ret_topic->scheduled = row.scheduled;
    ret_topic->bytes = row.bytes;
    ret_topic->first_position = row.first_position;
    ret_topic->last_position = row.last_position;
    ret_topic->publishers = row.publishers;
    return 0;
}

int view_publisher(struct view *view, uint32_t id, struct arena *arena,
                   struct publisher *ret_publisher, struct error *error)
{
    struct key key = key_of_u32(id);
    struct slice content;
    struct publisher_row row;
    int rc = record_get(&view->transaction, DATABASE_PUBLISHER, key_slice(&key),
                        &content, error);
    if (rc != 0)
        return rc;
    rc = publisher_row_decode(content, &row);
    if (rc != 0)
        return record_error(error, rc, DATABASE_PUBLISHER, key_slice(&key));
    *ret_publisher = (struct publisher){
        .id = id,
        .topic_id = row.topic_id,
        .options = row.options,
        .created_ms = row.created_ms,
        .updated_ms = row.updated_ms,
        .paused = row.paused,
        .pause_reason = arena_copy(arena, row.pause_reason),
        .paused_ms = row.paused_ms,
        .paused_by = arena_copy(arena, row.paused_by),
    };
    publisher_options_copy(&ret_publisher->options, arena);
    return 0;
}

int view_hot(struct view *view, uint32_t publisher_id, struct hot *ret_hot,
             struct error *error)
{
    struct key key = key_of_u32(publisher_id);
    struct slice content;
    int rc = record_get(&view->transaction, DATABASE_HOT, key_slice(&key),
                        &content, error);
    if (rc == ERR_NOT_FOUND)
        return error_set(error, ERR_CORRUPT, "database hot lacks publisher %u",
                         publisher_id);
    if (rc != 0)
        return rc;
    rc = hot_decode(content, ret_hot);
    return rc == 0 ? 0 : record_error(error, rc, DATABASE_HOT, key_slice(&key));
}

int view_message(struct view *view, uint64_t id, struct arena *arena,
                 struct message *ret_message, struct error *error)
{
    struct slice record;
    int rc = 0;
    if (!view->bodies_open)
        rc = body_reader_open(&view->transaction, &view->bodies, error);
    if (rc != 0)
        return rc;
    view->bodies_open = true;
    rc = body_get(&view->bodies, id, ret_message, &record, error);
    if (rc != 0 || arena == NULL)
        return rc;
    /* The payload's size was the client's choice. */
    uint8_t *copy = arena_try(arena, record.length);
    if (copy == NULL)
        return error_set(error, ERR_NO_MEMORY, "message of %zu bytes",
                         record.length);
    memcpy(copy, record.data, record.length);
    record.data = copy;
    return message_next(&record, ret_message);
}

int view_first_message(struct view *view, uint32_t topic_id, uint64_t position,
                       struct message *ret_message, struct error *error)
{
    struct log_walk walk = {0};
    struct log_pair pair;
    int rc =
        log_walk_open(&view->transaction, topic_id, position, &walk, error);
    if (rc == 0)
        rc = log_walk_next(&walk, &pair, error);
    log_walk_close(&walk);
    if (rc == 0)
        rc = view_message(view, pair.id, NULL, ret_message, error);
    return rc == ERR_END ? ERR_NOT_FOUND : rc;
}

int view_first_due(struct view *view, uint32_t publisher_id,
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

void view_circuit(const struct hot *hot, struct arena *arena,
                  struct circuit *ret_circuit)
{
    *ret_circuit = hot->circuit;
    ret_circuit->error.response =
        arena_copy(arena, hot->circuit.error.response);
}
