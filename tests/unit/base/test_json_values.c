/* What JSON values mean: numbers by value, strings by text, pointers. */
#include "base/error.h"
#include "base/json_number.h"
#include "base/json_pointer.h"
#include "base/json_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static bool same_number(const char *a, const char *b)
{
    struct json_number left;
    struct json_number right;
    assert_true(json_number_of(slice_text(a), &left));
    assert_true(json_number_of(slice_text(b), &right));
    assert_true(json_number_equal(&left, &right) ==
                json_number_equal(&right, &left));
    return json_number_equal(&left, &right);
}

static void test_numbers_are_equal_by_value(void **state)
{
    static const char *const threes[] = {
        "3",     "3.0",     "3e0",    "30e-1",  "0.3E1",
        "3.000", "0.03e+2", "300e-2", "3.0e00", "0.000003e6"};
    static const char *const zeros[] = {"0", "-0", "0.0", "0e9", "-0.00e-5"};
    (void)state;
    for (size_t i = 0; i < sizeof threes / sizeof *threes; i++)
        for (size_t j = 0; j < sizeof threes / sizeof *threes; j++)
            assert_true(same_number(threes[i], threes[j]));
    for (size_t i = 0; i < sizeof zeros / sizeof *zeros; i++) {
        assert_true(same_number(zeros[i], "0"));
        assert_false(same_number(zeros[i], "3"));
    }
    assert_true(same_number("-1.50", "-15e-1"));
    assert_true(same_number("120", "12e1"));
    assert_true(same_number("1005", "1.005e3"));
}

static void test_numbers_are_never_rounded(void **state)
{
    (void)state;
    assert_false(same_number("9007199254740993", "9007199254740992"));
    assert_false(same_number("0.1", "0.1000000000000000000001"));
    assert_false(same_number("3", "-3"));
    assert_false(same_number("3", "30"));
    assert_false(same_number("3", "0.3"));
    assert_false(same_number("1.5", "15"));
    assert_false(same_number("105", "15"));
    assert_false(same_number("1e400", "1e401"));
    assert_true(same_number("1e400", "10e399"));
}

static void test_absurd_exponents_are_refused(void **state)
{
    struct json_number number;
    (void)state;
    assert_true(json_number_of(slice_text("1e1000000000"), &number));
    assert_false(json_number_of(slice_text("1e1000000001"), &number));
    assert_false(
        json_number_of(slice_text("1e-99999999999999999999999"), &number));
}

static bool same_text(const char *string, struct slice text)
{
    struct json_value value;
    struct json_scan scan = json_scan_of(slice_text(string));
    assert_true(json_scan_value(&scan, &value));
    return json_value_equals(&value, text);
}

static void test_strings_are_equal_by_text(void **state)
{
    (void)state;
    assert_true(same_text("\"\\u0061b\\/\"", slice_text("ab/")));
    assert_true(
        same_text("\"\\ud83d\\ude00\"", slice_text("\xf0\x9f\x98\x80")));
    assert_true(same_text("\"\\u20ac\\n\"", slice_text("\xe2\x82\xac\n")));
    assert_true(same_text("\"\\u0000\"", slice_of("", 1)));
    assert_true(same_text("\"\"", slice_text("")));
    assert_false(same_text("\"\\u0061b\"", slice_text("a")));
    assert_false(same_text("\"\\u0061b\"", slice_text("abc")));
    assert_false(same_text("\"\\ud83d\"", slice_text("\xed\xa0\xbd")));
    assert_false(same_text("3", slice_text("3")));
}

static void test_pointers_are_split(void **state)
{
    struct arena arena = {0};
    struct json_token *tokens;
    uint32_t count;
    (void)state;
    assert_int_equal(
        json_pointer_split(slice_text(""), &arena, 8, &tokens, &count), 0);
    assert_int_equal(count, 0);
    assert_int_equal(json_pointer_split(slice_text("/a~1b/~0~01//07/10"),
                                        &arena, 8, &tokens, &count),
                     0);
    assert_int_equal(count, 5);
    assert_true(slice_is(tokens[0].name, "a/b"));
    assert_true(slice_is(tokens[1].name, "~~1"));
    assert_true(slice_is(tokens[2].name, ""));
    assert_int_equal(tokens[3].index, JSON_POINTER_NO_INDEX);
    assert_int_equal(tokens[4].index, 10);
    arena_close(&arena);
}

static void test_bad_pointers(void **state)
{
    static const char *const bad[] = {"a", "a/b", "/~", "/~2", "/a~", "/~/1"};
    struct arena arena = {0};
    struct json_token *tokens;
    uint32_t count;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(
            json_pointer_split(slice_text(bad[i]), &arena, 8, &tokens, &count),
            ERR_INVALID);
    assert_int_equal(
        json_pointer_split(slice_text("/1/2/3"), &arena, 2, &tokens, &count),
        ERR_TOO_LARGE);
    arena_close(&arena);
}

static void test_pointers_are_written(void **state)
{
    char text[8];
    (void)state;
    assert_int_equal(json_pointer_append(text, sizeof text, slice_text("a/~")),
                     6);
    assert_string_equal(text, "/a~1~0");
    for (size_t room = 0; room < sizeof text; room++) {
        size_t used = json_pointer_append(text, room, slice_text("abcdefghi"));
        assert_true(room == 0 ? used == 0 : used < room);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_are_equal_by_value),
        cmocka_unit_test(test_numbers_are_never_rounded),
        cmocka_unit_test(test_absurd_exponents_are_refused),
        cmocka_unit_test(test_strings_are_equal_by_text),
        cmocka_unit_test(test_pointers_are_split),
        cmocka_unit_test(test_bad_pointers),
        cmocka_unit_test(test_pointers_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
