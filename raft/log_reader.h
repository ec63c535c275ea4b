/* log_reader.h - a thread that reads old entries back from segments.
 *
 * Every record is checked again: by its header's own checksum, by the index
 * and term that it should have, and by its payload's checksum.
 * Thread: the loop; `wake` is called on the reader's own. */
#ifndef POSTOFFICE_RAFT_LOG_READER_H
#define POSTOFFICE_RAFT_LOG_READER_H

#include "base/error.h"
#include "base/queue.h"
#include "raft/positions.h"

/* One request; the asker makes it and gets it back. */
struct log_read {
    struct queue_item item;
    uint64_t first_index;
    size_t count;
    struct position *positions; /* Copies. */
    struct entry *entries;      /* Result: whoever takes it owns the buffers. */
    struct error error;         /* Code 0: all were read. */
};

struct log_read *log_read_new(uint64_t first_index, size_t count);
void log_read_free(struct log_read *read); /* NULL is fine. */

struct log_reader;

/* `directory` is borrowed until close. Errors: ERR_IO (no thread). */
int log_reader_open(int directory, void (*wake)(void *context), void *context,
                    struct log_reader **ret, struct error *error);
void log_reader_push(struct log_reader *reader, struct log_read *read);
/* What is done, in order, linked by item.next. */
struct log_read *log_reader_take(struct log_reader *reader);
/* No more pushes come: ends what is queued, and joins the thread. */
void log_reader_end(struct log_reader *reader);
void log_reader_free(struct log_reader *reader); /* NULL is fine. */

#endif
