/* header_rule.h - which headers a publisher may bring along with each of its
 * requests.
 *
 * A name is a token and a value visible text (RFC 9110, sections 5.1 and 5.5),
 * so that nobody can smuggle a second header or request into the first;
 * headers that say how the message travels, or that we set ourselves, are
 * not the publisher's to say.
 * Thread: any. */
#ifndef POSTOFFICE_DELIVERY_HEADER_RULE_H
#define POSTOFFICE_DELIVERY_HEADER_RULE_H

#include "base/bounds.h"
#include "base/slice.h"

/* NULL: it may be sent; else why not, in static words. */
const char *header_check(struct slice name, struct slice value);

/* No line breaks nor control characters, and no space at its ends. */
bool header_value_is_safe(struct slice value);

/* What may be put behind "authorization: ": a user and a password with a
 * colon between them, or a token. NULL, or words. */
const char *header_check_basic(struct slice credentials);
const char *header_check_bearer(struct slice token);

#endif
