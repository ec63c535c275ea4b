#include "http/authorization.h"

#include "base/base64.h"
#include "base/bounds.h"

#include <string.h>
#include <strings.h>

static bool take_scheme(struct slice *value, const char *scheme)
{
    size_t length = strlen(scheme);
    if (value->length <= length || value->data[length] != ' ' ||
        strncasecmp((const char *)value->data, scheme, length) != 0)
        return false;
    while (length < value->length && value->data[length] == ' ')
        length++;
    *value = slice_of(value->data + length, value->length - length);
    return true;
}

/* The password behind the first colon; what the user is called is no matter. */
static bool take_password(struct slice *value, struct arena *arena)
{
    struct slice pair;
    uint8_t *bytes = arena_take(arena, base64_size(value->length));
    if (!base64_decode(*value, bytes, &pair.length))
        return false;
    pair.data = bytes;
    const uint8_t *colon = memchr(pair.data, ':', pair.length);
    if (colon == NULL)
        return false;
    size_t before = (size_t)(colon - pair.data) + 1;
    *value = slice_of(colon + 1, pair.length - before);
    return true;
}

bool authorization_token(struct slice value, struct arena *arena,
                         struct slice *ret_token)
{
    if (value.length > BOUND_TOKEN_HEADER ||
        (!take_scheme(&value, "bearer") &&
         (!take_scheme(&value, "basic") || !take_password(&value, arena))))
        return false;
    *ret_token = value;
    return true;
}
