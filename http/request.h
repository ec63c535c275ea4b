/* request.h - one request, as the resources see it: no h2o here.
 *
 * A handler either answers at once (request_send, request_fail) or takes a
 * ticket with request_wait(), gives it to the backend and returns; `finish`
 * is called with the result when it comes, unless the request has gone by
 * then. Each request is answered exactly once.
 *
 * Everything in the struct lives as long as the request: to the end of its
 * answer's sending, or until its client is found to have vanished. The arena
 * is for the handler's own use.
 * Thread: the loop. */
#ifndef POSTOFFICE_HTTP_REQUEST_H
#define POSTOFFICE_HTTP_REQUEST_H

#include "base/codec.h"
#include "base/json_write.h"
#include "base/memory.h"
#include "http/backend.h"
#include "http/problem.h"
#include "http/query_string.h"
#include "http/request_body.h"
#include "http/router.h"
#include "http/server.h"

struct request;
struct connection;
struct forwarded;
struct event_stream;
struct st_h2o_req_t;

struct request_header {
    const char *name;
    struct slice value;
};

enum { REQUEST_ID_MAX = 128 };
enum { REQUEST_HEADERS_MAX = 8 }; /* That a handler may set. */

typedef void (*request_finish)(struct request *request,
                               const struct backend_result *result);

struct request {
    struct http_server *server;
    struct st_h2o_req_t *h2o;
    struct connection *connection;
    struct forwarded *forwarded; /* Another node sent it on; then there is
                                  * neither h2o's request nor a connection. */
    struct slice method;
    struct slice path;         /* Without the query, as sent. */
    struct slice query_text;   /* Behind the question mark. */
    struct slice content_type; /* Empty: not given. */
    struct slice body;
    struct slice id;              /* x-request-id */
    const struct route *route;    /* Once it was found. */
    struct backend_caller caller; /* Once it was admitted; its texts live in
                                   * the arena. */
    struct slice parameter;       /* The path's; empty: none. */
    struct query_string query;    /* Checked against the route. */
    struct author author;         /* As told to the backend. */
    bool head;
    bool answered;
    bool bulk;  /* Publishes many: the original's statuses. */
    bool keyed; /* Has an idempotency key. */
    enum backend_consistency consistency;
    struct event_stream *stream; /* Its answer goes on; NULL: it does not. */
    uint64_t ticket;             /* 0: none. */
    uint64_t started_us;
    request_finish finish;
    void (*confined)(struct request *request); /* Goes on once its topic is
                                                * known. */
    struct request_header headers[REQUEST_HEADERS_MAX]; /* Of the answer. */
    uint32_t header_count;
    uint32_t page_limit; /* Of a list that waits for its result. */
    void *held;          /* What `finish` needs besides; in the arena. */
    struct arena arena;
    struct encoder answer; /* The body being made. */
    char id_text[20];
};

const struct backend *request_backend(const struct request *request);
const struct body_limits *request_limits(const struct request *request);
/* Writes what the server itself tells in /metrics. */
void request_tell_server(struct request *request);
/* A buffer of the server for what is borrowed only during one call; empty. */
struct encoder *request_scratch(struct request *request);

/* A header of the request by its lower-case name. One that is given more than
 * once counts as a list (RFC 9110, section 5.3): "a, b". */
bool request_find_header(const struct request *request, const char *name,
                         struct slice *ret_value);

/* Whether a node that does not lead must send it on, or have it wait for a
 * leader. */
bool request_needs_leader(const struct request *request);

/* A ticket for the backend; `finish` follows, or nothing when the request
 * goes before. */
uint64_t request_wait(struct request *request, request_finish finish);

/* Both texts must live as long as the request. */
void request_header(struct request *request, const char *name,
                    struct slice value);
void request_header_number(struct request *request, const char *name,
                           uint64_t value);
/* Sends request->answer with this type; 204 has neither. */
void request_send(struct request *request, int status, const char *type);
void request_send_json(struct request *request, int status);
/* The answer {"data": ...}: what is written between the two is its value. */
struct json_writer request_data_begin(struct request *request);
void request_data_send(struct request *request, struct json_writer *json,
                       int status);
void request_fail(struct request *request, const struct problem *problem);
/* The same when there is a problem at all, which it tells. */
bool request_failed(struct request *request, const struct problem *problem);
/* Whether its body is of this media type, whatever the parameters. */
bool request_type_is(const struct request *request, const char *type);
/* What is wrong, of a result with an error code; then the answer to it. */
void request_problem(const struct request *request,
                     const struct backend_result *result,
                     struct problem *problem);
void request_fail_result(struct request *request,
                         const struct backend_result *result);

/* The path's parameter as an id: 1 to 2^53 - 1. False when it has no such
 * form; then the request has been answered. */
bool request_id_parameter(struct request *request, uint64_t *ret_id);
/* The same for what is numbered with 32 bits: a larger id is well formed, and
 * not found. */
bool request_small_id(struct request *request, uint32_t *ret_id);
/* A query parameter as such an id; false when it is not given. */
bool request_query_id(const struct request *request, const char *name,
                      uint32_t *ret_id, struct problem *problem);

/* Lists. The backend is asked for one element more than the page has, which
 * tells whether there is a next one. False: the request has been answered. */
bool request_page(struct request *request, char kind,
                  struct backend_page *ret_page);
/* How many of `found` elements belong to the page. */
uint32_t request_page_count(const struct request *request, uint32_t found);
/* Ends the list and the answer's object with `next_cursor`, and sends it. 0:
 * there is no next page. */
void request_page_end(struct request *request, struct json_writer *json,
                      char kind, uint64_t next);

#endif
