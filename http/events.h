/* events.h - GET /api/events: what happens, told to whoever follows it, as
 * server-sent events (the HTML standard, section 9.2).
 *
 *     http_server_event() --> ring --> stream --part--> client
 *                               ^         |
 *                               +- next --+  once the last part was taken
 *
 * Nothing is buffered for a client but the part that is on its way: a stream
 * remembers up to where it has read the ring. A client that takes its part too
 * slowly (patience.h), or so late that the ring has passed it by, is cut; it
 * comes again with Last-Event-ID.
 *
 * An id is this run of the node and a number: "9f2c4e1ab0d37755-42". Ids of
 * another run, or of events that are no longer kept, are answered with an event
 * `reset`: look at everything anew.
 * Thread: the loop. */
#ifndef POSTOFFICE_HTTP_EVENTS_H
#define POSTOFFICE_HTTP_EVENTS_H

#include "http/event_ring.h"
#include "http/request.h"

struct event_stream;

struct events {
    struct event_ring ring;
    struct event_stream *streams;
    uint32_t stream_count;
    uint32_t heartbeat_ms;
};

void events_init(struct events *events, uint32_t heartbeat_ms);
void events_close(struct events *events);

/* The request of a stream is gone. */
void events_forget(struct request *request);
/* A part is on its way to the client. */
bool events_is_sending(const struct request *request);
/* Time has passed: heartbeats, and tokens that were revoked. */
void events_sweep(struct http_server *server, uint64_t now_ms);
/* The server closes: streams end as soon as their clients have taken what is
 * under way. */
void events_end(struct http_server *server);

#endif
