/* server.h - the HTTP API on the node's loop: h2o, HTTP/1.1 only.
 *
 * h2o's types stay inside http/. A request waits under a ticket, never under
 * a pointer: its client may vanish at any time.
 * Thread: the loop. */
#ifndef POSTOFFICE_HTTP_SERVER_H
#define POSTOFFICE_HTTP_SERVER_H

#include "base/error.h"
#include "http/backend.h"

#include <uv.h>

struct http_server;

struct http_options {
    const char *const *listen; /* HOST:PORT each; [v6]:PORT too. */
    uint32_t listen_count;
    bool local; /* All of them are on loopback (origin.h). */
    /* The node's URL for others; NULL: none. It must live as long as the
     * server. */
    const char *advertised;
    size_t body_bytes_max;    /* Larger bodies: 413. */
    size_t message_bytes_max; /* Payload, attributes and key of one: 413. */
    uint32_t bulk_messages_max;
    uint32_t connections_max;
    uint32_t leader_wait_ms; /* How long a request may wait for a leader before
                              * it is answered 503; 0: not at all. */
    /* PEM files; NULL: no TLS. They must live as long as the server. */
    const char *tls_certificate_file;
    const char *tls_key_file;
    uint32_t idle_ms;      /* A connection without request; 0: the default. */
    uint32_t heartbeat_ms; /* Of streams of events; 0: the default. */
    uint32_t slow_ms; /* Until a request or its answer must go on at a least
                       * rate; 0: the default (patience.h). */
};

/* Binds and listens; the process ignores SIGPIPE from then on. Errors name
 * the address. The backend's table is copied; its done() is http_server_done
 * with the server as context. */
int http_server_open(uv_loop_t *loop, const struct http_options *options,
                     const struct backend *backend,
                     struct http_server **ret_server, struct error *error);

/* The result of an asynchronous operation of the backend. */
void http_server_done(void *server, const struct backend_result *result);

/* A request that another node has sent on, as http/forward.h encodes it; it is
 * not sent on again. The encoded answer comes through done(), exactly once,
 * maybe before this returns; its bytes are borrowed. */
typedef void (*http_served)(void *context, uint64_t id, struct slice answer);
void http_server_serve(struct http_server *server, struct slice request,
                       http_served done, void *context, uint64_t id);

/* Tells whoever follows GET /api/events. The texts are copied. */
void http_server_event(struct http_server *server,
                       const struct backend_event *event);

/* The port that listener `index` is bound to (for port 0). */
uint16_t http_server_port(const struct http_server *server, uint32_t index);

/* Reads the certificate and its key anew, off the loop. If they cannot be used
 * that is logged, and those from before stay. Nothing without TLS. */
void http_server_reload(struct http_server *server);

/* Takes no new connection and closes idle ones; what is under way may end for
 * up to `grace_ms`, then connections are cut; then frees itself and calls
 * done (may be NULL). Results of the backend that come later must not be
 * handed in any more. */
void http_server_close(struct http_server *server, uint32_t grace_ms,
                       void (*done)(void *context), void *context);

#endif
