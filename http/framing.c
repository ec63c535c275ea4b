#include "http/framing.h"

#include <strings.h>

struct counts {
    unsigned lengths;
    unsigned encodings;
    unsigned hosts;
};

static bool line_names(struct slice line, const char *name)
{
    size_t length = strlen(name);
    return line.length > length && line.data[length] == ':' &&
           strncasecmp((const char *)line.data, name, length) == 0;
}

/* The next line without its end; false when the input holds no whole one. */
static bool next_line(struct slice *raw, struct slice *ret_line)
{
    const uint8_t *end =
        raw->length == 0 ? NULL : memchr(raw->data, '\n', raw->length);
    if (end == NULL)
        return false;
    size_t length = (size_t)(end - raw->data);
    *ret_line = slice_of(raw->data, length);
    *raw = slice_of(end + 1, raw->length - length - 1);
    if (length > 0 && end[-1] == '\r')
        ret_line->length--;
    return true;
}

static const char *look_at(struct slice line, struct counts *counts)
{
    if (line.data[0] == ' ' || line.data[0] == '\t')
        return "A header line is folded.";
    counts->lengths += line_names(line, "content-length");
    counts->encodings += line_names(line, "transfer-encoding");
    counts->hosts += line_names(line, "host");
    return NULL;
}

static bool ends_with(struct slice line, const char *text)
{
    size_t length = strlen(text);
    return line.length >= length &&
           memcmp(line.data + line.length - length, text, length) == 0;
}

const char *framing_fault(struct slice raw)
{
    struct counts counts = {0};
    struct slice line = {0};
    /* Some clients send an empty line behind a body; h2o skips one. */
    if (!next_line(&raw, &line) ||
        (line.length == 0 && !next_line(&raw, &line)))
        return "The request line is missing.";
    bool old = ends_with(line, " HTTP/1.0");
    while (next_line(&raw, &line) && line.length > 0) {
        const char *fault = look_at(line, &counts);
        if (fault != NULL)
            return fault;
    }
    if (counts.encodings > 0 && counts.lengths > 0)
        return "Transfer-Encoding and Content-Length are both given.";
    if (counts.encodings > 0 && old)
        return "HTTP/1.0 has no Transfer-Encoding.";
    if (counts.encodings > 1)
        return "Transfer-Encoding is given more than once.";
    if (counts.lengths > 1)
        return "Content-Length is given more than once.";
    if (counts.hosts > 1)
        return "Host is given more than once.";
    return NULL;
}
