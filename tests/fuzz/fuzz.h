/* fuzz.h - what the targets share: taking an input apart, and saying that a
 * rule does not hold.
 *
 * A target is one file, fuzz_NAME.c, and gets bytes from libFuzzer. Whatever
 * they are, the parser must neither crash nor read where it must not; beyond
 * that each target checks what must be true of what was accepted: that it
 * comes out again as it went in, or that another reader agrees.
 * Thread: libFuzzer's one. */
#ifndef POSTOFFICE_TESTS_FUZZ_H
#define POSTOFFICE_TESTS_FUZZ_H

#include "base/codec.h"
#include "base/memory.h"
#include "base/slice.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The target's rule is broken: libFuzzer keeps the input. */
#define FUZZ_CHECK(condition)                                                  \
    do {                                                                       \
        if (!(condition)) {                                                    \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__,   \
                    #condition);                                               \
            abort();                                                           \
        }                                                                      \
    } while (0)

/* The first byte, which chooses among the parsers of a target; 0 when there
 * is none. Seeds are readable text: so letters choose. */
static inline unsigned fuzz_choose(struct slice *input, unsigned count)
{
    if (input->length == 0)
        return 0;
    unsigned chosen = input->data[0];
    *input = slice_of(input->data + 1, input->length - 1);
    return (chosen >= 'a' ? chosen - 'a' : chosen) % count;
}

/* Up to the next line feed, which is dropped. */
static inline struct slice fuzz_line(struct slice *input)
{
    const uint8_t *end =
        input->length == 0 ? NULL : memchr(input->data, '\n', input->length);
    if (end == NULL) {
        struct slice all = *input;
        *input = slice_of(NULL, 0);
        return all;
    }
    struct slice line = slice_of(input->data, (size_t)(end - input->data));
    *input = slice_of(end + 1, input->length - line.length - 1);
    return line;
}

/* A copy of exactly this size on the heap, so that a read beyond its end is
 * seen; to be freed. */
static inline uint8_t *fuzz_copy(struct slice input)
{
    uint8_t *copy = malloc(input.length == 0 ? 1 : input.length);
    if (input.length > 0)
        memcpy(copy, input.data, input.length);
    return copy;
}

#endif
