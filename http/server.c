/* The server's life: h2o set up for HTTP/1.1 alone, listeners, and an end
 * that lets what is under way finish.
 *
 *     OPEN --close--> CLOSING --last handle closed--> FINISHING --> freed
 *
 * While CLOSING the sweep (connection.c) cuts idle connections at once and
 * all others when the grace is over. */
#include "http/server_inside.h"

#include "http/forward.h"
#include "http/resources.h"

#include "base/logger.h"

#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
    LISTEN_BACKLOG = 1024,
    /* h2o's own clock over header, body and idleness together. Ours
     * (patience.h) is finer; this one only stands behind it. */
    BACKSTOP_MS = 3600 * 1000,
    /* Proxies take a connection for dead after a minute, some sooner. */
    HEARTBEAT_MS = 15000,
};

/* Splits HOST:PORT or [v6]:PORT; the pieces are written to `host`. */
static int split_address(const char *address, char *host, size_t host_size,
                         const char **ret_port, struct error *error)
{
    const char *colon = strrchr(address, ':');
    const char *start = address;
    size_t length = colon == NULL ? 0 : (size_t)(colon - address);
    if (length >= 2 && address[0] == '[' && colon[-1] == ']') {
        start++;
        length -= 2;
    } else if (length > 0 && memchr(address, ':', length) != NULL) {
        length = 0; /* An IPv6 address without brackets is ambiguous. */
    }
    if (length == 0 || length >= host_size || colon[1] == '\0')
        return error_set(error, ERR_INVALID,
                         "listen on %s: HOST:PORT or [IPV6]:PORT is expected",
                         address);
    memcpy(host, start, length);
    host[length] = '\0';
    *ret_port = colon + 1;
    return 0;
}

/* Resolves once, at the start; names such as localhost are allowed. */
static int resolve(const char *address, struct sockaddr_storage *ret,
                   struct error *error)
{
    char host[256];
    const char *port = NULL;
    int rc = split_address(address, host, sizeof host, &port, error);
    if (rc != 0)
        return rc;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int status = getaddrinfo(host, port, &hints, &found);
    if (status != 0)
        return error_set(error, ERR_INVALID, "listen on %s: %s", address,
                         gai_strerror(status));
    memcpy(ret, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return 0;
}

static void on_connection(uv_stream_t *stream, int status)
{
    if (status == 0)
        connection_accept((struct listener *)stream);
}

static uint16_t bound_port(const uv_tcp_t *tcp)
{
    struct sockaddr_storage name = {0};
    int length = sizeof name;
    uv_tcp_getsockname(tcp, (struct sockaddr *)&name, &length);
    if (name.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&name)->sin6_port);
    return ntohs(((struct sockaddr_in *)&name)->sin_port);
}

static int listener_open(struct listener *listener, const char *address,
                         struct error *error)
{
    struct sockaddr_storage name = {0};
    int rc = resolve(address, &name, error);
    if (rc != 0)
        return rc;
    uv_tcp_init(listener->server->loop, &listener->tcp);
    listener->open = true;
    listener->server->handles++;
    int status = uv_tcp_bind(&listener->tcp, (struct sockaddr *)&name, 0);
    if (status == 0)
        status = uv_listen((uv_stream_t *)&listener->tcp, LISTEN_BACKLOG,
                           on_connection);
    if (status != 0)
        return error_set(error, ERR_IO, "listen on %s: %s", address,
                         uv_strerror(status));
    listener->port = bound_port(&listener->tcp);
    return 0;
}

