/* Connections: taken up to a bound, watched by a sweep, cut when they abuse
 * our patience.
 *
 * h2o owns a connection's protocol; we own its handle and know from outside
 * what it is doing: a request is under way (ours to answer, or its answer not
 * yet taken), or bytes of one have arrived, or nothing. To cut it we shut the
 * socket down: h2o then sees the end of its input or a failed write and
 * closes by itself, in its own order. */
#include "http/server_inside.h"

#include "base/logger.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* h2o's socket, which it keeps in the handle. */
static h2o_socket_t *socket_of(struct connection *connection)
{
    return connection->tcp.data;
}

static bool is_closing(const struct connection *connection)
{
    return uv_is_closing((const uv_handle_t *)&connection->tcp) != 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct connection *connection = (struct connection *)handle;
    struct http_server *server = connection->server;
    *connection->link = connection->next;
    if (connection->next != NULL)
        connection->next->link = connection->link;
    server->connection_count--;
    if (connection->drain_fd >= 0)
        drain_start(server, connection->drain_fd);
    free(connection);
    server_handle_closed(server);
}

static void link_up(struct http_server *server, struct connection *connection)
{
    connection->next = server->connections;
    connection->link = &server->connections;
    if (connection->next != NULL)
        connection->next->link = &connection->next;
    server->connections = connection;
    server->connection_count++;
    server->handles++;
}

void connection_accept(struct listener *listener)
{
    struct http_server *server = listener->server;
    struct connection *connection = memory_new_zeroed(1, sizeof *connection);
    connection->server = server;
    connection->drain_fd = -1;
    connection->since_ms = uv_now(server->loop);
    bool room = server->connection_count < server->options.connections_max;
    uv_tcp_init(server->loop, &connection->tcp);
    link_up(server, connection);
    if (uv_accept((uv_stream_t *)&listener->tcp,
                  (uv_stream_t *)&connection->tcp) != 0 ||
        !room || server->state != SERVER_OPEN) {
        if (!room)
            LOG_DEBUG("http", "connection refused: too many",
                      FIELD_U64("connections", server->connection_count - 1));
        uv_close((uv_handle_t *)&connection->tcp, on_closed);
        return;
    }
    uv_tcp_nodelay(&connection->tcp, 1);
    if (!uv_is_active((uv_handle_t *)&server->sweep))
        connection_sweep(server);
    h2o_socket_t *socket =
        h2o_uv_socket_create((uv_stream_t *)&connection->tcp, on_closed);
    socket->on_close.data = connection;
    h2o_accept(&server->accept, socket);
}

void connection_cut(struct connection *connection)
{
    int fd;
    if (uv_fileno((uv_handle_t *)&connection->tcp, &fd) == 0)
        shutdown(fd, SHUT_RDWR);
}

/* A last word to a client whose request did not arrive whole. h2o is not
 * writing then; what does not fit the socket at once is not sent. Behind TLS
 * only h2o can write: there the connection ends without words. */
static void refuse(struct connection *connection, int status, const char *code,
                   const char *detail)
{
    char id[20];
    request_new_id(connection->server, id);
    struct problem problem = {0};
    problem_set(&problem, status, code, detail);
    struct encoder body = {0};
    problem_write(&problem, slice_text("/"), slice_text(id), &body);
    char header[320];
    int length =
        snprintf(header, sizeof header,
                 "HTTP/1.1 %d %s\r\nContent-Type: "
                 "application/problem+json\r\nx-request-id: %s\r\n"
                 "%sConnection: close\r\nContent-Length: %zu\r\n\r\n",
                 status, status_phrase(status), id,
                 status == 503 ? "Retry-After: 1\r\n" : "", body.length);
    uv_buf_t parts[] = {uv_buf_init(header, (unsigned)length),
                        uv_buf_init((char *)body.data, (unsigned)body.length)};
    if (socket_of(connection)->ssl == NULL)
        uv_try_write((uv_stream_t *)&connection->tcp, parts, 2);
    encoder_close(&body);
    LOG_INFO("http", "connection cut", FIELD_TEXT("request_id", id),
             FIELD_U64("status", status), FIELD_TEXT("reason", detail));
    connection_cut(connection);
}

static enum activity activity_of(struct connection *connection)
{
    const struct request *request = connection->request;
    if (request != NULL && request->stream != NULL)
        return events_is_sending(request) ? SENDING : STREAMING;
    if (request != NULL)
        return request->answered ? SENDING : WAITING;
    return socket_of(connection)->input->size == 0 ? IDLE : RECEIVING;
}

