/* target.h - whether a text can be the target of an HTTP publisher: an
 * absolute http or https URL (RFC 3986) with a host, no credentials, at most
 * BOUND_TARGET bytes of visible ASCII. Which addresses may be reached is
 * decided elsewhere. Thread: any. */
#ifndef POSTOFFICE_HTTP_TARGET_H
#define POSTOFFICE_HTTP_TARGET_H

#include "base/slice.h"

bool target_is_valid(struct slice text);

#endif
