/* Receivers that misbehave, each on a socket of its own: what becomes of the
 * attempt, and what is kept of it. */
#include "src/delivery/target_http.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- The receiver ---- */

/* Takes one connection, reads a request, and answers as it is told. */
struct receiver {
    pthread_t thread;
    int listener;
    uint16_t port;
    const char *answer; /* NULL: none. */
    size_t repeat;      /* Its last line over and over, so many bytes. */
    bool hangs;         /* The connection stays open behind it. */
    char request[8192];
    size_t request_length;
};

static bool request_is_whole(const struct receiver *receiver)
{
    const char *end = strstr(receiver->request, "\r\n\r\n");
    const char *length = strstr(receiver->request, "Content-Length: ");
    return end != NULL && length != NULL &&
           receiver->request_length >= (size_t)(end + 4 - receiver->request) +
                                           strtoul(length + 16, NULL, 10);
}

static void read_request(struct receiver *receiver, int peer)
{
    while (!request_is_whole(receiver)) {
        ssize_t got =
            read(peer, receiver->request + receiver->request_length,
                 sizeof receiver->request - 1 - receiver->request_length);
        if (got <= 0)
            return;
        receiver->request_length += (size_t)got;
        receiver->request[receiver->request_length] = '\0';
        if (receiver->request[0] == 0x16)
            return; /* A TLS handshake, for which there is no end here. */
    }
}

static void *receive(void *argument)
{
    struct receiver *receiver = argument;
    char block[1024];
    int peer = accept(receiver->listener, NULL, NULL);
    if (peer < 0)
        return NULL;
    read_request(receiver, peer);
    if (receiver->answer != NULL)
        (void)!send(peer, receiver->answer, strlen(receiver->answer),
                    MSG_NOSIGNAL);
    memset(block, 'x', sizeof block);
    memcpy(block, "x: ", 3);
    memcpy(block + sizeof block - 2, "\r\n", 2);
    for (size_t sent = 0; sent < receiver->repeat; sent += sizeof block) {
        if (send(peer, block, sizeof block, MSG_NOSIGNAL) <= 0)
            break;
    }
    if (receiver->hangs)
        while (read(peer, block, sizeof block) > 0)
            ;
    close(peer);
    return NULL;
}

static void receiver_open(struct receiver *receiver)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    receiver->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(receiver->listener >= 0);
    assert_int_equal(
        bind(receiver->listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(receiver->listener, 4), 0);
    assert_int_equal(
        getsockname(receiver->listener, (struct sockaddr *)&address, &length),
        0);
    receiver->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&receiver->thread, NULL, receive, receiver),
                     0);
}

static void receiver_close(struct receiver *receiver)
{
    shutdown(receiver->listener, SHUT_RDWR);
    pthread_join(receiver->thread, NULL);
    close(receiver->listener);
}

/* ---- The sender ---- */

struct sender {
    uv_loop_t loop;
    struct target_http *target;
    struct address_policy policy;
    struct attempt attempt;
    char response[4200];
    uint64_t hold_until_ms;
    uint64_t token;
    bool done;
    bool may_not_send;
};

static bool allowed(void *context)
{
    return !((struct sender *)context)->may_not_send;
}

static void done(void *context, uint32_t reign, uint32_t publisher_id,
                 uint64_t token, const struct attempt *attempt,
                 uint64_t hold_until_ms)
{
    struct sender *sender = context;
    assert_int_equal(reign, 3);
    assert_int_equal(publisher_id, 5);
    sender->attempt = *attempt;
    sender->token = token;
    snprintf(sender->response, sizeof sender->response, "%.*s",
             (int)attempt->response.length,
             (const char *)attempt->response.data);
    sender->hold_until_ms = hold_until_ms;
    sender->done = true;
    uv_stop(&sender->loop);
}

static void closed(void *context)
{
    (void)context;
}

