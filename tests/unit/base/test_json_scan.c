/* The JSON reader against a corpus, against a naive model that follows the
 * grammar by recursion, and against jansson: whatever that accepts, ours
 * accepts, and text reads the same. */
#include "base/bounds.h"
#include "base/error.h"
#include "base/json_scan.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static bool accepts(struct slice text)
{
    struct json_scan scan = json_scan_of(text);
    struct json_value value;
    return json_scan_value(&scan, &value) && json_scan_end(&scan);
}

/* ---- The model: RFC 8259, rule by rule ---- */

struct model {
    const uint8_t *at;
    const uint8_t *end;
    int depth;
};

static bool model_value(struct model *model);

static int model_peek(const struct model *model)
{
    return model->at < model->end ? *model->at : -1;
}

static void model_space(struct model *model)
{
    int byte;
    while ((byte = model_peek(model)) == ' ' || byte == '\t' || byte == '\n' ||
           byte == '\r')
        model->at++;
}

static bool model_byte(struct model *model, int wanted)
{
    if (model_peek(model) != wanted)
        return false;
    model->at++;
    return true;
}

/* A code point decoded by arithmetic, then checked for being the shortest
 * form of something that exists. */
static bool model_utf8(struct model *model)
{
    uint32_t point = *model->at++;
    int more = point < 0x80   ? 0
               : point < 0xc0 ? -1
               : point < 0xe0 ? 1
               : point < 0xf0 ? 2
               : point < 0xf8 ? 3
                              : -1;
    if (more < 0)
        return false;
    if (more > 0)
        point &= 0x3fu >> more;
    for (int i = 0; i < more; i++) {
        int byte = model_peek(model);
        if (byte < 0x80 || byte > 0xbf)
            return false;
        point = point << 6 | (uint32_t)(byte & 0x3f);
        model->at++;
    }
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    return point >= least[more] && point <= 0x10ffff &&
           !(point >= 0xd800 && point <= 0xdfff);
}

static bool model_hex(struct model *model)
{
    int byte = model_peek(model);
    if (byte < 0 || strchr("0123456789abcdefABCDEF", byte) == NULL || byte == 0)
        return false;
    model->at++;
    return true;
}

static bool model_string(struct model *model)
{
    if (!model_byte(model, '"'))
        return false;
    for (;;) {
        int byte = model_peek(model);
        if (byte < 0x20)
            return false;
        if (byte == '"') {
            model->at++;
            return true;
        }
        if (byte == '\\') {
            model->at++;
            int letter = model_peek(model);
            if (letter <= 0 || strchr("\"\\/bfnrtu", letter) == NULL)
                return false;
            model->at++;
            for (int digit = 0; letter == 'u' && digit < 4; digit++)
                if (!model_hex(model))
                    return false;
        } else if (!model_utf8(model)) {
            return false;
        }
    }
}

static int model_digits(struct model *model)
{
    int count = 0;
    while (model_peek(model) >= '0' && model_peek(model) <= '9') {
        model->at++;
        count++;
    }
    return count;
}

static bool model_number(struct model *model)
{
    model_byte(model, '-');
    const uint8_t *start = model->at;
    int count = model_digits(model);
    if (count == 0 || (count > 1 && *start == '0'))
        return false;
    if (model_byte(model, '.') && model_digits(model) == 0)
        return false;
    if (model_peek(model) == 'e' || model_peek(model) == 'E') {
        model->at++;
        if (!model_byte(model, '+'))
            model_byte(model, '-');
        return model_digits(model) > 0;
    }
    return true;
}

static bool model_list(struct model *model, bool object)
{
    model->at++;
    if (++model->depth > BOUND_JSON_DEPTH)
        return false;
    model_space(model);
    bool more = !model_byte(model, object ? '}' : ']');
    while (more) {
        if (object) {
            model_space(model);
            if (!model_string(model))
                return false;
            model_space(model);
            if (!model_byte(model, ':'))
                return false;
        }
        if (!model_value(model))
            return false;
        more = model_byte(model, ',');
        if (!more && !model_byte(model, object ? '}' : ']'))
            return false;
    }
    model->depth--;
    return true;
}

