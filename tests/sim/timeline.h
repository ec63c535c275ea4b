/* timeline.h - what will happen, in the order of its time; of equal times what
 * was planned first comes first.
 *
 * An event is the head of a heap object. One that belongs to a process (owner)
 * is dropped when that process has ended meanwhile, and waits while it stands
 * still. */
#ifndef POSTOFFICE_TESTS_SIM_TIMELINE_H
#define POSTOFFICE_TESTS_SIM_TIMELINE_H

#include <stddef.h>
#include <stdint.h>

struct node;

struct event {
    uint64_t due_ms;
    uint64_t sequence;
    /* Takes the object. */
    void (*run)(struct event *event);
    /* Frees what it refers to, then it is freed; NULL: nothing. */
    void (*drop)(struct event *event);
    struct node *owner; /* NULL: the world's. */
    uint64_t boot;      /* Of the owner. */
};

struct timeline {
    uint64_t now_ms;
    uint64_t sequence;
    uint64_t count; /* Events that have happened. */
    struct event **heap;
    size_t length;
    size_t capacity;
};

void timeline_add(struct timeline *timeline, struct event *event,
                  uint64_t due_ms);
/* The next one, whose time it is from now on, if it is due by then; NULL: none
 * is, and it is until_ms. */
struct event *timeline_next(struct timeline *timeline, uint64_t until_ms);
void event_drop(struct event *event);
void timeline_close(struct timeline *timeline);

#endif
