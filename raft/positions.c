#include "raft/positions.h"

#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>

void positions_close(struct positions *positions)
{
    for (size_t i = 0; i < positions->segments_count; i++)
        buffer_unref(positions->segments[i].base.configuration);
    free(positions->segments);
    free(positions->items);
    *positions = (struct positions){0};
}

uint64_t positions_last(const struct positions *positions)
{
    return positions->base_index + positions->count;
}

/* The log ends before this index from now on. */
static void cut(struct positions *positions, uint64_t index)
{
    assert(index > positions->base_index);
    assert(index <= positions_last(positions) + 1);
    positions->count = (size_t)(index - positions->base_index - 1);
}

void positions_add_segment(struct positions *positions, uint64_t number,
                           struct log_base base)
{
    if (positions->segments_count == 0) {
        positions->base_index = base.index;
        positions->base_term = base.term;
    } else {
        cut(positions, base.index + 1);
    }
    if (positions->segments_count == positions->segments_capacity) {
        positions->segments_capacity = positions->segments_capacity == 0
                                           ? 8
                                           : positions->segments_capacity * 2;
        positions->segments =
            memory_resize(positions->segments, positions->segments_capacity *
                                                   sizeof *positions->segments);
    }
    positions->segments[positions->segments_count++] =
        (struct position_segment){
            .number = number, .base = base, .least_index = UINT64_MAX};
}

/* Room for one more behind the last; what was dropped in front is used again
 * once it is half of all. */
static void make_room(struct positions *positions)
{
    if (positions->start + positions->count < positions->capacity)
        return;
    if (positions->start > positions->count) {
        memmove(positions->items, positions->items + positions->start,
                positions->count * sizeof *positions->items);
        positions->start = 0;
        return;
    }
    positions->capacity =
        positions->capacity == 0 ? 1024 : positions->capacity * 2;
    positions->items = memory_resize(
        positions->items, positions->capacity * sizeof *positions->items);
}

void positions_put(struct positions *positions, uint64_t index,
                   const struct position *position)
{
    assert(positions->segments_count > 0);
    struct position_segment *segment =
        &positions->segments[positions->segments_count - 1];
    assert(position->segment == segment->number);
    if (index < segment->least_index)
        segment->least_index = index;
    cut(positions, index);
    make_room(positions);
    positions->items[positions->start + positions->count++] = *position;
}

const struct position *positions_find(const struct positions *positions,
                                      uint64_t index)
{
    if (index <= positions->base_index || index > positions_last(positions))
        return NULL;
    return &positions->items[positions->start +
                             (size_t)(index - positions->base_index - 1)];
}

uint64_t positions_term(const struct positions *positions, uint64_t index)
{
    if (index == positions->base_index)
        return positions->base_term;
    const struct position *position = positions_find(positions, index);
    return position == NULL ? 0 : position->term;
}

const struct position_segment *positions_plan(const struct positions *positions,
                                              uint64_t durable_index)
{
    const struct position *durable = positions_find(positions, durable_index);
    if (durable == NULL)
        return NULL;
    uint64_t least = UINT64_MAX;
    for (size_t i = positions->segments_count - 1; i > 0; i--) {
        const struct position_segment *segment = &positions->segments[i];
        if (segment->least_index < least)
            least = segment->least_index;
        if (segment->number < durable->segment &&
            segment->base.index <= durable_index && segment->base.index < least)
            return segment;
    }
    return NULL;
}

void positions_drop(struct positions *positions, uint64_t number)
{
    size_t first = 0;
    while (positions->segments[first].number != number) {
        buffer_unref(positions->segments[first].base.configuration);
        first++;
        assert(first < positions->segments_count);
    }
    positions->segments_count -= first;
    memmove(positions->segments, positions->segments + first,
            positions->segments_count * sizeof *positions->segments);
    const struct log_base *base = &positions->segments[0].base;
    size_t gone = (size_t)(base->index - positions->base_index);
    assert(gone <= positions->count);
    positions->start += gone;
    positions->count -= gone;
    positions->base_index = base->index;
    positions->base_term = base->term;
}
