#include "http/origin.h"

#include "base/host.h"
#include "http/server_inside.h"

/* ---- Names ---- */

/* What stands between "://" and the path; empty when it is no URL. */
static struct slice authority_of(struct slice url)
{
    static const char mark[] = "://";
    size_t length = sizeof mark - 1;
    const uint8_t *at =
        url.length == 0 ? NULL : memmem(url.data, url.length, mark, length);
    if (at == NULL)
        return slice_of(NULL, 0);
    size_t left = url.length - (size_t)(at - url.data) - length;
    const uint8_t *slash = memchr(at + length, '/', left);
    return slice_of(at + length,
                    slash == NULL ? left : (size_t)(slash - at) - length);
}

/* Names below localhost never leave a browser's machine (RFC 6761, section
 * 6.3). */
static bool is_loopback(struct slice host)
{
    static const char below[] = ".localhost";
    size_t length = sizeof below - 1;
    return host_is_loopback(host) ||
           (host.length > length &&
            host_is(slice_of(host.data + host.length - length, length),
                    slice_text(below)));
}

/* ---- Requests ---- */

/* h2o puts the name of its only host where a request has none (HTTP/1.0): no
 * browser leaves it out. */
static bool take_host(const struct request *request, struct slice *ret_host)
{
    h2o_iovec_t given = request->h2o->input.authority;
    h2o_iovec_t ours = request->server->config.hosts[0]->authority.hostport;
    *ret_host = slice_of(given.base, given.len);
    return given.base != ours.base;
}

static bool changes(const struct request *request)
{
    return !slice_is(request->method, "GET") &&
           !slice_is(request->method, "HEAD");
}

static bool is_cross_origin(const struct request *request, struct slice host)
{
    struct slice origin;
    if (!changes(request) || !request_find_header(request, "origin", &origin))
        return false;
    return !host_is(authority_of(origin), host);
}

static bool is_foreign(const struct request *request, struct slice host)
{
    const struct http_options *options = &request->server->options;
    if (!options->local || request->caller.kind != CALLER_ANONYMOUS)
        return false;
    struct slice name = host_of(host);
    struct slice own = authority_of(slice_text(options->advertised));
    return !is_loopback(name) && !host_is(name, host_of(own));
}

bool origin_admit(struct request *request)
{
    struct problem problem = {0};
    struct slice host;
    if (request->forwarded != NULL || request->route->right == RIGHT_NONE)
        return true;
    bool named = take_host(request, &host);
    if (is_cross_origin(request, named ? host : slice_of(NULL, 0)))
        problem_set(&problem, 403, "cross_origin",
                    "The header Origin names another site than the header "
                    "Host: a web page of that site has made this request.");
    else if (named && is_foreign(request, host))
        problem_set(&problem, 403, "foreign_host",
                    "This node takes requests without a token, for loopback "
                    "alone: the header Host must be localhost, a loopback "
                    "address or the host of --advertise-url.");
    return !request_failed(request, &problem);
}
