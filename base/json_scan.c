/* The grammar of RFC 8259 as one loop: a stack of open brackets (a byte
 * each, bounded) in place of recursion, and a string loop that takes eight
 * plain bytes at a time, since most of a body is text.
 *
 *     value --> [ or { --push--> value or name
 *       ^                           |
 *       +----- , (and a name) <-- after value --] or }, pop--> after value
 */
#include "base/json_scan.h"

#include "base/bounds.h"
#include "base/error.h"
#include "base/utf8.h"

struct json_scan json_scan_of(struct slice text)
{
    /* An empty slice may have no pointer; comparing needs one. */
    const uint8_t *start = text.length == 0 ? (const uint8_t *)"" : text.data;
    return (struct json_scan){
        .start = start, .at = start, .end = start + text.length};
}

static bool fail(struct json_scan *scan, const char *words)
{
    if (scan->failure == NULL)
        scan->failure = words;
    return false;
}

static void skip_space(struct json_scan *scan)
{
    while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\n' ||
                                    *scan->at == '\r' || *scan->at == '\t'))
        scan->at++;
}

/* Takes the byte when it is next. */
static bool take(struct json_scan *scan, uint8_t byte)
{
    if (scan->at == scan->end || *scan->at != byte)
        return false;
    scan->at++;
    return true;
}

/* Whether one of eight bytes needs a look: a quote, a backslash, a control
 * byte or one beyond ASCII. Each term sets the high bit of such bytes; a
 * borrow may also set that of a plain neighbour, which only costs a look. */
static bool word_is_plain(const uint8_t *at)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t word;
    memcpy(&word, at, sizeof word);
    uint64_t quote = word ^ (ones * '"');
    uint64_t backslash = word ^ (ones * '\\');
    uint64_t special =
        (word - ones * 0x20) | (quote - ones) | (backslash - ones) | word;
    return (special & (ones * 0x80)) == 0;
}

static int hex_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static bool scan_escape(struct json_scan *scan)
{
    scan->at++; /* The backslash. */
    if (scan->at == scan->end)
        return fail(scan, "a string does not end");
    uint8_t letter = *scan->at++;
    if (letter != 'u')
        return letter != '\0' && strchr("\"\\/bfnrt", letter) != NULL
                   ? true
                   : fail(scan, "an escape is unknown");
    for (int digit = 0; digit < 4; digit++, scan->at++)
        if (scan->at == scan->end || hex_digit(*scan->at) < 0)
            return fail(scan, "an escape needs four hexadecimal digits");
    return true;
}

static bool scan_string(struct json_scan *scan, bool *ret_escaped)
{
    if (!take(scan, '"'))
        return fail(scan, "a string should begin here");
    *ret_escaped = false;
    for (;;) {
        while (scan->end - scan->at >= 8 && word_is_plain(scan->at))
            scan->at += 8;
        if (scan->at == scan->end)
            return fail(scan, "a string does not end");
        uint8_t byte = *scan->at;
        if (byte == '"') {
            scan->at++;
            return true;
        }
        if (byte == '\\') {
            *ret_escaped = true;
            if (!scan_escape(scan))
                return false;
            continue;
        }
        if (byte < 0x20)
            return fail(scan, "a control character must be escaped");
        size_t length = utf8_length(scan->at, (size_t)(scan->end - scan->at));
        if (length == 0)
            return fail(scan, "a string is not UTF-8");
        scan->at += length;
    }
}

static bool scan_digits(struct json_scan *scan)
{
    if (scan->at == scan->end || *scan->at < '0' || *scan->at > '9')
        return fail(scan, "a number needs a digit here");
    while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
        scan->at++;
    return true;
}

static bool scan_number(struct json_scan *scan)
{
    take(scan, '-');
    /* A leading zero stands alone: the digit after it is then unexpected. */
    if (!take(scan, '0') && !scan_digits(scan))
        return false;
    if (take(scan, '.') && !scan_digits(scan))
        return false;
    if (take(scan, 'e') || take(scan, 'E')) {
        if (!take(scan, '+'))
            take(scan, '-');
        return scan_digits(scan);
    }
    return true;
}

static bool scan_word(struct json_scan *scan, const char *word)
{
    size_t length = strlen(word);
    if ((size_t)(scan->end - scan->at) < length ||
        memcmp(scan->at, word, length) != 0)
        return fail(scan, "a value should begin here");
    scan->at += length;
    return true;
}

/* A value that holds no others. */
static bool scan_scalar(struct json_scan *scan, enum json_kind *ret_kind,
                        bool *ret_escaped)
{
    *ret_escaped = false;
    switch (*scan->at) {
    case '"':
        *ret_kind = KIND_STRING;
        return scan_string(scan, ret_escaped);
    case 't':
        *ret_kind = KIND_TRUE;
        return scan_word(scan, "true");
    case 'f':
        *ret_kind = KIND_FALSE;
        return scan_word(scan, "false");
    case 'n':
        *ret_kind = KIND_NULL;
        return scan_word(scan, "null");
    default:
        *ret_kind = KIND_NUMBER;
        if (*scan->at != '-' && (*scan->at < '0' || *scan->at > '9'))
            return fail(scan, "a value should begin here");
        return scan_number(scan);
    }
}

