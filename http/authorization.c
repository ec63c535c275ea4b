#include "http/authorization.h"

#include "base/bounds.h"

#include <string.h>
#include <strings.h>

static int base64_value(uint8_t letter)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = letter == '\0' ? NULL : strchr(letters, letter);
    return at == NULL ? -1 : (int)(at - letters);
}

/* Into the arena; false: it is no base64. */
static bool base64_decode(struct slice text, struct arena *arena,
                          struct slice *ret_bytes)
{
    while (text.length > 0 && text.data[text.length - 1] == '=')
        text.length--;
    if (text.length % 4 == 1)
        return false;
    uint8_t *bytes = arena_take(arena, text.length * 3 / 4 + 1);
    size_t count = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < text.length; i++) {
        int value = base64_value(text.data[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 != 0)
            bytes[count++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    *ret_bytes = slice_of(bytes, count);
    return true;
}

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
    if (!base64_decode(*value, arena, &pair))
        return false;
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
