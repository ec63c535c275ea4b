/* Bodies in chunks: sound ones come out whole however they arrive, and what
 * only looks alike is broken. */
#include "http/chunked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct outcome {
    char body[512];
    size_t length;
    ssize_t result;
};

/* Feeds the first `split` bytes, then the others; split 0: byte by byte. */
static struct outcome decode(const char *input, size_t length, size_t split)
{
    struct chunked chunked = {0};
    struct outcome outcome = {.result = CHUNKED_UNFINISHED};
    for (size_t at = 0; at < length && outcome.result == CHUNKED_UNFINISHED;) {
        size_t until = split == 0 ? at + 1 : at < split ? split : length;
        size_t count = until - at;
        /* A block of its own: a sanitizer sees what leaves it. */
        char *part = malloc(count);
        memcpy(part, input + at, count);
        outcome.result = chunked_decode(&chunked, part, &count);
        memcpy(outcome.body + outcome.length, part, count);
        outcome.length += count;
        if (outcome.result > 0)
            assert_memory_equal(part + count,
                                input + until - (size_t)outcome.result,
                                (size_t)outcome.result);
        free(part);
        at = until;
    }
    return outcome;
}

static void expect(const char *input, const char *body)
{
    size_t length = strlen(input);
    for (size_t split = 0; split <= length; split++) {
        struct outcome outcome = decode(input, length, split);
        if (outcome.result != 0 || outcome.length != strlen(body) ||
            memcmp(outcome.body, body, outcome.length) != 0)
            fail_msg("%s, split at %zu: result %zd, body '%.*s'", input, split,
                     outcome.result, (int)outcome.length, outcome.body);
    }
}

static void expect_broken(const char *input, size_t length)
{
    for (size_t split = 0; split <= length; split++) {
        struct outcome outcome = decode(input, length, split);
        if (outcome.result != CHUNKED_BROKEN)
            fail_msg("%s, split at %zu: result %zd", input, split,
                     outcome.result);
    }
}

static void test_sound_bodies(void **state)
{
    (void)state;
    expect("0\r\n\r\n", "");
    expect("5\r\nhello\r\n0\r\n\r\n", "hello");
    expect("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world");
    expect("a\r\n0123456789\r\n00\r\n\r\n", "0123456789");
    expect("A\r\n0123456789\r\n0\r\n\r\n", "0123456789");
    expect("0000000000000005\r\n\r\n\r\n\r\r\n0\r\n\r\n", "\r\n\r\n\r");
}

static void test_extensions_and_trailers_are_read_over(void **state)
{
    (void)state;
    expect("5;name=value\r\nhello\r\n0;last\r\n\r\n", "hello");
    expect("2;a=\"b; c\td\"\r\nhi\r\n0\r\n\r\n", "hi");
    expect("2\r\nhi\r\n0\r\nx: y\r\nz: \r\n\r\n", "hi");
}

static void test_what_follows_is_left_alone(void **state)
{
    static const char input[] = "2\r\nhi\r\n0\r\n\r\nGET / HTTP/1.1\r\n";
    (void)state;
    struct outcome outcome = decode(input, sizeof input - 1, sizeof input - 1);
    assert_int_equal(outcome.result, 16);
    assert_int_equal(outcome.length, 2);
    outcome = decode(input, sizeof input - 1, 0);
    assert_int_equal(outcome.result, 0);
}

static void test_lookalikes_are_broken(void **state)
{
    static const char *const inputs[] = {
        "5g\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "-1\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "5 ;a\r\nhello\r\n0\r\n\r\n",
        "00000000000000005\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\rhello\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r\r\n0\r\n\r\n",
        "5;a\nhello\r\n0\r\n\r\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "5;\x01\r\nhello\r\n0\r\n\r\n",
        "\r\n5\r\nhello\r\n0\r\n\r\n",
        ";a\r\n\r\n",
        "0\r\nx: y\n\r\n",
        "0\r\nx: \x7f\r\n\r\n",
        "0\r\n\n",
        "0\r\n\r\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        expect_broken(inputs[i], strlen(inputs[i]));
    expect_broken("5;\0\r\n", 5);
}

static void test_half_a_body_is_unfinished(void **state)
{
    static const char input[] = "5;e\r\nhello\r\n0\r\nx: y\r\n\r\n";
    (void)state;
    for (size_t length = 1; length < sizeof input - 1; length++)
        assert_int_equal(decode(input, length, length).result,
                         CHUNKED_UNFINISHED);
}

static void test_lines_end_somewhere(void **state)
{
    char line[1100] = "0;";
    (void)state;
    memset(line + 2, 'a', sizeof line - 2);
    assert_int_equal(decode(line, 1026, 1026).result, CHUNKED_UNFINISHED);
    assert_int_equal(decode(line, 1027, 1027).result, CHUNKED_BROKEN);
    memcpy(line, "0\r\n", 3);
    assert_int_equal(decode(line, 1027, 1027).result, CHUNKED_UNFINISHED);
    assert_int_equal(decode(line, 1028, 1028).result, CHUNKED_BROKEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound_bodies),
        cmocka_unit_test(test_extensions_and_trailers_are_read_over),
        cmocka_unit_test(test_what_follows_is_left_alone),
        cmocka_unit_test(test_lookalikes_are_broken),
        cmocka_unit_test(test_half_a_body_is_unfinished),
        cmocka_unit_test(test_lines_end_somewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
