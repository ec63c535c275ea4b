#include "base/clock.h"

#include <time.h>

static uint64_t nanoseconds(clockid_t which)
{
    struct timespec now;
    clock_gettime(which, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t clock_wall_ms(void)
{
    return nanoseconds(CLOCK_REALTIME) / 1000000u;
}

uint64_t clock_ms(void)
{
    return nanoseconds(CLOCK_BOOTTIME) / 1000000u;
}

uint64_t clock_us(void)
{
    return nanoseconds(CLOCK_BOOTTIME) / 1000u;
}

uint64_t clock_wait_ns(void)
{
    return nanoseconds(CLOCK_MONOTONIC);
}
