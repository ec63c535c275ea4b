/* record.h - checked records: what a database holds under a key is its
 * content and 8 bytes of checksum (state_hash.h), written with each put and
 * verified with each read.
 *
 * Content that was read is borrowed: until the transaction ends, and in a
 * write transaction only until its next put or delete. Never hand borrowed
 * content back to a put.
 * Errors: ERR_CORRUPT names the database and the key. ERR_NOT_FOUND and
 * ERR_END come without words: they are answers.
 * Thread: the transaction's. */
#ifndef POSTOFFICE_STORAGE_RECORD_H
#define POSTOFFICE_STORAGE_RECORD_H

#include "storage/environment.h"

enum { RECORD_CHECK_SIZE = 8 };

/* ERR_NOT_FOUND. */
int record_get(struct transaction *transaction, enum database database,
               struct slice key, struct slice *ret_content,
               struct error *error);
/* Puts or replaces. */
int record_put(struct transaction *transaction, enum database database,
               struct slice key, struct slice content, struct error *error);
/* A new key: spares the look for an old record. One that is there after all
 * is corruption. */
int record_insert(struct transaction *transaction, enum database database,
                  struct slice key, struct slice content, struct error *error);
/* Deletes what must be there: ERR_CORRUPT when it is not. */
int record_delete(struct transaction *transaction, enum database database,
                  struct slice key, struct error *error);

/* Deletes all that the database holds. */
int record_clear(struct transaction *transaction, enum database database,
                 struct error *error);

/* How many records there are; LMDB keeps the number, nothing is walked. */
int record_count(struct transaction *transaction, enum database database,
                 uint64_t *ret_count, struct error *error);

/* A record larger than a page, behind all others of its database: first room
 * for its content, which the caller fills in place, then the seal. Nothing
 * else may be done in the transaction between the two. */
int record_reserve(struct transaction *transaction, enum database database,
                   struct slice key, size_t length, uint8_t **ret_content,
                   struct error *error);
void record_seal(struct transaction *transaction, enum database database,
                 struct slice key, uint8_t *content, size_t length);

/* A place in a database. In a write transaction, close it before the next put
 * or delete by other means than itself. */
struct cursor {
    struct transaction *transaction;
    struct MDB_cursor *cursor;
    enum database database;
    struct slice key; /* Of the record it stands on. */
    struct slice content;
};

int cursor_open(struct transaction *transaction, enum database database,
                struct cursor *cursor, struct error *error);
void cursor_close(struct cursor *cursor); /* A zeroed one is fine. */
/* The first record at or behind the key; the last one at or before it. Moves
 * return 0, ERR_END or ERR_CORRUPT. */
int cursor_seek(struct cursor *cursor, struct slice key, struct error *error);
int cursor_seek_back(struct cursor *cursor, struct slice key,
                     struct error *error);
int cursor_next(struct cursor *cursor, struct error *error);
int cursor_previous(struct cursor *cursor, struct error *error);
/* Deletes the record it stands on; cursor_next() then goes to the one behind
 * it. */
int cursor_delete(struct cursor *cursor, struct error *error);

/* The record's key begins with these bytes. */
static inline bool cursor_within(const struct cursor *cursor,
                                 struct slice prefix)
{
    return cursor->key.length >= prefix.length &&
           memcmp(cursor->key.data, prefix.data, prefix.length) == 0;
}

/* ERR_CORRUPT or ERR_VERSION with the words for a record whose content cannot
 * be decoded. */
int record_error(struct error *error, int code, enum database database,
                 struct slice key);

#endif
