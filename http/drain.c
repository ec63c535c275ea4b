/* A refusal such as 413 is sent while its client still sends. Closing the
 * socket then, with bytes unread, makes the kernel reset the connection, and
 * the client may lose the answer (RFC 9112, section 9.6). So a second
 * descriptor keeps the socket: we shut our side down, read and drop what
 * still comes, and close when the client does or when time is up. */
#include "http/server_inside.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct drain {
    uv_tcp_t tcp; /* First: callbacks give it back. */
    struct http_server *server;
    struct drain *next;
    struct drain **link;
    uint64_t deadline_ms;
};

static void on_closed(uv_handle_t *handle)
{
    struct drain *drain = (struct drain *)handle;
    struct http_server *server = drain->server;
    *drain->link = drain->next;
    if (drain->next != NULL)
        drain->next->link = drain->link;
    server->drain_count--;
    free(drain);
    server_handle_closed(server);
}

static void end(struct drain *drain)
{
    if (!uv_is_closing((uv_handle_t *)&drain->tcp))
        uv_close((uv_handle_t *)&drain->tcp, on_closed);
}

/* What is read is dropped, so that one buffer serves all. */
static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buffer)
{
    static char dropped[64 * 1024];
    (void)handle;
    (void)size;
    *buffer = uv_buf_init(dropped, sizeof dropped);
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    (void)buffer;
    if (length < 0)
        end((struct drain *)stream);
}

void drain_start(struct http_server *server, int fd)
{
    if (server->drain_count >= DRAIN_MAX) {
        close(fd);
        return;
    }
    struct drain *drain = memory_new_zeroed(1, sizeof *drain);
    drain->server = server;
    drain->deadline_ms = uv_now(server->loop) + DRAIN_MS;
    drain->next = server->drains;
    drain->link = &server->drains;
    if (drain->next != NULL)
        drain->next->link = &drain->next;
    server->drains = drain;
    server->drain_count++;
    server->handles++;
    uv_tcp_init(server->loop, &drain->tcp);
    if (uv_tcp_open(&drain->tcp, fd) != 0) {
        close(fd);
        end(drain);
        return;
    }
    shutdown(fd, SHUT_WR);
    if (uv_read_start((uv_stream_t *)&drain->tcp, on_alloc, on_read) != 0)
        end(drain);
}

void drain_sweep(struct http_server *server, bool all)
{
    uint64_t now_ms = uv_now(server->loop);
    for (struct drain *drain = server->drains; drain != NULL;
         drain = drain->next)
        if (all || now_ms >= drain->deadline_ms)
            end(drain);
}
