/* Commands that are cut, have something behind them, lie about counts, or were
 * written by a newer program: each is an error, none reads beyond its end. */
#include "command_samples.h"
#include "fixture.h"

#include <stdlib.h>

/* A copy of exactly the size, so that a sanitizer sees any overrun. */
static int decode_copy(const uint8_t *data, size_t length, struct arena *arena)
{
    uint8_t *copy = malloc(length == 0 ? 1 : length);
    struct command command;
    memcpy(copy, data, length);
    struct slice entry = slice_of(copy, length);
    int rc = command_next(&entry, &command);
    if (rc == 0)
        rc = decode_body(&command, arena);
    free(copy);
    return rc;
}

static void test_every_truncation_is_an_error(void **state)
{
    struct arena arena = {0};
    (void)state;
    for (enum sample sample = 0; sample < SAMPLES; sample++) {
        struct encoder out = {0};
        encode_sample(&out, sample);
        assert_int_equal(decode_copy(out.data, out.length, &arena), 0);
        for (size_t cut = 0; cut < out.length; cut++)
            assert_int_not_equal(decode_copy(out.data, cut, &arena), 0);
        /* The same with an envelope that owns up to the shorter body. */
        for (size_t cut = COMMAND_ENVELOPE_SIZE; cut < out.length; cut++) {
            put_u32(out.data + 4, (uint32_t)(cut - COMMAND_ENVELOPE_SIZE));
            assert_int_not_equal(decode_copy(out.data, cut, &arena), 0);
        }
        encoder_close(&out);
    }
    arena_close(&arena);
}

static void test_trailing_bytes_are_an_error(void **state)
{
    struct arena arena = {0};
    (void)state;
    for (enum sample sample = 0; sample < SAMPLES; sample++) {
        struct encoder out = {0};
        encode_sample(&out, sample);
        encoder_u8(&out, 0);
        put_u32(out.data + 4, (uint32_t)(out.length - COMMAND_ENVELOPE_SIZE));
        assert_int_not_equal(decode_copy(out.data, out.length, &arena), 0);
        encoder_close(&out);
    }
    arena_close(&arena);
}

/* Garbage may decode or not, but never reads beyond its end. */
static void test_garbage_is_survived(void **state)
{
    uint64_t random = random_seed(4711);
    struct arena arena = {0};
    (void)state;
    for (int i = 0; i < 60000; i++) {
        struct encoder out = {0};
        encode_sample(&out, random_below(&random, SAMPLES));
        uint32_t hits = 1 + random_below(&random, 4);
        for (uint32_t k = 0; k < hits; k++)
            out.data[random_below(&random, (uint32_t)out.length)] =
                (uint8_t)random_next(&random);
        decode_copy(out.data, out.length, &arena);
        encoder_close(&out);
        arena_close(&arena);
    }
}

/* What a newer program wrote is told apart from what is broken. */
static void test_newer_is_not_corrupt(void **state)
{
    struct arena arena = {0};
    struct encoder out = {0};
    (void)state;
    encode_sample(&out, SAMPLE_PUBLISHER_DELETE);
    out.data[0] = 3;
    assert_int_equal(decode_copy(out.data, out.length, &arena), ERR_VERSION);
    out.data[0] = 0;
    assert_int_equal(decode_copy(out.data, out.length, &arena), ERR_CORRUPT);
    out.data[0] = 1; /* Never in the field, and forgotten. */
    assert_int_equal(decode_copy(out.data, out.length, &arena), ERR_VERSION);
    out.data[0] = 2;
    out.data[2] = 1; /* A flag of other types. */
    assert_int_equal(decode_copy(out.data, out.length, &arena), ERR_VERSION);

    /* A flag that we know, and one that we do not, where flags may be. */
    out.length = 0;
    encode_sample(&out, SAMPLE_MESSAGES_ONCE);
    out.data[2] |= 2;
    assert_int_equal(decode_copy(out.data, out.length, &arena), ERR_VERSION);

    /* An option that we do not know. */
    out.length = 0;
    encode_sample(&out, SAMPLE_TOPIC_CREATE);
    encoder_u16(&out, 7);
    encoder_string(&out, slice_text("new"));
    put_u32(out.data + 4, (uint32_t)(out.length - COMMAND_ENVELOPE_SIZE));
    assert_int_equal(decode_copy(out.data, out.length, &arena), ERR_VERSION);
    put_u16(out.data + out.length - 9, 6); /* One that was there before. */
    assert_int_equal(decode_copy(out.data, out.length, &arena), ERR_CORRUPT);

    /* A tag of a message. */
    out.length = 0;
    encode_sample(&out, SAMPLE_MESSAGES);
    size_t tags = COMMAND_ENVELOPE_SIZE + 4 + MESSAGE_HEADER_SIZE;
    out.data[tags + 22] = 5; /* For the origin's 4. */
    assert_int_equal(decode_copy(out.data, out.length, &arena), ERR_VERSION);
    out.data[tags + 22] = 3; /* Twice the same. */
    assert_int_equal(decode_copy(out.data, out.length, &arena), ERR_CORRUPT);
    encoder_close(&out);
    arena_close(&arena);
}

/* A count that the bytes do not bear out costs no memory. */
static void test_counts_are_not_believed(void **state)
{
    static const enum sample with_counts[] = {
        SAMPLE_MESSAGES, SAMPLE_GRANT,  SAMPLE_GRANT,      SAMPLE_OUTCOMES,
        SAMPLE_INTENT,   SAMPLE_UNPARK, SAMPLE_REPLAY_STEP};
    static const size_t offsets[] = {20, 44, 48, 24, 24, 52, 40};
    struct arena arena = {0};
    (void)state;
    for (int i = 0; i < 7; i++) {
        struct encoder out = {0};
        encode_sample(&out, with_counts[i]);
        put_u32(out.data + offsets[i], UINT32_MAX);
        assert_int_equal(decode_copy(out.data, out.length, &arena),
                         ERR_CORRUPT);
        assert_true(arena.total < 100000);
        encoder_close(&out);
    }
    arena_close(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_truncation_is_an_error),
        cmocka_unit_test(test_trailing_bytes_are_an_error),
        cmocka_unit_test(test_garbage_is_survived),
        cmocka_unit_test(test_newer_is_not_corrupt),
        cmocka_unit_test(test_counts_are_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
