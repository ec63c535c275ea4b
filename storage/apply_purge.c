/* Removing what deleted publishers and topics left, in steps of bounded length,
 * so that no entry holds up the others. */
#include "storage/apply.h"
#include "storage/log_walk.h"

/* However much a command asks for. */
enum { PURGE_ROWS_MAX = 10000 };

static const enum database purged[] = {
    DATABASE_OUT,       DATABASE_EXCEPTION, DATABASE_EXCEPTION_STATE,
    DATABASE_RETRY_DUE, DATABASE_BLOCKED,   DATABASE_BLOCKED_FIRST};

/* Deletes at most `rows` of the publisher's; fewer mean that no more are
 * left. */
static int purge_database(struct store *store, enum database database,
                          struct key prefix, uint32_t rows, uint32_t *ret_gone,
                          struct error *error)
{
    struct cursor cursor = {0};
    uint32_t gone = 0;
    int rc = cursor_open(&store->transaction, database, &cursor, error);
    if (rc == 0)
        rc = cursor_seek(&cursor, key_slice(&prefix), error);
    while (rc == 0 && gone < rows &&
           cursor_within(&cursor, key_slice(&prefix))) {
        rc = cursor_delete(&cursor, error);
        if (rc == 0) {
            gone++;
            rc = cursor_next(&cursor, error);
        }
    }
    cursor_close(&cursor);
    *ret_gone = gone;
    return rc == ERR_END ? 0 : rc;
}

static int purge_step(struct store *store, struct key prefix, uint32_t rows,
                      uint32_t *ret_gone, struct error *error)
{
    uint32_t left = rows;
    for (size_t i = 0; i < sizeof purged / sizeof purged[0]; i++) {
        uint32_t gone;
        int rc = purge_database(store, purged[i], prefix, left, &gone, error);
        if (rc != 0)
            return rc;
        left -= gone;
    }
    *ret_gone = rows - left;
    return 0;
}

int apply_purge(struct store *store, const struct command *command,
                struct command_result *result, struct error *error)
{
    uint32_t id;
    uint32_t rows;
    struct slice content;
    int rc = command_purge_decode(command->body, &id, &rows);
    if (rc != 0)
        return apply_malformed(error, rc, "purge");
    struct key key = key_of_u32(id);
    rc = record_get(&store->transaction, DATABASE_PURGE, key_slice(&key),
                    &content, error);
    if (rc == ERR_NOT_FOUND) {
        result->code = ERR_NOT_FOUND;
        return 0;
    }
    if (rc != 0)
        return rc;
    if (rows > PURGE_ROWS_MAX)
        rows = PURGE_ROWS_MAX;
    result->id = id;
    rc = purge_step(store, key, rows, &result->count, error);
    store->removed += result->count;
    if (rc == 0 && result->count < rows)
        rc = record_delete(&store->transaction, DATABASE_PURGE, key_slice(&key),
                           error);
    return rc;
}

/* ---- Topics ---- */

/* Ids of a run, whose messages are few or many. */
struct run_ids {
    uint64_t ids[RUN_POSITIONS_MAX];
    uint32_t count;
    struct key key;
};

/* The topic's first run. ERR_END. */
static int first_run(struct store *store, uint32_t topic_id,
                     struct run_ids *ret_run, struct error *error)
{
    struct cursor cursor = {0};
    struct key prefix = key_of_u32(topic_id);
    struct log_run run;
    uint32_t owner;
    uint64_t first;
    int rc = cursor_open(&store->transaction, DATABASE_LOG, &cursor, error);
    if (rc == 0)
        rc = cursor_seek(&cursor, key_slice(&prefix), error);
    if (rc == 0 && !cursor_within(&cursor, key_slice(&prefix)))
        rc = ERR_END;
    if (rc == 0) {
        rc = key_read_position(cursor.key, &owner, &first);
        if (rc == 0)
            rc = log_run_decode(first, cursor.content, &run);
        if (rc != 0)
            record_error(error, rc, DATABASE_LOG, cursor.key);
    }
    for (uint32_t i = 0; rc == 0 && i < run.count; i++)
        ret_run->ids[i] = log_run_pair(&run, i).id;
    if (rc == 0) {
        ret_run->count = run.count;
        ret_run->key = key_of_position(topic_id, first);
    }
    cursor_close(&cursor);
    return rc;
}

