/* The helpers that all floors share. */
#include "base/buffer.h"
#include "base/codec.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/public_id.h"
#include "base/queue.h"
#include "base/table.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_error_gathers_words(void **state)
{
    (void)state;
    struct error error = {0};
    assert_int_equal(error_set(&error, ERR_IO, "read %d", 7), ERR_IO);
    assert_int_equal(error_wrap(&error, ERR_IO, "open"), ERR_IO);
    assert_string_equal(error.text, "open: read 7");
    /* A code without words of its own brings the list's. */
    assert_int_equal(error_wrap(&error, ERR_BUSY, "publish"), ERR_BUSY);
    assert_string_equal(error.text, "publish: too much is waiting, try again");
    assert_int_equal(error_system(&error, ENOSPC, "append"), ERR_NO_SPACE);
    assert_string_equal(error.text, "append: No space left on device");
    assert_int_equal(error_wrap(NULL, ERR_IO, "nobody reads"), ERR_IO);
}

static void test_error_is_cut_not_overrun(void **state)
{
    (void)state;
    struct error error = {0};
    error_set(&error, ERR_IO, "%s", "x");
    for (int i = 0; i < 50; i++)
        error_wrap(&error, ERR_IO, "a long way up the stack");
    assert_int_equal(strlen(error.text), sizeof error.text - 1);
}

static void test_decoder_stops_at_the_end(void **state)
{
    (void)state;
    struct encoder encoder = {0};
    encoder_u8(&encoder, 1);
    encoder_u16(&encoder, 0x0203);
    encoder_u32(&encoder, 0x04050607);
    encoder_u64(&encoder, 0x08090a0b0c0d0e0f);
    encoder_string(&encoder, slice_text("text"));
    struct slice whole = encoder_slice(&encoder);
    for (size_t length = 0; length <= whole.length; length++) {
        struct decoder decoder = decoder_of(slice_of(whole.data, length));
        decoder_u8(&decoder);
        decoder_u16(&decoder);
        decoder_u32(&decoder);
        uint64_t last = decoder_u64(&decoder);
        struct slice text = decoder_string(&decoder);
        assert_int_equal(decoder_done(&decoder), length == whole.length);
        if (decoder.failed)
            assert_int_equal(text.length, 0);
        else
            assert_true(last == 0x08090a0b0c0d0e0f && slice_is(text, "text"));
    }
    encoder_close(&encoder);
}

static void test_encoder_prints_any_length(void **state)
{
    (void)state;
    struct encoder encoder = {0};
    encoder_print(&encoder, "%s", "");
    encoder_print(&encoder, "a%d", 7);
    encoder_print(&encoder, "%5000s", "b");
    assert_int_equal(encoder.length, 5002);
    assert_memory_equal(encoder.data, "a7 ", 3);
    assert_int_equal(encoder.data[5001], 'b');
    encoder_close(&encoder);
}

static void test_keys_compare_as_numbers(void **state)
{
    (void)state;
    uint64_t numbers[] = {0, 1, 255, 256, 65536, 1ull << 40, UINT64_MAX};
    uint8_t before[8];
    uint8_t key[8];
    for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        put_key_u64(key, numbers[i]);
        assert_true(get_key_u64(key) == numbers[i]);
        if (i > 0)
            assert_true(memcmp(before, key, 8) < 0);
        memcpy(before, key, 8);
    }
}

static void test_public_id_round_trip(void **state)
{
    (void)state;
    char text[PUBLIC_ID_SIZE];
    uint64_t space;
    uint64_t id;
    for (uint64_t i = 0; i < 10000; i++) {
        uint64_t number = i * 0x9E3779B97F4A7C15u;
        public_id_format(text, number, ~number);
        assert_true(public_id_parse(slice_text(text), &space, &id));
        assert_true(space == number && id == ~number);
    }
    public_id_format(text, 1, 2);
    assert_string_equal(text, "msg_aaaaaaaaaaaacaaaaaaaaaaaai");
}

static void test_public_id_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "msg_",
        "msg_aaaaaaaaaaaacaaaaaaaaaaaa",
        "msg_aaaaaaaaaaaacaaaaaaaaaaaaii",
        "msx_aaaaaaaaaaaacaaaaaaaaaaaai",
        "msg_Aaaaaaaaaaaacaaaaaaaaaaaai",
        "msg_aaaaaaaaaaaacaaaaaaaaaaaa1",
        "msg_aaaaaaaaaaaacaaaaaaaaaaaab", /* Bits beyond the last byte. */
    };
    uint64_t space;
    uint64_t id;
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(public_id_parse(slice_text(bad[i]), &space, &id));
    char zero[PUBLIC_ID_LENGTH] = "msg_aaaaaaaaaaaacaaaaaaaaaaaa";
    assert_false(
        public_id_parse(slice_of(zero, PUBLIC_ID_LENGTH), &space, &id));
}

