/* Filters: by example, by complaint, and against a naive reader that follows
 * a pointer through a value of which it knows the tree. */
#include "base/bounds.h"
#include "base/codec.h"
#include "base/error.h"
#include "base/json_pointer.h"
#include "base/memory.h"
#include "storage/command.h"
#include "storage/filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct filter *compile(const char *text)
{
    struct filter *filter = NULL;
    struct filter_error error = {0};
    if (filter_compile(slice_text(text), &filter, &error) != 0)
        fail_msg("%s: %s: %s", text, error.pointer, error.text);
    return filter;
}

static bool matches_payload(const char *filter_text, const char *payload)
{
    struct filter *filter = compile(filter_text);
    struct filter_verdict verdict;
    bool matches = filter_match(filter, slice_of(NULL, 0), slice_text(payload));
    filter_explain(filter, slice_of(NULL, 0), slice_text(payload), &verdict);
    assert_int_equal(verdict.matches, matches);
    assert_int_equal(verdict.text[0] == '\0', matches);
    filter_unref(filter);
    return matches;
}

static void test_places_and_values(void **state)
{
    static const char payload[] =
        "{\"customer\":{\"id\":3.0,\"name\":\"\\u00e9va\",\"vip\":true,"
        "\"note\":null},\"lines\":[{\"sku\":\"x\"},{\"sku\":\"y\"}],"
        "\"a/b\":1,\"m~n\":2,\"\":4,\"0\":5}";
    static const char *const yes[] = {
        "{}",
        "{\"payload\":{}}",
        "{\"payload\":{\"/customer/id\":3}}",
        "{\"payload\":{\"/customer/id\":[1,2,30e-1]}}",
        "{\"payload\":{\"/customer/name\":\"\xc3\xa9va\"}}",
        "{\"payload\":{\"/customer/vip\":true,\"/customer/note\":null}}",
        "{\"payload\":{\"/lines/1/sku\":\"y\",\"/lines/0/sku\":[\"x\"]}}",
        "{\"payload\":{\"/a~1b\":1,\"/m~0n\":2,\"/\":4,\"/0\":5}}",
    };
    static const char *const no[] = {
        "{\"payload\":{\"/customer/id\":4}}",
        "{\"payload\":{\"/customer/id\":\"3\"}}",
        "{\"payload\":{\"/customer/id\":3,\"/a~1b\":2}}",
        "{\"payload\":{\"/customer/vip\":false}}",
        "{\"payload\":{\"/customer\":null}}",
        "{\"payload\":{\"/missing\":null}}",
        "{\"payload\":{\"/lines/2/sku\":\"y\"}}",
        "{\"payload\":{\"/lines/-/sku\":\"y\"}}",
        "{\"payload\":{\"/lines/01/sku\":\"y\"}}",
        "{\"payload\":{\"/customer/id/more\":3}}",
        "{\"payload\":{\"\":3}}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        if (!matches_payload(yes[i], payload))
            fail_msg("should match: %s", yes[i]);
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        if (matches_payload(no[i], payload))
            fail_msg("should not match: %s", no[i]);
    assert_true(matches_payload("{\"payload\":{\"\":3}}", " 3 "));
    assert_true(matches_payload("{\"payload\":{\"\":null}}", "null"));
    assert_true(
        matches_payload("{\"payload\":{\"/1\":\"b\"}}", "[\"a\",\"b\"]"));
}

/* The last of two equal names counts, with all that lies below it. */
static void test_the_last_of_two_names_counts(void **state)
{
    (void)state;
    assert_true(
        matches_payload("{\"payload\":{\"/a\":2}}", "{\"a\":1,\"a\":2}"));
    assert_false(
        matches_payload("{\"payload\":{\"/a\":1}}", "{\"a\":1,\"a\":2}"));
    assert_false(matches_payload("{\"payload\":{\"/a/b\":1}}",
                                 "{\"a\":{\"b\":1},\"\\u0061\":{\"c\":1}}"));
}

static void test_broken_payloads_match_nothing(void **state)
{
    (void)state;
    assert_false(matches_payload("{\"payload\":{\"/a\":1}}", "{\"a\":1"));
    assert_false(matches_payload("{\"payload\":{\"/a\":1}}", ""));
    assert_true(filter_match(NULL, slice_of(NULL, 0), slice_text("")));
}

static void expect_attributes(const char *filter_text, struct slice attributes,
                              const char *clause, const char *words)
{
    struct filter *filter = compile(filter_text);
    struct filter_verdict verdict;
    bool matches = filter_match(filter, attributes, slice_text("{}"));
    filter_explain(filter, attributes, slice_text("{}"), &verdict);
    assert_int_equal(matches, clause == NULL);
    assert_int_equal(verdict.matches, matches);
    assert_string_equal(verdict.clause, clause == NULL ? "" : clause);
    assert_string_equal(verdict.text, words == NULL ? "" : words);
    filter_unref(filter);
}

static void test_attributes(void **state)
{
    struct encoder attributes = {0};
    (void)state;
    attribute_encode(&attributes, slice_text("kind"), slice_text("a"));
    attribute_encode(&attributes, slice_text("x/y"), slice_text(""));
    struct slice all = encoder_slice(&attributes);
    expect_attributes("{\"attributes\":{\"kind\":\"a\"}}", all, NULL, NULL);
    expect_attributes("{\"attributes\":{\"kind\":[\"b\",\"a\"],\"x/y\":\"\"}}",
                      all, NULL, NULL);
    expect_attributes("{\"attributes\":{\"kind\":[\"b\",\"c\"]}}", all,
                      "/attributes/kind",
                      "attribute \"kind\" is \"a\", which is none of the "
                      "filter's values");
    expect_attributes("{\"attributes\":{\"x/y\":\"1\"}}", all,
                      "/attributes/x~1y",
                      "attribute \"x/y\" is \"\", which is none of the "
                      "filter's values");
    expect_attributes("{\"attributes\":{\"kind\":\"a\",\"region\":\"\"}}", all,
                      "/attributes/region", "attribute \"region\" is missing");
    expect_attributes(
        "{\"attributes\":{\"kind\":\"a\"},\"payload\":{\"/a\":1}}", all,
        "/payload/~1a", "payload \"/a\" is missing");
    encoder_close(&attributes);
}

static void expect_complaint(const char *text, const char *pointer,
                             const char *words)
{
    struct filter *filter = NULL;
    struct filter_error error = {.pointer = "not set", .text = "not set"};
    int rc = filter_compile(slice_text(text), &filter, &error);
    if (rc != ERR_INVALID)
        fail_msg("should be refused: %s", text);
    assert_null(filter);
    assert_string_equal(error.pointer, pointer);
    if (strstr(error.text, words) == NULL)
        fail_msg("%s: \"%s\" lacks \"%s\"", text, error.text, words);
}

static void test_complaints(void **state)
{
    (void)state;
    expect_complaint("", "", "is not JSON");
    expect_complaint("[]", "", "must be an object");
    expect_complaint("{\"attributes\":{}", "", "is not JSON");
    expect_complaint("{} {}", "", "nothing should follow");
    expect_complaint("{\"body\":{}}", "/body", "is unknown");
    expect_complaint("{\"payload\":3}", "/payload", "must be an object");
    expect_complaint("{\"payload\":{},\"payload\":{}}", "/payload", "twice");
    expect_complaint("{\"attributes\":{\"kind\":3}}", "/attributes/kind",
                     "must be a string");
    expect_complaint("{\"attributes\":{\"kind\":[\"a\",null]}}",
                     "/attributes/kind/1", "must be a string");
    expect_complaint("{\"attributes\":{\"kind\":[]}}", "/attributes/kind",
                     "must not be empty");
    expect_complaint("{\"attributes\":{\"a\":\"1\",\"\\u0061\":\"2\"}}",
                     "/attributes/a", "twice");
    expect_complaint("{\"attributes\":{\"\":\"1\"}}", "/attributes/", "1 to");
    expect_complaint("{\"payload\":{\"customer\":3}}", "/payload/customer",
                     "is not a JSON pointer");
    expect_complaint("{\"payload\":{\"/a/~b\":3}}", "/payload/~1a~1~0b",
                     "is not a JSON pointer");
    expect_complaint("{\"payload\":{\"/a\":{}}}", "/payload/~1a", "must be");
    expect_complaint("{\"payload\":{\"/a\":[1,[2]]}}", "/payload/~1a/1",
                     "must be");
    expect_complaint("{\"payload\":{\"/a\":1e9999999999}}", "/payload/~1a",
                     "exponent");
    expect_complaint("{\"payload\":{\"/a\":\"\\ud800\"}}", "/payload/~1a",
                     "text");
    expect_complaint("{\"payload\":{\"/a/b\":1,\"/a\":2,\"/\\u0061\":3}}",
                     "/payload/~1a", "twice");
    expect_complaint("{\"payload\":{\"/1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/g/h\":3}}",
                     "/payload/~11~12~13~14~15~16~17~18~19~1a~1b~1c~1d~1e~1f~1g"
                     "~1h",
                     "at most 16 parts");
}

static void test_bounds(void **state)
{
    struct encoder text = {0};
    struct filter *filter = NULL;
    struct filter_error error;
    (void)state;
    for (int clauses = 0; clauses <= BOUND_FILTER_CLAUSES; clauses++) {
        char clause[64];
        snprintf(clause, sizeof clause, "%s\"/a/%d\":1",
                 clauses == 0 ? "{\"payload\":{" : ",", clauses);
        encoder_bytes(&text, slice_text(clause));
    }
    encoder_bytes(&text, slice_text("}}"));
    assert_int_equal(filter_compile(encoder_slice(&text), &filter, &error),
                     ERR_INVALID);
    assert_string_equal(error.pointer, "/payload/~1a~132");
    text.length = 0;
    encoder_bytes(&text, slice_text("{\"payload\":{\"/a\":[1"));
    for (int values = 1; values <= BOUND_FILTER_VALUES; values++)
        encoder_bytes(&text, slice_text(",1"));
    encoder_bytes(&text, slice_text("]}}"));
    assert_int_equal(filter_compile(encoder_slice(&text), &filter, &error),
                     ERR_INVALID);
    text.length = 0;
    encoder_bytes(&text, slice_text("{}"));
    while (text.length <= BOUND_FILTER_BYTES)
        encoder_u8(&text, ' ');
    assert_int_equal(filter_compile(encoder_slice(&text), &filter, &error),
                     ERR_INVALID);
    encoder_close(&text);
}

/* ---- Against a naive reader ---- */

static uint64_t random_state;

static uint32_t roll(uint32_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 20) % below;
}