static void set_up_h2o(struct http_server *server)
{
    /* h2o would move large bodies to files in /tmp: the loop never waits for
     * a disk. */
    h2o_socket_buffer_mmap_settings.threshold = SIZE_MAX;
    h2o_config_init(&server->config);
    server->config.server_name = h2o_iovec_init("", 0); /* No Server header. */
    server->config.max_request_entity_size = server->options.body_bytes_max;
    server->config.http1.req_timeout = BACKSTOP_MS;
    server->config.handshake_timeout = server->patience.grace_ms;
    /* HTTP/2 of this h2o has known attacks. */
    server->config.http1.upgrade_to_http2 = 0;
    h2o_hostconf_t *host = h2o_config_register_host(
        &server->config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    dispatch_register(server, host);
    h2o_context_init(&server->context, server->loop, &server->config);
    server->accept.ctx = &server->context;
    server->accept.hosts = server->config.hosts;
}

/* ---- The certificate ---- */

static void take_tls(struct http_server *server, struct ssl_ctx_st *tls)
{
    tls_free(server->tls);
    server->tls = tls;
    server->accept.ssl_ctx = tls;
}

static void on_reloaded(void *context, struct ssl_ctx_st *loaded,
                        const struct error *error)
{
    struct http_server *server = context;
    if (loaded == NULL) {
        LOG_ERROR("http", "the certificate from before stays in use",
                  FIELD_TEXT("error", error->text));
    } else {
        LOG_INFO("http", "certificate reloaded");
        take_tls(server, loaded);
    }
    server_handle_closed(server);
}

void http_server_reload(struct http_server *server)
{
    if (server->tls == NULL || server->state != SERVER_OPEN)
        return;
    server->handles++;
    tls_load_later(server->loop, server->options.tls_certificate_file,
                   server->options.tls_key_file, on_reloaded, server);
}

static int begin_tls(struct http_server *server, struct error *error)
{
    struct ssl_ctx_st *tls = NULL;
    if (server->options.tls_certificate_file == NULL)
        return 0;
    int rc = tls_load(server->options.tls_certificate_file,
                      server->options.tls_key_file, &tls, error);
    if (rc == 0)
        take_tls(server, tls);
    return rc;
}

/* ---- Life ---- */

static struct http_server *server_new(uv_loop_t *loop,
                                      const struct http_options *options,
                                      const struct backend *backend)
{
    struct http_server *server = memory_new_zeroed(1, sizeof *server);
    server->loop = loop;
    server->options = *options;
    server->options.listen = NULL;
    server->limits =
        (struct body_limits){.message_bytes_max = options->message_bytes_max,
                             .bulk_messages_max = options->bulk_messages_max};
    server->patience = PATIENCE_DEFAULT;
    if (options->idle_ms != 0)
        server->patience.idle_ms = options->idle_ms;
    if (options->slow_ms != 0)
        server->patience.grace_ms = options->slow_ms;
    server->backend = *backend;
    server->input_bytes_max = INPUT_BYTES_MAX;
    if (options->body_bytes_max > INPUT_BYTES_MAX / 4)
        server->input_bytes_max = 4 * options->body_bytes_max;
    events_init(&server->events, options->heartbeat_ms == 0
                                     ? HEARTBEAT_MS
                                     : options->heartbeat_ms);
    park_init(&server->park, loop, options->leader_wait_ms);
    traffic_init(&server->traffic, http_routes);
    ticket_table_init(&server->tickets,
                      options->connections_max + FORWARDED_MAX);
    if (getrandom(&server->id_seed, sizeof server->id_seed, 0) < 0)
        server->id_seed = uv_hrtime();
    uv_timer_init(loop, &server->sweep);
    uv_timer_init(loop, &server->last);
    server->sweep.data = server;
    server->last.data = server;
    set_up_h2o(server);
    return server;
}

int http_server_open(uv_loop_t *loop, const struct http_options *options,
                     const struct backend *backend,
                     struct http_server **ret_server, struct error *error)
{
    /* A write to a client that has gone is an error, not the process's end. */
    signal(SIGPIPE, SIG_IGN);
    struct http_server *server = server_new(loop, options, backend);
    server->listeners =
        memory_new_zeroed(options->listen_count, sizeof *server->listeners);
    int rc = begin_tls(server, error);
    for (uint32_t i = 0; i < options->listen_count && rc == 0; i++) {
        struct listener *listener = &server->listeners[i];
        listener->server = server;
        server->listener_count++;
        rc = listener_open(listener, options->listen[i], error);
    }
    if (rc != 0) {
        http_server_close(server, 0, NULL, NULL);
        return rc;
    }
    *ret_server = server;
    return 0;
}

uint16_t http_server_port(const struct http_server *server, uint32_t index)
{
    return server->listeners[index].port;
}

static void on_last_closed(uv_handle_t *handle)
{
    struct http_server *server = handle->data;
    void (*done)(void *context) = server->done;
    void *context = server->done_context;
    free(server->listeners);
    ticket_table_close(&server->tickets);
    events_close(&server->events);
    traffic_close(&server->traffic);
    encoder_close(&server->scratch);
    tls_free(server->tls);
    free(server);
    if (done != NULL)
        done(context);
}

/* h2o's timers have no close callback of ours. They were closed in the same
 * turn of the loop as the sweep; a handle closed now is finished after them. */
static void on_sweep_closed(uv_handle_t *handle)
{
    struct http_server *server = handle->data;
    uv_close((uv_handle_t *)&server->last, on_last_closed);
}

/* What h2o_context_dispose() does, less its run of the loop, which must not
 * be run from within itself. */
static void tear_down_h2o(struct http_server *server)
{
    h2o_context_t *context = &server->context;
    h2o_timeout_t *timeouts[] = {&context->zero_timeout,
                                 &context->one_sec_timeout,
                                 &context->hundred_ms_timeout,
                                 &context->handshake_timeout,
                                 &context->http1.req_timeout,
                                 &context->http2.idle_timeout,
                                 &context->http2.graceful_shutdown_timeout,
                                 &context->proxy.io_timeout,
                                 NULL};
    for (size_t i = 0; timeouts[i] != NULL; i++)
        h2o_timeout_dispose(context->loop, timeouts[i]);
    free(context->_pathconfs_inited.entries);
    free(context->_module_configs);
    h2o_filecache_destroy(context->filecache);
    h2o_multithread_unregister_receiver(context->queue,
                                        &context->receivers.hostinfo_getaddr);
    h2o_multithread_destroy_queue(context->queue);
    if (context->_timestamp_cache.value != NULL)
        h2o_mem_release_shared(context->_timestamp_cache.value);
    h2o_config_dispose(&server->config);
}

static void finish(struct http_server *server)
{
    forward_give_up(server);
    park_close(&server->park);
    server->state = SERVER_FINISHING;
    tear_down_h2o(server);
    uv_close((uv_handle_t *)&server->sweep, on_sweep_closed);
}

void server_handle_closed(struct http_server *server)
{
    server->handles--;
    if (server->state == SERVER_CLOSING && server->handles == 0)
        finish(server);
}

static void on_listener_closed(uv_handle_t *handle)
{
    server_handle_closed(((struct listener *)handle)->server);
}

void http_server_close(struct http_server *server, uint32_t grace_ms,
                       void (*done)(void *context), void *context)
{
    server->state = SERVER_CLOSING;
    server->done = done;
    server->done_context = context;
    server->close_deadline_ms = uv_now(server->loop) + grace_ms;
    events_end(server);
    /* From here on h2o lets no connection live behind its request. */
    server->context.shutdown_requested = 1;
    for (uint32_t i = 0; i < server->listener_count; i++)
        if (server->listeners[i].open)
            uv_close((uv_handle_t *)&server->listeners[i].tcp,
                     on_listener_closed);
    if (server->handles == 0)
        finish(server);
    else
        connection_sweep(server);
}