static int by_number(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

int messages_remove(struct store *store, uint64_t *ids, uint32_t count,
                    uint64_t *ret_bytes, struct error *error)
{
    int rc = 0;
    store->removed += count;
    qsort(ids, count, sizeof *ids, by_number);
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        struct key key = key_of_u64(ids[i]);
        struct slice content;
        rc = record_get(&store->transaction, DATABASE_RELEASED, key_slice(&key),
                        &content, error);
        if (rc == 0)
            rc = record_delete(&store->transaction, DATABASE_RELEASED,
                               key_slice(&key), error);
        else if (rc == ERR_NOT_FOUND)
            rc = 0;
    }
    return rc == 0 ? body_remove(&store->transaction, machine_scratch(store),
                                 ids, count, ret_bytes, error)
                   : rc;
}

/* Whole runs, as long as fewer than `rows` messages went. */
static int purge_runs(struct store *store, uint32_t topic_id, uint32_t rows,
                      uint32_t *ret_gone, struct error *error)
{
    uint32_t gone = 0;
    int rc = 0;
    while (rc == 0 && gone < rows) {
        struct run_ids run;
        rc = first_run(store, topic_id, &run, error);
        if (rc == 0)
            rc = messages_remove(store, run.ids, run.count, NULL, error);
        if (rc == 0)
            rc = record_delete(&store->transaction, DATABASE_LOG,
                               key_slice(&run.key), error);
        if (rc == 0)
            gone += run.count;
    }
    *ret_gone = gone;
    return rc == ERR_END ? 0 : rc;
}

static int purge_scheduled(struct store *store, uint32_t topic_id,
                           uint32_t rows, uint32_t *ret_gone,
                           struct error *error)
{
    uint64_t ids[RUN_POSITIONS_MAX];
    struct cursor cursor = {0};
    struct key prefix = key_of_u32(topic_id);
    uint64_t due_ms;
    uint32_t gone = 0;
    if (rows > RUN_POSITIONS_MAX)
        rows = RUN_POSITIONS_MAX;
    int rc =
        cursor_open(&store->transaction, DATABASE_SCHEDULE, &cursor, error);
    if (rc == 0)
        rc = cursor_seek(&cursor, key_slice(&prefix), error);
    while (rc == 0 && gone < rows &&
           cursor_within(&cursor, key_slice(&prefix))) {
        rc = key_read_due(cursor.key, &due_ms, &ids[gone]);
        if (rc != 0)
            rc = record_error(error, rc, DATABASE_SCHEDULE, cursor.key);
        else
            rc = cursor_delete(&cursor, error);
        if (rc == 0) {
            gone++;
            rc = cursor_next(&cursor, error);
        }
    }
    cursor_close(&cursor);
    *ret_gone = gone;
    if (rc != 0 && rc != ERR_END)
        return rc;
    return messages_remove(store, ids, gone, NULL, error);
}

static int topic_purge_step(struct store *store, uint32_t topic_id,
                            uint32_t rows, uint32_t *ret_gone,
                            struct error *error)
{
    uint32_t gone;
    int rc = purge_runs(store, topic_id, rows, ret_gone, error);
    if (rc == 0 && *ret_gone < rows) {
        rc = purge_scheduled(store, topic_id, rows - *ret_gone, &gone, error);
        *ret_gone += gone;
    }
    static const enum database by_topic[] = {DATABASE_KEY_INDEX,
                                             DATABASE_SCHEDULED_ID};
    for (int i = 0; rc == 0 && i < 2 && *ret_gone < rows; i++) {
        rc = purge_database(store, by_topic[i], key_of_u32(topic_id),
                            rows - *ret_gone, &gone, error);
        *ret_gone += gone;
    }
    return rc;
}

/* A step that found less than it might have taken, nothing, was the last. */
int apply_topic_purge(struct store *store, const struct command *command,
                      struct command_result *result, struct error *error)
{
    uint32_t id;
    uint32_t rows;
    struct slice content;
    int rc = command_purge_decode(command->body, &id, &rows);
    if (rc != 0)
        return apply_malformed(error, rc, "topic purge");
    struct key key = key_of_u32(id);
    rc = record_get(&store->transaction, DATABASE_TOPIC_PURGE, key_slice(&key),
                    &content, error);
    if (rc == ERR_NOT_FOUND) {
        result->code = ERR_NOT_FOUND;
        return 0;
    }
    if (rc != 0)
        return rc;
    if (rows > PURGE_ROWS_MAX)
        rows = PURGE_ROWS_MAX;
    result->id = id;
    rc = topic_purge_step(store, id, rows, &result->count, error);
    if (rc == 0 && result->count == 0 && rows > 0)
        rc = record_delete(&store->transaction, DATABASE_TOPIC_PURGE,
                           key_slice(&key), error);
    return rc;
}
