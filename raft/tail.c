#include "raft/tail.h"

#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>

enum { RING_CAPACITY_MIN = 64 };

static size_t held_count(const struct tail *tail)
{
    return (size_t)(tail->last_index + 1 - tail->held_first);
}

static struct entry *ring_at(const struct tail *tail, uint64_t index)
{
    size_t offset = (size_t)(index - tail->held_first);
    return &tail->ring[(tail->ring_start + offset) & (tail->ring_capacity - 1)];
}

static size_t cost(const struct entry *entry)
{
    return sizeof *entry + entry->payload.length;
}

static void terms_add(struct tail *tail, uint64_t first_index, uint64_t term)
{
    if (tail->terms_count > 0 &&
        tail->terms[tail->terms_count - 1].term == term)
        return;
    if (tail->terms_count == tail->terms_capacity) {
        tail->terms_capacity =
            tail->terms_capacity == 0 ? 16 : tail->terms_capacity * 2;
        tail->terms = memory_resize(tail->terms,
                                    tail->terms_capacity * sizeof *tail->terms);
    }
    tail->terms[tail->terms_count++] =
        (struct tail_terms){.first_index = first_index, .term = term};
}

void tail_init(struct tail *tail, uint64_t base_index, uint64_t base_term,
               size_t bytes_max)
{
    *tail = (struct tail){
        .base_index = base_index,
        .last_index = base_index,
        .held_first = base_index + 1,
        .bytes_max = bytes_max,
    };
    terms_add(tail, base_index, base_term);
}

void tail_close(struct tail *tail)
{
    if (tail->terms_count > 0)
        tail_truncate(tail, tail->base_index + 1);
    free(tail->ring);
    free(tail->terms);
    *tail = (struct tail){0};
}

void tail_skip(struct tail *tail, uint64_t term)
{
    assert(held_count(tail) == 0);
    tail->last_index++;
    tail->held_first = tail->last_index + 1;
    terms_add(tail, tail->last_index, term);
}

static void drop(struct tail *tail, uint64_t index)
{
    struct entry *entry = ring_at(tail, index);
    tail->bytes -= cost(entry);
    entry_unref(entry);
}

void tail_truncate(struct tail *tail, uint64_t index)
{
    assert(index > tail->base_index);
    while (tail->last_index >= index && tail->last_index >= tail->held_first) {
        drop(tail, tail->last_index);
        tail->last_index--;
    }
    if (tail->last_index >= index) {
        tail->last_index = index - 1;
        tail->held_first = index;
    }
    while (tail->terms_count > 1 &&
           tail->terms[tail->terms_count - 1].first_index >= index)
        tail->terms_count--;
}

static void ring_grow(struct tail *tail)
{
    size_t count = held_count(tail);
    if (count < tail->ring_capacity)
        return;
    size_t capacity =
        tail->ring_capacity == 0 ? RING_CAPACITY_MIN : tail->ring_capacity * 2;
    struct entry *ring = memory_new(capacity * sizeof *ring);
    for (size_t i = 0; i < count; i++)
        ring[i] = *ring_at(tail, tail->held_first + i);
    free(tail->ring);
    tail->ring = ring;
    tail->ring_capacity = capacity;
    tail->ring_start = 0;
}

void tail_append(struct tail *tail, struct entry *entry)
{
    assert(entry->index == tail->last_index + 1);
    ring_grow(tail);
    terms_add(tail, entry->index, entry->term);
    tail->last_index++;
    *ring_at(tail, entry->index) = *entry;
    tail->bytes += cost(entry);
    entry->buffer = NULL;
}

const struct entry *tail_find(const struct tail *tail, uint64_t index)
{
    if (index < tail->held_first || index > tail->last_index)
        return NULL;
    return ring_at(tail, index);
}

uint64_t tail_term(const struct tail *tail, uint64_t index)
{
    if (index < tail->base_index || index > tail->last_index)
        return 0;
    size_t i = tail->terms_count;
    while (i > 0 && tail->terms[i - 1].first_index > index)
        i--;
    return i == 0 ? 0 : tail->terms[i - 1].term;
}

void tail_evict(struct tail *tail, uint64_t durable_index)
{
    while (tail->bytes > tail->bytes_max &&
           tail->held_first <= tail->last_index &&
           tail->held_first <= durable_index) {
        drop(tail, tail->held_first);
        tail->ring_start = (tail->ring_start + 1) & (tail->ring_capacity - 1);
        tail->held_first++;
    }
}

void tail_forget(struct tail *tail, uint64_t base_index)
{
    assert(base_index <= tail->last_index);
    if (base_index <= tail->base_index)
        return;
    while (tail->held_first <= base_index) {
        if (tail->held_first <= tail->last_index) {
            drop(tail, tail->held_first);
            tail->ring_start =
                (tail->ring_start + 1) & (tail->ring_capacity - 1);
        }
        tail->held_first++;
    }
    size_t first = 0;
    while (first + 1 < tail->terms_count &&
           tail->terms[first + 1].first_index <= base_index)
        first++;
    tail->terms_count -= first;
    memmove(tail->terms, tail->terms + first,
            tail->terms_count * sizeof *tail->terms);
    tail->terms[0].first_index = base_index;
    tail->base_index = base_index;
}
