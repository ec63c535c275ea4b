#include "base/memory.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { ARENA_BLOCK_SIZE = 8192 };

struct arena_block {
    struct arena_block *next;
    size_t used;
    size_t size;
    _Alignas(16) uint8_t bytes[];
};

static void *or_abort(void *pointer, size_t size)
{
    if (pointer == NULL) {
        fprintf(stderr, "postoffice: no memory for %zu bytes\n", size);
        abort();
    }
    return pointer;
}

void *memory_new(size_t size)
{
    return or_abort(malloc(size == 0 ? 1 : size), size);
}

void *memory_new_zeroed(size_t count, size_t size)
{
    return or_abort(calloc(count == 0 ? 1 : count, size == 0 ? 1 : size),
                    count * size);
}

void *memory_resize(void *pointer, size_t size)
{
    return or_abort(realloc(pointer, size == 0 ? 1 : size), size);
}

char *memory_text(const char *text)
{
    return or_abort(strdup(text), strlen(text));
}

void *arena_try(struct arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    size_t rounded = (size + 15) & ~(size_t)15;
    struct arena_block *block = arena->block;
    if (block == NULL || block->size - block->used < rounded) {
        size_t room = rounded > ARENA_BLOCK_SIZE ? rounded : ARENA_BLOCK_SIZE;
        struct arena_block *fresh = malloc(sizeof *fresh + room);
        if (fresh == NULL)
            return NULL;
        fresh->used = 0;
        fresh->size = room;
        arena->total += sizeof *fresh + room;
        /* A large single block goes behind the current one, so that the
         * room left there is still used. */
        if (block != NULL && rounded > ARENA_BLOCK_SIZE / 2) {
            fresh->next = block->next;
            block->next = fresh;
            fresh->used = rounded;
            return fresh->bytes;
        }
        fresh->next = block;
        arena->block = fresh;
        block = fresh;
    }
    void *taken = block->bytes + block->used;
    block->used += rounded;
    return taken;
}

void *arena_take(struct arena *arena, size_t size)
{
    return or_abort(arena_try(arena, size), size);
}

struct slice arena_copy(struct arena *arena, struct slice bytes)
{
    uint8_t *copy = arena_take(arena, bytes.length + 1);
    if (bytes.length > 0)
        memcpy(copy, bytes.data, bytes.length);
    copy[bytes.length] = '\0';
    return slice_of(copy, bytes.length);
}

void arena_close(struct arena *arena)
{
    struct arena_block *block = arena->block;
    while (block != NULL) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
    arena->block = NULL;
    arena->total = 0;
}
