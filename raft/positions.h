/* positions.h - where each entry of the log is on disk, and which segments
 * there are. It mirrors the disk exactly: an entry that cuts takes away the
 * positions of what it cuts.
 *
 *     segments   [ 7 | 8 | 9 ]      each with its base and its least index
 *     entries    base+1 .. last     segment, offset, length, term, type
 *
 * Thread: the loop (recovery: the opener). No I/O. */
#ifndef POSTOFFICE_RAFT_POSITIONS_H
#define POSTOFFICE_RAFT_POSITIONS_H

#include "raft/entry.h"

struct position {
    uint64_t segment;
    uint64_t term;
    uint32_t offset; /* Of the record's header. */
    uint32_t length; /* Of the payload. */
    enum entry_type type;
};

struct position_segment {
    uint64_t number;
    struct log_base base; /* Holds a reference of the configuration. */
    /* Of all its records. When it is not above the base of a later segment,
     * that base was cut off again and says nothing about the log. */
    uint64_t least_index;
};

struct positions {
    uint64_t base_index; /* Of the first segment. */
    uint64_t base_term;
    struct position *items; /* base_index + 1 .. */
    size_t start;           /* The first one in use. */
    size_t count;
    size_t capacity;
    struct position_segment *segments;
    size_t segments_count;
    size_t segments_capacity;
};

/* Zero-initialised is an empty log without segments. */
void positions_close(struct positions *positions);

/* A further segment; takes the reference. The first one sets the log's base;
 * a later one's base lies in the log, which ends there from now on. */
void positions_add_segment(struct positions *positions, uint64_t number,
                           struct log_base base);

/* An entry in the newest segment: `index` is at most one above the last, and
 * cuts everything from there on. */
void positions_put(struct positions *positions, uint64_t index,
                   const struct position *position);

uint64_t positions_last(const struct positions *positions);
/* NULL: not in the log. Borrowed until the next change. */
const struct position *positions_find(const struct positions *positions,
                                      uint64_t index);
/* Of an entry or the base; 0: not in the log. */
uint64_t positions_term(const struct positions *positions, uint64_t index);

/* Which segment may become the first one: its base is at or below
 * durable_index and still part of the log, and at least one whole segment
 * stays between it and the one that holds durable_index. NULL: none but the
 * present first. */
const struct position_segment *positions_plan(const struct positions *positions,
                                              uint64_t durable_index);

/* Forgets the segments before `number`, which positions_plan() has named. */
void positions_drop(struct positions *positions, uint64_t number);

#endif
