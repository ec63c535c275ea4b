/* slice.h - borrowed bytes: a pointer and a length.
 *
 * A slice owns nothing; whoever hands it out says how long it lives.
 * Thread: any. */
#ifndef POSTOFFICE_BASE_SLICE_H
#define POSTOFFICE_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *data; /* May be NULL when length is 0. */
    size_t length;       /* Bytes. */
};

static inline struct slice slice_of(const void *data, size_t length)
{
    return (struct slice){.data = data, .length = length};
}

static inline struct slice slice_text(const char *text)
{
    return slice_of(text, text == NULL ? 0 : strlen(text));
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.length == b.length &&
           (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

static inline bool slice_is(struct slice a, const char *text)
{
    return slice_equal(a, slice_text(text));
}

#endif
