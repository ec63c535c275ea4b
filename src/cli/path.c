#include "path.h"

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || (c != '\0' && strchr("-._~", c) != NULL);
}

static void add_escaped(struct encoder *path, const char *text)
{
    for (; *text != '\0'; text++) {
        if (is_unreserved(*text))
            encoder_u8(path, (uint8_t)*text);
        else
            encoder_print(path, "%%%02X", (unsigned)(unsigned char)*text);
    }
}

void path_add(struct encoder *path, const char *before, const char *name,
              const char *after)
{
    encoder_bytes(path, slice_text(before));
    if (name != NULL)
        add_escaped(path, name);
    encoder_bytes(path, slice_text(after));
}

void path_query(struct encoder *path, const char *name, const char *value)
{
    bool first = memchr(path->data, '?', path->length) == NULL;
    encoder_u8(path, first ? '?' : '&');
    add_escaped(path, name);
    encoder_u8(path, '=');
    add_escaped(path, value);
}