static void test_arena_keeps_everything(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct slice kept[200];
    char text[300];
    for (unsigned i = 0; i < 200; i++) {
        memset(text, (int)('a' + i % 26), sizeof text);
        kept[i] = arena_copy(&arena, slice_of(text, i + 1));
        if (i % 50 == 0)
            memset(arena_take(&arena, 20000), 1, 20000);
    }
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(kept[i].length, i + 1);
        for (unsigned k = 0; k <= i; k++)
            assert_int_equal(kept[i].data[k], 'a' + i % 26);
        assert_int_equal(kept[i].data[i + 1], 0);
    }
    assert_null(arena_try(&arena, SIZE_MAX - 8));
    arena_close(&arena);
    assert_null(arena.block);
}

static void test_table_finds_by_id(void **state)
{
    (void)state;
    struct table table = {0};
    int objects[4];
    table_set(&table, 900, NULL);
    assert_int_equal(table.size, 0);
    table_set(&table, 1, &objects[0]);
    table_set(&table, 700, &objects[1]);
    table_set(&table, 3, &objects[2]);
    table_set(&table, 3, NULL);
    assert_int_equal(table.count, 2);
    uint32_t id = 0;
    assert_ptr_equal(table_next(&table, &id), &objects[0]);
    assert_ptr_equal(table_next(&table, &id), &objects[1]);
    assert_int_equal(id, 700);
    assert_null(table_next(&table, &id));
    assert_null(table_get(&table, 100000));
    table_close(&table);
}

struct number {
    struct queue_item item;
    uint32_t value;
};

enum { NUMBERS = 20000 };

static void *push_numbers(void *argument)
{
    struct queue *queue = argument;
    for (uint32_t i = 0; i < NUMBERS; i++) {
        struct number *number = memory_new(sizeof *number);
        number->value = i;
        queue_push(queue, &number->item);
    }
    queue_end(queue);
    return NULL;
}

static void test_queue_between_threads(void **state)
{
    (void)state;
    struct queue queue;
    pthread_t thread;
    uint32_t next = 0;
    queue_init(&queue);
    assert_int_equal(pthread_create(&thread, NULL, push_numbers, &queue), 0);
    while (queue_wait(&queue, 0)) {
        struct queue_item *item = queue_take(&queue);
        while (item != NULL) {
            struct number *number = (struct number *)item;
            item = item->next;
            assert_int_equal(number->value, next++);
            free(number);
        }
    }
    assert_int_equal(next, NUMBERS);
    pthread_join(thread, NULL);
    queue_close(&queue);
}

static void test_queue_is_nudged_and_times_out(void **state)
{
    (void)state;
    struct queue queue;
    queue_init(&queue);
    queue_nudge(&queue);
    assert_true(queue_wait(&queue, 0)); /* Returns, though empty. */
    assert_true(queue_wait(&queue, 1)); /* A deadline long past. */
    assert_null(queue_take_one(&queue));
    queue_end(&queue);
    assert_false(queue_wait(&queue, 0));
    queue_close(&queue);
}

static void test_buffer_counts_references(void **state)
{
    (void)state;
    struct buffer *buffer = buffer_new(10);
    assert_int_equal(buffer->references, 1);
    assert_ptr_equal(buffer_ref(buffer), buffer);
    buffer_unref(buffer);
    assert_int_equal(buffer->references, 1);
    buffer_unref(buffer);
    buffer_unref(NULL);
    assert_null(buffer_new(SIZE_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_gathers_words),
        cmocka_unit_test(test_error_is_cut_not_overrun),
        cmocka_unit_test(test_decoder_stops_at_the_end),
        cmocka_unit_test(test_encoder_prints_any_length),
        cmocka_unit_test(test_keys_compare_as_numbers),
        cmocka_unit_test(test_public_id_round_trip),
        cmocka_unit_test(test_public_id_refuses),
        cmocka_unit_test(test_arena_keeps_everything),
        cmocka_unit_test(test_table_finds_by_id),
        cmocka_unit_test(test_queue_between_threads),
        cmocka_unit_test(test_queue_is_nudged_and_times_out),
        cmocka_unit_test(test_buffer_counts_references),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
