/* tail.h - the newest entries of the log in memory, and the terms of all.
 *
 *      base            held_first            last
 *        |-- terms only ---|--- terms, payload ---|
 *
 * Payloads are bounded in bytes: the oldest that are durable are let go, and
 * whoever needs them again reads them from disk. Terms cost a few bytes per
 * change of term, so they are kept for the whole log.
 * Thread: the loop. No I/O. */
#ifndef POSTOFFICE_RAFT_TAIL_H
#define POSTOFFICE_RAFT_TAIL_H

#include "raft/entry.h"

struct tail_terms {
    uint64_t first_index; /* From here to the next range. */
    uint64_t term;
};

struct tail {
    uint64_t base_index;
    uint64_t last_index;
    struct tail_terms *terms; /* terms[0].first_index == base_index. */
    size_t terms_count;
    size_t terms_capacity;
    /* Entries held_first .. last_index, in a ring. */
    uint64_t held_first;
    struct entry *ring;
    size_t ring_start;
    size_t ring_capacity; /* A power of two, or 0. */
    size_t bytes;         /* Of what is held. */
    size_t bytes_max;
};

/* An empty log behind base_index (of base_term). */
void tail_init(struct tail *tail, uint64_t base_index, uint64_t base_term,
               size_t bytes_max);
void tail_close(struct tail *tail);

/* The next entry is on disk only: for recovery, before any tail_append(). */
void tail_skip(struct tail *tail, uint64_t term);

/* Entries from `index` on no longer exist. */
void tail_truncate(struct tail *tail, uint64_t index);

/* entry->index is last_index + 1. Takes the reference. */
void tail_append(struct tail *tail, struct entry *entry);

/* Borrowed until the next change of the tail; NULL: not in memory. */
const struct entry *tail_find(const struct tail *tail, uint64_t index);

/* 0: unknown, since it lies before the base or behind the last. */
uint64_t tail_term(const struct tail *tail, uint64_t index);

/* Lets go of the oldest payloads up to `durable_index` while there are more
 * bytes than allowed. */
void tail_evict(struct tail *tail, uint64_t durable_index);

/* Entries up to base_index are no longer in the log. */
void tail_forget(struct tail *tail, uint64_t base_index);

#endif
