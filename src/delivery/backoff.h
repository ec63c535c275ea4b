/* backoff.h - how long a failed message waits.
 *
 *     min(retry_max_seconds, seconds_retry * 2^(attempts - 1)), +-10 %
 *
 * The jitter spreads what failed together. Thread: any. */
#ifndef POSTOFFICE_DELIVERY_BACKOFF_H
#define POSTOFFICE_DELIVERY_BACKOFF_H

#include <stdint.h>

/* Milliseconds, at least 1. `attempts` made so far, from 1. `random` is any
 * number; equal numbers give equal waits. */
uint64_t backoff_ms(uint32_t retry_seconds, uint32_t retry_seconds_max,
                    uint32_t attempts, uint64_t random);

/* xorshift64*: the next number of a sequence that is not for secrets. The
 * state must not be 0. */
uint64_t random_next(uint64_t *state);

#endif
