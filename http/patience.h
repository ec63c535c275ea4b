/* patience.h - how long a connection may take, by what it is doing.
 *
 *     IDLE --bytes--> RECEIVING --whole--> WAITING --answer--> SENDING
 *      ^                                                          |
 *      +----------------------------------------------------------+
 *
 * h2o has one time-out for header and body together, and none for an answer
 * that is not read. Here a request must arrive, and its answer must be taken,
 * at a least rate after a first grace: a large body over a slow line may take
 * minutes, a client that sends a byte a second is cut. WAITING is ours, not
 * the client's, and has no limit here.
 * No I/O, no clock. Thread: any. */
#ifndef POSTOFFICE_HTTP_PATIENCE_H
#define POSTOFFICE_HTTP_PATIENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct patience {
    uint32_t idle_ms;          /* Between requests. */
    uint32_t grace_ms;         /* Before the rate counts. */
    uint32_t bytes_per_second; /* The least rate. */
};

/* The patience of the node: keep-alive pools of clients mostly let go within
 * a minute; the rate is that of a bad mobile line. */
#define PATIENCE_DEFAULT                                                       \
    ((struct patience){                                                        \
        .idle_ms = 75000, .grace_ms = 15000, .bytes_per_second = 16384})

/* STREAMING: a long answer of which all there is was taken. */
enum activity { IDLE, RECEIVING, WAITING, SENDING, STREAMING };

/* `since_ms` is when the activity began; `bytes` have arrived so far, or are
 * to be taken. True: it has taken too long. */
bool patience_ends(const struct patience *patience, enum activity activity,
                   uint64_t since_ms, uint64_t now_ms, size_t bytes);

#endif
