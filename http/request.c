/* A request's life: begun by h2o, answered at once or after a wait.
 *
 * The struct request lives in h2o's memory pool of the request, with a
 * callback when the pool goes: so a ticket never outlives what it stands for,
 * whether the answer was sent or the client vanished. */
#include "http/server_inside.h"

#include "http/forward.h"

#include "base/clock.h"
#include "base/logger.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

static const char json_type[] = "application/json";

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
    if (id.length < 1 || id.length > REQUEST_ID_MAX)
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
    struct slice given;
    if (request_find_header(request, "x-request-id", &given) &&
        id_is_sane(given))
        return given;
    request_new_id(request->server, request->id_text);
    return slice_text(request->id_text);
}

static void log_access(const struct request *request, int status)
{
    /* A probe that is answered "not now" once a second is no news. */
    bool probe =
        status == 503 && request->route != NULL && !request->route->leader;
    enum logger_level level =
        status >= 400 && !probe ? LOGGER_INFO : LOGGER_DEBUG;
    LOGGER_LINE(level, "http",
                status == 0 ? "client went before its answer" : "request",
                FIELD_SLICE("request_id", request->id),
                FIELD_SLICE("method", request->method),
                FIELD_SLICE("path", request->path), FIELD_U64("status", status),
                FIELD_U64("duration_us", clock_us() - request->started_us));
}

static void count_traffic(const struct request *request, int status)
{
    struct traffic *traffic = &request->server->traffic;
    if (request->forwarded != NULL)
        traffic->served++;
    else
        traffic_count(traffic, request->route, status,
                      clock_us() - request->started_us);
}

/* h2o's pool lets go of the request. */
static void on_dispose(void *memory)
{
    struct request *request = memory;
    if (request->ticket != 0)
        ticket_void(&request->server->tickets, request->ticket);
    if (!request->answered) {
        log_access(request, 0);
        count_traffic(request, 0);
    }
    events_forget(request);
    if (request->connection != NULL)
        request->connection->request = NULL;
    arena_close(&request->arena);
    encoder_close(&request->answer);
}

struct request *request_new(struct http_server *server, h2o_req_t *h2o)
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
    request->connection->steps++;
    request->method = slice_of_iovec(h2o->input.method);
    request->head = slice_is(request->method, "HEAD");
    request->path = slice_of_iovec(h2o->input.path);
    if (h2o->query_at != SIZE_MAX) {
        request->path.length = h2o->query_at;
        request->query_text = slice_of(h2o->input.path.base + h2o->query_at + 1,
                                       h2o->input.path.len - h2o->query_at - 1);
    }
    request->body = slice_of_iovec(h2o->entity);
    request_find_header(request, "content-type", &request->content_type);
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

/* White space around a value is not part of it (RFC 9110, section 5.5), but
 * the parser leaves it at the end. */
static h2o_iovec_t header_value(const h2o_req_t *h2o, ssize_t at)
{
    h2o_iovec_t value = h2o->headers.entries[at].value;
    while (value.len > 0 && (value.base[value.len - 1] == ' ' ||
                             value.base[value.len - 1] == '\t'))
        value.len--;
    return value;
}

bool request_find_header(const struct request *request, const char *name,
                         struct slice *ret_value)
{
    if (request->forwarded != NULL)
        return forward_find_header(request->forwarded, name, ret_value);
    h2o_req_t *h2o = request->h2o;
    size_t length = strlen(name);
    ssize_t at = h2o_find_header_by_str(&h2o->headers, name, length, -1);
    if (at < 0)
        return false;
    h2o_iovec_t value = header_value(h2o, at);
    while ((at = h2o_find_header_by_str(&h2o->headers, name, length, at)) >= 0)
        value = h2o_concat(&h2o->pool, value, h2o_iovec_init(H2O_STRLIT(", ")),
                           header_value(h2o, at));
    *ret_value = slice_of_iovec(value);
    return true;
}

void request_tell_server(struct request *request)
{
    const struct http_server *server = request->server;
    struct encoder *out = &request->answer;
    traffic_write(&server->traffic, out);
    encoder_print(out,
                  "# HELP postoffice_http_connections Connections of clients.\n"
                  "# TYPE postoffice_http_connections gauge\n"
                  "postoffice_http_connections %" PRIu32 "\n",
                  server->connection_count);
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
    assert(request->header_count < REQUEST_HEADERS_MAX);
    request->headers[request->header_count++] =
        (struct request_header){.name = name, .value = value};
}

void request_header_number(struct request *request, const char *name,
                           uint64_t value)
{
    char text[24];
    int length = snprintf(text, sizeof text, "%" PRIu64, value);
    request_header(request, name,
                   arena_copy(&request->arena, slice_of(text, (size_t)length)));
}

static void add_header(struct request *request, const char *name,
                       struct slice value)
{
    h2o_add_header_by_str(&request->h2o->pool, &request->h2o->res.headers, name,
                          strlen(name), 0, NULL, (const char *)value.data,
                          value.length);
}

static void count_answer(struct request *request, int status)
{
    request->answered = true;
    log_access(request, status);
    count_traffic(request, status);
}

/* RFC 9112, section 6.3: these end with their header. */
static bool is_bodiless(int status)
{
    return status == 204 || status == 304;
}

