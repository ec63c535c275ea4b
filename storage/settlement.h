/* settlement.h - when deliveries were settled, in order: what searches by
 * processed time walk.
 *
 * `out` and `exc` know of each position when it was settled, and are ordered by
 * position. `done` is ordered by time: every commit appends one run of what
 * was settled since the one before, so that it costs a put a commit and not
 * one a delivery. It leads to rows, and is not a second truth: what an entry
 * says held at its time and may have changed since (a dead one that was tried
 * again), so that whoever follows one looks at the row. How commits cut the
 * runs differs from node to node: `done` is outside the state hash.
 *
 *     key    first ms u64, applied index u64, part u16
 *     row    count u16 | publishers u64 | {publisher u32, offset ms u32,
 *                                          position u64} [count]
 *
 * `publishers` has bit (id mod 64) of each publisher that is named, so that a
 * walk for one passes over runs of others.
 * Thread: the transaction's. */
#ifndef POSTOFFICE_STORAGE_SETTLEMENT_H
#define POSTOFFICE_STORAGE_SETTLEMENT_H

#include "storage/record.h"

/* A run is verified as a whole when it is read. */
enum { RUN_SETTLEMENTS_MAX = 1024 };

struct settlement {
    uint64_t ms;
    uint64_t position;
    uint32_t publisher_id;
};

/* What the open transaction has settled; zeroed is empty. */
struct settlements {
    struct settlement *items; /* Owned; ascending by time. */
    size_t count;
    size_t capacity;
    uint64_t latest_ms; /* Of what was noted or flushed. */
};
void settlements_close(struct settlements *settlements);

/* Called where rows are put. A row that is put again with its old time was
 * noted then. NULL: nobody notes. */
void settlements_note(struct settlements *settlements, uint32_t publisher_id,
                      uint64_t position, uint64_t ms);
/* Appends them at this applied index. `scratch` is overwritten. */
int settlements_flush(struct settlements *settlements,
                      struct transaction *transaction, struct encoder *scratch,
                      uint64_t index, struct error *error);

struct settlement_run {
    uint64_t first_ms;
    uint64_t publishers;
    uint32_t count; /* At least 1. */
    const uint8_t *table;
};
/* 0 or ERR_CORRUPT, without words. */
int settlement_run_decode(struct slice key, struct slice content,
                          struct settlement_run *ret_run);
/* index < count. */
struct settlement settlement_run_at(const struct settlement_run *run,
                                    uint32_t index);
static inline uint64_t settlement_bit(uint32_t publisher_id)
{
    return UINT64_C(1) << (publisher_id % 64);
}

/* From the newest to the oldest. */
struct settlement_walk {
    struct cursor cursor;
    struct settlement_run run;
    uint32_t left; /* Of the run. */
    bool ended;
};
/* Stands behind the last one at or before this time. */
int settlement_walk_open(struct transaction *transaction, uint64_t upto_ms,
                         struct settlement_walk *walk, struct error *error);
void settlement_walk_close(struct settlement_walk *walk); /* Zeroed is fine. */
/* Stands at the end of the run before. ERR_END. */
int settlement_walk_pass(struct settlement_walk *walk, struct error *error);
/* ERR_END before the first one. */
int settlement_walk_back(struct settlement_walk *walk, struct settlement *ret,
                         struct error *error);

#endif
