#include "base/json_number.h"

/* The exponent behind the mantissa; 0 when there is none. */
static bool read_exponent(struct slice text, int64_t *ret_exponent)
{
    *ret_exponent = 0;
    if (text.length == 0)
        return true;
    size_t i = 1; /* Past the e. */
    bool negative = text.data[i] == '-';
    if (negative || text.data[i] == '+')
        i++;
    int64_t exponent = 0;
    for (; i < text.length; i++) {
        exponent = exponent * 10 + (text.data[i] - '0');
        if (exponent > JSON_EXPONENT_MAX)
            return false;
    }
    *ret_exponent = negative ? -exponent : exponent;
    return true;
}

/* What the mantissa's digits say, zeros at both ends left out. */
static void read_mantissa(struct slice mantissa, struct json_number *number)
{
    size_t point = mantissa.length;
    size_t first = mantissa.length;
    size_t last = 0;
    for (size_t i = 0; i < mantissa.length; i++) {
        uint8_t byte = mantissa.data[i];
        if (byte == '.')
            point = i;
        else if (byte != '0') {
            first = first == mantissa.length ? i : first;
            last = i;
        }
    }
    if (first == mantissa.length)
        return; /* Zero, which has no sign. */
    bool point_inside = point > first && point < last;
    number->digits = slice_of(mantissa.data + first, last - first + 1);
    number->digit_count =
        (uint32_t)(number->digits.length - (point_inside ? 1 : 0));
    /* 0.00123: the first digit stands two places behind the point. */
    number->exponent += point > first ? (int64_t)(point - first)
                                      : -(int64_t)(first - point - 1);
}

bool json_number_of(struct slice text, struct json_number *ret_number)
{
    struct json_number number = {.negative = false};
    if (text.length == 0 || text.length > INT32_MAX)
        return false;
    bool negative = text.data[0] == '-';
    size_t end = negative ? 1 : 0;
    struct slice mantissa = slice_of(text.data + end, 0);
    while (end < text.length && (text.data[end] | 0x20) != 'e')
        end++;
    mantissa.length = end - (negative ? 1 : 0);
    if (!read_exponent(slice_of(text.data + end, text.length - end),
                       &number.exponent))
        return false;
    read_mantissa(mantissa, &number);
    if (number.digit_count == 0)
        number.exponent = 0;
    else
        number.negative = negative;
    *ret_number = number;
    return true;
}

bool json_number_equal(const struct json_number *a, const struct json_number *b)
{
    if (a->negative != b->negative || a->exponent != b->exponent ||
        a->digit_count != b->digit_count)
        return false;
    const uint8_t *left = a->digits.data;
    const uint8_t *right = b->digits.data;
    for (uint32_t i = 0; i < a->digit_count; i++, left++, right++) {
        left += *left == '.';
        right += *right == '.';
        if (*left != *right)
            return false;
    }
    return true;
}
