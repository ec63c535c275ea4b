/* Clients that hurry, dawdle, vanish or come in crowds, and the server's end
 * while they are there. */
#include "http_client.h"

#include "base/clock.h"
#include "base/logger.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct house house;

static int open_house(void **state)
{
    (void)state;
    house_open(&house, NULL);
    return 0;
}

static int close_house(void **state)
{
    (void)state;
    house_close(&house, 0);
    return 0;
}

#define MESSAGE "{\"topic\":\"t\",\"payload\":{\"a\": 1},\"attributes\":{}}"

/* Others are served as ever. */
static void expect_alive(void)
{
    int client = client_connect(&house);
    char *answer = client_exchange(&house, client,
                                   "GET /livez HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(answer_status(answer), 200);
    free(answer);
    close(client);
}

static void test_pipelining(void **state)
{
    (void)state;
    char text[4096] = "";
    enum { COUNT = 20 };
    for (int i = 0; i < COUNT; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text),
                 "GET /api/messages/%d HTTP/1.1\r\nHost: h\r\n\r\n", i + 1);
    int client = client_connect(&house);
    client_send(&house, client, text, strlen(text));
    for (int i = 0; i < COUNT; i++) {
        char *answer = client_answer(&house, client, false);
        char wanted[64];
        snprintf(wanted, sizeof wanted, "{\"data\":{\"id\":%d,", i + 1);
        assert_non_null(answer);
        assert_non_null(strstr(answer, wanted));
        free(answer);
    }
    close(client);
}

/* Answers come in the order that the backend finds, not that of requests;
 * each goes to the one who asked. */
static void test_answers_find_their_request(void **state)
{
    (void)state;
    enum { COUNT = 16 };
    int clients[COUNT];
    house.fake.hold = true;
    for (int i = 0; i < COUNT; i++) {
        char text[256];
        clients[i] = client_connect(&house);
        snprintf(text, sizeof text,
                 "GET /api/messages/%d HTTP/1.1\r\nHost: h\r\n\r\n", i + 1);
        client_send(&house, clients[i], text, strlen(text));
        while (house.fake.pending_count < (uint32_t)i + 1)
            house_turn(&house, 10);
    }
    /* Result i says i, whatever its place in the queue is afterwards. */
    char details[COUNT][8];
    for (int i = 0; i < COUNT; i++) {
        snprintf(details[i], sizeof details[i], "no %d.", i);
        house.fake.pending[i].code = ERR_IO;
        house.fake.pending[i].detail = details[i];
    }
    for (int i = 0; i < COUNT / 2; i++) {
        struct backend_result kept = house.fake.pending[i];
        house.fake.pending[i] = house.fake.pending[COUNT - 1 - i];
        house.fake.pending[COUNT - 1 - i] = kept;
    }
    house.fake.hold = false;
    for (int i = 0; i < COUNT; i++) {
        char *answer = client_answer(&house, clients[i], false);
        assert_int_equal(answer_status(answer), 500);
        assert_non_null(strstr(answer, details[i]));
        free(answer);
        close(clients[i]);
    }
}

/* Clients that reset while their request waits: their answers go nowhere,
 * and nobody else's answer suffers. */
