/* body.h - where the messages themselves live.
 *
 * Everything else in the store refers to a message by its id; only this file
 * knows that its bytes lie in runs in LMDB, so that keeping them elsewhere (in
 * the log's segments, say) can be tried behind the same two functions.
 * Errors: ERR_CORRUPT, ERR_IO, ERR_NO_SPACE. Thread: the transaction's. */
#ifndef POSTOFFICE_STORAGE_BODY_H
#define POSTOFFICE_STORAGE_BODY_H

#include "storage/record.h"
#include "storage/run.h"

/* A record of a message (command.h), and the time to set in it. */
struct body_piece {
    struct slice record; /* Borrowed. */
    uint64_t received_ms;
};

/* Stores messages with ids from first_id on, which are above all others. */
int body_put(struct transaction *transaction, uint64_t first_id,
             const struct body_piece *pieces, size_t count,
             struct error *error);

/* Removes messages (ids ascending); those that are not there are no matter. A
 * run goes when its last message goes. *ret_bytes (may be NULL) are those of
 * the records that went. `scratch` is overwritten. */
int body_remove(struct transaction *transaction, struct encoder *scratch,
                const uint64_t *ids, size_t count, uint64_t *ret_bytes,
                struct error *error);

/* Reads messages; the run that was read last is kept at hand, because who
 * reads one message often wants the one behind it. */
struct body_reader {
    struct cursor cursor;
    bool at_hand;
    uint64_t first_id;
    struct message_run run;
};
int body_reader_open(struct transaction *transaction,
                     struct body_reader *reader, struct error *error);
void body_reader_close(struct body_reader *reader); /* A zeroed one is fine. */
/* Slices are borrowed until the transaction ends. `ret_record` (may be NULL)
 * is the whole record. ERR_NOT_FOUND. */
int body_get(struct body_reader *reader, uint64_t id, struct message *ret,
             struct slice *ret_record, struct error *error);

#endif
