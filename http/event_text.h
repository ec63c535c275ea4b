/* event_text.h - an event as the text that a client gets (server-sent events:
 * the HTML standard, section 9.2), without its id.
 *
 *     event: publisher
 *     data: {"publisher":7,"topic":"orders","action":"paused"}
 *
 * No I/O. Thread: any. */
#ifndef POSTOFFICE_HTTP_EVENT_TEXT_H
#define POSTOFFICE_HTTP_EVENT_TEXT_H

#include "base/codec.h"
#include "base/json_write.h"
#include "http/backend.h"

#define EVENT_STREAM_TYPE "text/event-stream"

void event_text_write(struct encoder *out, const struct backend_event *event);

/* The members of a point of the statistics. */
void point_write(struct json_writer *json, const struct backend_point *point);

/* Names with commas between them, as a bit for each; false: one of them is
 * not known, or the list is empty. */
bool event_types_read(struct slice list, uint32_t *ret_types);

#endif
