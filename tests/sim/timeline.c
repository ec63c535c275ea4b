#include "timeline.h"

#include "base/memory.h"

#include <stdbool.h>
#include <stdlib.h>

static bool before(const struct event *a, const struct event *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms
                                  : a->sequence < b->sequence;
}

static void rise(struct event **heap, size_t at, struct event *event)
{
    while (at > 0 && before(event, heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = event;
}

static void sink(struct event **heap, size_t length, struct event *event)
{
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= length)
            break;
        if (child + 1 < length && before(heap[child + 1], heap[child]))
            child++;
        if (before(event, heap[child]))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = event;
}

void timeline_add(struct timeline *timeline, struct event *event,
                  uint64_t due_ms)
{
    if (timeline->length == timeline->capacity) {
        timeline->capacity =
            timeline->capacity == 0 ? 256 : timeline->capacity * 2;
        timeline->heap = memory_resize(
            timeline->heap, timeline->capacity * sizeof *timeline->heap);
    }
    event->due_ms = due_ms > timeline->now_ms ? due_ms : timeline->now_ms;
    event->sequence = ++timeline->sequence;
    rise(timeline->heap, timeline->length++, event);
}

struct event *timeline_next(struct timeline *timeline, uint64_t until_ms)
{
    if (timeline->length == 0 || timeline->heap[0]->due_ms > until_ms) {
        timeline->now_ms = until_ms;
        return NULL;
    }
    struct event *event = timeline->heap[0];
    struct event *last = timeline->heap[--timeline->length];
    if (timeline->length > 0)
        sink(timeline->heap, timeline->length, last);
    timeline->now_ms = event->due_ms;
    timeline->count++;
    return event;
}

void event_drop(struct event *event)
{
    if (event->drop != NULL)
        event->drop(event);
    free(event);
}

void timeline_close(struct timeline *timeline)
{
    for (size_t i = 0; i < timeline->length; i++)
        event_drop(timeline->heap[i]);
    free(timeline->heap);
}
