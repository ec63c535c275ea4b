#include "http/ticket.h"

#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>

enum { INDEX_BITS = 20 };
static_assert(TICKET_CAPACITY_MAX == 1 << INDEX_BITS, "an index fits");

static uint32_t index_of(uint64_t ticket)
{
    return (uint32_t)ticket & (TICKET_CAPACITY_MAX - 1);
}

void ticket_table_init(struct ticket_table *table, uint32_t capacity)
{
    assert(capacity <= TICKET_CAPACITY_MAX);
    table->slots = memory_new_zeroed(capacity, sizeof *table->slots);
    table->capacity = capacity;
    table->first_free = 0;
    /* Generations begin at 1, so that no ticket is 0. */
    for (uint32_t i = 0; i < capacity; i++)
        table->slots[i] =
            (struct ticket_slot){.generation = 1, .next_free = i + 1};
}

void ticket_table_close(struct ticket_table *table)
{
    free(table->slots);
    *table = (struct ticket_table){0};
}

uint64_t ticket_issue(struct ticket_table *table, void *holder)
{
    uint32_t index = table->first_free;
    if (index >= table->capacity)
        return 0;
    struct ticket_slot *slot = &table->slots[index];
    table->first_free = slot->next_free;
    slot->holder = holder;
    return slot->generation << INDEX_BITS | index;
}

void *ticket_holder(const struct ticket_table *table, uint64_t ticket)
{
    uint32_t index = index_of(ticket);
    if (index >= table->capacity ||
        table->slots[index].generation != ticket >> INDEX_BITS)
        return NULL;
    return table->slots[index].holder;
}

void ticket_void(struct ticket_table *table, uint64_t ticket)
{
    if (ticket_holder(table, ticket) == NULL)
        return;
    uint32_t index = index_of(ticket);
    struct ticket_slot *slot = &table->slots[index];
    slot->holder = NULL;
    slot->generation++;
    slot->next_free = table->first_free;
    table->first_free = index;
}
