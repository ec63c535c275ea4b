/* table.h - objects by their id. Ids are allotted one after the other, so an
 * array is the table. Owns nothing. Thread: its holder's. */
#ifndef POSTOFFICE_STORAGE_TABLE_H
#define POSTOFFICE_STORAGE_TABLE_H

#include "base/memory.h"

#include <stdlib.h>

struct table {
    void **slots;
    uint32_t capacity; /* Ids from 0 to capacity - 1 have a slot. */
};

/* NULL when there is none. */
static inline void *table_get(const struct table *table, uint32_t id)
{
    return id < table->capacity ? table->slots[id] : NULL;
}

/* The id comes from our own sequence, never from outside. */
static inline void table_set(struct table *table, uint32_t id, void *object)
{
    if (id >= table->capacity) {
        uint32_t capacity = id < UINT32_MAX / 2 ? 2 * (id + 8) : UINT32_MAX;
        table->slots =
            memory_resize(table->slots, capacity * sizeof *table->slots);
        memset(table->slots + table->capacity, 0,
               (capacity - table->capacity) * sizeof *table->slots);
        table->capacity = capacity;
    }
    table->slots[id] = object;
}

static inline void table_close(struct table *table)
{
    free(table->slots);
    *table = (struct table){0};
}

#endif
