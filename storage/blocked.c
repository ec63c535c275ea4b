#include "storage/blocked.h"

#include "storage/exception.h"
#include "storage/outcome.h"

int blocked_get(struct transaction *transaction, uint32_t publisher_id,
                uint64_t key, struct blocked_row *ret_row, struct error *error)
{
    struct key at = key_of_blocked(publisher_id, key);
    struct slice content;
    *ret_row = (struct blocked_row){0};
    int rc = record_get(transaction, DATABASE_BLOCKED, key_slice(&at), &content,
                        error);
    if (rc != 0)
        return rc;
    rc = blocked_row_decode(content, ret_row);
    return rc == 0 ? 0
                   : record_error(error, rc, DATABASE_BLOCKED, key_slice(&at));
}

static int first_move(struct transaction *transaction, struct encoder *scratch,
                      uint32_t publisher_id, uint64_t key, uint64_t old_first,
                      uint64_t new_first, struct error *error)
{
    int rc = 0;
    if (old_first == new_first)
        return 0;
    struct key at = key_of_position(publisher_id, old_first);
    if (old_first != 0)
        rc = record_delete(transaction, DATABASE_BLOCKED_FIRST, key_slice(&at),
                           error);
    if (rc != 0 || new_first == 0)
        return rc;
    at = key_of_position(publisher_id, new_first);
    scratch->length = 0;
    number_row_encode(scratch, key);
    return record_insert(transaction, DATABASE_BLOCKED_FIRST, key_slice(&at),
                         encoder_slice(scratch), error);
}

int blocked_put(struct transaction *transaction, struct encoder *scratch,
                uint32_t publisher_id, uint64_t key, uint64_t old_first,
                const struct blocked_row *row, struct error *error)
{
    struct key at = key_of_blocked(publisher_id, key);
    int rc = first_move(transaction, scratch, publisher_id, key, old_first,
                        row->first_parked, error);
    if (rc != 0)
        return rc;
    if (row->waits == 0 && row->stuck == 0 && row->parked == 0)
        return record_delete(transaction, DATABASE_BLOCKED, key_slice(&at),
                             error);
    scratch->length = 0;
    blocked_row_encode(scratch, row);
    return record_put(transaction, DATABASE_BLOCKED, key_slice(&at),
                      encoder_slice(scratch), error);
}

int blocked_first(struct transaction *transaction, uint32_t publisher_id,
                  uint64_t *ret_key, uint64_t *ret_position,
                  struct error *error)
{
    struct cursor cursor = {0};
    struct key prefix = key_of_u32(publisher_id);
    uint32_t owner;
    int rc = cursor_open(transaction, DATABASE_BLOCKED_FIRST, &cursor, error);
    if (rc == 0)
        rc = cursor_seek(&cursor, key_slice(&prefix), error);
    if (rc == 0 && !cursor_within(&cursor, key_slice(&prefix)))
        rc = ERR_END;
    if (rc == 0 && (key_read_position(cursor.key, &owner, ret_position) != 0 ||
                    number_row_decode(cursor.content, ret_key) != 0))
        rc = record_error(error, ERR_CORRUPT, DATABASE_BLOCKED_FIRST,
                          cursor.key);
    cursor_close(&cursor);
    return rc == ERR_END ? ERR_NOT_FOUND : rc;
}

/* ---- Walking a key ---- */

int key_index_next(struct transaction *transaction, uint32_t topic_id,
                   uint64_t key, uint64_t from, uint64_t *ret_position,
                   struct error *error)
{
    struct cursor cursor = {0};
    struct key prefix = key_of_position(topic_id, key);
    struct key at = key_of_key_index(topic_id, key, from);
    uint64_t hash;
    int rc = cursor_open(transaction, DATABASE_KEY_INDEX, &cursor, error);
    if (rc == 0)
        rc = cursor_seek(&cursor, key_slice(&at), error);
    if (rc == 0 && !cursor_within(&cursor, key_slice(&prefix)))
        rc = ERR_END;
    if (rc == 0 && key_read_due(cursor.key, &hash, ret_position) != 0)
        rc = record_error(error, ERR_CORRUPT, DATABASE_KEY_INDEX, cursor.key);
    cursor_close(&cursor);
    return rc;
}

/* Open, an exception, or settled: anything but parked or filtered. */
static int is_known(struct transaction *transaction, struct hot *hot,
                    uint32_t publisher_id, uint64_t position, bool *ret_known,
                    struct error *error)
{
    struct exception_row row;
    struct settled item;
    *ret_known = true;
    if (hot_find(hot, position) != NULL)
        return 0;
    int rc = exception_get(transaction, publisher_id, position, &row, error);
    if (rc == ERR_NOT_FOUND)
        rc = outcome_find(transaction, publisher_id, position, &item, error);
    *ret_known = rc == 0;
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

int parked_is(struct transaction *transaction, struct hot *hot,
              uint32_t publisher_id, uint64_t key, uint64_t position,
              bool *ret_parked, struct error *error)
{
    struct blocked_row row;
    bool known = false;
    *ret_parked = false;
    if (hot->parked == 0 || key == 0 || position >= hot->next)
        return 0;
    int rc = blocked_get(transaction, publisher_id, key, &row, error);
    if (rc == ERR_NOT_FOUND ||
        (rc == 0 && (row.parked == 0 || position < row.first_parked)))
        return 0;
    if (rc == 0)
        rc = is_known(transaction, hot, publisher_id, position, &known, error);
    *ret_parked = rc == 0 && !known;
    return rc;
}

int parked_next(struct transaction *transaction, struct hot *hot,
                uint32_t topic_id, uint32_t publisher_id, uint64_t key,
                uint64_t from, uint64_t *ret_position, struct error *error)
{
    for (;;) {
        uint64_t position;
        bool known;
        int rc =
            key_index_next(transaction, topic_id, key, from, &position, error);
        if (rc == 0 && position >= hot->next)
            rc = ERR_END;
        if (rc == 0)
            rc = is_known(transaction, hot, publisher_id, position, &known,
                          error);
        if (rc != 0)
            return rc;
        if (!known) {
            *ret_position = position;
            return 0;
        }
        from = position + 1;
    }
}
