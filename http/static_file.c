#include "http/static_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <xxhash.h>

enum { TAG_SIZE = 2 + 16 + 1 };

static void format_tag(char text[TAG_SIZE], struct slice file)
{
    snprintf(text, TAG_SIZE, "\"%016" PRIx64 "\"",
             (uint64_t)XXH3_64bits(file.data, file.length));
}

/* What precedes the next comma, without blanks around it. Ours holds no
 * comma, so a tag of others that does is cut and fits nothing. */
static struct slice take_element(struct slice *list)
{
    const uint8_t *comma =
        list->length == 0 ? NULL : memchr(list->data, ',', list->length);
    size_t length = comma == NULL ? list->length : (size_t)(comma - list->data);
    struct slice element = slice_of(list->data, length);
    size_t taken = comma == NULL ? length : length + 1;
    *list = slice_of(list->data + taken, list->length - taken);
    while (element.length > 0 && element.data[0] == ' ')
        element = slice_of(element.data + 1, element.length - 1);
    while (element.length > 0 && element.data[element.length - 1] == ' ')
        element.length--;
    return element;
}

/* Tags compare weakly here: a proxy that compresses makes W/ of ours. */
static bool client_has(const struct request *request, const char *tag)
{
    struct slice list;
    if (!request_find_header(request, "if-none-match", &list))
        return false;
    while (list.length > 0) {
        struct slice element = take_element(&list);
        if (element.length > 2 && memcmp(element.data, "W/", 2) == 0)
            element = slice_of(element.data + 2, element.length - 2);
        if (slice_is(element, tag) || slice_is(element, "*"))
            return true;
    }
    return false;
}

void static_file_send(struct request *request, struct slice file,
                      const char *type)
{
    char tag[TAG_SIZE];
    format_tag(tag, file);
    request_header(request, "etag",
                   arena_copy(&request->arena, slice_text(tag)));
    request_header(request, "x-content-type-options", slice_text("nosniff"));
    request_header(request, "cache-control", slice_text("no-cache"));
    if (client_has(request, tag)) {
        request_send(request, 304, NULL);
        return;
    }
    encoder_bytes(&request->answer, file);
    request_send(request, 200, type);
}