static void post(struct sender *sender, const char *url)
{
    struct publisher_options options = {.target = slice_text(url),
                                        .timeout_seconds = 1};
    struct message message = {.id = 42,
                              .payload = slice_text("{\"hello\": 1}")};
    struct letter *letter = letter_new(42, &message);
    struct delivery_send send = {.publisher_id = 5,
                                 .reign = 3,
                                 .token = 77,
                                 .options = &options,
                                 .topic = slice_text("orders"),
                                 .letter = letter,
                                 .attempt = 1};
    struct target_http_options target = {.sends_max = 16,
                                         .policy = &sender->policy,
                                         .allowed = allowed,
                                         .done = done,
                                         .context = sender};
    assert_int_equal(uv_loop_init(&sender->loop), 0);
    struct resolver *resolver = resolver_new(&sender->loop);
    target.resolver = resolver;
    sender->target = target_http_new(&sender->loop, &target);
    target_http_send(sender->target, &send, "msg_1");
    letter_unref(letter);
    while (!sender->done)
        uv_run(&sender->loop, UV_RUN_DEFAULT);
    target_http_close(sender->target, closed, NULL);
    resolver_close(resolver, closed, NULL);
    uv_run(&sender->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&sender->loop), 0);
    assert_int_equal(sender->token, 77);
}

static void post_to(struct sender *sender, struct receiver *receiver,
                    const char *scheme)
{
    char url[64];
    *sender = (struct sender){.policy = {.loopback = true}};
    receiver_open(receiver);
    snprintf(url, sizeof url, "%s://127.0.0.1:%u/hook?a=b", scheme,
             receiver->port);
    post(sender, url);
    receiver_close(receiver);
}

static void expect(struct receiver receiver, enum attempt_class class,
                   uint16_t status, const char *words)
{
    struct sender sender;
    post_to(&sender, &receiver, "http");
    if (sender.attempt.class != class || sender.attempt.status != status ||
        strstr(sender.response, words) == NULL)
        fail_msg("%s %u \"%s\", expected %s %u \"%s\"",
                 attempt_class_text(sender.attempt.class),
                 sender.attempt.status, sender.response,
                 attempt_class_text(class), status, words);
}

#define EMPTY "Content-Length: 0\r\n\r\n"

static void test_answers(void **state)
{
    (void)state;
    expect((struct receiver){.answer = "HTTP/1.1 204 No\r\n\r\n"}, ATTEMPT_OK,
           204, "");
    expect((struct receiver){.answer = "HTTP/1.1 299 Odd\r\n" EMPTY},
           ATTEMPT_OK, 299, "");
    expect((struct receiver){.answer = "HTTP/1.1 302 Found\r\nLocation: "
                                       "http://127.0.0.1:1/\r\n" EMPTY},
           ATTEMPT_HTTP_3XX, 302, "");
    expect((struct receiver){.answer = "HTTP/1.1 404 No\r\nContent-Length: 7"
                                       "\r\n\r\nnothing"},
           ATTEMPT_HTTP_4XX, 404, "nothing");
    expect((struct receiver){.answer = "HTTP/1.1 500 Oh\r\nContent-Length: 4"
                                       "\r\n\r\noops"},
           ATTEMPT_HTTP_5XX, 500, "oops");
}

static void test_what_is_sent(void **state)
{
    (void)state;
    struct sender sender;
    struct receiver receiver = {.answer = "HTTP/1.1 200 OK\r\n" EMPTY};
    post_to(&sender, &receiver, "http");
    static const char *const parts[] = {
        "POST /hook?a=b HTTP/1.1\r\n", "content-type: application/json\r\n",
        "message-id: 42\r\n",          "webhook-id: msg_1\r\n",
        "webhook-timestamp: ",         "postoffice-topic: orders\r\n",
        "postoffice-attempt: 1\r\n",   "user-agent: Postoffice/",
        "Content-Length: 12\r\n",      "\r\n\r\n{\"hello\": 1}"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strstr(receiver.request, parts[i]) == NULL)
            fail_msg("lacks %s: %s", parts[i], receiver.request);
    assert_null(strstr(receiver.request, "Expect"));
    assert_null(strstr(receiver.request, "Accept-Encoding"));
    assert_null(strstr(receiver.request, "maybe-duplicate"));
}

static void test_retry_after_is_told(void **state)
{
    (void)state;
    struct sender sender;
    struct receiver busy = {
        .answer = "HTTP/1.1 503 Busy\r\nretry-AFTER:  7\r\n" EMPTY};
    post_to(&sender, &busy, "http");
    assert_int_equal(sender.attempt.status, 503);
    assert_in_range(sender.hold_until_ms, sender.attempt.started_ms + 7000,
                    sender.attempt.started_ms + 9000);
    struct receiver other = {.answer =
                                 "HTTP/1.1 500 Oh\r\nRetry-After: 7\r\n" EMPTY};
    post_to(&sender, &other, "http");
    assert_int_equal(sender.hold_until_ms, 0);
}

