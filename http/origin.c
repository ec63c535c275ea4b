#include "http/origin.h"

#include "http/server_inside.h"

#include <arpa/inet.h>
#include <strings.h>

/* ---- Names ---- */

/* Hosts have no case. */
static bool is_same(struct slice a, struct slice b)
{
    return a.length > 0 && a.length == b.length &&
           strncasecmp((const char *)a.data, (const char *)b.data, a.length) ==
               0;
}

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

static struct slice without_port(struct slice authority)
{
    const uint8_t *colon = authority.length == 0
                               ? NULL
                               : memrchr(authority.data, ':', authority.length);
    if (colon == NULL || authority.data[authority.length - 1] == ']')
        return authority;
    return slice_of(authority.data, (size_t)(colon - authority.data));
}

/* Names below localhost never leave a browser's machine (RFC 6761, section
 * 6.3). */
static bool is_loopback(struct slice host)
{
    static const char below[] = ".localhost";
    size_t length = sizeof below - 1;
    char text[INET_ADDRSTRLEN];
    struct in_addr address;
    if (is_same(host, slice_text("localhost")) ||
        is_same(host, slice_text("[::1]")))
        return true;
    if (host.length > length &&
        is_same(slice_of(host.data + host.length - length, length),
                slice_text(below)))
        return true;
    if (host.length == 0 || host.length >= sizeof text)
        return false;
    memcpy(text, host.data, host.length);
    text[host.length] = '\0';
    return inet_pton(AF_INET, text, &address) == 1 &&
           ntohl(address.s_addr) >> 24 == IN_LOOPBACKNET;
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
    return !is_same(authority_of(origin), host);
}

static bool is_foreign(const struct request *request, struct slice host)
{
    const struct http_options *options = &request->server->options;
    if (!options->local || request->caller.kind != CALLER_ANONYMOUS)
        return false;
    struct slice name = without_port(host);
    struct slice own = authority_of(slice_text(options->advertised));
    return !is_loopback(name) && !is_same(name, without_port(own));
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
