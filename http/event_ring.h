/* event_ring.h - the last events of this node, for whoever follows them.
 *
 *     first ............ last
 *       |                  |
 *     oldest kept       newest; the next one gets last + 1
 *
 * Nothing is kept for a follower: it remembers the number up to which it has
 * read and asks for the next one. Whoever falls behind the oldest has missed
 * some. An event is the text of a server-sent event without its id.
 * No I/O. Thread: one. */
#ifndef POSTOFFICE_HTTP_EVENT_RING_H
#define POSTOFFICE_HTTP_EVENT_RING_H

#include "base/slice.h"

enum event_type {
    EVENT_TOPIC,
    EVENT_PUBLISHER,
    EVENT_CIRCUIT,
    EVENT_DEAD,
    EVENT_LEADER,
    EVENT_STATS,
};
enum { EVENT_TYPES = EVENT_STATS + 1 };

struct ring_event {
    uint64_t number;
    enum event_type type;
    struct slice topic; /* That it is about; empty: none. */
    struct slice text;
};

struct event_ring {
    struct kept_event **kept; /* By number, modulo the capacity. */
    uint32_t capacity;
    uint64_t first; /* 1 to begin with. */
    uint64_t last;  /* first - 1: there are none. */
};

void event_ring_init(struct event_ring *ring, uint32_t capacity);
void event_ring_close(struct event_ring *ring);

/* Copies the texts; the oldest gives way. Returns its number. */
uint64_t event_ring_add(struct event_ring *ring, enum event_type type,
                        struct slice topic, struct slice text);

/* The first one behind `after`, which must not lie before the oldest kept; it
 * is valid until the next addition. False: there is none. */
bool event_ring_next(const struct event_ring *ring, uint64_t after,
                     struct ring_event *ret_event);

/* Whether somebody who has read up to `after` has missed nothing. */
bool event_ring_reaches(const struct event_ring *ring, uint64_t after);

#endif
