/* json_pointer.h - a place in a JSON value (RFC 6901): "/customer/id",
 * "/lines/0/sku"; "" is the whole value.
 *
 * ~1 stands for / and ~0 for ~. On a list a token is an index without leading
 * zeros; "-" (behind the last) never names anything that exists. On an object
 * every token is a name.
 * Thread: any. */
#ifndef POSTOFFICE_BASE_JSON_POINTER_H
#define POSTOFFICE_BASE_JSON_POINTER_H

#include "base/memory.h"
#include "base/slice.h"

enum { JSON_POINTER_NO_INDEX = UINT32_MAX };

struct json_token {
    struct slice name; /* Unescaped. */
    uint32_t index;    /* JSON_POINTER_NO_INDEX: it cannot be one. */
};

/* Splits into at most count_max tokens, made in the arena.
 * ERR_INVALID: it does not begin with / or holds a ~ that is neither ~0 nor
 * ~1; ERR_TOO_LARGE: more tokens. */
int json_pointer_split(struct slice text, struct arena *arena,
                       uint32_t count_max, struct json_token **ret_tokens,
                       uint32_t *ret_count);

/* Writes a name as a token, "/" in front; returns the length without the
 * terminating NUL. What has no room is cut. */
size_t json_pointer_append(char *to, size_t room, struct slice name);

#endif
