/* clock.h - the real clocks, for shells only: the cores are given their time.
 * Thread: any. */
#ifndef POSTOFFICE_BASE_CLOCK_H
#define POSTOFFICE_BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds since the Unix epoch; may jump. For what people read. */
uint64_t clock_wall_ms(void);
/* Never runs back and goes on while the machine sleeps (CLOCK_BOOTTIME). For
 * timeouts, leases and durations. */
uint64_t clock_ms(void);
uint64_t clock_us(void);
/* CLOCK_MONOTONIC in nanoseconds: what queue_wait() takes. */
uint64_t clock_wait_ns(void);

#endif
