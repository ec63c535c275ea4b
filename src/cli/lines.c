#include "lines.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

enum {
    CHUNK_BYTES = 64 * 1024,
    /* What a node takes at most in one request, so that a longer line could
     * not be sent anyhow. */
    LINE_BYTES_MAX = 32 * 1024 * 1024,
};

/* What was taken makes room. */
static void forget_taken(struct lines *lines)
{
    struct encoder *buffer = &lines->buffer;
    if (lines->taken == 0)
        return;
    memmove(buffer->data, buffer->data + lines->taken,
            buffer->length - lines->taken);
    buffer->length -= lines->taken;
    lines->taken = 0;
}

/* LINE_TAKEN: there is more to look at. */
static enum line_kind fill(struct lines *lines, bool wait)
{
    struct pollfd source = {.fd = lines->fd, .events = POLLIN};
    if (!wait && poll(&source, 1, 0) == 0)
        return LINE_NONE_YET;
    forget_taken(lines);
    uint8_t *to = encoder_extend(&lines->buffer, CHUNK_BYTES);
    ssize_t length = read(lines->fd, to, CHUNK_BYTES);
    lines->buffer.length -= CHUNK_BYTES - (size_t)(length > 0 ? length : 0);
    if (length < 0)
        return errno == EINTR ? LINE_TAKEN : LINE_FAILED;
    lines->bytes += (uint64_t)length;
    lines->ended = length == 0;
    return LINE_TAKEN;
}

/* The line that ends within what was read, or with the input. */
static bool take(struct lines *lines, struct slice *ret_line)
{
    struct slice rest = slice_of(lines->buffer.data + lines->taken,
                                 lines->buffer.length - lines->taken);
    const uint8_t *end =
        rest.length == 0 ? NULL : memchr(rest.data, '\n', rest.length);
    if (end == NULL && (!lines->ended || rest.length == 0))
        return false;
    size_t length = end == NULL ? rest.length : (size_t)(end - rest.data);
    lines->taken += length + (end != NULL);
    *ret_line = slice_of(rest.data, length);
    return true;
}

/* Cuts what is too long to its bound, so that it is the same however it was
 * read. */
static enum line_kind judge(struct slice *line)
{
    if (line->length <= LINE_BYTES_MAX)
        return LINE_TAKEN;
    line->length = LINE_BYTES_MAX;
    return LINE_TOO_LONG;
}

enum line_kind lines_next(struct lines *lines, bool wait,
                          struct slice *ret_line)
{
    while (true) {
        bool skipped = lines->skipping;
        if (take(lines, ret_line)) {
            lines->skipping = false;
            lines->number += !skipped;
            if (skipped)
                continue;
            return judge(ret_line);
        }
        if (lines->ended)
            return LINE_END;
        size_t left = lines->buffer.length - lines->taken;
        if (skipped || left > LINE_BYTES_MAX) {
            *ret_line = slice_of(lines->buffer.data + lines->taken, left);
            enum line_kind kind = judge(ret_line);
            lines->taken = lines->buffer.length;
            lines->skipping = true;
            lines->number += !skipped;
            if (!skipped)
                return kind;
        }
        enum line_kind filled = fill(lines, wait);
        if (filled != LINE_TAKEN)
            return filled;
    }
}

void lines_close(struct lines *lines)
{
    encoder_close(&lines->buffer);
}
