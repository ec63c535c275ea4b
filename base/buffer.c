#include "base/buffer.h"

#include <assert.h>
#include <stdlib.h>

struct buffer *buffer_new(size_t capacity)
{
    if (capacity > SIZE_MAX - sizeof(struct buffer))
        return NULL;
    struct buffer *buffer = malloc(sizeof *buffer + capacity);
    if (buffer == NULL)
        return NULL;
    buffer->references = 1;
    buffer->length = 0;
    buffer->capacity = capacity;
    return buffer;
}

struct buffer *buffer_ref(struct buffer *buffer)
{
    assert(buffer->references > 0);
    buffer->references++;
    return buffer;
}

void buffer_unref(struct buffer *buffer)
{
    if (buffer == NULL)
        return;
    assert(buffer->references > 0);
    if (--buffer->references == 0)
        free(buffer);
}
