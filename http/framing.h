/* framing.h - whether a request's header leaves no doubt where it ends.
 *
 * h2o takes more than RFC 9112 allows: Transfer-Encoding beside
 * Content-Length, several lengths, folded lines. A proxy in front may read
 * such a request otherwise, so that its body becomes a second request
 * (smuggling). We look at the raw header again and refuse.
 * Thread: any. */
#ifndef POSTOFFICE_HTTP_FRAMING_H
#define POSTOFFICE_HTTP_FRAMING_H

#include "base/slice.h"

/* `raw` begins with the request line. NULL: fine; else what is wrong, in
 * words. The connection must be closed then. */
const char *framing_fault(struct slice raw);

#endif
