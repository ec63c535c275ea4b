/* The order of puts does not matter: all of an entry become visible at once.
 * What matters is that what was read from the store is encoded before the
 * first put, which may move it. */
#include "storage/exception.h"

#include "storage/settlement.h"

int exception_get(struct transaction *transaction, uint32_t publisher_id,
                  uint64_t position, struct exception_row *ret_row,
                  struct error *error)
{
    struct key key = key_of_position(publisher_id, position);
    struct slice content;
    int rc = record_get(transaction, DATABASE_EXCEPTION, key_slice(&key),
                        &content, error);
    if (rc != 0)
        return rc;
    rc = exception_row_decode(content, ret_row);
    if (rc != 0)
        return record_error(error, rc, DATABASE_EXCEPTION, key_slice(&key));
    return 0;
}

static int index_insert(struct transaction *transaction, enum database database,
                        struct key key, struct error *error)
{
    return record_insert(transaction, database, key_slice(&key),
                         slice_of(NULL, 0), error);
}

int exception_put(struct transaction *transaction, struct encoder *scratch,
                  uint32_t publisher_id, uint64_t position,
                  const struct exception_row *row, struct error *error)
{
    struct key key = key_of_position(publisher_id, position);
    enum delivery_state state = row->state;
    uint64_t due_ms = row->due_ms;
    if (state != DELIVERY_RETRYING)
        settlements_note(transaction->settlements, publisher_id, position,
                         row->since_ms);
    scratch->length = 0;
    exception_row_encode(scratch, row);
    int rc = record_put(transaction, DATABASE_EXCEPTION, key_slice(&key),
                        encoder_slice(scratch), error);
    if (rc == 0 && state != DELIVERY_DELIVERED)
        rc = index_insert(transaction, DATABASE_EXCEPTION_STATE,
                          key_of_state(publisher_id, state, position), error);
    if (rc == 0 && state == DELIVERY_RETRYING)
        rc = index_insert(transaction, DATABASE_RETRY_DUE,
                          key_of_due(publisher_id, due_ms, position), error);
    return rc;
}

int exception_unindex(struct transaction *transaction, uint32_t publisher_id,
                      uint64_t position, const struct exception_row *row,
                      struct error *error)
{
    struct key key = key_of_state(publisher_id, row->state, position);
    struct key due = key_of_due(publisher_id, row->due_ms, position);
    bool waits = row->state == DELIVERY_RETRYING;
    int rc = 0;
    if (row->state != DELIVERY_DELIVERED)
        rc = record_delete(transaction, DATABASE_EXCEPTION_STATE,
                           key_slice(&key), error);
    if (rc == 0 && waits)
        rc = record_delete(transaction, DATABASE_RETRY_DUE, key_slice(&due),
                           error);
    return rc;
}

int exception_open(struct transaction *transaction, uint32_t publisher_id,
                   uint64_t position, const struct exception_row *row,
                   bool *ret_kept, struct error *error)
{
    *ret_kept = row->attempts > 0 || row->holds > 0 || row->budget_from > 0 ||
                row->replay_id != 0 || row->history.count > 0;
    int rc = exception_unindex(transaction, publisher_id, position, row, error);
    if (rc != 0 || *ret_kept)
        return rc;
    return exception_delete(transaction, publisher_id, position, error);
}

int exception_delete(struct transaction *transaction, uint32_t publisher_id,
                     uint64_t position, struct error *error)
{
    struct key key = key_of_position(publisher_id, position);
    return record_delete(transaction, DATABASE_EXCEPTION, key_slice(&key),
                         error);
}
