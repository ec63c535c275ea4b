/* memory.h - allocation for small, fixed things, and arenas for what lives
 * and dies together.
 *
 * Small fixed allocations abort the process on failure: the node restarts and
 * nothing acknowledged is lost. Where a client or peer chooses the size, the
 * caller checks a bound first and uses malloc() with an error path, or the
 * arena's `arena_try`.
 * Thread: any; one arena belongs to one thread at a time. */
#ifndef POSTOFFICE_BASE_MEMORY_H
#define POSTOFFICE_BASE_MEMORY_H

#include "base/slice.h"

#include <stddef.h>

/* Never NULL; abort on failure. */
void *memory_new(size_t size) __attribute__((malloc, returns_nonnull));
void *memory_new_zeroed(size_t count, size_t size)
    __attribute__((malloc, returns_nonnull));
void *memory_resize(void *pointer, size_t size)
    __attribute__((returns_nonnull));
char *memory_text(const char *text) __attribute__((malloc, returns_nonnull));

/* A list of blocks freed as a whole. Zero-initialised is empty and valid. */
struct arena {
    struct arena_block *block;
    size_t total; /* Bytes taken from the heap so far. */
};

/* 16-byte aligned, not cleared; aborts on failure. Valid until close. */
void *arena_take(struct arena *arena, size_t size)
    __attribute__((returns_nonnull));
/* The same, NULL on failure. */
void *arena_try(struct arena *arena, size_t size);
/* A copy of the bytes with a terminating NUL behind them (not counted). */
struct slice arena_copy(struct arena *arena, struct slice bytes);
void arena_close(struct arena *arena); /* Empty again, reusable. */

#endif
