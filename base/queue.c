#include "base/queue.h"

#include <assert.h>
#include <time.h>

void queue_init(struct queue *queue)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&queue->mutex, NULL);
    pthread_cond_init(&queue->filled, &attributes);
    pthread_condattr_destroy(&attributes);
    queue->first = NULL;
    queue->last = &queue->first;
    queue->closed = false;
    queue->nudged = false;
}

void queue_close(struct queue *queue)
{
    assert(queue->first == NULL);
    pthread_cond_destroy(&queue->filled);
    pthread_mutex_destroy(&queue->mutex);
}

bool queue_push_quietly(struct queue *queue, struct queue_item *item)
{
    item->next = NULL;
    pthread_mutex_lock(&queue->mutex);
    bool was_empty = queue->first == NULL;
    *queue->last = item;
    queue->last = &item->next;
    pthread_mutex_unlock(&queue->mutex);
    return was_empty;
}

bool queue_push(struct queue *queue, struct queue_item *item)
{
    bool was_empty = queue_push_quietly(queue, item);
    /* Who is woken must not meet a mutex that is still held. */
    pthread_cond_signal(&queue->filled);
    return was_empty;
}

struct queue_item *queue_take(struct queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    struct queue_item *first = queue->first;
    queue->first = NULL;
    queue->last = &queue->first;
    pthread_mutex_unlock(&queue->mutex);
    return first;
}

struct queue_item *queue_take_one(struct queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    struct queue_item *first = queue->first;
    if (first != NULL) {
        queue->first = first->next;
        if (queue->first == NULL)
            queue->last = &queue->first;
        first->next = NULL;
    }
    pthread_mutex_unlock(&queue->mutex);
    return first;
}

bool queue_wait(struct queue *queue, uint64_t deadline_ns)
{
    struct timespec until = {.tv_sec = (time_t)(deadline_ns / 1000000000u),
                             .tv_nsec = (long)(deadline_ns % 1000000000u)};
    pthread_mutex_lock(&queue->mutex);
    while (queue->first == NULL && !queue->closed && !queue->nudged) {
        int rc =
            deadline_ns == 0
                ? pthread_cond_wait(&queue->filled, &queue->mutex)
                : pthread_cond_timedwait(&queue->filled, &queue->mutex, &until);
        if (rc != 0)
            break;
    }
    queue->nudged = false;
    bool goes_on = queue->first != NULL || !queue->closed;
    pthread_mutex_unlock(&queue->mutex);
    return goes_on;
}

void queue_nudge(struct queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->nudged = true;
    pthread_mutex_unlock(&queue->mutex);
    pthread_cond_signal(&queue->filled);
}

void queue_end(struct queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->closed = true;
    pthread_cond_broadcast(&queue->filled);
    pthread_mutex_unlock(&queue->mutex);
}
