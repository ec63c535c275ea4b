/* JSON of strangers: payloads, bodies, what a filter walks through. Our
 * scanner against jansson, which is stricter where it builds numbers and
 * strings; and walked to its depths, where every value must be sound again by
 * itself. */
#include "fuzz.h"

#include "base/bounds.h"
#include "base/error.h"
#include "base/json_number.h"
#include "base/json_pointer.h"
#include "base/json_scan.h"
#include "base/json_write.h"

#include <jansson.h>

enum { WALK_DEPTH = 24 };

static bool is_sound(struct slice text)
{
    struct json_scan scan = json_scan_of(text);
    struct json_value value;
    return json_scan_value(&scan, &value) && json_scan_end(&scan);
}

/* Text that was decoded, written and decoded again is the same text. */
static void check_text(const struct json_value *value)
{
    struct arena arena = {0};
    struct encoder out = {0};
    struct slice text, again;
    if (json_value_text(value, &arena, &text) == 0) {
        struct json_writer json = json_writer_of(&out);
        json_write_text(&json, text);
        struct json_scan scan = json_scan_of(encoder_slice(&out));
        struct json_value written;
        FUZZ_CHECK(json_scan_value(&scan, &written));
        FUZZ_CHECK(json_value_text(&written, &arena, &again) == 0);
        FUZZ_CHECK(slice_equal(text, again));
        FUZZ_CHECK(json_value_equals(value, text));
    }
    encoder_close(&out);
    arena_close(&arena);
}

static void check_number(const struct json_value *value)
{
    struct json_number number;
    uint64_t integer;
    if (json_number_of(value->span, &number))
        FUZZ_CHECK(json_number_equal(&number, &number));
    if (json_value_u64(value, &integer)) {
        char text[24];
        snprintf(text, sizeof text, "%llu", (unsigned long long)integer);
        FUZZ_CHECK(slice_is(value->span, text));
    }
}

static void walk(const struct json_value *value, int depth)
{
    struct json_scan scan = json_scan_of(value->span);
    struct json_value name, inner;
    FUZZ_CHECK(is_sound(value->span));
    if (value->kind == KIND_STRING)
        check_text(value);
    if (value->kind == KIND_NUMBER)
        check_number(value);
    if (depth == 0 ||
        !(value->kind == KIND_OBJECT || value->kind == KIND_ARRAY))
        return;
    FUZZ_CHECK(json_scan_enter(&scan, value->kind));
    if (value->kind == KIND_OBJECT) {
        while (json_scan_member(&scan, &name, &inner)) {
            check_text(&name);
            walk(&inner, depth - 1);
        }
    } else {
        while (json_scan_item(&scan, &inner))
            walk(&inner, depth - 1);
    }
    FUZZ_CHECK(json_scan_end(&scan));
}

/* What it refuses and we do not: numbers beyond its types, a NUL in a name, and
 * half of a surrogate pair, all of which the grammar allows. */
static bool is_beyond_jansson(const json_error_t *error)
{
    return json_error_code(error) == json_error_numeric_overflow ||
           json_error_code(error) == json_error_null_byte_in_key ||
           strstr(error->text, "Unicode") != NULL ||
           strstr(error->text, "too big") != NULL ||
           strstr(error->text, "overflow") != NULL;
}

static void compare(struct slice text, bool accepted)
{
    json_error_t error;
    json_t *other = json_loadb((const char *)text.data, text.length,
                               JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    /* jansson takes a zero byte for the end of its input. */
    bool ends_early =
        text.length > 0 && memchr(text.data, 0, text.length) != NULL;
    struct json_scan scan = json_scan_of(text);
    struct json_value value;
    bool too_deep = !json_scan_value(&scan, &value) && scan.failure != NULL &&
                    strstr(scan.failure, "deep") != NULL;
    if (other != NULL && !ends_early && !too_deep)
        FUZZ_CHECK(accepted);
    if (other == NULL && accepted)
        FUZZ_CHECK(is_beyond_jansson(&error));
    json_decref(other);
}

static void try_pointer(struct slice text)
{
    struct arena arena = {0};
    struct json_token *tokens;
    uint32_t count;
    if (json_pointer_split(text, &arena, BOUND_FILTER_DEPTH, &tokens, &count) ==
        0) {
        size_t room = 2 * text.length + 2;
        char *again = arena_take(&arena, room);
        size_t length = 0;
        for (uint32_t i = 0; i < count; i++)
            length += json_pointer_append(again + length, room - length,
                                          tokens[i].name);
        FUZZ_CHECK(slice_equal(slice_of(again, length), text));
    }
    arena_close(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);
    uint8_t *copy = fuzz_copy(input);
    struct slice text = slice_of(copy, size);
    struct json_scan scan = json_scan_of(text);
    struct json_value value;
    bool accepted = json_scan_value(&scan, &value) && json_scan_end(&scan);
    if (accepted)
        walk(&value, WALK_DEPTH);
    compare(text, accepted);
    try_pointer(text);
    free(copy);
    return 0;
}
