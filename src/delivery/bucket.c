#include "bucket.h"

enum { TOKEN = 1000 };

static uint64_t capacity(const struct bucket *bucket)
{
    uint64_t tokens = bucket->rate / 20;
    return (tokens == 0 ? 1 : tokens) * TOKEN;
}

/* A clock that was set back adds nothing until it has caught up. */
static void fill(struct bucket *bucket, uint64_t now_ms)
{
    if (now_ms <= bucket->at_ms)
        return;
    /* Beyond this it is full in any case. */
    uint64_t passed = now_ms - bucket->at_ms;
    passed = passed > 60000 ? 60000 : passed;
    bucket->at_ms = now_ms;
    bucket->filled += passed * bucket->rate;
    if (bucket->filled > capacity(bucket))
        bucket->filled = capacity(bucket);
}

void bucket_limit(struct bucket *bucket, uint32_t rate, uint64_t now_ms)
{
    if (rate == bucket->rate)
        return;
    if (bucket->rate == 0)
        bucket->filled = TOKEN;
    else
        fill(bucket, now_ms);
    bucket->rate = rate;
    bucket->at_ms = now_ms;
    if (bucket->filled > capacity(bucket))
        bucket->filled = capacity(bucket);
}

bool bucket_take(struct bucket *bucket, uint64_t now_ms)
{
    if (bucket->rate == 0)
        return true;
    fill(bucket, now_ms);
    if (bucket->filled < TOKEN)
        return false;
    bucket->filled -= TOKEN;
    return true;
}

uint32_t bucket_level(struct bucket *bucket, uint64_t now_ms)
{
    if (bucket->rate == 0)
        return UINT32_MAX;
    fill(bucket, now_ms);
    return (uint32_t)(bucket->filled / TOKEN);
}

uint64_t bucket_next_ms(struct bucket *bucket, uint64_t now_ms)
{
    if (bucket->rate == 0)
        return now_ms;
    fill(bucket, now_ms);
    if (bucket->filled >= TOKEN)
        return now_ms;
    uint64_t missing = TOKEN - bucket->filled;
    return now_ms + (missing + bucket->rate - 1) / bucket->rate;
}
