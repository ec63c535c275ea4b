/* From h2o's request to a resource's handler and back.
 *
 * The struct request lives in h2o's memory pool of the request, with a
 * callback when the pool goes: so a ticket never outlives what it stands for,
 * whether the answer was sent or the client vanished. */
#include "http/server_inside.h"

#include "base/clock.h"
#include "base/logger.h"
#include "http/framing.h"
#include "http/resources.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

static const char problem_type[] = "application/problem+json";
static const char json_type[] = "application/json";

struct handler {
    h2o_handler_t super;
    struct http_server *server;
};

struct filter {
    h2o_filter_t super;
    struct http_server *server;
};

static struct slice slice_of_iovec(h2o_iovec_t bytes)
{
    return slice_of(bytes.base, bytes.len);
}

/* ---- A request's life ---- */

/* Unique within the process's life and unlikely to meet another's
 * (splitmix64 over a random seed). */
void request_new_id(struct http_server *server, char text[20])
{
    uint64_t value = server->id_seed + ++server->id_count * 0x9e3779b97f4a7c15u;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
    value = (value ^ value >> 27) * 0x94d049bb133111ebu;
    value ^= value >> 31;
    for (int i = 0; i < 16; i++)
        text[i] = "0123456789abcdef"[value >> (60 - 4 * i) & 15];
    text[16] = '\0';
}

static bool id_is_sane(struct slice id)
{
    if (id.length < 1 || id.length > 128)
        return false;
    for (size_t i = 0; i < id.length; i++) {
        uint8_t byte = id.data[i];
        bool letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
        bool digit = byte >= '0' && byte <= '9';
        if (!letter && !digit && byte != '.' && byte != '_' && byte != '-')
            return false;
    }
    return true;
}

static struct slice choose_id(struct request *request)
{
    ssize_t at = h2o_find_header_by_str(&request->h2o->headers,
                                        H2O_STRLIT("x-request-id"), -1);
    if (at >= 0) {
        struct slice given =
            slice_of_iovec(request->h2o->headers.entries[at].value);
        if (id_is_sane(given))
            return given;
    }
    request_new_id(request->server, request->id_text);
    return slice_text(request->id_text);
}

static void log_access(const struct request *request, int status)
{
    enum logger_level level = status >= 400 ? LOGGER_INFO : LOGGER_DEBUG;
    LOGGER_LINE(level, "http",
                status == 0 ? "client went before its answer" : "request",
                FIELD_SLICE("request_id", request->id),
                FIELD_SLICE("method", request->method),
                FIELD_SLICE("path", request->path), FIELD_U64("status", status),
                FIELD_U64("duration_us", clock_us() - request->started_us));
}

/* h2o's pool lets go of the request. */
static void on_dispose(void *memory)
{
    struct request *request = memory;
    if (request->ticket != 0)
        ticket_void(&request->server->tickets, request->ticket);
    if (!request->answered)
        log_access(request, 0);
    if (request->connection != NULL)
        request->connection->request = NULL;
    arena_close(&request->arena);
    encoder_close(&request->answer);
}

static struct request *request_new(struct http_server *server, h2o_req_t *h2o)
{
    struct request *request =
        h2o_mem_alloc_shared(&h2o->pool, sizeof *request, on_dispose);
    memset(request, 0, sizeof *request);
    request->server = server;
    request->h2o = h2o;
    request->started_us = clock_us();
    request->connection =
        h2o->conn->callbacks->get_socket(h2o->conn)->on_close.data;
    request->connection->request = request;
    request->connection->requests++;
    request->method = slice_of_iovec(h2o->input.method);
    request->head = slice_is(request->method, "HEAD");
    request->path = slice_of_iovec(h2o->input.path);
    if (h2o->query_at != SIZE_MAX)
        request->path.length = h2o->query_at;
    request->body = slice_of_iovec(h2o->entity);
    request->id = choose_id(request);
    return request;
}

const struct backend *request_backend(const struct request *request)
{
    return &request->server->backend;
}

const struct body_limits *request_limits(const struct request *request)
{
    return &request->server->limits;
}

bool request_has_header(const struct request *request, const char *name)
{
    return h2o_find_header_by_str(&request->h2o->headers, name, strlen(name),
                                  -1) >= 0;
}

struct encoder *request_scratch(struct request *request)
{
    request->server->scratch.length = 0;
    return &request->server->scratch;
}

/* ---- Answers ---- */

void request_header(struct request *request, const char *name,
                    struct slice value)
{
    h2o_add_header_by_str(&request->h2o->pool, &request->h2o->res.headers, name,
                          strlen(name), 0, NULL, (const char *)value.data,
                          value.length);
}

