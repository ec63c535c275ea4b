#include "slots.h"

#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>

/* FREE -> any that begins; then forward only, save that a refused proposal
 * gives the slot back (release). */
#define TO(state) (1u << SLOT_##state)
static const unsigned slot_moves[] = {
    [SLOT_FREE] = TO(LOADING) | TO(PROPOSED),
    [SLOT_LOADING] = TO(READY) | TO(ANSWERED) | TO(SETTLING) | TO(FREE),
    [SLOT_PROPOSED] = TO(READY) | TO(LOADING) | TO(FREE),
    [SLOT_READY] = TO(SENDING) | TO(ANSWERED) | TO(SETTLING) | TO(FREE),
    [SLOT_SENDING] = TO(ANSWERED) | TO(FREE),
    [SLOT_ANSWERED] = TO(SETTLING) | TO(FREE),
    [SLOT_SETTLING] = TO(FREE),
};

static bool in_window(enum slot_state state)
{
    return state != SLOT_FREE && state != SLOT_SETTLING;
}

void slots_move(struct slots *slots, struct slot *slot, enum slot_state state)
{
    assert((slot_moves[slot->state] & (1u << state)) != 0);
    slots->window -= in_window(slot->state);
    slots->used -= slot->state != SLOT_FREE;
    slots->by_state[slot->state]--;
    slot->state = state;
    slots->by_state[state]++;
    slots->used += state != SLOT_FREE;
    slots->window += in_window(state);
}

static void slots_grow(struct slots *slots)
{
    uint32_t capacity = slots->capacity == 0 ? 16 : slots->capacity * 2;
    slots->array = memory_resize(slots->array, capacity * sizeof(struct slot));
    for (uint32_t i = slots->capacity; i < capacity; i++)
        slots->array[i] = (struct slot){.state = SLOT_FREE};
    slots->by_state[SLOT_FREE] += capacity - slots->capacity;
    slots->capacity = capacity;
}

struct slot *slots_take(struct slots *slots, enum slot_state state,
                        uint64_t position)
{
    if (slots->used == slots->capacity)
        slots_grow(slots);
    uint32_t place = 0;
    struct slot *slot = slots_next(slots, SLOT_FREE, &place);
    assert(slot != NULL);
    uint32_t generation = slot->generation;
    *slot = (struct slot){.state = SLOT_FREE, .generation = generation};
    slot->position = position;
    slots_move(slots, slot, state);
    return slot;
}

void slots_release(struct slots *slots, struct slot *slot)
{
    letter_unref(slot->letter);
    free(slot->response);
    slot->letter = NULL;
    slot->response = NULL;
    slot->generation++;
    slots_move(slots, slot, SLOT_FREE);
}

struct slot *slots_next(const struct slots *slots, enum slot_state state,
                        uint32_t *place)
{
    if (slots->by_state[state] == 0)
        return NULL;
    for (uint32_t i = *place; i < slots->capacity; i++) {
        if (slots->array[i].state == state) {
            *place = i + 1;
            return &slots->array[i];
        }
    }
    return NULL;
}

struct slot *slots_at(const struct slots *slots, uint64_t position)
{
    for (uint32_t i = 0; i < slots->capacity; i++) {
        struct slot *slot = &slots->array[i];
        if (slot->state != SLOT_FREE && slot->position == position)
            return slot;
    }
    return NULL;
}

bool slots_has(const struct slots *slots, uint64_t position)
{
    return slots_at(slots, position) != NULL;
}

uint64_t slots_token(const struct slots *slots, const struct slot *slot)
{
    uint64_t index = (uint64_t)(slot - slots->array);
    return (uint64_t)slot->generation << 32 | index;
}

struct slot *slots_of_token(const struct slots *slots, uint64_t token)
{
    uint32_t index = (uint32_t)token;
    if (index >= slots->capacity)
        return NULL;
    struct slot *slot = &slots->array[index];
    bool same =
        slot->state != SLOT_FREE && slot->generation == (uint32_t)(token >> 32);
    return same ? slot : NULL;
}

struct slot *slots_reloading(const struct slots *slots, uint32_t *place)
{
    struct slot *slot;
    do
        slot = slots_next(slots, SLOT_LOADING, place);
    while (slot != NULL && slot->letter == NULL);
    return slot;
}

void slots_close(struct slots *slots)
{
    for (uint32_t i = 0; i < slots->capacity; i++) {
        if (slots->array[i].state != SLOT_FREE)
            slots_release(slots, &slots->array[i]);
    }
    free(slots->array);
    *slots = (struct slots){0};
}
