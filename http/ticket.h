/* ticket.h - numbers that stand for waiting requests.
 *
 * A request may die before its answer comes. The backend holds a ticket,
 * never a pointer: a slot's index and its generation, which counts up each
 * time the slot is emptied, so that a number is never used again (44 bits:
 * one slot emptied 30,000 times a second lasts for 18 years).
 * Thread: one. */
#ifndef POSTOFFICE_HTTP_TICKET_H
#define POSTOFFICE_HTTP_TICKET_H

#include <stddef.h>
#include <stdint.h>

struct ticket_slot {
    void *holder; /* NULL: free. */
    uint64_t generation;
    uint32_t next_free;
};

struct ticket_table {
    struct ticket_slot *slots; /* Owned. */
    uint32_t capacity;
    uint32_t first_free;
};

enum { TICKET_CAPACITY_MAX = 1 << 20 };

void ticket_table_init(struct ticket_table *table, uint32_t capacity);
void ticket_table_close(struct ticket_table *table);

/* 0 when all are taken. */
uint64_t ticket_issue(struct ticket_table *table, void *holder);
/* NULL when the ticket was voided, or never issued. */
void *ticket_holder(const struct ticket_table *table, uint64_t ticket);
void ticket_void(struct ticket_table *table, uint64_t ticket);

#endif
