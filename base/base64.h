/* base64.h - the standard alphabet of RFC 4648, section 4, read strictly: no
 * space, no line end, and padding either left out or right. OpenSSL's decoder
 * below it takes more than that.
 * Thread: any. */
#ifndef POSTOFFICE_BASE_BASE64_H
#define POSTOFFICE_BASE_BASE64_H

#include "base/slice.h"

#include <stdbool.h>

/* `to` has room for base64_size(text.length) bytes. False: it is no base64;
 * then some of them may have been written. */
bool base64_decode(struct slice text, uint8_t *to, size_t *ret_length);
static inline size_t base64_size(size_t text_length)
{
    return text_length / 4 * 3 + 3;
}

#endif
