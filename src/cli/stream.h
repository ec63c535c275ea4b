/* stream.h - what the files of a stream of messages share: its state.
 *
 * send_stream.c reads, stream_batch.c sends and judges, stream_progress.c tells
 * a person. Thread: main. */
#ifndef POSTOFFICE_CLI_STREAM_H
#define POSTOFFICE_CLI_STREAM_H

#include "lines.h"
#include "send.h"

#include <xxhash.h>

/* Of one request: much less than a node takes, so that a retry is cheap. */
enum { BATCH_LINES = 1000, BATCH_BYTES = 1024 * 1024 };

struct batch_line {
    uint64_t number; /* In the input. */
    size_t end;      /* In the body. */
    uint64_t digest; /* Of the input up to it. */
};

struct stream {
    const struct invocation *invocation;
    struct client *client;
    struct slice begun;
    const char *resume; /* NULL: no bookmark. */
    struct bookmark mark;
    struct lines lines;
    XXH3_state_t *digest;
    struct encoder body;
    struct batch_line batch[BATCH_LINES];
    unsigned count;
    bool contacted; /* A node has answered. */
    bool progress;
    bool ids;
    uint64_t began_ms;
    uint64_t shown_ms;
    uint64_t before; /* Stored by earlier runs. */
    uint64_t size;   /* Of the input, when it is a file; 0: unknown. */
};

/* Sends what has gathered, and notes how far that is. False: given up, with
 * words. */
bool stream_send(struct stream *stream);
/* Writes the bookmark, where there is one. False: given up, with words. */
bool stream_save(struct stream *stream);

/* The line of counts and rate that is written over itself. */
void progress_show(struct stream *stream);
void progress_clear(const struct stream *stream);
/* "12 stored, 1 refused, 8000/s", without an end of line. */
void progress_counts(const struct stream *stream);
/* "line 7: WORDS": the problem's detail, else `otherwise`. */
void progress_refused(const struct stream *stream, uint64_t number,
                      const json_t *problem, const char *otherwise);

#endif
