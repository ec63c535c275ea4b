/* The one place that puts, deletes and verifies. A term is added to the state
 * hash where a record is sealed and taken out where the old one was verified,
 * so that the sum cannot drift from the records. */
#include "storage/record.h"

#include "storage/state_hash.h"

#include <assert.h>
#include <lmdb.h>
#include <stdio.h>

static MDB_val val_of(struct slice bytes)
{
    return (MDB_val){.mv_size = bytes.length, .mv_data = (void *)bytes.data};
}

static struct slice slice_of_val(MDB_val val)
{
    return slice_of(val.mv_data, val.mv_size);
}

/* ---- Words ---- */

enum { KEY_WORDS_BYTES = 48 };

static int name_record(struct error *error, int code, enum database database,
                       struct slice key, const char *what)
{
    char hex[2 * KEY_WORDS_BYTES + 1] = "";
    for (size_t i = 0; i < key.length && i < KEY_WORDS_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", key.data[i]);
    return error_set(error, code, "database %s, key %s: %s",
                     database_name(database), hex, what);
}

int record_error(struct error *error, int code, enum database database,
                 struct slice key)
{
    return name_record(error, code, database, key,
                       code == ERR_VERSION ? "written by a newer version"
                                           : "the record is malformed");
}

static int lmdb_error(struct error *error, int rc, enum database database,
                      struct slice key)
{
    char words[80];
    snprintf(words, sizeof words, "database %s", database_name(database));
    if (rc == MDB_KEYEXIST)
        return name_record(error, ERR_CORRUPT, database, key,
                           "a new record is there already");
    return environment_error(error, rc, words);
}

/* ---- Checks ---- */

/* Splits a value into content and check, and verifies it. */
static int verify(enum database database, struct slice key, MDB_val value,
                  struct slice *ret_content, struct state_hash *ret_term,
                  struct error *error)
{
    if (value.mv_size < RECORD_CHECK_SIZE)
        return name_record(error, ERR_CORRUPT, database, key,
                           "the record is cut");
    struct slice content =
        slice_of(value.mv_data, value.mv_size - RECORD_CHECK_SIZE);
    struct state_hash term = state_hash_term((uint8_t)database, key, content);
    if (get_u64(content.data + content.length) != term.low)
        return name_record(error, ERR_CORRUPT, database, key,
                           "the checksum does not match");
    *ret_content = content;
    *ret_term = term;
    return 0;
}

static void count_in(struct transaction *transaction, enum database database,
                     struct state_hash term)
{
    if (database_replicated(database))
        state_hash_add(&transaction->hash, term);
}

static void count_out(struct transaction *transaction, enum database database,
                      struct state_hash term)
{
    if (database_replicated(database))
        state_hash_subtract(&transaction->hash, term);
}

/* ---- Single records ---- */

static int get(struct transaction *transaction, enum database database,
               struct slice key, struct slice *ret_content,
               struct state_hash *ret_term, struct error *error)
{
    MDB_val found = val_of(key);
    MDB_val value;
    int rc = mdb_get(transaction->txn, transaction->databases[database], &found,
                     &value);
    if (rc == MDB_NOTFOUND)
        return ERR_NOT_FOUND;
    if (rc != 0)
        return lmdb_error(error, rc, database, key);
    return verify(database, key, value, ret_content, ret_term, error);
}

int record_get(struct transaction *transaction, enum database database,
               struct slice key, struct slice *ret_content, struct error *error)
{
    struct state_hash term = {0};
    return get(transaction, database, key, ret_content, &term, error);
}

static int reserve(struct transaction *transaction, enum database database,
                   struct slice key, size_t length, unsigned flags,
                   uint8_t **ret_content, struct error *error)
{
    MDB_val at = val_of(key);
    MDB_val value = {.mv_size = length + RECORD_CHECK_SIZE};
    int rc = mdb_put(transaction->txn, transaction->databases[database], &at,
                     &value, flags | MDB_RESERVE);
    if (rc != 0)
        return lmdb_error(error, rc, database, key);
    *ret_content = value.mv_data;
    return 0;
}

void record_seal(struct transaction *transaction, enum database database,
                 struct slice key, uint8_t *content, size_t length)
{
    struct state_hash term =
        state_hash_term((uint8_t)database, key, slice_of(content, length));
    put_u64(content + length, term.low);
    count_in(transaction, database, term);
}

static int put(struct transaction *transaction, enum database database,
               struct slice key, struct slice content, unsigned flags,
               struct error *error)
{
    uint8_t *place = NULL;
    int rc = reserve(transaction, database, key, content.length, flags, &place,
                     error);
    if (rc != 0)
        return rc;
    assert(place != NULL);
    if (content.length > 0)
        memcpy(place, content.data, content.length);
    record_seal(transaction, database, key, place, content.length);
    return 0;
}

int record_put(struct transaction *transaction, enum database database,
               struct slice key, struct slice content, struct error *error)
{
    struct slice old;
    struct state_hash term = {0};
    int rc = get(transaction, database, key, &old, &term, error);
    if (rc != 0 && rc != ERR_NOT_FOUND)
        return rc;
    if (rc == 0)
        count_out(transaction, database, term);
    return put(transaction, database, key, content, 0, error);
}

int record_insert(struct transaction *transaction, enum database database,
                  struct slice key, struct slice content, struct error *error)
{
    return put(transaction, database, key, content, MDB_NOOVERWRITE, error);
}

int record_reserve(struct transaction *transaction, enum database database,
                   struct slice key, size_t length, uint8_t **ret_content,
                   struct error *error)
{
    return reserve(transaction, database, key, length, MDB_APPEND, ret_content,
                   error);
}

int record_delete(struct transaction *transaction, enum database database,
                  struct slice key, struct error *error)
{
    struct slice old;
    struct state_hash term = {0};
    int rc = get(transaction, database, key, &old, &term, error);
    if (rc == ERR_NOT_FOUND)
        return name_record(error, ERR_CORRUPT, database, key,
                           "the record is missing");
    if (rc != 0)
        return rc;
    count_out(transaction, database, term);
    MDB_val at = val_of(key);
    rc = mdb_del(transaction->txn, transaction->databases[database], &at, NULL);
    return rc == 0 ? 0 : lmdb_error(error, rc, database, key);
}

/* Only where nothing is counted: what goes is not looked at. */
int record_clear(struct transaction *transaction, enum database database,
                 struct error *error)
{
    assert(!database_replicated(database));
    int rc = mdb_drop(transaction->txn, transaction->databases[database], 0);
    return rc == 0 ? 0 : lmdb_error(error, rc, database, slice_of(NULL, 0));
}

int record_count(struct transaction *transaction, enum database database,
                 uint64_t *ret_count, struct error *error)
{
    MDB_stat stat;
    int rc =
        mdb_stat(transaction->txn, transaction->databases[database], &stat);
    if (rc != 0)
        return lmdb_error(error, rc, database, slice_of(NULL, 0));
    *ret_count = stat.ms_entries;
    return 0;
}

/* ---- Cursors ---- */

int cursor_open(struct transaction *transaction, enum database database,
                struct cursor *cursor, struct error *error)
{
    *cursor = (struct cursor){.transaction = transaction, .database = database};
    int rc = mdb_cursor_open(transaction->txn, transaction->databases[database],
                             &cursor->cursor);
    return rc == 0 ? 0 : lmdb_error(error, rc, database, slice_of(NULL, 0));
}

void cursor_close(struct cursor *cursor)
{
    if (cursor->cursor != NULL)
        mdb_cursor_close(cursor->cursor);
    cursor->cursor = NULL;
}

/* Takes in where LMDB's cursor stands after a move. */
static int settle(struct cursor *cursor, int rc, MDB_val key, MDB_val value,
                  struct error *error)
{
    struct state_hash term = {0};
    if (rc == MDB_NOTFOUND)
        return ERR_END;
    if (rc != 0)
        return lmdb_error(error, rc, cursor->database, slice_of(NULL, 0));
    cursor->key = slice_of_val(key);
    return verify(cursor->database, cursor->key, value, &cursor->content, &term,
                  error);
}

static int move(struct cursor *cursor, MDB_cursor_op op, struct error *error)
{
    MDB_val key = {0};
    MDB_val value = {0};
    int rc = mdb_cursor_get(cursor->cursor, &key, &value, op);
    return settle(cursor, rc, key, value, error);
}

int cursor_seek(struct cursor *cursor, struct slice key, struct error *error)
{
    MDB_val at = val_of(key);
    MDB_val value = {0};
    int rc = mdb_cursor_get(cursor->cursor, &at, &value,
                            key.length == 0 ? MDB_FIRST : MDB_SET_RANGE);
    return settle(cursor, rc, at, value, error);
}

int cursor_seek_back(struct cursor *cursor, struct slice key,
                     struct error *error)
{
    MDB_val at = val_of(key);
    MDB_val value = {0};
    int rc = mdb_cursor_get(cursor->cursor, &at, &value, MDB_SET_RANGE);
    if (rc == 0 && slice_equal(slice_of_val(at), key))
        return settle(cursor, rc, at, value, error);
    if (rc != 0 && rc != MDB_NOTFOUND)
        return lmdb_error(error, rc, cursor->database, key);
    return move(cursor, rc == 0 ? MDB_PREV : MDB_LAST, error);
}

int cursor_next(struct cursor *cursor, struct error *error)
{
    return move(cursor, MDB_NEXT, error);
}

int cursor_previous(struct cursor *cursor, struct error *error)
{
    return move(cursor, MDB_PREV, error);
}

int cursor_delete(struct cursor *cursor, struct error *error)
{
    struct state_hash term = state_hash_term((uint8_t)cursor->database,
                                             cursor->key, cursor->content);
    count_out(cursor->transaction, cursor->database, term);
    int rc = mdb_cursor_del(cursor->cursor, 0);
    return rc == 0 ? 0 : lmdb_error(error, rc, cursor->database, cursor->key);
}