/* Status line and headers, as both ways of answering need them. */
static void set_head(struct request *request, int status, const char *type)
{
    h2o_req_t *h2o = request->h2o;
    h2o->res.status = status;
    h2o->res.reason = status_phrase(status);
    h2o->res.content_length = SIZE_MAX;
    if (status != 204) {
        h2o->res.content_length = request->answer.length;
        h2o_add_header(&h2o->pool, &h2o->res.headers, H2O_TOKEN_CONTENT_TYPE,
                       NULL, type, strlen(type));
    }
    request_header(request, "x-request-id", request->id);
    if (request->server->state != SERVER_OPEN)
        h2o->http1_is_persistent = 0;
    request->answered = true;
    log_access(request, status);
}

void request_send(struct request *request, int status, const char *type)
{
    static h2o_generator_t generator;
    h2o_req_t *h2o = request->h2o;
    set_head(request, status, type);
    h2o_iovec_t body =
        h2o_iovec_init((char *)request->answer.data, request->answer.length);
    bool bare = request->head || status == 204 || body.len == 0;
    h2o_start_response(h2o, &generator);
    h2o_send(h2o, &body, bare ? 0 : 1, H2O_SEND_STATE_FINAL);
}

void request_send_json(struct request *request, int status)
{
    request_send(request, status, json_type);
}

void request_fail(struct request *request, const struct problem *problem)
{
    request->answer.length = 0;
    problem_write(problem, request->path, request->id, &request->answer);
    if (problem->retry_after != 0) {
        char text[16];
        int length = snprintf(text, sizeof text, "%u", problem->retry_after);
        request_header(
            request, "retry-after",
            arena_copy(&request->arena, slice_of(text, (size_t)length)));
    }
    if (problem->close) {
        request->h2o->http1_is_persistent = 0;
        connection_drain(request->connection);
    }
    request_send(request, problem->status, problem_type);
}

void request_fail_result(struct request *request,
                         const struct backend_result *result)
{
    struct problem problem = {0};
    problem_from_code(&problem, result->code, result->field, result->detail);
    /* The original's status for a bulk request whose topic is unknown. */
    if (request->bulk && result->code == ERR_NOT_FOUND)
        problem.status = 406;
    request_fail(request, &problem);
}

/* ---- Waiting ---- */

uint64_t request_wait(struct request *request, request_finish finish)
{
    request->finish = finish;
    request->ticket = ticket_issue(&request->server->tickets, request);
    /* There are as many tickets as connections, each with one request. */
    assert(request->ticket != 0);
    return request->ticket;
}

void http_server_done(void *context, const struct backend_result *result)
{
    struct http_server *server = context;
    struct request *request = ticket_holder(&server->tickets, result->ticket);
    if (request == NULL)
        return;
    ticket_void(&server->tickets, request->ticket);
    request->ticket = 0;
    if (result->code == 0)
        request->finish(request, result);
    else
        request_fail_result(request, result);
}

void request_give_up(struct request *request)
{
    struct problem problem = {0};
    ticket_void(&request->server->tickets, request->ticket);
    request->ticket = 0;
    bool reads = request->head || slice_is(request->method, "GET");
    problem_from_code(&problem, reads ? ERR_UNAVAILABLE : ERR_UNKNOWN_OUTCOME,
                      NULL, "This node stopped before it could answer.");
    request_fail(request, &problem);
}

/* ---- Dispatch ---- */

static void fail(struct request *request, int status, const char *code,
                 const char *detail)
{
    struct problem problem = {0};
    problem_set(&problem, status, code, detail);
    request_fail(request, &problem);
}

/* False: the request has been refused. */
static bool check_framing(struct request *request)
{
    if (request->h2o->entity.base == NULL)
        return true;
    h2o_socket_t *socket =
        request->h2o->conn->callbacks->get_socket(request->h2o->conn);
    const char *fault =
        framing_fault(slice_of(socket->input->bytes, socket->input->size));
    if (fault == NULL)
        return true;
    struct problem problem = {0};
    problem_set(&problem, 400, "bad_request", fault);
    problem.close = true;
    request_fail(request, &problem);
    return false;
}

/* The absolute form of a target (RFC 9112, section 3.2.2) loses its
 * authority: there is one host here. */
static struct slice origin_path(struct slice path)
{
    static const char scheme[] = "http://";
    size_t length = sizeof scheme - 1;
    if (path.length <= length || memcmp(path.data, scheme, length) != 0)
        return path;
    const uint8_t *slash =
        memchr(path.data + length, '/', path.length - length);
    if (slash == NULL)
        return slice_text("/");
    return slice_of(slash, path.length - (size_t)(slash - path.data));
}