void request_set_head(struct request *request, int status, const char *type)
{
    h2o_req_t *h2o = request->h2o;
    h2o->res.status = status;
    h2o->res.reason = status_phrase(status);
    h2o->res.content_length = SIZE_MAX;
    if (!is_bodiless(status)) {
        if (request->stream == NULL)
            h2o->res.content_length = request->answer.length;
        h2o_add_header(&h2o->pool, &h2o->res.headers, H2O_TOKEN_CONTENT_TYPE,
                       NULL, type, strlen(type));
    }
    add_header(request, "x-request-id", request->id);
    for (uint32_t i = 0; i < request->header_count; i++)
        add_header(request, request->headers[i].name,
                   request->headers[i].value);
    if (request->server->state != SERVER_OPEN)
        h2o->http1_is_persistent = 0;
    count_answer(request, status);
}

void request_send(struct request *request, int status, const char *type)
{
    static h2o_generator_t generator;
    h2o_req_t *h2o = request->h2o;
    if (request->forwarded != NULL) {
        count_answer(request, status);
        forward_answer(request, status, type);
        return;
    }
    request_set_head(request, status, type);
    h2o_iovec_t body =
        h2o_iovec_init((char *)request->answer.data, request->answer.length);
    bool bare = request->head || is_bodiless(status) || body.len == 0;
    h2o_start_response(h2o, &generator);
    h2o_send(h2o, &body, bare ? 0 : 1, H2O_SEND_STATE_FINAL);
}

void request_send_json(struct request *request, int status)
{
    request_send(request, status, json_type);
}

struct json_writer request_data_begin(struct request *request)
{
    struct json_writer json = json_writer_of(&request->answer);
    json_write_begin(&json, '{');
    json_write_name(&json, "data");
    return json;
}

void request_data_send(struct request *request, struct json_writer *json,
                       int status)
{
    json_write_end(json, '}');
    request_send_json(request, status);
}

void request_fail(struct request *request, const struct problem *problem)
{
    request->answer.length = 0;
    problem_write(problem, request->path, request->id, &request->answer);
    if (problem->retry_after != 0)
        request_header_number(request, "retry-after", problem->retry_after);
    if (problem->close && request->h2o != NULL) {
        request->h2o->http1_is_persistent = 0;
        connection_drain(request->connection);
    }
    request_send(request, problem->status, PROBLEM_TYPE);
}

static bool only_reads(const struct request *request)
{
    return request->head || slice_is(request->method, "GET");
}

bool request_failed(struct request *request, const struct problem *problem)
{
    if (problem->status == 0)
        return false;
    request_fail(request, problem);
    return true;
}

void request_problem(const struct request *request,
                     const struct backend_result *result,
                     struct problem *problem)
{
    if (request->keyed && result->code == ERR_CONFLICT)
        problem_set(problem, 422, "idempotency_key_reused",
                    "This Idempotency-Key came with another body less than 24 "
                    "hours ago.");
    problem_from_code(problem, result->code, result->field, result->detail);
    /* What asks has no body that could be wrong. */
    if (only_reads(request) && problem->error_count > 0)
        problem->errors[0].place = PROBLEM_IN_QUERY;
    /* The original's status for a bulk request whose topic is unknown. */
    if (request->bulk && result->code == ERR_NOT_FOUND)
        problem->status = 406;
}

void request_fail_result(struct request *request,
                         const struct backend_result *result)
{
    struct problem problem = {0};
    request_problem(request, result, &problem);
    request_fail(request, &problem);
}

/* ---- Waiting ---- */

bool request_needs_leader(const struct request *request)
{
    return request->route != NULL && request->route->leader &&
           request->consistency != BACKEND_LOCAL;
}

uint64_t request_wait(struct request *request, request_finish finish)
{
    const struct backend *backend = request_backend(request);
    request->author =
        (struct author){.who = request->caller.name, .request_id = request->id};
    if (backend->asked_by != NULL)
        backend->asked_by(backend->context, &request->author);
    request->finish = finish;
    request->ticket = ticket_issue(&request->server->tickets, request);
    /* There are as many tickets as connections, each with one request, and
     * as requests that other nodes may have sent on. */
    assert(request->ticket != 0);
    return request->ticket;
}

/* A local answer says how old it is, be it that there is no such thing. */
static void tell_applied_index(struct request *request,
                               const struct backend_result *result)
{
    if (request->consistency == BACKEND_LOCAL &&
        (result->code == 0 || result->code == ERR_NOT_FOUND))
        request_header_number(request, "postoffice-applied-index",
                              result->applied_index);
}

/* What only reads has no outcome that could be unknown: it can be asked
 * again. */
static int code_of(const struct request *request,
                   const struct backend_result *result)
{
    return result->code == ERR_UNKNOWN_OUTCOME && only_reads(request)
               ? ERR_UNAVAILABLE
               : result->code;
}

void http_server_done(void *context, const struct backend_result *given)
{
    struct http_server *server = context;
    struct request *request = ticket_holder(&server->tickets, given->ticket);
    if (request == NULL)
        return;
    ticket_void(&server->tickets, request->ticket);
    request->ticket = 0;
    struct backend_result result = *given;
    result.code = code_of(request, given);
    tell_applied_index(request, &result);
    if (result.code == 0)
        request->finish(request, &result);
    else if (result.code != ERR_UNAVAILABLE || !park_request(request))
        request_fail_result(request, &result);
}

void request_give_up(struct request *request)
{
    struct problem problem = {0};
    ticket_void(&request->server->tickets, request->ticket);
    request->ticket = 0;
    problem_from_code(
        &problem, only_reads(request) ? ERR_UNAVAILABLE : ERR_UNKNOWN_OUTCOME,
        NULL, "This node stopped before it could answer.");
    request_fail(request, &problem);
}