/* Values that a scalar may have, each with its spellings. */
enum { SPELLINGS = 3, SCALARS = 8 };
static const char *const spellings[SCALARS][SPELLINGS] = {
    {"3", "3.0", "0.3e1"},
    {"-10", "-1e1", "-10.00"},
    {"0", "-0", "0e5"},
    {"\"3\"", "\"\\u0033\"", "\"3\""},
    {"\"a\\nb\"", "\"\\u0061\\u000ab\"", "\"a\\u000Ab\""},
    {"true", "true", "true"},
    {"false", "false", "false"},
    {"null", "null", "null"},
};
static const char *const names[] = {"a", "b", "a/b", "~", "0", "1"};
static const char *const name_tokens[] = {"a", "b", "a~1b", "~0", "0", "1"};
static const char *const escaped_names[] = {"\\u0061", "b",       "a\\/b",
                                            "\\u007e", "\\u0030", "1"};
enum { NAMES = 6, CHILDREN = 4 };

struct tree {
    int kind; /* A scalar's number; -1: a list, -2: an object. */
    int count;
    int names[CHILDREN];
    struct tree *children[CHILDREN];
};

static struct tree *grow(struct arena *arena, struct encoder *text, int depth)
{
    struct tree *tree = arena_take(arena, sizeof *tree);
    tree->kind = (int)roll(SCALARS + 5) - 5;
    tree->count = 0;
    if (tree->kind >= 0 || depth == 0) {
        tree->kind = tree->kind < 0 ? 0 : tree->kind;
        const char *spelling = spellings[tree->kind][roll(SPELLINGS)];
        encoder_bytes(text, slice_text(spelling));
        return tree;
    }
    tree->kind = tree->kind == -1 ? -1 : -2;
    tree->count = (int)roll(CHILDREN + 1);
    encoder_u8(text, tree->kind == -1 ? '[' : '{');
    for (int i = 0; i < tree->count; i++) {
        if (i > 0)
            encoder_bytes(text, slice_text(roll(2) == 0 ? "," : " ,\n"));
        if (tree->kind == -2) {
            tree->names[i] = (int)roll(NAMES);
            encoder_u8(text, '"');
            encoder_bytes(
                text, slice_text(roll(2) == 0 ? names[tree->names[i]]
                                              : escaped_names[tree->names[i]]));
            encoder_bytes(text, slice_text("\":"));
        }
        tree->children[i] = grow(arena, text, depth - 1);
    }
    encoder_u8(text, tree->kind == -1 ? ']' : '}');
    return tree;
}

