/* The segment's format: golden bytes, torn ends, flipped bits, stale rests. */
#include "image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BYTES = 4 * SEGMENT_BLOCK };

static void expect_hex(const uint8_t *bytes, size_t length, const char *hex)
{
    char text[512] = "";
    assert_true(length * 2 < sizeof text);
    for (size_t i = 0; i < length; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    assert_string_equal(text, hex);
}

/* The format is stored on disks: these bytes may never change. */
static void test_the_bytes_are_golden(void **state)
{
    (void)state;
    struct image image;
    image_init(&image, 3, 0x1122334455667788, BYTES);
    image_put_base(&image, 0);
    image_put_command(&image, 1, 5, true);
    expect_hex(image.data, 48,
               "504f53544c4f470a" /* magic */
               "0100000000000000" /* version */
               "0300000000000000" /* number */
               "8877665544332211" /* seed */
               "4d00000000000000" /* log id */
               "0040000000000000" /* bytes */);
    expect_hex(image.data + SEGMENT_BLOCK - 8, 8, "3136a00f3a987bd1");
    expect_hex(
        image.data + SEGMENT_BLOCK, record_size(8),
        "e055f4aca24ae35c3136a00f3a987bd1d9ac876fbb3a7bc70000000000000000010000"
        "0000000000080000000100000010000000504f53520000000000000000");
    expect_hex(
        image.data + SEGMENT_BLOCK + record_size(8), record_size(5),
        "a3d57ee59650c466e055f4aca24ae35c7a7a3d7bcf08f7790100000000000000010000"
        "0000000000050000000100000001010000504f53521f20212223000000");
    image_close(&image);
}

/* Batches of one, two and three commands; the last is not followed by
 * anything. Returns where the last batch begins. */
static uint64_t fill(struct image *image)
{
    image_init(image, 1, 99, BYTES);
    image_put_base(image, 0);
    image_put_command(image, 1, 100, true);
    image_put_command(image, 2, 3, false);
    image_put_command(image, 3, 400, true);
    uint64_t last_batch = image->cursor.offset;
    image_put_command(image, 4, 700, false);
    image_put_command(image, 5, 0, false);
    image_put_command(image, 6, 90, true);
    return last_batch;
}

static void test_a_whole_segment_is_read(void **state)
{
    (void)state;
    struct image image;
    fill(&image);
    struct image_walk walk = image_walk(&image);
    assert_int_equal(walk.verdict, SEGMENT_END);
    assert_int_equal(walk.records, 7);
    assert_int_equal(walk.last_index, 6);
    assert_int_equal(walk.offset, image.cursor.offset);
    assert_false(walk.wrong);
    image_close(&image);
}

/* The last batch reaches the disk only up to some byte; or only from some
 * byte on, since sectors are written in any order. */
static void test_a_torn_end_is_cut_at_every_byte(void **state)
{
    (void)state;
    struct image image;
    uint64_t begin = fill(&image);
    uint64_t end = image.cursor.offset;
    uint8_t *whole = malloc(BYTES);
    assert_non_null(whole);
    memcpy(whole, image.data, BYTES);
    for (uint64_t cut = begin; cut < end; cut++) {
        memset(image.data + cut, 0, end - cut);
        struct image_walk walk = image_walk(&image);
        assert_true(walk.verdict == SEGMENT_END ||
                    walk.verdict == SEGMENT_TORN);
        assert_in_range(walk.last_index, 3, 6);
        assert_false(walk.wrong);
        memcpy(image.data, whole, BYTES);
        memset(image.data + begin, 0, cut + 1 - begin);
        walk = image_walk(&image);
        assert_true(walk.verdict == SEGMENT_END ||
                    walk.verdict == SEGMENT_TORN);
        assert_int_equal(walk.last_index, 3);
        assert_int_equal(walk.offset, begin);
        assert_false(walk.wrong);
        memcpy(image.data, whole, BYTES);
    }
    free(whole);
    image_close(&image);
}

/* Every bit, with and without a MARK behind the last batch. */
static void flip_all(struct image *image, uint64_t begin, uint64_t end,
                     bool marked)
{
    for (uint64_t bit = 0; bit < 8 * (end + 64); bit++) {
        image->data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        struct image_walk walk = image_walk(image);
        uint64_t byte = bit / 8;
        assert_false(walk.wrong);
        if (byte < SEGMENT_BLOCK)
            assert_true(walk.header_bad);
        else if (byte < begin)
            assert_true(walk.verdict == SEGMENT_DAMAGED ||
                        walk.last_index == 6);
        else if (!marked)
            assert_true(walk.verdict != SEGMENT_DAMAGED &&
                        walk.last_index >= 3);
        else
            assert_true(walk.verdict == SEGMENT_DAMAGED ||
                        walk.last_index == 6);
        image->data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
}

static void test_every_flipped_bit_is_found(void **state)
{
    (void)state;
    struct image image;
    uint64_t begin = fill(&image);
    flip_all(&image, begin, image.cursor.offset, false);
    image_put_mark(&image, 6);
    flip_all(&image, begin, image.cursor.offset, true);
    image_close(&image);
}

/* What a recycled segment held before never follows what it holds now. */
static void test_stale_records_never_follow(void **state)
{
    (void)state;
    for (size_t length = 0; length < 200; length += 8) {
        struct image image;
        fill(&image);
        image_recycle(&image, 9, 100);
        struct image_walk walk = image_walk(&image);
        assert_int_equal(walk.records, 0);
        assert_int_equal(walk.verdict, SEGMENT_END);
        image_put_base(&image, 0);
        image_put_command(&image, 1, length, true);
        walk = image_walk(&image);
        assert_int_equal(walk.records, 2);
        assert_int_equal(walk.verdict, SEGMENT_END);
        assert_false(walk.wrong);
        image_close(&image);
    }
}

/* After a torn batch was cut, another is written over it: what is left of the
 * torn one neither follows nor looks like damage. */
static void test_the_rest_of_a_cut_batch_is_harmless(void **state)
{
    (void)state;
    for (size_t length = 0; length < 900; length += 8) {
        struct image image;
        fill(&image);
        image.data[image.cursor.offset - 1] ^= 1;
        image.data[5 * SEGMENT_BLOCK / 4 + 300] ^= 1;
        struct segment_header header = image.header;
        struct segment_cursor cursor = segment_begin(&header);
        struct record record;
        struct slice payload;
        struct slice bytes = slice_of(image.data, BYTES);
        uint64_t last = 0;
        while (segment_next(&cursor, bytes, &record, &payload) ==
               SEGMENT_RECORD)
            last = record.type == RECORD_COMMAND ? record.index : last;
        image.cursor = cursor;
        image_put_command(&image, last + 1, length, true);
        struct image_walk walk = image_walk(&image);
        assert_true(walk.verdict == SEGMENT_END ||
                    walk.verdict == SEGMENT_TORN);
        assert_int_equal(walk.last_index, last + 1);
        assert_false(walk.wrong);
        image_close(&image);
    }
}

static void test_newer_formats_are_refused_with_words(void **state)
{
    (void)state;
    struct image image;
    struct error error = {0};
    struct segment_header header;
    image_init(&image, 1, 5, BYTES);
    assert_int_equal(segment_header_decode(image.data, &header, &error), 0);
    image.data[8] = 2;
    assert_int_equal(segment_header_decode(image.data, &header, &error),
                     ERR_CORRUPT);
    uint8_t *checksum = image.data + SEGMENT_BLOCK - 8;
    put_u64(checksum, entry_checksum(slice_of(image.data, SEGMENT_BLOCK - 8)));
    assert_int_equal(segment_header_decode(image.data, &header, &error),
                     ERR_VERSION);
    assert_string_equal(error.text,
                        "format 2, but this program knows format 1 only");
    image_close(&image);
}

/* An entry always leaves room for a MARK, and a full segment is walked to its
 * last byte. */
static void test_a_mark_always_fits(void **state)
{
    (void)state;
    struct image image;
    image_init(&image, 1, 5, BYTES);
    image_put_base(&image, 0);
    uint64_t index = 0;
    while (segment_fits(&image.cursor, 200))
        image_put_command(&image, ++index, 200, true);
    while (segment_fits(&image.cursor, 0))
        image_put_command(&image, ++index, 0, true);
    assert_true(BYTES - image.cursor.offset >= RECORD_HEADER);
    image_put_mark(&image, index);
    struct image_walk walk = image_walk(&image);
    assert_int_equal(walk.verdict, SEGMENT_END);
    assert_int_equal(walk.last_index, index);
    image_close(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_bytes_are_golden),
        cmocka_unit_test(test_a_whole_segment_is_read),
        cmocka_unit_test(test_a_torn_end_is_cut_at_every_byte),
        cmocka_unit_test(test_every_flipped_bit_is_found),
        cmocka_unit_test(test_stale_records_never_follow),
        cmocka_unit_test(test_the_rest_of_a_cut_batch_is_harmless),
        cmocka_unit_test(test_newer_formats_are_refused_with_words),
        cmocka_unit_test(test_a_mark_always_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