static void test_answers_that_are_none(void **state)
{
    (void)state;
    expect((struct receiver){.answer = NULL}, ATTEMPT_PROTOCOL, 0, "");
    expect((struct receiver){.answer = "hello\r\n\r\n"}, ATTEMPT_PROTOCOL, 0,
           "");
    expect((struct receiver){.answer = "HTTP/1.1 200 OK\r\n"
                                       "Content-Length: 100\r\n\r\nshort"},
           ATTEMPT_PROTOCOL, 0, "");
    expect((struct receiver){.answer = "HTTP/1.1 200 OK\r\n"
                                       "Content-Length: -5\r\n\r\n"},
           ATTEMPT_PROTOCOL, 0, "");
    expect((struct receiver){.answer = "HTTP/1.1 200 OK\r\n"
                                       "Transfer-Encoding: chunked\r\n\r\nzz"},
           ATTEMPT_PROTOCOL, 0, "");
    expect(
        (struct receiver){.answer = "HTTP/1.1 200 OK\r\n", .repeat = 1 << 20},
        ATTEMPT_PROTOCOL, 0, "headers are longer than 64 KiB");
}

/* Cut, and an answer all the same; nothing is unpacked. */
static void test_long_answers(void **state)
{
    (void)state;
    expect((struct receiver){.answer = "HTTP/1.1 200 OK\r\n"
                                       "Content-Encoding: gzip\r\n\r\n",
                             .repeat = 8 << 20},
           ATTEMPT_OK, 200, "");
    expect((struct receiver){.answer = "HTTP/1.1 500 Oh\r\n\r\n",
                             .repeat = 8 << 20},
           ATTEMPT_HTTP_5XX, 500, "x: xxx");
}

static void test_silence(void **state)
{
    (void)state;
    expect((struct receiver){.hangs = true}, ATTEMPT_TIMEOUT, 0, "");
    expect((struct receiver){.hangs = true,
                             .answer = "HTTP/1.1 200 OK\r\n"
                                       "Content-Length: 9\r\n\r\nslow"},
           ATTEMPT_TIMEOUT, 0, "");
}

static void test_no_connection(void **state)
{
    (void)state;
    struct sender sender = {.policy = {.loopback = true}};
    post(&sender, "http://127.0.0.1:1/");
    assert_int_equal(sender.attempt.class, ATTEMPT_CONNECT);
    sender = (struct sender){.policy = {.loopback = true}};
    post(&sender, "http://nobody.invalid/");
    assert_int_equal(sender.attempt.class, ATTEMPT_DNS);
    struct receiver plain = {.answer = "HTTP/1.1 400 No\r\n" EMPTY};
    post_to(&sender, &plain, "https");
    assert_int_equal(sender.attempt.class, ATTEMPT_TLS);
    assert_int_equal(sender.attempt.status, 0);
}

/* By literal and by a name that resolves there. */
static void test_the_policy_decides(void **state)
{
    static const char *const urls[] = {
        "http://127.0.0.1:1/", "http://[::1]:1/", "http://2130706433:1/",
        "http://localhost:1/", "http://169.254.169.254/"};
    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct sender sender = {.policy = {.strict = true}};
        post(&sender, urls[i]);
        if (sender.attempt.class != ATTEMPT_POLICY)
            fail_msg("%s: %s", urls[i],
                     attempt_class_text(sender.attempt.class));
        assert_int_equal(sender.attempt.status, 0);
        assert_non_null(strstr(sender.response, "may not be reached"));
    }
}

static void test_who_leads_no_more_sends_nothing(void **state)
{
    (void)state;
    char url[64];
    struct receiver receiver = {.answer = "HTTP/1.1 200 OK\r\n" EMPTY};
    struct sender sender = {.policy = {.loopback = true}, .may_not_send = true};
    receiver_open(&receiver);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", receiver.port);
    post(&sender, url);
    receiver_close(&receiver);
    assert_int_equal(receiver.request_length, 0);
    assert_int_equal(sender.attempt.status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_what_is_sent),
        cmocka_unit_test(test_retry_after_is_told),
        cmocka_unit_test(test_answers_that_are_none),
        cmocka_unit_test(test_long_answers),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_no_connection),
        cmocka_unit_test(test_the_policy_decides),
        cmocka_unit_test(test_who_leads_no_more_sends_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
