/* A frame of another member. Its checksums are made to fit, since no chance
 * would: type and lengths from the first bytes, then fields and payload. What
 * is accepted is encoded again, and must be what came. */
#include "fuzz.h"

#include "base/bounds.h"
#include "base/buffer.h"
#include "raft/frame.h"
#include "raft/frame_fields.h"

#include <xxhash.h>

enum {
    MAGIC_OFFSET = 32,
    MAGIC = 0x46534f50, /* "POSF" */
    APPEND_FIELDS = 33,
    PREFIX = 3, /* Type, length of the fields. */
};

static void make_header(uint8_t header[FRAME_HEADER], uint8_t type,
                        struct slice fields, size_t payload)
{
    memset(header, 0, FRAME_HEADER);
    put_u64(header + 8, XXH3_64bits(fields.data, fields.length));
    put_u64(header + 16, 7);
    put_u64(header + 24, 8);
    put_u32(header + MAGIC_OFFSET, MAGIC);
    put_u32(header + 36, (uint32_t)fields.length);
    put_u32(header + 40, (uint32_t)payload);
    header[44] = FRAME_VERSION;
    header[45] = type;
    put_u64(header, XXH3_64bits(header + 8, FRAME_HEADER - 8));
}

/* Of each entry whose bytes are there. */
static void fit_entries(struct buffer *body, size_t fields)
{
    size_t at = fields;
    for (size_t field = APPEND_FIELDS; field + FRAME_ENTRY_FIELDS <= fields;
         field += FRAME_ENTRY_FIELDS) {
        size_t length = get_u32(body->data + field + 16);
        if (length > body->length - at)
            return;
        put_u64(body->data + field + 8, XXH3_64bits(body->data + at, length));
        at += length;
    }
}

static void check_again(const struct frame *frame, const uint8_t *header,
                        const struct buffer *body, size_t fields)
{
    struct frame_size size;
    FUZZ_CHECK(frame_measure(frame, &size) == 0);
    FUZZ_CHECK(size.head == FRAME_HEADER + fields);
    FUZZ_CHECK(size.payload == body->length - fields);
    uint8_t *head = malloc(size.head);
    frame_encode(frame, &size, head);
    FUZZ_CHECK(memcmp(head, header, FRAME_HEADER) == 0);
    FUZZ_CHECK(memcmp(head + FRAME_HEADER, body->data, fields) == 0);
    free(head);
}

static void try_body(uint8_t type, struct slice input, size_t fields)
{
    static struct entry entries[BOUND_APPEND_ENTRIES];
    uint8_t header[FRAME_HEADER];
    struct frame_header decoded;
    struct frame frame;
    struct error error;
    struct buffer *body = buffer_new(input.length);
    body->length = input.length;
    if (input.length > 0)
        memcpy(body->data, input.data, input.length);
    if (type == FRAME_APPEND_ENTRIES)
        fit_entries(body, fields);
    make_header(header, type, slice_of(body->data, fields),
                input.length - fields);
    if (frame_header_decode(header, &decoded, &error) == 0 &&
        frame_decode(&decoded, body, 0x10002, entries, &frame, &error) == 0)
        check_again(&frame, header, body, fields);
    buffer_unref(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame_header decoded;
    struct error error;
    if (size >= FRAME_HEADER)
        frame_header_decode(data, &decoded, &error);
    if (size < PREFIX)
        return 0;
    struct slice input = slice_of(data + PREFIX, size - PREFIX);
    size_t fields = get_u16(data + 1);
    if (fields > input.length)
        fields = input.length;
    try_body(data[0], input, fields);
    return 0;
}
