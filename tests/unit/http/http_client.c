#include "http_client.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000 };

void house_open(struct house *house, const struct http_options *options)
{
    static const char *const listen[] = {"127.0.0.1:0"};
    struct http_options filled = {.body_bytes_max = 1 << 20,
                                  .message_bytes_max = 1 << 16,
                                  .bulk_messages_max = 10,
                                  .connections_max = 64};
    if (options != NULL)
        filled = *options;
    filled.listen = listen;
    filled.listen_count = 1;
    *house = (struct house){0};
    uv_loop_init(&house->loop);
    fake_init(&house->fake);
    struct backend backend = fake_backend(&house->fake);
    struct error error = {0};
    int rc = http_server_open(&house->loop, &filled, &backend, &house->server,
                              &error);
    if (rc != 0)
        fprintf(stderr, "%s\n", error.text);
    assert(rc == 0);
    house->fake.server = house->server;
}

void house_turn(struct house *house, int wait_ms)
{
    uv_run(&house->loop, UV_RUN_NOWAIT);
    fake_deliver(&house->fake);
    int timeout = uv_backend_timeout(&house->loop);
    if (timeout < 0 || timeout > wait_ms)
        timeout = wait_ms;
    struct pollfd loop = {.fd = uv_backend_fd(&house->loop), .events = POLLIN};
    poll(&loop, 1, timeout);
    uv_run(&house->loop, UV_RUN_NOWAIT);
    fake_deliver(&house->fake);
}

static void on_closed(void *context)
{
    ((struct house *)context)->closed = true;
}

void house_close(struct house *house, uint32_t grace_ms)
{
    http_server_close(house->server, grace_ms, on_closed, house);
    for (uint64_t end = clock_ms() + PATIENCE_MS;
         !house->closed && clock_ms() < end;)
        house_turn(house, 10);
    assert(house->closed);
    uv_run(&house->loop, UV_RUN_NOWAIT);
    int rc = uv_loop_close(&house->loop);
    assert(rc == 0);
}

int client_connect(struct house *house)
{
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port =
                                      htons(http_server_port(house->server, 0)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int rc = connect(client, (struct sockaddr *)&address, sizeof address);
    assert(rc == 0);
    fcntl(client, F_SETFL, O_NONBLOCK);
    return client;
}

bool client_send(struct house *house, int client, const void *bytes,
                 size_t length)
{
    const char *at = bytes;
    uint64_t end = clock_ms() + PATIENCE_MS;
    while (length > 0 && clock_ms() < end) {
        ssize_t sent = send(client, at, length, MSG_NOSIGNAL);
        if (sent > 0) {
            at += sent;
            length -= (size_t)sent;
        } else if (errno != EAGAIN) {
            return false;
        }
        house_turn(house, 0);
    }
    return length == 0;
}

/* The length of the whole answer once its header is there; 0 before. */
static size_t answer_length(const char *answer, bool bare)
{
    const char *end = strstr(answer, "\r\n\r\n");
    if (end == NULL)
        return 0;
    size_t header = (size_t)(end - answer) + 4;
    const char *length = strcasestr(answer, "\r\ncontent-length: ");
    if (bare || length == NULL || length > end)
        return header;
    return header + strtoul(length + 18, NULL, 10);
}

char *client_answer(struct house *house, int client, bool bare)
{
    char *answer = calloc(1, CLIENT_ANSWER_MAX + 1);
    size_t have = 0;
    for (uint64_t end = clock_ms() + PATIENCE_MS; clock_ms() < end;) {
        size_t whole = answer_length(answer, bare);
        if (whole != 0 && have == whole)
            return answer;
        /* Byte by byte up to the body, so that a pipelined answer behind
         * this one is left alone. */
        size_t wanted = whole == 0 ? 1 : whole - have;
        ssize_t got = recv(client, answer + have, wanted, 0);
        if (got > 0)
            have += (size_t)got;
        else if (got == 0 || errno != EAGAIN)
            goto closed;
        else
            house_turn(house, 10);
    }
    fprintf(stderr, "no answer in time; so far: %s\n", answer);
    abort();
closed:
    free(answer);
    return NULL;
}

bool client_sees_end(struct house *house, int client)
{
    char byte;
    for (uint64_t end = clock_ms() + PATIENCE_MS; clock_ms() < end;) {
        ssize_t got = recv(client, &byte, 1, 0);
        if (got > 0)
            return false;
        if (got == 0 || errno != EAGAIN)
            return true;
        house_turn(house, 10);
    }
    return false;
}

char *client_exchange(struct house *house, int client, const char *text)
{
    client_send(house, client, text, strlen(text));
    return client_answer(house, client, strncmp(text, "HEAD", 4) == 0);
}

int answer_status(const char *answer)
{
    return answer == NULL ? -1 : atoi(answer + sizeof "HTTP/1.1 " - 1);
}

const char *answer_body(const char *answer)
{
    return strstr(answer, "\r\n\r\n") + 4;
}
