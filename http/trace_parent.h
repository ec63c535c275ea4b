/* trace_parent.h - the header traceparent (W3C Trace Context, level 1), by
 * which a message's way can be followed from its sender to its receivers.
 *
 *     00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
 *     version, trace id, the sender's span, flags: lower-case hexadecimal
 *
 * We report no spans of our own, so the value goes on as it came (section 4.1:
 * what takes no part in a trace forwards it): the sender's span is the parent
 * of what the receiver does. A new id would name a span that nobody ever
 * reports. Thread: any. */
#ifndef POSTOFFICE_HTTP_TRACE_PARENT_H
#define POSTOFFICE_HTTP_TRACE_PARENT_H

#include "base/slice.h"

enum { TRACE_PARENT_LENGTH = 55 };

/* Writes it in the form of version 00, whichever version it came in, as a
 * reader of that version must (section 3.2.4). False: it is none, and is to be
 * ignored (section 4.3). */
bool trace_parent_read(struct slice value,
                       char ret_text[TRACE_PARENT_LENGTH + 1]);

#endif
