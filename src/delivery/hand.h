/* hand.h - messages that a pipeline has in memory and not yet in a slot,
 * oldest first.
 * Thread: the loop. */
#ifndef POSTOFFICE_DELIVERY_HAND_H
#define POSTOFFICE_DELIVERY_HAND_H

#include "letter.h"

/* A message for one publisher; or, without a letter, positions that are only
 * to be counted: a stretch that the filter does not want, or one that was
 * discarded before its turn. */
struct supply {
    struct letter *letter;
    uint64_t position;    /* Of a stretch: its last one. */
    uint32_t examined;    /* How many positions it stands for. */
    uint32_t attempts;    /* Made so far. */
    uint32_t budget_from; /* Of them: before the last redrive. */
    uint32_t holds;       /* Retry-After answers in a row. */
    uint32_t replay_id;   /* 0: none. */
    uint64_t key;         /* key_hash(); 0: none. */
    bool doubt;           /* One of them may have arrived unseen. */
    bool ordered;         /* It holds its place in the order. */
    bool unwanted;        /* The filter says no; its key may be held. */
    bool discarded;       /* Before its turn; no letter. */
    bool held;            /* Its key was when it was read. */
};

struct hand {
    struct supply *array;
    uint32_t first;
    uint32_t count;
    uint32_t capacity;
};

/* Takes a reference of its own. Two stretches that meet become one. */
void hand_push(struct hand *hand, const struct supply *supply);
/* The oldest; the caller gets the reference. Not of an empty hand. */
struct supply hand_pop(struct hand *hand);
/* The i-th oldest; borrowed. */
static inline const struct supply *hand_at(const struct hand *hand, uint32_t i)
{
    return &hand->array[hand->first + i];
}
void hand_empty(struct hand *hand);
void hand_close(struct hand *hand);

#endif
