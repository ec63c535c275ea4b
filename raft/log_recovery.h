/* log_recovery.h - reads all segments of a directory and tells what the log
 * is, or in words why it is none.
 *
 * Thread: the opener; it waits for the disk. */
#ifndef POSTOFFICE_RAFT_LOG_RECOVERY_H
#define POSTOFFICE_RAFT_LOG_RECOVERY_H

#include "raft/log.h"

/* What log_open() goes on with. */
struct log_recovery {
    struct positions positions;
    struct log_found found;
    /* The newest segment with records, and behind which one to write. */
    uint64_t segment;
    struct segment_cursor cursor;
    /* The empty one after it, made ready before; number 0: none. */
    struct segment_header next;
    uint64_t extra_segment; /* A second empty one; 0: none. */
    uint64_t *spares;
    size_t spares_count;
    /* Segments up to this one say nothing about the log; 0: all do. */
    uint64_t void_segment;
};

/* Errors: as log_open(). On failure nothing is left to close. */
int log_recover(int directory, uint64_t log_id, uint64_t segment_bytes,
                struct log_recovery *ret, struct error *error);
void log_recovery_close(struct log_recovery *recovery);

/* Removes all that belongs to a log. */
int log_remove(int directory, struct error *error);

#endif
