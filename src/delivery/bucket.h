/* bucket.h - rate_limit_per_second: a token bucket, a token for each request.
 *
 * It fills with the rate and holds a twentieth of a second's tokens (at least
 * one), so that requests are spread over the second and no second sees more
 * than the rate and that twentieth.
 * Thread: the loop; plain data. */
#ifndef POSTOFFICE_DELIVERY_BUCKET_H
#define POSTOFFICE_DELIVERY_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct bucket {
    uint32_t rate;   /* A second; 0: no limit. */
    uint64_t filled; /* Thousandths of tokens ... */
    uint64_t at_ms;  /* ... at this time. */
};

/* Changes the rate; what is in it stays, cut to what it holds now. A bucket
 * that had no limit begins with one token. */
void bucket_limit(struct bucket *bucket, uint32_t rate, uint64_t now_ms);
/* Takes a token. */
bool bucket_take(struct bucket *bucket, uint64_t now_ms);
/* How many could be taken now; UINT32_MAX: no limit. */
uint32_t bucket_level(struct bucket *bucket, uint64_t now_ms);
/* When there is one; now_ms when there is. */
uint64_t bucket_next_ms(struct bucket *bucket, uint64_t now_ms);

#endif