static void test_vanished_clients(void **state)
{
    (void)state;
    enum { COUNT = 30 };
    const struct linger reset = {.l_onoff = 1};
    char text[512];
    snprintf(text, sizeof text,
             "POST /api/messages HTTP/1.1\r\nHost: h\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             strlen(MESSAGE), MESSAGE);
    house.fake.hold = true;
    int clients[COUNT];
    for (int i = 0; i < COUNT; i++) {
        clients[i] = client_connect(&house);
        client_send(&house, clients[i], text, strlen(text));
        while (house.fake.pending_count < (uint32_t)i + 1)
            house_turn(&house, 10);
    }
    for (int i = 1; i < COUNT; i++) {
        setsockopt(clients[i], SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(clients[i]);
    }
    house_turn(&house, 10);
    /* Also twice, and for tickets that never were. */
    struct backend_result stale = house.fake.pending[5];
    house.fake.hold = false;
    char *answer = client_answer(&house, clients[0], false);
    assert_int_equal(answer_status(answer), 201);
    free(answer);
    http_server_done(house.server, &stale);
    stale.ticket = 12345;
    http_server_done(house.server, &stale);
    stale.ticket = 0;
    http_server_done(house.server, &stale);
    close(clients[0]);
    expect_alive();
}

/* Half of a request, then the end. */
static void test_half_requests(void **state)
{
    (void)state;
    static const char *const halves[] = {
        "",
        "P",
        "POST /api/messages HTTP/1.1\r\nHost",
        "POST /api/messages HTTP/1.1\r\nContent-Length: 100\r\n\r\n{\"topic\":",
        ("POST /api/messages HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
         "5\r\n{\"to"),
    };
    for (size_t i = 0; i < sizeof halves / sizeof *halves; i++) {
        int client = client_connect(&house);
        client_send(&house, client, halves[i], strlen(halves[i]));
        shutdown(client, SHUT_WR);
        assert_true(client_sees_end(&house, client));
        close(client);
    }
    assert_string_equal(house.fake.log, "");
}

static const struct http_options impatient = {.body_bytes_max = 4 << 20,
                                              .message_bytes_max = 1 << 16,
                                              .bulk_messages_max = 10,
                                              .connections_max = 8,
                                              .idle_ms = 300,
                                              .slow_ms = 200};

static int open_impatient_house(void **state)
{
    (void)state;
    house_open(&house, &impatient);
    return 0;
}

/* Headers and bodies that trickle are cut with a word; others are not hurt,
 * however long their answer takes. */
static void test_slow_clients(void **state)
{
    (void)state;
    static const char *const slow[] = {
        "GET /livez HTTP/1.1\r\nHost: h\r\n",
        "POST /api/messages HTTP/1.1\r\nContent-Length: 100\r\n\r\n{",
    };
    house.fake.hold = true;
    int waiting = client_connect(&house);
    static const char get[] = "GET /api/topics HTTP/1.1\r\nHost: h\r\n\r\n";
    client_send(&house, waiting, get, strlen(get));
    for (size_t i = 0; i < sizeof slow / sizeof *slow; i++) {
        int client = client_connect(&house);
        char *answer = client_exchange(&house, client, slow[i]);
        assert_int_equal(answer_status(answer), 408);
        assert_non_null(strstr(answer, "\"code\":\"timeout\""));
        assert_true(client_sees_end(&house, client));
        free(answer);
        close(client);
    }
    house.fake.hold = false;
    char *answer = client_answer(&house, waiting, false);
    assert_int_equal(answer_status(answer), 200);
    free(answer);
    close(waiting);
}

/* Sends what fits, then lets a time pass while the loop turns. */
static void let_pass(uint64_t ms)
{
    for (uint64_t end = clock_ms() + ms; clock_ms() < end;)
        house_turn(&house, 10);
}

/* A large body at a fair rate takes longer than the grace and arrives. */
static void test_slow_but_steady(void **state)
{
    (void)state;
    enum { SIZE = 60 * 1024, STEP = 10 * 1024 };
    char *text = malloc(SIZE + 512);
    int length = snprintf(text, SIZE + 512,
                          "POST /api/messages HTTP/1.1\r\nHost: h\r\n"
                          "Content-Length: %d\r\n\r\n{\"topic\":\"t\","
                          "\"attributes\":{},\"payload\":\"%0*d\"}",
                          SIZE + 42, SIZE, 0);
    int client = client_connect(&house);
    for (int at = 0; at < length; at += STEP) {
        int step = length - at < STEP ? length - at : STEP;
        assert_true(client_send(&house, client, text + at, (size_t)step));
        let_pass(100);
    }
    char *answer = client_answer(&house, client, false);
    assert_int_equal(answer_status(answer), 201);
    free(answer);
    free(text);
    close(client);
}

static void test_idle_clients(void **state)
{
    (void)state;
    int fresh = client_connect(&house);
    int used = client_connect(&house);
    char *answer =
        client_exchange(&house, used, "GET /livez HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(answer_status(answer), 200);
    free(answer);
    assert_true(client_sees_end(&house, fresh));
    assert_true(client_sees_end(&house, used));
    close(fresh);
    close(used);
}

/* A busy connection is never idle nor slow, however often it is looked at in
 * the midst of a request. */
static void test_busy_is_not_slow(void **state)
{
    (void)state;
    int client = client_connect(&house);
    uint64_t end = clock_ms() + 1000;
    while (clock_ms() < end) {
        char *answer = client_exchange(
            &house, client, "GET /livez HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_int_equal(answer_status(answer), 200);
        free(answer);
    }
    close(client);
}

/* A client that does not take its answers is cut; its memory comes back. */
static void test_unread_answers(void **state)
{
    (void)state;
    house.fake.list_total = 1000;
    int client = client_connect(&house);
    int small = 4096;
    setsockopt(client, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    static const char get[] =
        "GET /api/topics?limit=1000 HTTP/1.1\r\nHost: h\r\n\r\n";
    for (int i = 0; i < 40; i++)
        send(client, get, sizeof get - 1, MSG_NOSIGNAL);
    /* An answer of 210 KB earns 13 s: patience is shortened by asking for
     * the end with a grace. */
    let_pass(100);
    house_close(&house, 200);
    close(client);
    house_open(&house, &impatient);
}

static void test_too_many_connections(void **state)
{
    (void)state;
    int clients[12];
    int served = 0, ended = 0;
    house.fake.hold = true;
    for (int i = 0; i < 12; i++) {
        static const char get[] = "GET /api/topics HTTP/1.1\r\nHost: h\r\n\r\n";
        clients[i] = client_connect(&house);
        send(clients[i], get, sizeof get - 1, MSG_NOSIGNAL);
        house_turn(&house, 10);
        house_turn(&house, 0);
    }
    house.fake.hold = false;
    for (int i = 0; i < 12; i++) {
        char *answer = client_answer(&house, clients[i], false);
        served += answer_status(answer) == 200;
        ended += answer == NULL;
        free(answer);
        close(clients[i]);
    }
    assert_int_equal(served, 8);
    assert_int_equal(ended, 4);
    let_pass(20);
    expect_alive();
}

/* ---- The end ---- */

static void test_close_lets_requests_end(void **state)
{
    (void)state;
    house.fake.hold = true;
    int idle = client_connect(&house);
    char *answer =
        client_exchange(&house, idle, "GET /livez HTTP/1.1\r\nHost: h\r\n\r\n");
    free(answer);
    int busy = client_connect(&house);
    static const char get[] = "GET /api/topics HTTP/1.1\r\nHost: h\r\n\r\n";
    client_send(&house, busy, get, sizeof get - 1);
    while (house.fake.pending_count == 0)
        house_turn(&house, 10);
    http_server_close(house.server, 10000, NULL, NULL);
    assert_true(client_sees_end(&house, idle));
    house.fake.hold = false;
    answer = client_answer(&house, busy, false);
    assert_int_equal(answer_status(answer), 200);
    assert_non_null(strcasestr(answer, "\r\nconnection: close\r\n"));
    assert_true(client_sees_end(&house, busy));
    free(answer);
    close(idle);
    close(busy);
    while (uv_run(&house.loop, UV_RUN_NOWAIT) != 0)
        house_turn(&house, 10);
    assert_int_equal(uv_loop_close(&house.loop), 0);
    house_open(&house, NULL);
}

/* What waits longer than the grace is told that its outcome is unknown. */
static void test_close_gives_up(void **state)
{
    (void)state;
    house.fake.hold = true;
    int client = client_connect(&house);
    char text[512];
    snprintf(text, sizeof text,
             "POST /api/messages HTTP/1.1\r\nHost: h\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             strlen(MESSAGE), MESSAGE);
    client_send(&house, client, text, strlen(text));
    while (house.fake.pending_count == 0)
        house_turn(&house, 10);
    house_close(&house, 100);
    house_open(&house, NULL);
    char *answer = client_answer(&house, client, false);
    assert_int_equal(answer_status(answer), 504);
    assert_non_null(strstr(answer, "\"code\":\"unknown_outcome\""));
    free(answer);
    close(client);
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, open_house, close_house)
#define HASTY(name)                                                            \
    cmocka_unit_test_setup_teardown(name, open_impatient_house, close_house)

int main(void)
{
    logger_setup(LOGGER_ERROR, LOGGER_TEXT);
    const struct CMUnitTest tests[] = {
        TEST(test_pipelining),
        TEST(test_answers_find_their_request),
        TEST(test_vanished_clients),
        TEST(test_half_requests),
        HASTY(test_slow_clients),
        HASTY(test_slow_but_steady),
        HASTY(test_idle_clients),
        HASTY(test_busy_is_not_slow),
        HASTY(test_unread_answers),
        HASTY(test_too_many_connections),
        TEST(test_close_lets_requests_end),
        TEST(test_close_gives_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
