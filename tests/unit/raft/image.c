#include "image.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

void image_init(struct image *image, uint64_t number, uint64_t seed,
                size_t bytes)
{
    *image = (struct image){.bytes = bytes};
    image->data = calloc(1, bytes);
    assert_non_null(image->data);
    image_recycle(image, number, seed);
}

void image_recycle(struct image *image, uint64_t number, uint64_t seed)
{
    image->header = (struct segment_header){
        .number = number, .seed = seed, .log_id = 77, .bytes = image->bytes};
    segment_header_encode(&image->header, image->data);
    image->cursor = segment_begin(&image->header);
}

void image_close(struct image *image)
{
    free(image->data);
}

void image_put(struct image *image, enum record_type type, uint64_t index,
               struct slice payload, bool ends_batch)
{
    uint8_t *at = image->data + image->cursor.offset;
    struct record record = {
        .index = index,
        .term = 1 + index / 10,
        .payload_checksum = entry_checksum(payload),
        .length = (uint32_t)payload.length,
        .type = type,
        .ends_batch = ends_batch,
    };
    record_encode(&image->cursor, &record, at);
    if (payload.length > 0)
        memcpy(at + RECORD_HEADER, payload.data, payload.length);
    memset(at + RECORD_HEADER + payload.length, 0,
           record_size(payload.length) - RECORD_HEADER - payload.length);
}

void image_put_base(struct image *image, uint64_t index)
{
    struct log_base base = {.index = index};
    struct encoder encoder = {0};
    base_encode(&base, &encoder);
    image_put(image, RECORD_BASE, index, encoder_slice(&encoder), false);
    encoder_close(&encoder);
}

static void make_payload(uint64_t index, size_t length, uint8_t *bytes)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)(index * 31 + i);
}

void image_put_command(struct image *image, uint64_t index, size_t length,
                       bool ends_batch)
{
    uint8_t *bytes = malloc(length + 1);
    assert_non_null(bytes);
    make_payload(index, length, bytes);
    image_put(image, RECORD_COMMAND, index, slice_of(bytes, length),
              ends_batch);
    free(bytes);
}

void image_put_mark(struct image *image, uint64_t index)
{
    image_put(image, RECORD_MARK, index, slice_of(NULL, 0), true);
}

struct image_walk image_walk(const struct image *image)
{
    struct image_walk walk = {0};
    struct segment_header header;
    struct slice bytes = slice_of(image->data, image->bytes);
    if (segment_header_decode(image->data, &header, NULL) != 0) {
        walk.header_bad = true;
        return walk;
    }
    struct segment_cursor cursor = segment_begin(&header);
    struct record record;
    struct slice payload;
    while ((walk.verdict = segment_next(&cursor, bytes, &record, &payload)) ==
           SEGMENT_RECORD) {
        walk.records++;
        if (record.type != RECORD_COMMAND)
            continue;
        uint8_t *expected = malloc(payload.length + 1);
        assert_non_null(expected);
        make_payload(record.index, payload.length, expected);
        walk.wrong = walk.wrong || record.index != walk.last_index + 1 ||
                     !slice_equal(payload, slice_of(expected, payload.length));
        walk.last_index = record.index;
        free(expected);
    }
    walk.offset = cursor.offset;
    return walk;
}
