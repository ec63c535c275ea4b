#include "base/json_pointer.h"

#include "base/error.h"

static int unescape(struct slice text, struct arena *arena,
                    struct slice *ret_name)
{
    uint8_t *start = arena_take(arena, text.length + 1);
    uint8_t *to = start;
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] != '~') {
            *to++ = text.data[i];
            continue;
        }
        if (++i == text.length || (text.data[i] != '0' && text.data[i] != '1'))
            return ERR_INVALID;
        *to++ = text.data[i] == '0' ? '~' : '/';
    }
    *ret_name = slice_of(start, (size_t)(to - start));
    return 0;
}

static uint32_t index_of(struct slice name)
{
    uint32_t index = 0;
    if (name.length == 0 || name.length > 9 ||
        (name.data[0] == '0' && name.length > 1))
        return JSON_POINTER_NO_INDEX;
    for (size_t i = 0; i < name.length; i++) {
        if (name.data[i] < '0' || name.data[i] > '9')
            return JSON_POINTER_NO_INDEX;
        index = index * 10 + (uint32_t)(name.data[i] - '0');
    }
    return index;
}

int json_pointer_split(struct slice text, struct arena *arena,
                       uint32_t count_max, struct json_token **ret_tokens,
                       uint32_t *ret_count)
{
    uint32_t count = 0;
    for (size_t i = 0; i < text.length; i++)
        count += text.data[i] == '/';
    if (text.length > 0 && text.data[0] != '/')
        return ERR_INVALID;
    if (count > count_max)
        return ERR_TOO_LARGE;
    struct json_token *tokens = arena_take(arena, count * sizeof *tokens);
    size_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        size_t start = at + 1; /* Past the slash. */
        for (at = start; at < text.length && text.data[at] != '/';)
            at++;
        int rc = unescape(slice_of(text.data + start, at - start), arena,
                          &tokens[i].name);
        if (rc != 0)
            return rc;
        tokens[i].index = index_of(tokens[i].name);
    }
    *ret_tokens = tokens;
    *ret_count = count;
    return 0;
}

size_t json_pointer_append(char *to, size_t room, struct slice name)
{
    size_t used = 0;
    if (room == 0)
        return 0;
    if (used + 1 < room)
        to[used++] = '/';
    for (size_t i = 0; i < name.length && used + 2 < room; i++) {
        char byte = (char)name.data[i];
        if (byte == '~' || byte == '/')
            to[used++] = '~';
        to[used++] = byte == '~' ? '0' : byte == '/' ? '1' : byte;
    }
    to[used] = '\0';
    return used;
}
