/* What is remembered of requests with a key: idempotency.h.
 *
 * A key that has expired counts no more, whether its rows are still there or
 * not. They go when others come: each keyed request removes the oldest expired
 * ones, more than the one that it may add, so that what has expired never
 * keeps a request out and nothing else need clear it away. Since the log's
 * clock never runs back, the order of `idem_time` is the order in which keys
 * came.
 *
 * Rows are written at once, not at the entry's end: the next command of the
 * entry may be the same request. */
#include "storage/apply.h"
#include "storage/idempotency.h"

enum { EXPIRED_A_REQUEST = 4 };

static int forget(struct store *store, struct slice key, uint64_t until_ms,
                  struct error *error)
{
    struct key time_key = key_of_idempotency_time(until_ms, key);
    int rc =
        record_delete(&store->transaction, DATABASE_IDEMPOTENCY, key, error);
    if (rc == 0)
        rc = record_delete(&store->transaction, DATABASE_IDEMPOTENCY_TIME,
                           key_slice(&time_key), error);
    return rc;
}

/* The oldest key there is, as its record in `idem_time`, which is copied
 * because the record is about to be deleted. ERR_END. */
static int oldest(struct store *store, struct key *ret_key, struct error *error)
{
    struct cursor cursor = {0};
    int rc = cursor_open(&store->transaction, DATABASE_IDEMPOTENCY_TIME,
                         &cursor, error);
    if (rc == 0)
        rc = cursor_seek(&cursor, slice_of(NULL, 0), error);
    if (rc == 0 && cursor.key.length > sizeof ret_key->bytes)
        rc = record_error(error, ERR_CORRUPT, DATABASE_IDEMPOTENCY_TIME,
                          cursor.key);
    if (rc == 0) {
        memcpy(ret_key->bytes, cursor.key.data, cursor.key.length);
        ret_key->length = cursor.key.length;
    }
    cursor_close(&cursor);
    return rc;
}

static int forget_expired(struct store *store, struct error *error)
{
    for (int i = 0; i < EXPIRED_A_REQUEST; i++) {
        struct key time_key;
        struct slice key;
        uint64_t until_ms;
        int rc = oldest(store, &time_key, error);
        if (rc != 0)
            return rc == ERR_END ? 0 : rc;
        rc = key_read_idempotency_time(key_slice(&time_key), &until_ms, &key);
        if (rc != 0)
            return record_error(error, rc, DATABASE_IDEMPOTENCY_TIME,
                                key_slice(&time_key));
        if (until_ms > store->global.clock_ms)
            return 0;
        rc = forget(store, key, until_ms, error);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* ERR_NOT_FOUND. */
static int find(struct store *store, struct slice key,
                struct idempotency_row *ret_row, struct error *error)
{
    struct slice content;
    int rc = record_get(&store->transaction, DATABASE_IDEMPOTENCY, key,
                        &content, error);
    if (rc != 0)
        return rc;
    rc = idempotency_row_decode(content, ret_row);
    return rc == 0 ? 0 : record_error(error, rc, DATABASE_IDEMPOTENCY, key);
}

static void replay(const struct idempotency *request,
                   const struct idempotency_row *row,
                   struct command_result *result)
{
    if (memcmp(row->request_hash, request->request_hash,
               sizeof row->request_hash) != 0) {
        result->code = ERR_CONFLICT;
        return;
    }
    result->code = ERR_EXISTS;
    result->id = row->id;
    result->count = row->count;
}

int idempotency_check(struct store *store, const struct idempotency *request,
                      struct command_result *result, struct error *error)
{
    struct key key = key_of_idempotency(request);
    struct idempotency_row row;
    uint64_t count;
    int rc = forget_expired(store, error);
    if (rc != 0)
        return rc;
    rc = find(store, key_slice(&key), &row, error);
    if (rc == 0 && row.until_ms > store->global.clock_ms) {
        replay(request, &row, result);
        return 0;
    }
    if (rc == 0)
        return forget(store, key_slice(&key), row.until_ms, error);
    if (rc != ERR_NOT_FOUND)
        return rc;
    rc = record_count(&store->transaction, DATABASE_IDEMPOTENCY, &count, error);
    if (rc == 0 && count >= store->idempotency_keys_max)
        result->code = ERR_BUSY;
    return rc;
}

int idempotency_remember(struct store *store, const struct idempotency *request,
                         const struct command_result *result,
                         struct error *error)
{
    struct key key = key_of_idempotency(request);
    struct idempotency_row row = {
        .until_ms = store->global.clock_ms + IDEMPOTENCY_KEPT_MS,
        .id = result->id,
        .count = result->count,
    };
    struct key time_key =
        key_of_idempotency_time(row.until_ms, key_slice(&key));
    memcpy(row.request_hash, request->request_hash, sizeof row.request_hash);
    idempotency_row_encode(machine_scratch(store), &row);
    int rc =
        record_insert(&store->transaction, DATABASE_IDEMPOTENCY,
                      key_slice(&key), encoder_slice(&store->scratch), error);
    if (rc == 0)
        rc = record_insert(&store->transaction, DATABASE_IDEMPOTENCY_TIME,
                           key_slice(&time_key), slice_of(NULL, 0), error);
    return rc;
}
