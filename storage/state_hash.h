/* state_hash.h - one check for two ends: a record's integrity, and the proof
 * that two nodes hold the same state.
 *
 * A record's term is XXH3_128 over its content, seeded by XXH3_64 over its
 * key, seeded in turn by its database's number. The low 64 bits of the term
 * lie behind the content and are verified whenever the record is read: they
 * find flipped bits, and a value that stands under another key. The state
 * hash is the sum of the terms modulo 2^128, so that it can be kept up to
 * date by each put and delete, in any order.
 * It guards against accidents, not against an adversary who may write to the
 * store. Thread: any. */
#ifndef POSTOFFICE_STORAGE_STATE_HASH_H
#define POSTOFFICE_STORAGE_STATE_HASH_H

#include "base/slice.h"
#include "storage/store.h"

/* `database` is the number of schema.h. */
struct state_hash state_hash_term(uint8_t database, struct slice key,
                                  struct slice content);
void state_hash_add(struct state_hash *sum, struct state_hash term);
void state_hash_subtract(struct state_hash *sum, struct state_hash term);

static inline bool state_hash_equal(struct state_hash a, struct state_hash b)
{
    return a.low == b.low && a.high == b.high;
}

#endif
