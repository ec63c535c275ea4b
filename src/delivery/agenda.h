/* agenda.h - who is to be woken when: a binary heap of items by time.
 *
 * Items are embedded in what they wake; items of equal time come in the order
 * in which they were set. Thread: the loop; no I/O. */
#ifndef POSTOFFICE_DELIVERY_AGENDA_H
#define POSTOFFICE_DELIVERY_AGENDA_H

#include <stdbool.h>
#include <stdint.h>

struct agenda_item {
    uint64_t at_ms;
    uint64_t order;
    uint32_t place; /* In the heap, from 1; 0: not set. */
};

struct agenda {
    struct agenda_item **heap; /* [0] is the earliest. */
    uint32_t count;
    uint32_t capacity;
    uint64_t order;
};

/* Sets or moves it; at_ms 0 takes it out. */
void agenda_set(struct agenda *agenda, struct agenda_item *item,
                uint64_t at_ms);
uint64_t agenda_first_ms(const struct agenda *agenda); /* 0: empty. */
/* Takes out the first item that is due by now_ms; NULL when none is. */
struct agenda_item *agenda_take(struct agenda *agenda, uint64_t now_ms);
void agenda_close(struct agenda *agenda);

#endif