/* Remembers since when it does what it does. Another request means that it
 * has begun anew, however alike it looks; so does another part of a long
 * answer. */
static void observe(struct connection *connection, uint64_t now_ms)
{
    enum activity activity = activity_of(connection);
    if (activity == connection->activity &&
        connection->steps == connection->steps_seen)
        return;
    connection->activity = activity;
    connection->steps_seen = connection->steps;
    connection->since_ms = now_ms;
}

/* A client that resets its connection makes libuv refuse all writing to it, at
 * once and without calling back. h2o does not look at what uv_write() says and
 * waits for that callback: for ever, with the connection, when TLS was to say
 * good-bye. It gets the callback from us. */
static bool release_stuck(struct connection *connection)
{
    const uv_stream_t *stream = (const uv_stream_t *)&connection->tcp;
    h2o_socket_t *socket = socket_of(connection);
    h2o_socket_cb written = socket->_cb.write;
    if (written == NULL || uv_is_writable(stream) != 0 ||
        uv_stream_get_write_queue_size(stream) > 0)
        return false;
    socket->_cb.write = NULL;
    written(socket, h2o_socket_error_closed);
    return true;
}

/* Bytes that its input buffer occupies. An idle one gives a large buffer
 * back: h2o would keep it for as long as the connection lives. */
static size_t input_bytes(struct connection *connection)
{
    h2o_socket_t *socket = socket_of(connection);
    if (socket->input->bytes == NULL)
        return 0;
    if (connection->activity == IDLE && socket->input->capacity > INPUT_KEPT) {
        h2o_buffer_dispose(&socket->input);
        h2o_buffer_init(&socket->input, &h2o_socket_buffer_prototype);
        return 0;
    }
    return socket->input->capacity;
}

static void judge(struct connection *connection, uint64_t now_ms)
{
    struct http_server *server = connection->server;
    size_t bytes = connection->activity == SENDING
                       ? connection_answer_bytes(connection)
                       : socket_of(connection)->input->size;
    bool late = patience_ends(&server->patience, connection->activity,
                              connection->since_ms, now_ms, bytes);
    if (late && connection->activity == RECEIVING)
        refuse(connection, 408, "timeout",
               "The request did not arrive fast enough.");
    else if (late ||
             (server->state == SERVER_CLOSING && connection->activity == IDLE))
        connection_cut(connection);
}

/* The server's time is over: what waits is answered now, what is still there
 * at the next sweep is cut. */
static void force(struct connection *connection)
{
    if (connection->activity == WAITING)
        request_give_up(connection->request);
    else
        connection_cut(connection);
}

static void on_sweep(uv_timer_t *timer)
{
    connection_sweep(timer->data);
}

/* Half-arrived requests take too much memory together: those that hold an
 * average share or more are refused. */
static void shed(struct http_server *server, size_t total)
{
    size_t share = total / server->connection_count;
    for (struct connection *connection = server->connections;
         connection != NULL; connection = connection->next)
        if (!is_closing(connection) && connection->activity == RECEIVING &&
            input_bytes(connection) >= share)
            refuse(connection, 503, "busy", "Too many large requests at once.");
}

void connection_sweep(struct http_server *server)
{
    uint64_t now_ms = uv_now(server->loop);
    size_t total = 0;
    bool over =
        server->state == SERVER_CLOSING && now_ms >= server->close_deadline_ms;
    for (struct connection *connection = server->connections;
         connection != NULL; connection = connection->next) {
        if (is_closing(connection) || socket_of(connection) == NULL ||
            release_stuck(connection))
            continue;
        observe(connection, now_ms);
        total += input_bytes(connection);
        if (over)
            force(connection);
        else
            judge(connection, now_ms);
    }
    if (total > server->input_bytes_max)
        shed(server, total);
    drain_sweep(server, over);
    events_sweep(server, now_ms);
    /* It rests while there is nothing to watch. */
    if (server->handles > server->listener_count ||
        server->state == SERVER_CLOSING)
        uv_timer_start(&server->sweep, on_sweep, SWEEP_MS, 0);
}

void connection_drain(struct connection *connection)
{
    uv_os_fd_t fd;
    if (connection->drain_fd < 0 &&
        uv_fileno((uv_handle_t *)&connection->tcp, &fd) == 0)
        connection->drain_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

size_t connection_answer_bytes(const struct connection *connection)
{
    return connection->request == NULL ? 0 : connection->request->answer.length;
}
