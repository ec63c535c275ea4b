/* recent.h - the newest messages of the topics that are being delivered, so
 * that what was just published need not be read back.
 *
 * Each topic's part is one piece without gaps that ends at the topic's last
 * position. All topics together are bounded in bytes; the oldest letter of
 * all goes first.
 * Thread: the loop; no I/O. */
#ifndef POSTOFFICE_DELIVERY_RECENT_H
#define POSTOFFICE_DELIVERY_RECENT_H

#include "letter.h"

struct recent_topic {
    struct letter **ring; /* Ascending positions. */
    uint32_t first;       /* Slot of the oldest. */
    uint32_t count;
    uint32_t capacity; /* A power of two, or 0. */
};

struct recent {
    size_t bytes;
    size_t bytes_max;
    /* The topics' letters in the order of their arrival: whose oldest letter
     * goes next. */
    struct recent_topic **order;
    uint64_t order_first;
    uint64_t order_last; /* One behind the newest. */
    uint32_t order_capacity;
};

void recent_init(struct recent *recent, size_t bytes_max);
void recent_close(struct recent *recent); /* All topics must be forgotten. */

/* Takes the reference. Positions of a topic ascend. */
void recent_add(struct recent *recent, struct recent_topic *topic,
                struct letter *letter);
/* Drops a topic's part: a message was not added, or nobody wants it. */
void recent_forget(struct recent *recent, struct recent_topic *topic);

/* Whether everything from `from` on is here. */
bool recent_covers(const struct recent_topic *topic, uint64_t from);
/* The letters from `from` on, oldest first, at most count_max; borrowed. */
uint32_t recent_find(const struct recent_topic *topic, uint64_t from,
                     struct letter **ret_letters, uint32_t count_max);

#endif
