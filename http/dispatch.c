/* From h2o's request to the handler of a resource: what must hold of every
 * request is checked here, in the order framing, path, method, caller, origin,
 * type of body, query. And h2o's own refusals are given our form. */
#include "http/server_inside.h"

#include "http/chunked.h"
#include "http/forward.h"
#include "http/framing.h"
#include "http/identity.h"
#include "http/origin.h"
#include "http/resources.h"

struct handler {
    h2o_handler_t super;
    struct http_server *server;
};

struct filter {
    h2o_filter_t super;
    struct http_server *server;
};

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

/* A media type without its parameters. */
static h2o_iovec_t bare_type(const struct request *request)
{
    char *text = (char *)request->content_type.data;
    size_t length = 0;
    while (length < request->content_type.length && text[length] != ';' &&
           text[length] != ' ')
        length++;
    return h2o_iovec_init(text, length);
}

bool request_type_is(const struct request *request, const char *type)
{
    h2o_iovec_t given = bare_type(request);
    return h2o_lcstris(given.base, given.len, type, strlen(type));
}

/* Without a content-type the body speaks for itself, and what is empty is of
 * no type. */
static bool type_is_json(const struct request *request)
{
    static const char suffix[] = "+json";
    size_t suffix_length = sizeof suffix - 1;
    if (request->content_type.data == NULL || request->body.length == 0)
        return true;
    h2o_iovec_t given = bare_type(request);
    return request_type_is(request, "application/json") ||
           request_type_is(request, "text/json") ||
           (given.len > suffix_length &&
            h2o_lcstris(given.base + given.len - suffix_length, suffix_length,
                        suffix, suffix_length));
}

static void read_consistency(struct request *request, struct problem *problem)
{
    struct slice value;
    if (!query_string_get(&request->query, "consistency", &value))
        return;
    if (slice_is(value, "local"))
        request->consistency = BACKEND_LOCAL;
    else if (!slice_is(value, "linearizable"))
        problem_parameter(problem, "consistency", PROBLEM_INVALID);
}

static bool read_query(struct request *request, const struct route *route)
{
    if (request->query_text.data == NULL)
        return true;
    struct problem problem = {0};
    query_string_parse(request->query_text, route->parameters, &request->arena,
                       &request->query, &problem);
    read_consistency(request, &problem);
    if (problem.status == 0)
        return true;
    request_fail(request, &problem);
    return false;
}

static void hand_over(struct request *request)
{
    if (request_needs_leader(request) && forward_is_needed(request))
        forward_send(request);
    else
        identity_confine(request, request->route->handle);
}

static void run(struct request *request, const struct route *route)
{
    if (route->handle == NULL)
        fail(request, 501, "not_built",
             "This route is not built yet in this version.");
    else if (route->json && !type_is_json(request))
        fail(request, 415, "unsupported_media_type",
             "The body must be application/json.");
    else if (read_query(request, route))
        hand_over(request);
}

void dispatch_again(struct request *request)
{
    request->answer.length = 0;
    request->header_count = 0;
    hand_over(request);
}

void dispatch(struct request *request)
{
    struct router_match match;
    switch (router_find(http_routes, request->method,
                        origin_path(request->path), &match)) {
    case ROUTER_FOUND:
        request->parameter = match.parameter;
        request->route = match.route;
        if (identity_admit(request) && origin_admit(request))
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

/* ---- Bodies in chunks ---- */

/* h2o calls its decoder by this name, as any function of a shared library is
 * called: through the dynamic linker, which looks in the program first and so
 * finds ours. */
ssize_t phr_decode_chunked(struct chunked *chunked, char *bytes,
                           size_t *length);

/* What h2o holds one in: the size, two counters and a state. */
static_assert(sizeof(struct chunked) == 2 * sizeof(size_t) &&
                  offsetof(struct chunked, h2o_option) == sizeof(size_t),
              "h2o holds our decoder in the memory of its own");

ssize_t phr_decode_chunked(struct chunked *chunked, char *bytes, size_t *length)
{
    return chunked_decode(chunked, bytes, length);
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
    request_set_head(request, status, PROBLEM_TYPE);
    h2o->http1_is_persistent = 0;
    connection_drain(request->connection);
    struct replacement *replacement =
        (void *)h2o_add_ostream(h2o, sizeof *replacement, slot);
    replacement->super.do_send = send_replacement;
    replacement->request = request;
    h2o_setup_next_ostream(h2o, &replacement->super.next);
}

void dispatch_register(struct http_server *server, h2o_hostconf_t *host)
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