/* A name and its colon. */
static bool scan_name(struct json_scan *scan, struct json_value *ret_name)
{
    skip_space(scan);
    const uint8_t *start = scan->at;
    bool escaped;
    if (!scan_string(scan, &escaped))
        return false;
    *ret_name = (struct json_value){
        .kind = KIND_STRING,
        .escaped = escaped,
        .span = slice_of(start, (size_t)(scan->at - start))};
    skip_space(scan);
    return take(scan, ':') ? true : fail(scan, "a colon should stand here");
}

/* The open brackets, as the bytes that will close them. */
struct nesting {
    uint8_t closing[BOUND_JSON_DEPTH];
    unsigned depth;
};

/* Steps in, and past an empty pair. Tells whether a value comes next. */
static bool open_bracket(struct json_scan *scan, struct nesting *nesting,
                         bool *ret_value_next)
{
    bool object = *scan->at++ == '{';
    if (nesting->depth == BOUND_JSON_DEPTH)
        return fail(scan, "the text is nested too deeply");
    uint8_t closing = object ? '}' : ']';
    skip_space(scan);
    *ret_value_next = !take(scan, closing);
    if (!*ret_value_next)
        return true;
    nesting->closing[nesting->depth++] = closing;
    struct json_value name;
    return object ? scan_name(scan, &name) : true;
}

/* What follows a value inside brackets: a comma and perhaps a name, or the
 * end of one or more of them. */
static bool after_value(struct json_scan *scan, struct nesting *nesting)
{
    while (nesting->depth > 0) {
        uint8_t closing = nesting->closing[nesting->depth - 1];
        skip_space(scan);
        if (take(scan, ',')) {
            struct json_value name;
            return closing == '}' ? scan_name(scan, &name) : true;
        }
        if (!take(scan, closing))
            return fail(scan, "a comma or a closing bracket should stand here");
        nesting->depth--;
    }
    return true;
}

bool json_scan_value(struct json_scan *scan, struct json_value *ret_value)
{
    if (scan->failure != NULL)
        return false;
    struct nesting nesting;
    nesting.depth = 0;
    skip_space(scan);
    const uint8_t *start = scan->at;
    enum json_kind kind = KIND_NULL;
    bool escaped = false;
    do {
        skip_space(scan);
        if (scan->at == scan->end)
            return fail(scan, "the text ends early");
        bool value_next = false;
        if (*scan->at == '[' || *scan->at == '{') {
            if (!open_bracket(scan, &nesting, &value_next))
                return false;
        } else if (!scan_scalar(scan, &kind, &escaped)) {
            return false;
        }
        if (!value_next && !after_value(scan, &nesting))
            return false;
    } while (nesting.depth > 0);
    if (*start == '[' || *start == '{') {
        kind = *start == '[' ? KIND_ARRAY : KIND_OBJECT;
        escaped = false;
    }
    *ret_value = (struct json_value){
        .kind = kind,
        .escaped = escaped,
        .span = slice_of(start, (size_t)(scan->at - start))};
    return true;
}

bool json_scan_enter(struct json_scan *scan, enum json_kind kind)
{
    if (scan->failure != NULL)
        return false;
    skip_space(scan);
    scan->inside = kind;
    scan->begun = false;
    if (kind == KIND_OBJECT)
        return take(scan, '{') ? true : fail(scan, "an object is expected");
    return take(scan, '[') ? true : fail(scan, "a list is expected");
}

/* To the next element: past its comma. False at the closing bracket. */
static bool next_element(struct json_scan *scan)
{
    if (scan->failure != NULL)
        return false;
    skip_space(scan);
    if (take(scan, scan->inside == KIND_OBJECT ? '}' : ']'))
        return false;
    if (scan->begun && !take(scan, ','))
        return fail(scan, "a comma or a closing bracket should stand here");
    scan->begun = true;
    return true;
}

bool json_scan_name(struct json_scan *scan, struct json_value *ret_name)
{
    return next_element(scan) && scan_name(scan, ret_name);
}

bool json_scan_next(struct json_scan *scan)
{
    return next_element(scan);
}

void json_scan_leave(struct json_scan *scan, enum json_kind around)
{
    scan->inside = around;
    scan->begun = true;
}

uint8_t json_scan_peek(struct json_scan *scan)
{
    skip_space(scan);
    return scan->at < scan->end ? *scan->at : 0;
}

bool json_scan_member(struct json_scan *scan, struct json_value *ret_name,
                      struct json_value *ret_value)
{
    return json_scan_name(scan, ret_name) && json_scan_value(scan, ret_value);
}

bool json_scan_item(struct json_scan *scan, struct json_value *ret_value)
{
    return next_element(scan) && json_scan_value(scan, ret_value);
}

bool json_scan_end(struct json_scan *scan)
{
    if (scan->failure != NULL)
        return false;
    skip_space(scan);
    return scan->at == scan->end ? true
                                 : fail(scan, "nothing should follow here");
}
