/* retry_after.h - the header Retry-After (RFC 9110, section 10.2.3): a number
 * of seconds, or a date in one of HTTP's three forms.
 * Thread: any. */
#ifndef POSTOFFICE_DELIVERY_RETRY_AFTER_H
#define POSTOFFICE_DELIVERY_RETRY_AFTER_H

#include "base/slice.h"

/* When it says to come back, in wall-clock milliseconds; 0: it says nothing
 * that makes sense, or a time that is not ahead. */
uint64_t retry_after_ms(struct slice value, uint64_t now_ms);

#endif