/* Without a content-type the body speaks for itself. */
static bool type_is_json(const h2o_req_t *h2o)
{
    ssize_t at = h2o_find_header(&h2o->headers, H2O_TOKEN_CONTENT_TYPE, -1);
    if (at < 0)
        return true;
    h2o_iovec_t value = h2o->headers.entries[at].value;
    size_t length = 0;
    while (length < value.len && value.base[length] != ';' &&
           value.base[length] != ' ')
        length++;
    static const char suffix[] = "+json";
    size_t suffix_length = sizeof suffix - 1;
    return h2o_lcstris(value.base, length, H2O_STRLIT("application/json")) ||
           h2o_lcstris(value.base, length, H2O_STRLIT("text/json")) ||
           (length > suffix_length &&
            h2o_lcstris(value.base + length - suffix_length, suffix_length,
                        suffix, suffix_length));
}

static bool read_query(struct request *request, const struct route *route)
{
    h2o_req_t *h2o = request->h2o;
    if (h2o->query_at == SIZE_MAX)
        return true;
    struct slice text = slice_of(h2o->input.path.base + h2o->query_at + 1,
                                 h2o->input.path.len - h2o->query_at - 1);
    struct problem problem = {0};
    query_string_parse(text, route->parameters, &request->arena,
                       &request->query, &problem);
    struct slice value;
    if (query_string_get(&request->query, "consistency", &value)) {
        if (slice_is(value, "local"))
            problem_set(&problem, 501, "not_built",
                        "consistency=local is not built yet in this version; "
                        "without it the answer is the leader's.");
        else if (!slice_is(value, "linearizable"))
            problem_parameter(&problem, "consistency", PROBLEM_INVALID);
    }
    if (problem.status == 0)
        return true;
    request_fail(request, &problem);
    return false;
}

static void run(struct request *request, const struct route *route)
{
    if (route->handle == NULL)
        fail(request, 501, "not_built",
             "This route is not built yet in this version.");
    else if (route->json && !type_is_json(request->h2o))
        fail(request, 415, "unsupported_media_type",
             "The body must be application/json.");
    else if (read_query(request, route))
        route->handle(request);
}

static void dispatch(struct request *request)
{
    struct router_match match;
    switch (router_find(http_routes, request->method,
                        origin_path(request->path), &match)) {
    case ROUTER_FOUND:
        request->parameter = match.parameter;
        run(request, match.route);
        return;
    case ROUTER_METHOD:
        request_header(request, "allow",
                       arena_copy(&request->arena, slice_text(match.allow)));
        fail(request, 405, "method_not_allowed",
             "This path does not know that method.");
        return;
    case ROUTER_NONE:
        fail(request, 404, "not_found", "There is no such path.");
        return;
    }
}

static int on_request(h2o_handler_t *super, h2o_req_t *h2o)
{
    struct handler *handler = (struct handler *)super;
    struct request *request = request_new(handler->server, h2o);
    if (check_framing(request))
        dispatch(request);
    return 0;
}

/* ---- h2o's own refusals ---- */

struct replacement {
    h2o_ostream_t super;
    struct request *request;
};

/* In place of h2o's text. */
static void send_replacement(h2o_ostream_t *super, h2o_req_t *h2o,
                             h2o_iovec_t *parts, size_t count,
                             h2o_send_state_t state)
{
    struct request *request = ((struct replacement *)super)->request;
    (void)parts;
    (void)count;
    h2o_iovec_t body =
        h2o_iovec_init((char *)request->answer.data, request->answer.length);
    h2o_ostream_send_next(super, h2o, &body, request->head ? 0 : 1, state);
}

/* h2o answers some requests itself (a body too large, broken framing); these
 * run through the fallback path, where this filter gives them our form. */
static void on_refusal(h2o_filter_t *super, h2o_req_t *h2o,
                       h2o_ostream_t **slot)
{
    struct filter *filter = (struct filter *)super;
    struct request *request = request_new(filter->server, h2o);
    struct problem problem = {0};
    int status = h2o->res.status;
    if (status == 413)
        problem_set(&problem, status, "too_large",
                    "The body is larger than this node takes "
                    "(--max-body-bytes).");
    else
        problem_set(&problem, status,
                    status == 404 ? "not_found" : "bad_request",
                    "The request's header or body is not sound HTTP.");
    problem_write(&problem, request->path, request->id, &request->answer);
    h2o->res.headers = (h2o_headers_t){0};
    set_head(request, status, problem_type);
    h2o->http1_is_persistent = 0;
    connection_drain(request->connection);
    struct replacement *replacement =
        (void *)h2o_add_ostream(h2o, sizeof *replacement, slot);
    replacement->super.do_send = send_replacement;
    replacement->request = request;
    h2o_setup_next_ostream(h2o, &replacement->super.next);
}

void request_register(struct http_server *server, h2o_hostconf_t *host)
{
    h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
    struct handler *handler =
        (struct handler *)h2o_create_handler(path, sizeof *handler);
    handler->super.on_req = on_request;
    handler->server = server;
    struct filter *filter = (struct filter *)h2o_create_filter(
        &host->fallback_path, sizeof *filter);
    filter->super.on_setup_ostream = on_refusal;
    filter->server = server;
}
