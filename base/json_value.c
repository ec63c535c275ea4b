/* What a scanned value means: its text or its number. The scan has checked
 * the grammar, so that only meaning can be wrong here. */
#include "base/error.h"
#include "base/json_scan.h"

static uint32_t four_digits(const uint8_t *at)
{
    uint32_t unit = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t byte = at[i];
        uint8_t digit = byte <= '9' ? (uint8_t)(byte - '0')
                                    : (uint8_t)((byte | 0x20) - 'a' + 10);
        unit = unit << 4 | digit;
    }
    return unit;
}

static uint8_t *put_utf8(uint8_t *to, uint32_t point)
{
    if (point < 0x80) {
        *to++ = (uint8_t)point;
        return to;
    }
    if (point < 0x800) {
        *to++ = (uint8_t)(0xc0 | point >> 6);
    } else {
        if (point < 0x10000) {
            *to++ = (uint8_t)(0xe0 | point >> 12);
        } else {
            *to++ = (uint8_t)(0xf0 | point >> 18);
            *to++ = (uint8_t)(0x80 | (point >> 12 & 0x3f));
        }
        *to++ = (uint8_t)(0x80 | (point >> 6 & 0x3f));
    }
    *to++ = (uint8_t)(0x80 | (point & 0x3f));
    return to;
}

/* The character of a \u escape, of two when it begins a surrogate pair. *at
 * stands on the first digit and is moved behind the last. */
static int unicode_escape(const uint8_t **at, const uint8_t *end,
                          uint32_t *ret_point)
{
    uint32_t unit = four_digits(*at);
    *at += 4;
    if (unit < 0xd800 || unit > 0xdfff) {
        *ret_point = unit;
        return 0;
    }
    if (unit > 0xdbff || end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u')
        return ERR_INVALID;
    uint32_t second = four_digits(*at + 2);
    if (second < 0xdc00 || second > 0xdfff)
        return ERR_INVALID;
    *at += 6;
    *ret_point = 0x10000 + ((unit - 0xd800) << 10) + (second - 0xdc00);
    return 0;
}

static uint8_t plain_escape(uint8_t letter)
{
    switch (letter) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return letter; /* A quote, a backslash, a slash. */
    }
}

/* Decodes what comes next inside a string into `to`, which has room for four
 * bytes, and moves *at behind it. */
static int decode_next(const uint8_t **at, const uint8_t *end, uint8_t *to,
                       size_t *ret_length)
{
    *ret_length = 1;
    if (**at != '\\') {
        *to = *(*at)++;
        return 0;
    }
    uint8_t letter = (*at)[1];
    *at += 2;
    if (letter != 'u') {
        *to = plain_escape(letter);
        return 0;
    }
    uint32_t point;
    int rc = unicode_escape(at, end, &point);
    if (rc == 0)
        *ret_length = (size_t)(put_utf8(to, point) - to);
    return rc;
}

static struct slice inside_quotes(const struct json_value *value)
{
    return slice_of(value->span.data + 1, value->span.length - 2);
}

int json_value_text(const struct json_value *value, struct arena *arena,
                    struct slice *ret_text)
{
    struct slice inner = inside_quotes(value);
    if (!value->escaped) {
        *ret_text = inner;
        return 0;
    }
    /* Decoding never lengthens: six bytes of escape make at most three. */
    uint8_t *start = arena_try(arena, inner.length);
    if (start == NULL)
        return ERR_NO_MEMORY;
    uint8_t *to = start;
    const uint8_t *end = inner.data + inner.length;
    for (const uint8_t *at = inner.data; at < end;) {
        size_t length;
        int rc = decode_next(&at, end, to, &length);
        if (rc != 0)
            return rc;
        to += length;
    }
    *ret_text = slice_of(start, (size_t)(to - start));
    return 0;
}

bool json_value_equals(const struct json_value *value, struct slice text)
{
    if (value->kind != KIND_STRING)
        return false;
    struct slice inner = inside_quotes(value);
    if (!value->escaped)
        return slice_equal(inner, text);
    const uint8_t *end = inner.data + inner.length;
    size_t same = 0;
    for (const uint8_t *at = inner.data; at < end;) {
        uint8_t piece[4];
        size_t length;
        if (decode_next(&at, end, piece, &length) != 0 ||
            text.length - same < length ||
            memcmp(text.data + same, piece, length) != 0)
            return false;
        same += length;
    }
    return same == text.length;
}

bool json_value_is(const struct json_value *value, const char *text)
{
    return json_value_equals(value, slice_text(text));
}

bool json_value_u64(const struct json_value *value, uint64_t *ret_number)
{
    if (value->kind != KIND_NUMBER)
        return false;
    uint64_t number = 0;
    for (size_t i = 0; i < value->span.length; i++) {
        uint8_t byte = value->span.data[i];
        if (byte < '0' || byte > '9' ||
            __builtin_mul_overflow(number, 10u, &number) ||
            __builtin_add_overflow(number, (uint64_t)(byte - '0'), &number))
            return false;
    }
    *ret_number = number;
    return true;
}
