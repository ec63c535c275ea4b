/* buffer.h - one heap block of bytes shared by reference count.
 *
 * An entry's bytes are written once, by HTTP or the transport, and from then
 * on only referred to: by the log's tail, the log writer, the store, the
 * network. References are counted without atomics: take and drop them on the
 * loop only. Other threads borrow and hand back.
 * Thread: the loop. */
#ifndef POSTOFFICE_BASE_BUFFER_H
#define POSTOFFICE_BASE_BUFFER_H

#include "base/slice.h"

struct buffer {
    uint32_t references;
    size_t length;   /* Bytes in use. */
    size_t capacity; /* Bytes there are. */
    uint8_t data[];
};

/* One reference, length 0. NULL when there is no memory: the size may come
 * from a peer. */
struct buffer *buffer_new(size_t capacity);
struct buffer *buffer_ref(struct buffer *buffer); /* Returns its argument. */
void buffer_unref(struct buffer *buffer);         /* NULL is fine. */

static inline struct slice buffer_slice(const struct buffer *buffer)
{
    return slice_of(buffer->data, buffer->length);
}

#endif
