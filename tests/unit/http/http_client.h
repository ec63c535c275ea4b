/* http_client.h - the real server on a loop, and raw sockets to it, in one
 * thread: while a client waits for bytes, the loop is turned. */
#ifndef POSTOFFICE_TESTS_HTTP_CLIENT_H
#define POSTOFFICE_TESTS_HTTP_CLIENT_H

#include "fake_backend.h"

enum { CLIENT_ANSWER_MAX = 8 * 1024 * 1024 };

struct house {
    uv_loop_t loop;
    struct fake_backend fake;
    struct http_server *server;
    bool closed;
};

void house_open(struct house *house, const struct http_options *options);
/* Turns the loop once, waiting at most this long for something to do. */
void house_turn(struct house *house, int wait_ms);
/* Closes the server and proves that the loop holds nothing of it. */
void house_close(struct house *house, uint32_t grace_ms);

/* Non-blocking. */
int client_connect(struct house *house);
/* Sends all of it, turning the loop as needed; false when the server closed
 * meanwhile. */
bool client_send(struct house *house, int client, const void *bytes,
                 size_t length);
/* One whole answer (header and as many bytes as it says; `bare`: no body, as
 * for HEAD), NUL-terminated, to be freed; NULL when the server closed before.
 * Neither in 20 s ends the test. */
char *client_answer(struct house *house, int client, bool bare);
/* Whether the server closes the connection, with no more bytes. */
bool client_sees_end(struct house *house, int client);
/* A text out, an answer back. */
char *client_exchange(struct house *house, int client, const char *text);
int answer_status(const char *answer);
const char *answer_body(const char *answer);

#endif
