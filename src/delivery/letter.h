/* letter.h - a message in memory on its way to targets, shared by reference
 * count among the publishers of its topic.
 * Thread: the loop. */
#ifndef POSTOFFICE_DELIVERY_LETTER_H
#define POSTOFFICE_DELIVERY_LETTER_H

#include "storage/model.h"

struct letter {
    uint32_t references;
    uint64_t position;
    size_t size;            /* Of the whole, in bytes. */
    struct message message; /* Its slices point into bytes. */
    uint8_t bytes[];
};

/* One reference; copies what the message's slices point to. Messages are
 * bounded by --max-message-bytes; NULL when there is no memory. */
struct letter *letter_new(uint64_t position, const struct message *message);
struct letter *letter_ref(struct letter *letter); /* Returns its argument. */
void letter_unref(struct letter *letter);         /* NULL is fine. */

#endif
