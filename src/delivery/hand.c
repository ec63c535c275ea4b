#include "hand.h"

#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>

static bool joins(const struct hand *hand, const struct supply *supply)
{
    if (hand->count == 0 || supply->letter != NULL || supply->discarded)
        return false;
    const struct supply *last = hand_at(hand, hand->count - 1);
    return last->letter == NULL && !last->discarded;
}

void hand_push(struct hand *hand, const struct supply *supply)
{
    if (joins(hand, supply)) {
        struct supply *last = &hand->array[hand->first + hand->count - 1];
        last->position = supply->position;
        last->examined += supply->examined;
        return;
    }
    if (hand->first + hand->count == hand->capacity) {
        if (hand->first > 0) {
            memmove(hand->array, hand->array + hand->first,
                    hand->count * sizeof *hand->array);
            hand->first = 0;
        }
        if (hand->count == hand->capacity) {
            hand->capacity = hand->capacity == 0 ? 32 : hand->capacity * 2;
            hand->array = memory_resize(hand->array,
                                        hand->capacity * sizeof *hand->array);
        }
    }
    if (supply->letter != NULL)
        letter_ref(supply->letter);
    hand->array[hand->first + hand->count++] = *supply;
}

struct supply hand_pop(struct hand *hand)
{
    assert(hand->count > 0);
    hand->count--;
    return hand->array[hand->first++];
}

void hand_empty(struct hand *hand)
{
    while (hand->count > 0)
        letter_unref(hand_pop(hand).letter);
    hand->first = 0;
}

void hand_close(struct hand *hand)
{
    hand_empty(hand);
    free(hand->array);
}
