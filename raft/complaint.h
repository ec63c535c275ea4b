/* complaint.h - what of repeated trouble is worth a line in the log: the first
 * of each source in a window, with how often it came since the line before.
 *
 * As many sources as there is room for are told apart; when the room is taken
 * for this window, the rest is counted only. So whoever causes trouble on
 * purpose fills neither memory nor disk.
 * No I/O, no clock. Thread: one at a time. */
#ifndef POSTOFFICE_RAFT_COMPLAINT_H
#define POSTOFFICE_RAFT_COMPLAINT_H

#include "base/bounds.h"

#include <stdbool.h>
#include <stdint.h>

enum { COMPLAINT_WINDOW_MS = 60 * 1000, COMPLAINT_SOURCE = 64 };

struct complaint {
    char source[COMPLAINT_SOURCE]; /* Empty: free. */
    uint64_t since_ms;
    uint64_t silenced;
};

/* Zero-initialised is empty. */
struct complaints {
    struct complaint items[BOUND_COMPLAINTS];
    uint64_t silenced; /* Of sources that found no room. */
};

/* True: log it, and say that *ret_silenced others like it were not. A source
 * that is too long is cut. */
bool complaint_speaks(struct complaints *complaints, const char *source,
                      uint64_t now_ms, uint64_t *ret_silenced);

#endif
