/* preparer.h - a thread that keeps the next segment ready, so that the log
 * writer changes segments by taking a number.
 *
 *     retired segments --> spares (a few) --> next, headed and synced -->
 * writer
 *                            \--> the rest is removed
 *
 * No space for the next segment is no failure: it is tried again every second
 * and whenever one retires; meanwhile preparer_no_space() says so.
 * Thread: the functions from any; `wake` is called on the preparer's own. */
#ifndef POSTOFFICE_RAFT_PREPARER_H
#define POSTOFFICE_RAFT_PREPARER_H

#include "raft/segment.h"

struct preparer;

struct preparer_options {
    int directory; /* Borrowed until close. */
    uint64_t log_id;
    uint64_t segment_bytes;
    /* Number of the next segment, and its header when it is ready already. */
    uint64_t next_number;
    const struct segment_header *next_ready; /* NULL: to be made. */
    /* Spares found; the list is copied. */
    const uint64_t *spares;
    size_t spares_count;
    /* Readiness, space or trouble has changed. */
    void (*wake)(void *context);
    void *context;
};

/* Errors: ERR_IO (no thread). */
int preparer_open(const struct preparer_options *options, struct preparer **ret,
                  struct error *error);
/* Ends the thread; a segment that is ready stays for the next start. NULL is
 * fine. Nobody may be in preparer_take(). */
void preparer_close(struct preparer *preparer);

/* The next segment; waits until there is one. Errors: ERR_CANCELLED (after
 * preparer_stop()), and what made the preparer fail. */
int preparer_take(struct preparer *preparer, struct segment_header *ret,
                  struct error *error);
/* preparer_take() waits no more; what has retired still leaves. */
void preparer_stop(struct preparer *preparer);

/* The segment has left the log. */
void preparer_retire(struct preparer *preparer, uint64_t number);

bool preparer_ready(struct preparer *preparer);
bool preparer_no_space(struct preparer *preparer);
/* 0, or why the preparer has given up (not for lack of space). */
int preparer_failure(struct preparer *preparer, struct error *error);
/* Segments that exist beside those of the log: the next one and spares. */
size_t preparer_extra(struct preparer *preparer);

#endif
