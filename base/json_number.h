/* json_number.h - whether two JSON numbers are the same number.
 *
 * Numbers are compared as decimals, digit by digit, never as doubles: 3, 3.0,
 * 30e-1 and 0.3E1 are one number, 9007199254740993 and 9007199254740992 are
 * two, and so are 0.1 and 0.1000000000000000000001. -0 is 0. Nothing is
 * rounded and nothing is allocated.
 * Thread: any. */
#ifndef POSTOFFICE_BASE_JSON_NUMBER_H
#define POSTOFFICE_BASE_JSON_NUMBER_H

#include "base/slice.h"

/* A number as 0.DIGITS * 10^exponent. The digits borrow from the text and may
 * have one point among them; the first and the last are not 0. No digits:
 * it is zero. */
struct json_number {
    struct slice digits;
    uint32_t digit_count; /* Without the point. */
    bool negative;
    int64_t exponent;
};

/* The text must follow the grammar of RFC 8259 (json_scan.h checks it). False:
 * its exponent is beyond JSON_EXPONENT_MAX, or the text is longer than 2^31. */
enum { JSON_EXPONENT_MAX = 1000 * 1000 * 1000 };
bool json_number_of(struct slice text, struct json_number *ret_number);

bool json_number_equal(const struct json_number *a,
                       const struct json_number *b);

#endif