static bool model_word(struct model *model, const char *word)
{
    for (; *word != '\0'; word++)
        if (!model_byte(model, *word))
            return false;
    return true;
}

static bool model_value(struct model *model)
{
    bool sound;
    model_space(model);
    switch (model_peek(model)) {
    case '{':
        sound = model_list(model, true);
        break;
    case '[':
        sound = model_list(model, false);
        break;
    case '"':
        sound = model_string(model);
        break;
    case 't':
        sound = model_word(model, "true");
        break;
    case 'f':
        sound = model_word(model, "false");
        break;
    case 'n':
        sound = model_word(model, "null");
        break;
    default:
        sound = model_number(model);
    }
    model_space(model);
    return sound;
}

static bool model_accepts(struct slice text)
{
    struct model model = {.at = text.data, .end = text.data + text.length};
    return model_value(&model) && model.at == model.end;
}

/* ---- The corpus ---- */

#define TEXT(literal)                                                          \
    {                                                                          \
        (const uint8_t *)(literal), sizeof(literal) - 1                        \
    }

static const struct slice sound[] = {
    TEXT("null"),
    TEXT(" true "),
    TEXT("\t\r\n false"),
    TEXT("0"),
    TEXT("-0"),
    TEXT("1e400"),
    TEXT("-1.5E-2"),
    TEXT("123456789012345678901234567890"),
    TEXT("0.000000000000000000000000000001"),
    TEXT("\"\""),
    TEXT("\"\\u0000\""),
    TEXT("\"\\ud800\""),
    TEXT("\"\\ud83d\\ude00\""),
    TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
    TEXT("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""),
    TEXT("\"12345678\\n12345678\""),
    TEXT("\"\x7f\""),
    TEXT("[]"),
    TEXT("{}"),
    TEXT("[ ]"),
    TEXT("{ }"),
    TEXT("[1,[2,{\"a\":[]}],3]"),
    TEXT("{\"a\":1,\"a\":2}"),
    TEXT("{\"\":{\"\":{}}}"),
    TEXT("[[[[[[[[]]]]]]]]"),
    TEXT("{\"a\" : [ 1 , 2 ] , \"b\" : null }"),
};

static const struct slice broken[] = {
    TEXT(""),
    TEXT(" "),
    TEXT("nul"),
    TEXT("nulll"),
    TEXT("True"),
    TEXT("NaN"),
    TEXT("Infinity"),
    TEXT("01"),
    TEXT("-"),
    TEXT("+1"),
    TEXT(".5"),
    TEXT("1."),
    TEXT("1e"),
    TEXT("1e+"),
    TEXT("0x10"),
    TEXT("1 2"),
    TEXT("\""),
    TEXT("\"abc"),
    TEXT("\"\\"),
    TEXT("\"\\x\""),
    TEXT("\"\\u12\""),
    TEXT("\"\\u12g4\""),
    TEXT("\"\\\0\""),
    TEXT("\"a\nb\""),
    TEXT("\"a\0b\""),
    TEXT("\"\x80\""),
    TEXT("\"\xc0\xaf\""),
    TEXT("\"\xe0\x80\xaf\""),
    TEXT("\"\xed\xa0\x80\""),
    TEXT("\"\xf0\x80\x80\xaf\""),
    TEXT("\"\xf4\x90\x80\x80\""),
    TEXT("\"\xf5\x80\x80\x80\""),
    TEXT("\"\xe2\x82\""),
    TEXT("\"\xe2\x82"),
    TEXT("\"\xff\""),
    TEXT("\xef\xbb\xbf{}"),
    TEXT("'a'"),
    TEXT("["),
    TEXT("]"),
    TEXT("[1"),
    TEXT("[1,"),
    TEXT("[1,]"),
    TEXT("[,1]"),
    TEXT("[1 2]"),
    TEXT("[1}"),
    TEXT("[]]"),
    TEXT("{"),
    TEXT("}"),
    TEXT("{\"a\""),
    TEXT("{\"a\":"),
    TEXT("{\"a\":1"),
    TEXT("{\"a\":1,"),
    TEXT("{\"a\":1,}"),
    TEXT("{\"a\" 1}"),
    TEXT("{a:1}"),
    TEXT("{1:1}"),
    TEXT("{\"a\":1]"),
    TEXT("{\"a\":}"),
    TEXT("{:1}"),
    TEXT("{,}"),
    TEXT("{} {}"),
    TEXT("[1]//"),
    TEXT("/* */1"),
    TEXT("1\0"),
    TEXT("[1\0]"),
    TEXT("\xa0"
         "1"),
    TEXT("[1\x0b]"),
};

enum {
    SOUND_COUNT = sizeof sound / sizeof *sound,
    BROKEN_COUNT = sizeof broken / sizeof *broken,
};

static void test_corpus(void **state)
{
    (void)state;
    for (size_t i = 0; i < SOUND_COUNT; i++) {
        if (!accepts(sound[i]))
            fail_msg("refused: %.*s", (int)sound[i].length, sound[i].data);
        assert_true(model_accepts(sound[i]));
    }
    for (size_t i = 0; i < BROKEN_COUNT; i++) {
        if (accepts(broken[i]))
            fail_msg("accepted: %.*s", (int)broken[i].length, broken[i].data);
        assert_false(model_accepts(broken[i]));
    }
}

static void test_depth_is_bounded(void **state)
{
    (void)state;
    const size_t deep = 100000;
    const size_t most = BOUND_JSON_DEPTH;
    uint8_t *text = malloc(2 * deep);
    memset(text, '[', deep);
    memset(text + deep, ']', deep);
    const uint8_t *middle = text + deep;
    assert_true(accepts(slice_of(middle - most, 2 * most)));
    assert_false(accepts(slice_of(middle - most - 1, 2 * most + 2)));
    assert_false(accepts(slice_of(text, 2 * deep)));
    assert_false(accepts(slice_of(text, deep)));
    free(text);
}

/* Spans are the input's own bytes, whatever they hold. */
static void test_members_are_cut_out_unchanged(void **state)
{
    (void)state;
    static const char text[] =
        " { \"a\" : [1e400, {\"b\":\"\\u00e9\"} ] ,\"c\":-0.10 , \"\\u0064\" :"
        "\"x\\ny\"} ";
    static const char *const spans[] = {"[1e400, {\"b\":\"\\u00e9\"} ]",
                                        "-0.10", "\"x\\ny\""};
    static const char *const names[] = {"a", "c", "d"};
    struct json_scan scan = json_scan_of(slice_text(text));
    struct json_value name, value;
    assert_true(json_scan_enter(&scan, KIND_OBJECT));
    for (int i = 0; i < 3; i++) {
        assert_true(json_scan_member(&scan, &name, &value));
        assert_true(slice_is(value.span, spans[i]));
        assert_true(json_value_is(&name, names[i]));
    }
    assert_false(json_scan_member(&scan, &name, &value));
    assert_true(json_scan_end(&scan));
}

static void test_failures_have_a_place(void **state)
{
    (void)state;
    struct json_scan scan = json_scan_of(slice_text("{\"a\":[1,}"));
    struct json_value name, value;
    assert_true(json_scan_enter(&scan, KIND_OBJECT));
    assert_false(json_scan_member(&scan, &name, &value));
    assert_false(json_scan_member(&scan, &name, &value));
    assert_false(json_scan_end(&scan));
    assert_non_null(scan.failure);
    assert_int_equal(scan.at - scan.start, 8);
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool fits;
        uint64_t number;
    } cases[] = {
        {"0", true, 0},
        {"42", true, 42},
        {"18446744073709551615", true, UINT64_MAX},
        {"18446744073709551616", false, 0},
        {"-1", false, 0},
        {"1.0", false, 0},
        {"1e2", false, 0},
        {"\"1\"", false, 0},
        {"true", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json_scan scan = json_scan_of(slice_text(cases[i].text));
        struct json_value value;
        uint64_t number = 7;
        assert_true(json_scan_value(&scan, &value));
        assert_int_equal(json_value_u64(&value, &number), cases[i].fits);
        assert_true(number == (cases[i].fits ? cases[i].number : 7));
    }
}

static void test_half_pairs_are_no_text(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "\"\\ud800\"",    "\"\\udc00\"",        "\"\\ud800x\"",
        "\"\\ud800\\n\"", "\"\\ud800\\u0041\"", "\"\\ud800\\ud800\""};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct arena arena = {0};
        struct json_scan scan = json_scan_of(slice_text(texts[i]));
        struct json_value value;
        struct slice text;
        assert_true(json_scan_value(&scan, &value));
        assert_int_equal(json_value_text(&value, &arena, &text), ERR_INVALID);
        arena_close(&arena);
    }
}

