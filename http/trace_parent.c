#include "http/trace_parent.h"

#include <stdbool.h>

enum {
    TRACE_AT = 3,
    TRACE_DIGITS = 32,
    SPAN_AT = TRACE_AT + TRACE_DIGITS + 1,
    SPAN_DIGITS = 16,
    FLAGS_AT = SPAN_AT + SPAN_DIGITS + 1,
    FLAG_SAMPLED = 1, /* The only one of version 00. */
};

static int digit_of(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static bool are_digits(struct slice value, size_t at, size_t count)
{
    for (size_t i = at; i < at + count; i++)
        if (digit_of(value.data[i]) < 0)
            return false;
    return true;
}

static bool are_zeros(struct slice value, size_t at, size_t count)
{
    for (size_t i = at; i < at + count; i++)
        if (value.data[i] != '0')
            return false;
    return true;
}

static bool is_valid(struct slice value)
{
    if (value.length < TRACE_PARENT_LENGTH || value.data[2] != '-' ||
        value.data[SPAN_AT - 1] != '-' || value.data[FLAGS_AT - 1] != '-')
        return false;
    if (!are_digits(value, 0, 2) ||
        !are_digits(value, TRACE_AT, TRACE_DIGITS) ||
        !are_digits(value, SPAN_AT, SPAN_DIGITS) ||
        !are_digits(value, FLAGS_AT, 2))
        return false;
    return !are_zeros(value, TRACE_AT, TRACE_DIGITS) &&
           !are_zeros(value, SPAN_AT, SPAN_DIGITS);
}

bool trace_parent_read(struct slice value,
                       char ret_text[TRACE_PARENT_LENGTH + 1])
{
    if (!is_valid(value) || memcmp(value.data, "ff", 2) == 0)
        return false;
    bool longer = value.length > TRACE_PARENT_LENGTH;
    bool first = memcmp(value.data, "00", 2) == 0;
    if (longer && (first || value.data[TRACE_PARENT_LENGTH] != '-'))
        return false;
    memcpy(ret_text, value.data, TRACE_PARENT_LENGTH);
    ret_text[TRACE_PARENT_LENGTH] = '\0';
    if (!first) {
        int sampled = digit_of(value.data[FLAGS_AT + 1]) & FLAG_SAMPLED;
        memcpy(ret_text, "00", 2);
        ret_text[FLAGS_AT] = '0';
        ret_text[FLAGS_AT + 1] = (char)('0' + sampled);
    }
    return true;
}
