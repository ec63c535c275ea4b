/* dice.h - chance, all from one seed: the same numbers on every machine
 * (splitmix64). */
#ifndef POSTOFFICE_TESTS_SIM_DICE_H
#define POSTOFFICE_TESTS_SIM_DICE_H

#include <stdbool.h>
#include <stdint.h>

struct dice {
    uint64_t state;
};

static inline uint64_t dice_bits(struct dice *dice)
{
    uint64_t bits = dice->state += 0x9e3779b97f4a7c15u;
    bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ bits >> 27) * 0x94d049bb133111ebu;
    return bits ^ bits >> 31;
}

/* 0 to limit - 1. */
static inline uint64_t dice_below(struct dice *dice, uint64_t limit)
{
    return dice_bits(dice) % limit;
}

static inline uint64_t dice_between(struct dice *dice, uint64_t least,
                                    uint64_t most)
{
    return least + dice_below(dice, most - least + 1);
}

static inline bool dice_chance(struct dice *dice, uint64_t per_thousand)
{
    return dice_below(dice, 1000) < per_thousand;
}

#endif