static const struct tree *follow(const struct tree *tree, const int *path,
                                 int length)
{
    for (int i = 0; i < length && tree != NULL; i++) {
        const struct tree *next = NULL;
        for (int k = 0; k < tree->count; k++) {
            bool here = tree->kind == -2 ? tree->names[k] == path[i]
                                         : path[i] >= 4 && k == path[i] - 4;
            if (here)
                next = tree->children[k];
        }
        tree = next;
    }
    return tree;
}

/* One clause into the filter's text; whether it holds. */
static bool add_clause(struct encoder *text, const struct tree *tree,
                       const int *path, int length)
{
    encoder_u8(text, '"');
    for (int i = 0; i < length; i++) {
        encoder_u8(text, '/');
        encoder_bytes(text, slice_text(name_tokens[path[i]]));
    }
    encoder_bytes(text, slice_text("\":["));
    const struct tree *found = follow(tree, path, length);
    uint32_t values = 1 + roll(4);
    bool holds = false;
    for (uint32_t i = 0; i < values; i++) {
        int scalar = (int)roll(SCALARS);
        holds |= found != NULL && found->kind == scalar;
        encoder_bytes(text, slice_text(i == 0 ? "" : ", "));
        encoder_bytes(text, slice_text(spellings[scalar][roll(SPELLINGS)]));
    }
    encoder_u8(text, ']');
    return holds;
}

