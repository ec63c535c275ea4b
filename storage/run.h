/* run.h - runs: what one batch wrote together is one record, so that a put is
 * paid per batch and not per message.
 *
 * Message run, keyed by the first id; ids follow each other:
 *
 *     count u32 | end u32 [count] | records back to back
 *
 * Log run, keyed by (topic, first position): the positions of one topic and
 * the ids of the messages there, in the smallest of three forms:
 *
 *     count u16 | form u8 | (nothing)                 ids = positions, no gap
 *                         | offset u32 [count]        ids = positions
 *                         | {offset u32, id u64} [count]
 *
 * Outcome run, keyed by (publisher, first position): what was settled at the
 * first attempts, or later; outcomes come in nearly, not wholly, in order:
 *
 *     count u16 | {offset u16, state u8, class u8, status u16, flags u8,
 *                  attempts u32, duration_ms u32, started_ms u64,
 *                  processed_ms u64} [count]
 *
 * Offsets count from the position in the key. Decoders check all of this once
 * and return ERR_CORRUPT or ERR_VERSION. Thread: any. */
#ifndef POSTOFFICE_STORAGE_RUN_H
#define POSTOFFICE_STORAGE_RUN_H

#include "base/codec.h"
#include "storage/model.h"

enum {
    /* A run is read and verified as a whole: large enough that a put is
     * shared, small enough for a look at a single message. */
    RUN_MESSAGES_MAX = 1024,
    RUN_MESSAGE_BYTES = 256 * 1024,
    RUN_POSITIONS_MAX = 1024,
    /* An outcome run is rewritten while it fills up: it must fit in an LMDB
     * page beside another one. */
    RUN_OUTCOMES_MAX = 60,
    /* How far an outcome may lie behind its run's first position, and so how
     * far a look for it must go. */
    RUN_OUTCOMES_SPAN = 4096,
};

/* ---- Messages ---- */

struct message_run {
    uint32_t count;
    const uint8_t *ends;
    struct slice records;
};

/* The bytes before the records. */
size_t message_run_header_size(uint32_t count);
int message_run_decode(struct slice content, struct message_run *ret_run);
/* index < count. */
struct slice message_run_record(const struct message_run *run, uint32_t index);

/* ---- Positions ---- */

struct log_pair {
    uint64_t position;
    uint64_t id;
};

/* How many of the pairs (ascending by position) fit in one run: at least 1. */
uint32_t log_run_fit(const struct log_pair *pairs, uint32_t count);
/* Of pairs that fit. */
void log_run_encode(struct encoder *out, const struct log_pair *pairs,
                    uint32_t count);

struct log_run {
    uint64_t first_position;
    uint32_t count; /* At least 1. */
    uint8_t form;
    const uint8_t *table;
};
int log_run_decode(uint64_t first_position, struct slice content,
                   struct log_run *ret_run);
/* index < count. */
struct log_pair log_run_pair(const struct log_run *run, uint32_t index);
/* The index of the first pair at or above the position; count: none. */
uint32_t log_run_find(const struct log_run *run, uint64_t position);

/* ---- Outcomes ---- */

struct settled {
    uint64_t position;
    enum delivery_state state;
    uint32_t attempts;
    enum attempt_class class; /* Of the last attempt, and so are these: */
    uint16_t status;
    bool maybe_duplicate;
    uint64_t started_ms;
    uint32_t duration_ms;
    uint64_t processed_ms;
};

/* The one attempt that is known of it. */
struct attempt settled_attempt(const struct settled *item);

struct outcome_run {
    uint64_t first_position;
    struct settled items[RUN_OUTCOMES_MAX]; /* Ascending by position. */
    uint32_t count;
};
int outcome_run_decode(uint64_t first_position, struct slice content,
                       struct outcome_run *ret_run);
void outcome_run_encode(struct encoder *out, const struct outcome_run *run);
/* Room is left, and the position lies within the span. */
bool outcome_run_takes(const struct outcome_run *run, uint64_t position);
/* Puts it in its place; one that is there already is replaced. */
void outcome_run_add(struct outcome_run *run, const struct settled *item);
/* Leaves it out; false when it is not there. */
bool outcome_run_remove(struct outcome_run *run, uint64_t position);
/* NULL when it is not there. */
const struct settled *outcome_run_find(const struct outcome_run *run,
                                       uint64_t position);

#endif
