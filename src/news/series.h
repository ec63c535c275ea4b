/* series.h - what went through, second by second and minute by minute.
 *
 * Counts gather in the point that is open; a tick closes it. Two rings of a
 * fixed size keep the newest points: ten minutes of seconds, a day of minutes.
 * In memory alone: a restart begins anew.
 * No I/O, no clock. Thread: one. */
#ifndef POSTOFFICE_NEWS_SERIES_H
#define POSTOFFICE_NEWS_SERIES_H

#include "http/backend.h"

enum { SERIES_SECONDS = 600, SERIES_MINUTES = 1440 };

struct series_ring {
    struct backend_point *points; /* Owned. */
    uint32_t capacity;
    uint32_t count;
    uint32_t next; /* Where the next one is written. */
};

struct series {
    uint64_t since_ms;
    struct backend_point second; /* Open. */
    struct backend_point minute;
    struct series_ring seconds;
    struct series_ring minutes;
};

void series_init(struct series *series, uint64_t now_ms);
void series_close(struct series *series);

/* Of `counts` time and backlog are no matter. */
void series_add(struct series *series, const struct backend_point *counts);

/* Closes the second, and the minute when it is over by this (wall) clock;
 * returns the second. Once a second. */
const struct backend_point *series_tick(struct series *series, uint64_t now_ms,
                                        uint64_t backlog);

/* Steps of 1 or 60 seconds; fills since_ms and parts. */
void series_read(const struct series *series, uint32_t step_seconds,
                 struct backend_stats *ret_stats);

#endif
