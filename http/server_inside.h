/* server_inside.h - what server.c, connection.c, request.c and drain.c share;
 * the only header that knows h2o.
 *
 *     listener --accept--> connection --h2o parses--> request --> resource
 *                            ^    |                      |
 *                  sweep ----+    +--cut, drain         +-- ticket --> backend
 *
 * Thread: the loop. */
#ifndef POSTOFFICE_HTTP_SERVER_INSIDE_H
#define POSTOFFICE_HTTP_SERVER_INSIDE_H

#include "http/events.h"
#include "http/park.h"
#include "http/patience.h"
#include "http/request.h"
#include "http/ticket.h"
#include "http/tls.h"
#include "http/traffic.h"

#define H2O_USE_LIBUV 1
#include <h2o.h>
#include <h2o/http1.h>

enum {
    /* How often connections are looked at: the grain of every time-out. */
    SWEEP_MS = 100,
    /* Connections that wait for their client to read a refusal. */
    DRAIN_MAX = 256,
    DRAIN_MS = 2000,
    /* An idle connection gives a larger buffer back. */
    INPUT_KEPT = 64 * 1024,
    /* What the requests of all clients may occupy while they arrive, or four
     * of the largest body; beyond it large ones are refused. */
    INPUT_BYTES_MAX = 512 * 1024 * 1024,
    /* Requests that other nodes have sent on, under way at once. */
    FORWARDED_MAX = 4096,
};

struct connection {
    uv_tcp_t tcp; /* First: h2o's callbacks give it back. */
    struct http_server *server;
    struct connection *next;
    struct connection **link; /* What points here. */
    struct request *request;  /* Under way; NULL: none. */
    uint64_t steps;           /* Requests and parts of long answers so far. */
    /* As the last sweep saw it. */
    enum activity activity;
    uint64_t since_ms;
    uint64_t steps_seen;
    int drain_fd; /* A second descriptor of the socket; -1: none. */
};

struct listener {
    uv_tcp_t tcp;
    struct http_server *server;
    uint16_t port;
    bool open;
};

enum server_state { SERVER_OPEN, SERVER_CLOSING, SERVER_FINISHING };

struct http_server {
    uv_loop_t *loop;
    struct http_options options; /* `listen` is not kept. */
    struct body_limits limits;
    struct patience patience;
    struct backend backend;
    enum server_state state;

    h2o_globalconf_t config;
    h2o_context_t context;
    h2o_accept_ctx_t accept;

    struct ssl_ctx_st *tls; /* NULL: none. Connections hold it, too. */
    struct listener *listeners;
    uint32_t listener_count;
    struct connection *connections;
    uint32_t connection_count;
    struct drain *drains;
    uint32_t drain_count;
    size_t input_bytes_max;
    uint32_t handles; /* Listeners, connections, drains not yet closed, and
                       * certificates being read. */
    struct forwarded *forwarded; /* Requests that other nodes sent on. */
    uint32_t forwarded_count;
    struct ticket_table tickets;
    struct park park;
    struct events events;
    struct traffic traffic;
    struct encoder scratch;
    uint64_t id_seed;
    uint64_t id_count;

    uv_timer_t sweep;
    uv_timer_t last; /* Closed behind all others. */
    uint64_t close_deadline_ms;
    void (*done)(void *context);
    void *done_context;
};

/* dispatch.c */
void dispatch_register(struct http_server *server, h2o_hostconf_t *host);
/* Finds the route and has the request answered. */
void dispatch(struct request *request);
/* One that has waited for a leader: what was checked is not checked again. */
void dispatch_again(struct request *request);

/* request.c */
#define PROBLEM_TYPE "application/problem+json"
/* Lives in h2o's pool of the request, until h2o lets go of it. */
struct request *request_new(struct http_server *server, h2o_req_t *h2o);
/* Status line and headers for request->answer, as both ways of answering need
 * them; the request counts as answered. */
void request_set_head(struct request *request, int status, const char *type);
/* An answer for a request that waits while the server goes. */
void request_give_up(struct request *request);
void request_new_id(struct http_server *server, char text[20]);

/* connection.c */
void connection_accept(struct listener *listener);
void connection_sweep(struct http_server *server);
/* Ends it without words. */
void connection_cut(struct connection *connection);
/* The connection is to close after its answer, with input unread. */
void connection_drain(struct connection *connection);
size_t connection_answer_bytes(const struct connection *connection);

/* drain.c */
/* Takes the descriptor: tells the client that nothing more comes and reads
 * what it still sends, for a while, so that it gets to see the answer. */
void drain_start(struct http_server *server, int fd);
void drain_sweep(struct http_server *server, bool all);

/* server.c */
void server_handle_closed(struct http_server *server);

#endif
