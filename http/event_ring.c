#include "http/event_ring.h"

#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>

struct kept_event {
    enum event_type type;
    size_t topic_length;
    size_t text_length;
    uint8_t bytes[]; /* The topic, then the text. */
};

static struct kept_event **place(const struct event_ring *ring, uint64_t number)
{
    return &ring->kept[number % ring->capacity];
}

void event_ring_init(struct event_ring *ring, uint32_t capacity)
{
    *ring = (struct event_ring){.capacity = capacity, .first = 1};
    ring->kept = memory_new_zeroed(capacity, sizeof(struct kept_event *));
}

void event_ring_close(struct event_ring *ring)
{
    for (uint32_t i = 0; i < ring->capacity; i++)
        free(ring->kept[i]);
    free(ring->kept);
    *ring = (struct event_ring){0};
}

uint64_t event_ring_add(struct event_ring *ring, enum event_type type,
                        struct slice topic, struct slice text)
{
    struct kept_event *event =
        memory_new(sizeof *event + topic.length + text.length);
    event->type = type;
    event->topic_length = topic.length;
    event->text_length = text.length;
    if (topic.length > 0)
        memcpy(event->bytes, topic.data, topic.length);
    if (text.length > 0)
        memcpy(event->bytes + topic.length, text.data, text.length);
    ring->last++;
    if (ring->last - ring->first == ring->capacity)
        ring->first++;
    free(*place(ring, ring->last));
    *place(ring, ring->last) = event;
    return ring->last;
}

bool event_ring_reaches(const struct event_ring *ring, uint64_t after)
{
    return after + 1 >= ring->first && after <= ring->last;
}

bool event_ring_next(const struct event_ring *ring, uint64_t after,
                     struct ring_event *ret_event)
{
    assert(event_ring_reaches(ring, after));
    if (after == ring->last)
        return false;
    const struct kept_event *event = *place(ring, after + 1);
    *ret_event = (struct ring_event){
        .number = after + 1,
        .type = event->type,
        .topic = slice_of(event->bytes, event->topic_length),
        .text =
            slice_of(event->bytes + event->topic_length, event->text_length),
    };
    return true;
}