/* ---- Random mutations ---- */

static uint64_t seed;

static uint32_t random_below(uint32_t bound)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 33) % bound;
}

static size_t mutate(uint8_t *text, size_t length, size_t capacity)
{
    static const char alphabet[] = "{}[]:,\"\\u0dDeE+-.19 \n/tfnb\x80\xe2\xed";
    uint32_t at = length == 0 ? 0 : random_below((uint32_t)length);
    switch (random_below(4)) {
    case 0:
        if (length > 0)
            text[at] = (uint8_t)alphabet[random_below(sizeof alphabet)];
        return length;
    case 1:
        if (length == capacity)
            return length;
        memmove(text + at + 1, text + at, length - at);
        text[at] = (uint8_t)alphabet[random_below(sizeof alphabet)];
        return length + 1;
    case 2:
        if (length == 0)
            return 0;
        memmove(text + at, text + at + 1, length - at - 1);
        return length - 1;
    default:
        if (length > 0)
            text[at] = (uint8_t)random_below(256);
        return length;
    }
}

/* What jansson decodes of a string, ours decodes as well. */
static void compare_text(struct slice text, const json_t *wanted)
{
    struct arena arena = {0};
    struct json_scan scan = json_scan_of(text);
    struct json_value value;
    struct slice decoded;
    assert_true(json_scan_value(&scan, &value));
    assert_int_equal(json_value_text(&value, &arena, &decoded), 0);
    assert_true(slice_equal(decoded, slice_of(json_string_value(wanted),
                                              json_string_length(wanted))));
    arena_close(&arena);
}

