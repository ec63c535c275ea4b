/* log_writer.h - the one thread that appends to segments and writes the vote
 * file.
 *
 *     log_writer_push() --> all that waits becomes one batch: written, synced
 *                            --> log_writer_take(), in the order of pushing
 *
 * Segments are written past the page cache (O_DIRECT, O_DSYNC) from an aligned
 * staging buffer; the last block, when only partly filled, is written again
 * with the same bytes at its start. Where the file system refuses that, plain
 * writes and fdatasync() do.
 *
 * When nothing was written for a while, and at the end, a MARK tells the last
 * batch from one that was torn. A failed write or sync is final: nothing is
 * known about the disk any more, so this and every later request fails.
 * Thread: loop, except where noted. */
#ifndef POSTOFFICE_RAFT_LOG_WRITER_H
#define POSTOFFICE_RAFT_LOG_WRITER_H

#include "base/queue.h"
#include "raft/preparer.h"
#include "raft/vote.h"

enum {
    /* Copied together before a write; larger entries go in several. */
    LOG_STAGING_BYTES = 4 * 1024 * 1024,
    LOG_MARK_MS = 50,
};

/* Where an entry begins on disk. */
struct log_place {
    uint64_t segment;
    uint64_t offset;
};

/* One request; the pusher makes it and gets it back. */
struct log_write {
    struct queue_item item;
    uint64_t generation; /* For the pusher. */
    bool is_vote;
    struct vote vote; /* When is_vote; else: */
    /* Before the first entry; what a segment that begins here starts with. */
    struct log_base base;
    size_t count;
    struct entry *entries;    /* Consecutive; at least one. */
    struct log_place *places; /* Result: one for each entry. */
    int result;               /* 0 or ERR_*. */
};

struct log_writer;

struct log_writer_options {
    int directory; /* Borrowed until close, as the next two. */
    struct preparer *preparer;
    struct vote_file *vote_file; /* NULL: no vote will be pushed. */
    /* Where to go on: 0: with a new segment. */
    uint64_t segment;
    struct segment_cursor cursor;
    uint64_t last_index; /* For MARK. */
    uint64_t last_term;
    /* Something was taken back. On the writer's own thread. */
    void (*wake)(void *context);
    void *context;
};

int log_writer_open(const struct log_writer_options *options,
                    struct log_writer **ret, struct error *error);

void log_writer_push(struct log_writer *writer, struct log_write *write);
/* What is done since the last call, in order; linked by item.next. */
struct log_write *log_writer_take(struct log_writer *writer);

/* Whether an entry of this size could be written now, with `reserve` bytes
 * left for small ones while there is no next segment. */
bool log_writer_has_room(struct log_writer *writer, size_t payload_length,
                         size_t reserve);

/* 0, or why the writer has given up: then every request fails. */
int log_writer_failure(struct log_writer *writer, struct error *error);

struct log_writer_figures {
    uint64_t syncs;
    uint64_t bytes_written;
    uint64_t sync_us_total;
    bool direct;
};
struct log_writer_figures log_writer_figures(struct log_writer *writer);

/* No more pushes come: writes what is queued, then a MARK, and joins the
 * thread. Call log_writer_take() once more, then log_writer_free(). */
void log_writer_end(struct log_writer *writer);
void log_writer_free(struct log_writer *writer); /* NULL is fine. */

#endif
