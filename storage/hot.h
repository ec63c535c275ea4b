/* hot.h - what changes about a publisher while it works: its cursor, its
 * counters and its open set.
 *
 * Publishing costs the same however many publishers a topic has, because
 * nothing is written per publisher: how many messages *entered* follows from
 * the topic's own counter.
 *
 *      start                    next                     last position
 *        |------- passed --------|------ not examined ------|
 *        | open, retrying, done  |      (pending)           |
 *
 *     entered = topic.messages - start_count
 *     backlog = entered - passed - ahead + open + retrying + parked
 *
 * Thread: plain data; owned by its holder. */
#ifndef POSTOFFICE_STORAGE_HOT_H
#define POSTOFFICE_STORAGE_HOT_H

#include "base/bounds.h"
#include "base/codec.h"
#include "storage/model.h"

struct hot {
    uint64_t start;       /* The first position that it wants. */
    uint64_t start_count; /* The topic's messages before `start`. */
    uint64_t next;        /* The first position not yet examined. */
    uint64_t passed;      /* Positions in [start, next). */
    uint64_t ahead;       /* At or above next, settled before their turn. */
    uint64_t delivered;
    uint64_t filtered;
    uint64_t dead;
    uint64_t discarded;
    uint64_t ambiguous;
    uint64_t retrying; /* Waiting for their next attempt. */
    uint64_t parked;   /* Behind a blocked key. */
    /* Those that hold their place in the order: of the retrying, and of the
     * ambiguous, which block for POISON_BLOCK only. */
    uint64_t ordered_waits;
    uint64_t ordered_stuck;
    uint64_t throttled_until_ms; /* By Retry-After; 0: not. */
    uint64_t last_delivered_ms;
    uint64_t last_error_ms; /* 0: none yet. */
    struct attempt last_error;
    uint8_t last_error_text[BOUND_RESPONSE_KEPT_OLD]; /* Its response. */
    struct circuit circuit;
    uint8_t circuit_text[BOUND_RESPONSE_KEPT_OLD]; /* Its error's response. */
    struct open_position *open; /* Owned; ascending by position. */
    uint32_t open_count;
    uint32_t open_capacity;
};

/* A struct hot must not be copied by value while an error is set: its response
 * points into the struct itself. */
void hot_close(struct hot *hot);
void hot_encode(struct encoder *out, const struct hot *hot);
/* Fills an unused struct, to be closed. 0, ERR_CORRUPT or ERR_VERSION; then
 * there is nothing to close. */
int hot_decode(struct slice content, struct hot *ret_hot);

uint64_t hot_entered(const struct hot *hot, uint64_t topic_messages);
uint64_t hot_backlog(const struct hot *hot, uint64_t topic_messages);

/* NULL when the position is not open. */
struct open_position *hot_find(struct hot *hot, uint64_t position);
/* The caller has checked that it is not open and that there is room below
 * BOUND_OPEN_POSITIONS. */
void hot_open(struct hot *hot, struct open_position position);
void hot_shut(struct hot *hot, struct open_position *open);
/* Both copy the response, cut. */
void hot_set_error(struct hot *hot, uint64_t time_ms,
                   const struct attempt *attempt);
void hot_set_circuit(struct hot *hot, const struct circuit *circuit);

#endif
