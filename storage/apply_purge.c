/* Removing what a deleted publisher left, in steps of bounded length, so that
 * no entry holds up the others. */
#include "storage/apply.h"

/* However much a command asks for. */
enum { PURGE_ROWS_MAX = 10000 };

static const enum database purged[] = {DATABASE_OUT, DATABASE_EXCEPTION,
                                       DATABASE_EXCEPTION_STATE,
                                       DATABASE_RETRY_DUE};

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
    if (rc == 0 && result->count < rows)
        rc = record_delete(&store->transaction, DATABASE_PURGE, key_slice(&key),
                           error);
    return rc;
}