static void check_mutant(struct slice text)
{
    /* A heap copy of exactly this size, so that a read beyond it is seen. */
    uint8_t *copy = malloc(text.length == 0 ? 1 : text.length);
    memcpy(copy, text.data, text.length);
    struct slice exact = slice_of(copy, text.length);
    bool accepted = accepts(exact);
    if (accepted != model_accepts(exact))
        fail_msg("the model differs on: %.*s", (int)text.length, text.data);
    json_error_t error;
    json_t *value = json_loadb((const char *)copy, text.length,
                               JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    /* jansson takes a zero byte for the end of its input. */
    bool ends_early = memchr(copy, 0, text.length) != NULL;
    if (value != NULL && !accepted && !ends_early)
        fail_msg("jansson accepts: %.*s", (int)text.length, text.data);
    if (json_is_string(value) && accepted)
        compare_text(exact, value);
    json_decref(value);
    free(copy);
}

static void test_mutations(void **state)
{
    (void)state;
    enum { ROUNDS = 200000, CAPACITY = 256 };
    const char *given = getenv("SEED");
    seed = given != NULL ? strtoull(given, NULL, 10) : 20240607;
    print_message("SEED=%llu\n", (unsigned long long)seed);
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t text[CAPACITY];
        struct slice origin = sound[random_below(SOUND_COUNT)];
        size_t length = origin.length;
        memcpy(text, origin.data, length);
        for (uint32_t i = random_below(4) + 1; i > 0; i--)
            length = mutate(text, length, CAPACITY);
        check_mutant(slice_of(text, length));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_corpus),
        cmocka_unit_test(test_depth_is_bounded),
        cmocka_unit_test(test_members_are_cut_out_unchanged),
        cmocka_unit_test(test_failures_have_a_place),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_half_pairs_are_no_text),
        cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
