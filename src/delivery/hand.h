/* hand.h - messages that a pipeline has in memory and not yet in a slot,
 * oldest first.
 * Thread: the loop. */
#ifndef POSTOFFICE_DELIVERY_HAND_H
#define POSTOFFICE_DELIVERY_HAND_H

#include "letter.h"

/* A message for one publisher. */
struct supply {
    struct letter *letter;
    uint32_t attempts; /* Made so far. */
    bool doubt;        /* One of them may have arrived unseen. */
};

struct hand {
    struct supply *array;
    uint32_t first;
    uint32_t count;
    uint32_t capacity;
};

/* Takes a reference of its own. */
void hand_push(struct hand *hand, const struct supply *supply);
/* The oldest; the caller gets the reference. Not of an empty hand. */
struct supply hand_pop(struct hand *hand);
void hand_empty(struct hand *hand);
void hand_close(struct hand *hand);

#endif
