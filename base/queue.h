/* queue.h - an intrusive first-in first-out list handed from one thread to
 * another.
 *
 * Items are pushed one by one and taken all at once, so that a busy consumer
 * takes the lock once per batch. The queue itself is unbounded: whoever
 * pushes counts what is under way and refuses beyond its bound (bounds.h).
 * Thread: any. */
#ifndef POSTOFFICE_BASE_QUEUE_H
#define POSTOFFICE_BASE_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct queue_item {
    struct queue_item *next;
};

struct queue {
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    struct queue_item *first;
    struct queue_item **last;
    bool closed;
    bool nudged;
};

void queue_init(struct queue *queue);
/* The queue must be empty, nobody waiting and no other call under way. */
void queue_close(struct queue *queue);

/* True when the queue was empty: the consumer may need to be woken. A thread
 * that waits in queue_wait() is woken in any case. */
bool queue_push(struct queue *queue, struct queue_item *item);
/* The same, and nobody is woken: who waits finds it when its time has come. */
bool queue_push_quietly(struct queue *queue, struct queue_item *item);
/* The items in order, linked by `next`; NULL when there are none. */
struct queue_item *queue_take(struct queue *queue);
/* One item, or NULL. For pools in which each thread takes its own work. */
struct queue_item *queue_take_one(struct queue *queue);
/* Waits until there is an item or the queue is ended, at most until
 * `deadline_ns` on CLOCK_MONOTONIC (0: without end). Returns false once the
 * queue is ended and empty. */
bool queue_wait(struct queue *queue, uint64_t deadline_ns);
/* Makes one queue_wait(), under way or the next, return at once. */
void queue_nudge(struct queue *queue);
/* No more items will come; everybody who waits is woken. */
void queue_end(struct queue *queue);

#endif