static bool one_random_filter(void)
{
    struct arena arena = {0};
    struct encoder payload = {0};
    struct encoder text = {0};
    struct filter *filter = NULL;
    struct filter_error error;
    struct filter_verdict verdict;
    struct tree *tree = grow(&arena, &payload, 4);
    bool expected = true;
    bool twice = false;
    int paths[3][4];
    int lengths[3];
    int clauses = 1 + (int)roll(3);
    encoder_bytes(&text, slice_text("{\"payload\":{"));
    for (int i = 0; i < clauses; i++) {
        lengths[i] = (int)roll(5);
        for (int k = 0; k < lengths[i]; k++)
            paths[i][k] = (int)roll(NAMES);
        for (int k = 0; k < i; k++)
            twice |= lengths[k] == lengths[i] &&
                     memcmp(paths[k], paths[i],
                            (size_t)lengths[i] * sizeof paths[i][0]) == 0;
        encoder_bytes(&text, slice_text(i == 0 ? "" : ","));
        expected &= add_clause(&text, tree, paths[i], lengths[i]);
    }
    encoder_bytes(&text, slice_text("}}"));
    int rc = filter_compile(encoder_slice(&text), &filter, &error);
    assert_int_equal(rc, twice ? ERR_INVALID : 0);
    if (rc == 0) {
        struct slice bytes = encoder_slice(&payload);
        bool matches = filter_match(filter, slice_of(NULL, 0), bytes);
        if (matches != expected)
            fail_msg("%d expected: %.*s of %.*s", expected, (int)text.length,
                     (char *)text.data, (int)payload.length,
                     (char *)payload.data);
        filter_explain(filter, slice_of(NULL, 0), bytes, &verdict);
        assert_int_equal(verdict.matches, expected);
    }
    filter_unref(filter);
    encoder_close(&payload);
    encoder_close(&text);
    arena_close(&arena);
    return rc == 0 && expected;
}

static void test_agrees_with_a_naive_reader(void **state)
{
    (void)state;
    uint32_t matched = 0;
    random_state = 20240607;
    printf("seed %llu\n", (unsigned long long)random_state);
    for (int i = 0; i < 40000; i++)
        matched += one_random_filter();
    assert_in_range(matched, 500, 39500); /* Both answers were tried. */
}

/* Any bytes at all: refused or compiled, never read beyond. */
static void test_mangled_filters(void **state)
{
    static const char good[] =
        "{\"attributes\":{\"kind\":[\"a\",\"b\"]},\"payload\":"
        "{\"/a/b~1c/0\":[3,\"x\\n\",null],\"/d\":-1.5e3}}";
    (void)state;
    random_state = 7;
    for (int i = 0; i < 20000; i++) {
        char text[sizeof good];
        memcpy(text, good, sizeof good);
        size_t length = sizeof good - 1;
        for (uint32_t changes = 1 + roll(3); changes > 0; changes--)
            text[roll((uint32_t)length)] = "\"{}[],:/~\\u0a\xff"[roll(14)];
        if (roll(3) == 0)
            length = roll((uint32_t)length);
        char *exact = memory_new(length + 1); /* So that ASan sees its end. */
        memcpy(exact, text, length);
        exact = memory_resize(exact, length == 0 ? 1 : length);
        struct filter *filter = NULL;
        struct filter_error error;
        if (filter_compile(slice_of(exact, length), &filter, &error) == 0)
            filter_match(filter, slice_of(NULL, 0), slice_text("{\"d\":3}"));
        filter_unref(filter);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places_and_values),
        cmocka_unit_test(test_the_last_of_two_names_counts),
        cmocka_unit_test(test_broken_payloads_match_nothing),
        cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_complaints),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_agrees_with_a_naive_reader),
        cmocka_unit_test(test_mangled_filters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
