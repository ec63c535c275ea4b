#include "backoff.h"

uint64_t backoff_ms(uint32_t retry_seconds, uint32_t retry_seconds_max,
                    uint32_t attempts, uint64_t random)
{
    uint64_t most = (uint64_t)retry_seconds_max * 1000u;
    uint64_t wait = (uint64_t)retry_seconds * 1000u;
    for (uint32_t i = 1; i < attempts && wait < most; i++)
        wait *= 2;
    if (wait > most)
        wait = most;
    uint64_t spread = wait / 5; /* From 90 to 110 %. */
    wait = wait - spread / 2 + (spread == 0 ? 0 : random % (spread + 1));
    return wait == 0 ? 1 : wait;
}

uint64_t random_next(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 2685821657736338717u;
}
