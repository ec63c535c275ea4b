/* lines.h - lines from a file descriptor, without waiting when none is there.
 *
 * So a sender can hand on what it has gathered before it waits for more, be
 * its input a file or a pipe that is silent for hours. A line has a bound; one
 * that is longer is skipped and reported as such.
 * Thread: main. */
#ifndef POSTOFFICE_CLI_LINES_H
#define POSTOFFICE_CLI_LINES_H

#include "base/codec.h"

struct lines {
    int fd;
    struct encoder buffer; /* What was read and not yet taken. */
    size_t taken;          /* Of the buffer. */
    bool skipping;         /* Within a line that is too long. */
    bool ended;            /* Nothing more comes. */
    uint64_t number;       /* Of the line that was taken last, from 1. */
    uint64_t bytes;        /* Read so far. */
};

enum line_kind {
    LINE_TAKEN,    /* Without its end; valid until the next call. */
    LINE_TOO_LONG, /* Its beginning. */
    LINE_NONE_YET, /* Only when not waiting. */
    LINE_END,
    LINE_FAILED, /* errno tells. */
};

enum line_kind lines_next(struct lines *lines, bool wait,
                          struct slice *ret_line);
void lines_close(struct lines *lines); /* Leaves fd open. */

#endif
