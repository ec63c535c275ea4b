#include "series.h"

#include "base/memory.h"

#include <stdlib.h>

enum { MINUTE_MS = 60 * 1000 };

static void ring_init(struct series_ring *ring, uint32_t capacity)
{
    *ring = (struct series_ring){.capacity = capacity};
    ring->points = memory_new_zeroed(capacity, sizeof *ring->points);
}

static const struct backend_point *ring_push(struct series_ring *ring,
                                             const struct backend_point *point)
{
    struct backend_point *to = &ring->points[ring->next];
    *to = *point;
    ring->next = (ring->next + 1) % ring->capacity;
    if (ring->count < ring->capacity)
        ring->count++;
    return to;
}

void series_init(struct series *series, uint64_t now_ms)
{
    *series = (struct series){.since_ms = now_ms};
    ring_init(&series->seconds, SERIES_SECONDS);
    ring_init(&series->minutes, SERIES_MINUTES);
}

void series_close(struct series *series)
{
    free(series->seconds.points);
    free(series->minutes.points);
    *series = (struct series){0};
}

void series_add(struct series *series, const struct backend_point *counts)
{
    series->second.published += counts->published;
    series->second.delivered += counts->delivered;
    series->second.failed += counts->failed;
    series->second.dead += counts->dead;
}

static void add_second(struct series *series)
{
    const struct backend_point *second = &series->second;
    series->minute.published += second->published;
    series->minute.delivered += second->delivered;
    series->minute.failed += second->failed;
    series->minute.dead += second->dead;
    series->minute.backlog = second->backlog;
}

const struct backend_point *series_tick(struct series *series, uint64_t now_ms,
                                        uint64_t backlog)
{
    series->second.at_ms = now_ms;
    series->second.backlog = backlog;
    add_second(series);
    const struct backend_point *closed =
        ring_push(&series->seconds, &series->second);
    series->second = (struct backend_point){0};
    /* Minutes end when the clock's do, and bear that time. */
    uint64_t end_ms = now_ms - now_ms % MINUTE_MS;
    if (series->minute.at_ms == 0)
        series->minute.at_ms = end_ms + MINUTE_MS;
    bool set_back = series->minute.at_ms - end_ms > MINUTE_MS;
    if (now_ms < series->minute.at_ms && !set_back)
        return closed;
    ring_push(&series->minutes, &series->minute);
    series->minute = (struct backend_point){.at_ms = end_ms + MINUTE_MS};
    return closed;
}

void series_read(const struct series *series, uint32_t step_seconds,
                 struct backend_stats *ret_stats)
{
    const struct series_ring *ring =
        step_seconds == 1 ? &series->seconds : &series->minutes;
    uint32_t first =
        (ring->next + ring->capacity - ring->count) % ring->capacity;
    uint32_t before_end = ring->capacity - first;
    uint32_t front = ring->count < before_end ? ring->count : before_end;
    ret_stats->since_ms = series->since_ms;
    ret_stats->parts[0].points = &ring->points[first];
    ret_stats->parts[0].count = front;
    ret_stats->parts[1].points = ring->points;
    ret_stats->parts[1].count = ring->count - front;
}
