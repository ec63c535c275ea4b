#include "http/chunked.h"

#include <stdbool.h>
#include <string.h>

enum {
    DIGITS_MAX = 2 * sizeof(size_t), /* Of a size, with leading zeros. */
    LINE_BYTES_MAX = 1024,           /* Of an extension or a trailer. */
};

/* Names tell what is expected next. */
enum state {
    FIRST_DIGIT,
    DIGITS,
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILERS, /* The beginning of a line. */
    TRAILER,
    TRAILER_LF,
    LAST_LF,
    END,
    BROKEN,
};

static int digit_of(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F')
        return byte - 'A' + 10;
    return -1;
}

static enum state take_digit(struct chunked *chunked, char byte)
{
    int digit = digit_of(byte);
    if (digit < 0 || chunked->length == DIGITS_MAX)
        return BROKEN;
    chunked->left = chunked->left * 16 + (size_t)digit;
    chunked->length++;
    return DIGITS;
}

static enum state behind_digits(struct chunked *chunked, char byte)
{
    if (byte == '\r')
        return SIZE_LF;
    if (byte != ';')
        return take_digit(chunked, byte);
    chunked->length = 0;
    return EXTENSION;
}

/* Of an extension or a trailer, whose words are of no interest. */
static enum state within_line(struct chunked *chunked, char byte,
                              enum state within, enum state ended)
{
    bool control = ((unsigned char)byte < ' ' && byte != '\t') || byte == 127;
    if (byte == '\r')
        return ended;
    if (control || chunked->length == LINE_BYTES_MAX)
        return BROKEN;
    chunked->length++;
    return within;
}

static enum state behind_size(struct chunked *chunked)
{
    chunked->length = 0;
    return chunked->left > 0 ? DATA : TRAILERS;
}

/* One byte of what is not data. */
static enum state step(struct chunked *chunked, char byte)
{
    switch ((enum state)chunked->state) {
    case FIRST_DIGIT:
        return take_digit(chunked, byte);
    case DIGITS:
        return behind_digits(chunked, byte);
    case EXTENSION:
        return within_line(chunked, byte, EXTENSION, SIZE_LF);
    case SIZE_LF:
        return byte == '\n' ? behind_size(chunked) : BROKEN;
    case DATA_CR:
        return byte == '\r' ? DATA_LF : BROKEN;
    case DATA_LF:
        return byte == '\n' ? FIRST_DIGIT : BROKEN;
    case TRAILERS:
        chunked->length = 0;
        return within_line(chunked, byte, TRAILER, LAST_LF);
    case TRAILER:
        return within_line(chunked, byte, TRAILER, TRAILER_LF);
    case TRAILER_LF:
        return byte == '\n' ? TRAILERS : BROKEN;
    case LAST_LF:
        return byte == '\n' ? END : BROKEN;
    case DATA:
    case END:
    case BROKEN:
        break;
    }
    return BROKEN;
}

/* Moves to the front what is there of the chunk; returns how much. */
static size_t take_data(struct chunked *chunked, char *to, const char *from,
                        size_t available)
{
    size_t count = available < chunked->left ? available : chunked->left;
    memmove(to, from, count);
    chunked->left -= count;
    if (chunked->left == 0)
        chunked->state = DATA_CR;
    return count;
}

ssize_t chunked_decode(struct chunked *chunked, char *bytes, size_t *length)
{
    size_t read = 0, written = 0, end = *length;
    while (read < end && chunked->state != END && chunked->state != BROKEN) {
        if (chunked->state == DATA) {
            size_t count =
                take_data(chunked, bytes + written, bytes + read, end - read);
            read += count;
            written += count;
        } else {
            chunked->state = (uint8_t)step(chunked, bytes[read++]);
        }
    }
    *length = written;
    if (chunked->state == BROKEN)
        return CHUNKED_BROKEN;
    if (chunked->state != END)
        return CHUNKED_UNFINISHED;
    memmove(bytes + written, bytes + read, end - read);
    return (ssize_t)(end - read);
}
