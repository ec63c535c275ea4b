/* 128-bit sums with carry: the terms commute, so the order in which records
 * were put leaves no trace. */
#include "storage/state_hash.h"

#include <xxhash.h>

struct state_hash state_hash_term(uint8_t database, struct slice key,
                                  struct slice content)
{
    XXH64_hash_t seed = XXH3_64bits_withSeed(key.data, key.length, database);
    XXH128_hash_t term =
        XXH3_128bits_withSeed(content.data, content.length, seed);
    return (struct state_hash){.low = term.low64, .high = term.high64};
}

void state_hash_add(struct state_hash *sum, struct state_hash term)
{
    uint64_t low = sum->low + term.low;
    sum->high += term.high + (low < term.low ? 1 : 0);
    sum->low = low;
}

void state_hash_subtract(struct state_hash *sum, struct state_hash term)
{
    uint64_t borrow = sum->low < term.low ? 1 : 0;
    sum->low -= term.low;
    sum->high -= term.high + borrow;
}
