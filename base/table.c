#include "base/table.h"

#include "base/memory.h"

#include <stdlib.h>

void table_set(struct table *table, uint32_t id, void *object)
{
    if (id >= table->size) {
        if (object == NULL)
            return;
        uint32_t size = table->size == 0 ? 64 : table->size;
        while (size <= id)
            size = size > UINT32_MAX / 2 ? UINT32_MAX : size * 2;
        table->objects =
            memory_resize(table->objects, size * sizeof *table->objects);
        for (uint32_t i = table->size; i < size; i++)
            table->objects[i] = NULL;
        table->size = size;
    }
    table->count -= table->objects[id] != NULL;
    table->objects[id] = object;
    table->count += object != NULL;
}

void *table_next(const struct table *table, uint32_t *id)
{
    for (uint32_t i = *id + 1; i < table->size; i++) {
        if (table->objects[i] != NULL) {
            *id = i;
            return table->objects[i];
        }
    }
    return NULL;
}

void table_close(struct table *table)
{
    free(table->objects);
    *table = (struct table){0};
}
