/* Text that cannot act on a terminal, and how wide it is. */
#include "base/utf8.h"
#include "terminal.h"

#include <wchar.h>

/* One well-formed sequence, decoded. */
static uint32_t code_point(const uint8_t *at, size_t length)
{
    static const uint8_t masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = at[0] & masks[length];
    for (size_t i = 1; i < length; i++)
        code = code << 6 | (at[i] & 0x3fu);
    return code;
}

/* Turns the direction of what follows (Unicode TR 9), so that text could be
 * read as what it is not. */
static bool turns_direction(uint32_t code)
{
    return code == 0x061c || code == 0x200e || code == 0x200f ||
           (code >= 0x202a && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

/* Controls, line separators and what is no character have no width. */
static bool is_visible(uint32_t code)
{
    if (code < 0x80)
        return code >= 0x20 && code != 0x7f;
    return !turns_direction(code) && wcwidth((wchar_t)code) >= 0;
}

static void add_escape(struct encoder *out, uint32_t code)
{
    if (code == '\n')
        encoder_bytes(out, slice_text("\\n"));
    else if (code == '\t')
        encoder_bytes(out, slice_text("\\t"));
    else if (code == '\r')
        encoder_bytes(out, slice_text("\\r"));
    else if (code < 0x80)
        encoder_print(out, "\\x%02x", code);
    else
        encoder_print(out, code < 0x10000 ? "\\u%04x" : "\\U%08x", code);
}

void visible_add(struct encoder *out, struct slice text)
{
    for (size_t at = 0; at < text.length;) {
        const uint8_t *start = text.data + at;
        size_t length = utf8_length(start, text.length - at);
        uint32_t code = length == 0 ? *start : code_point(start, length);
        if (length == 0)
            encoder_print(out, "\\x%02x", code);
        else if (is_visible(code))
            encoder_bytes(out, slice_of(start, length));
        else
            add_escape(out, code);
        at += length == 0 ? 1 : length;
    }
}

static void add_json_escape(struct encoder *out, uint32_t code)
{
    if (code < 0x10000) {
        encoder_print(out, "\\u%04x", code);
        return;
    }
    code -= 0x10000; /* A surrogate pair. */
    encoder_print(out, "\\u%04x\\u%04x", 0xd800 + (code >> 10),
                  0xdc00 + (code & 0x3ff));
}

void visible_json(struct encoder *out, struct slice json)
{
    for (size_t at = 0; at < json.length;) {
        const uint8_t *start = json.data + at;
        size_t length = utf8_length(start, json.length - at);
        uint32_t code = length == 0 ? 0xfffd : code_point(start, length);
        if (length > 0 && (is_visible(code) || code == '\n' || code == '\t'))
            encoder_bytes(out, slice_of(start, length));
        else
            add_json_escape(out, code);
        at += length == 0 ? 1 : length;
    }
}

/* The columns of the character at the beginning, and its length. */
static size_t first_columns(struct slice text, size_t *ret_length)
{
    size_t length = utf8_length(text.data, text.length);
    int columns = 1;
    if (length > 1)
        columns = wcwidth((wchar_t)code_point(text.data, length));
    *ret_length = length == 0 ? 1 : length;
    return columns < 0 ? 1 : (size_t)columns;
}

struct slice visible_cut(struct slice text, size_t columns)
{
    size_t at = 0;
    size_t taken = 0;
    while (at < text.length) {
        size_t length;
        size_t more =
            first_columns(slice_of(text.data + at, text.length - at), &length);
        if (taken + more > columns)
            break;
        taken += more;
        at += length;
    }
    return slice_of(text.data, at);
}

struct slice visible_line(struct slice *text, size_t columns)
{
    struct slice line = visible_cut(*text, columns);
    size_t taken = line.length;
    if (line.length < text->length) {
        size_t end = line.length;
        while (end > 0 && text->data[end] != ' ')
            end--;
        if (end > 0) {
            line.length = end;
            taken = end + 1;
        } else if (taken == 0) {
            first_columns(*text, &taken);
            line.length = taken;
        }
    }
    *text = slice_of(text->data + taken, text->length - taken);
    return line;
}

size_t visible_columns(struct slice text)
{
    size_t columns = 0;
    for (size_t at = 0; at < text.length;) {
        size_t length;
        columns +=
            first_columns(slice_of(text.data + at, text.length - at), &length);
        at += length;
    }
    return columns;
}
