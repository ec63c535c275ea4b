/* json_scan.h - a validating reader of JSON (RFC 8259) that builds nothing.
 *
 * It walks one level of an object or a list and hands out each value as a
 * span of the input's own bytes, checked to its depths: so a payload is cut
 * out exactly as it was sent, numbers of any size included. Values of a
 * level below are walked by a scan of their span.
 *
 *     struct json_scan scan = json_scan_of(body);
 *     if (json_scan_enter(&scan, KIND_OBJECT))
 *         while (json_scan_member(&scan, &name, &value)) ...
 *     json_scan_end(&scan);
 *     if (scan.failure != NULL) -> malformed, at scan.at - scan.start
 *
 * The first failure stays and ends every walk. Nested at most
 * BOUND_JSON_DEPTH levels deep; strings are checked to be UTF-8; no byte
 * order mark. Duplicate names are for the caller to find.
 * Thread: any. Spans borrow from the input. */
#ifndef POSTOFFICE_BASE_JSON_SCAN_H
#define POSTOFFICE_BASE_JSON_SCAN_H

#include "base/memory.h"
#include "base/slice.h"

enum json_kind {
    KIND_NULL,
    KIND_FALSE,
    KIND_TRUE,
    KIND_NUMBER,
    KIND_STRING,
    KIND_ARRAY,
    KIND_OBJECT,
};

struct json_value {
    enum json_kind kind;
    bool escaped;      /* A string that holds a backslash. */
    struct slice span; /* Its bytes, quotes and brackets included. */
};

struct json_scan {
    const uint8_t *start;
    const uint8_t *at;
    const uint8_t *end;
    enum json_kind inside; /* What was entered. */
    bool begun;            /* A first element was taken. */
    const char *failure;   /* Static words; NULL: none so far. */
};

struct json_scan json_scan_of(struct slice text);

/* Takes one whole value of any kind. */
bool json_scan_value(struct json_scan *scan, struct json_value *ret_value);
/* Steps into a list or an object; a failure when something else is there. */
bool json_scan_enter(struct json_scan *scan, enum json_kind kind);
/* The next element of what was entered; false at its end or on a failure. */
bool json_scan_member(struct json_scan *scan, struct json_value *ret_name,
                      struct json_value *ret_value);
bool json_scan_item(struct json_scan *scan, struct json_value *ret_value);
/* The same without its value, which the caller takes next: by
 * json_scan_value(), or by entering it, walking it to its end and calling
 * json_scan_leave() with what was entered around it. So a value is read once,
 * however deep one looks into it. */
bool json_scan_name(struct json_scan *scan, struct json_value *ret_name);
bool json_scan_next(struct json_scan *scan);
void json_scan_leave(struct json_scan *scan, enum json_kind around);
/* The first byte of what comes next, white space skipped; 0 at the end. */
uint8_t json_scan_peek(struct json_scan *scan);
/* Whether nothing but white space is left and nothing failed. */
bool json_scan_end(struct json_scan *scan);

/* A string's text, escapes decoded: borrowed from the input when there are
 * none, else made in the arena. ERR_INVALID: half of a surrogate pair, which
 * the grammar allows but which is no text. */
int json_value_text(const struct json_value *value, struct arena *arena,
                    struct slice *ret_text);

/* Whether the text of a string is this; compares decoded text, without
 * allocation. False for anything but a string, and for half of a surrogate
 * pair. */
bool json_value_equals(const struct json_value *value, struct slice text);
bool json_value_is(const struct json_value *value, const char *text);

/* False unless the value is an integer without sign, fraction or exponent
 * that fits. */
bool json_value_u64(const struct json_value *value, uint64_t *ret_number);

#endif
