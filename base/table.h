/* table.h - objects by their number: a growing array of pointers.
 *
 * For ids that are allotted in sequence from 1 (topics, publishers). An entry
 * costs eight bytes, whether its object still exists or not.
 * Thread: one at a time. */
#ifndef POSTOFFICE_BASE_TABLE_H
#define POSTOFFICE_BASE_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct table {
    void **objects;
    uint32_t size; /* Ids below this may be there. */
    uint32_t count;
};

void table_set(struct table *table, uint32_t id, void *object); /* Or NULL. */
void table_close(struct table *table); /* The objects are the caller's. */

static inline void *table_get(const struct table *table, uint32_t id)
{
    return id < table->size ? table->objects[id] : NULL;
}

/* The first object with an id above *id, which is set to its; or NULL. */
void *table_next(const struct table *table, uint32_t *id);

#endif
