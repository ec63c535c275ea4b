/* Requests on raw sockets: framing, sizes, forms. What is not sound HTTP is
 * refused with words and its connection closed. */
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

static void expect_log(const char *wanted)
{
    assert_string_equal(house.fake.log, wanted);
    house.fake.log[0] = '\0';
}

/* Sends a text and expects this status; the connection then ends or not. */
static void raw(const char *text, int status, bool ends)
{
    int client = client_connect(&house);
    char *answer = client_exchange(&house, client, text);
    if (answer_status(answer) != status)
        fail_msg("%s\n---\n%s", text, answer);
    if (ends)
        assert_true(client_sees_end(&house, client));
    free(answer);
    close(client);
}

static void test_content_types(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        int status;
    } cases[] = {{"application/json", 201},
                 {"application/json; charset=utf-8", 201},
                 {"Application/JSON", 201},
                 {"application/vnd.x+json", 201},
                 {"text/plain", 415},
                 {"application/jsonx", 415},
                 {"application/x-www-form-urlencoded", 415},
                 {"", 415}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[512];
        snprintf(text, sizeof text,
                 "POST /api/messages HTTP/1.1\r\nHost: h\r\n"
                 "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n%s",
                 cases[i].type, strlen(MESSAGE), MESSAGE);
        raw(text, cases[i].status, false);
    }
}

static void test_hostile_framing(void **state)
{
    (void)state;
    raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, true);
    raw("GARBAGE\r\n\r\n", 400, true);
    raw("GET / HTTP/1.1\r\nbad header\r\n\r\n", 400, true);
    raw("POST /api/messages HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n"
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
        400, true);
    raw("POST /api/messages HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked"
        "\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        400, true);
    raw("POST /api/messages HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n"
        "Content-Length: 2\r\n\r\n{}",
        400, true);
    raw("POST /api/messages HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
        400, true);
    raw("POST /api/messages HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n"
        "\r\n",
        400, true);
    raw("POST /api/messages HTTP/1.1\r\nHost: h\r\n"
        "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        400, true);
    raw("POST /api/messages HTTP/1.1\r\nHost: h\r\nExpect: tea\r\n"
        "Content-Length: 2\r\n\r\n{}",
        417, true);
    /* An upgrade to HTTP/2 is not taken up. */
    raw("GET /livez HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings"
        "\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
        200, false);
    expect_log("");
}

/* h2o's own refusals have our form. */
static void test_refusals_are_problems(void **state)
{
    (void)state;
    int client = client_connect(&house);
    char *answer = client_exchange(
        &house, client,
        "POST /api/messages HTTP/1.1\r\nHost: h\r\nx-request-id: r-9\r\n"
        "Content-Length: 99999999\r\n\r\n");
    assert_int_equal(answer_status(answer), 413);
    assert_non_null(strcasestr(answer, "\r\nx-request-id: r-9\r\n"));
    json_t *problem = json_loads(answer_body(answer), 0, NULL);
    assert_string_equal(json_string_value(json_object_get(problem, "code")),
                        "too_large");
    json_decref(problem);
    free(answer);
    close(client);
}

static void test_chunked_bodies(void **state)
{
    (void)state;
    raw("POST /api/messages HTTP/1.1\r\nHost: h\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
        "10\r\n{\"topic\":\"t\",\"pa\r\n"
        "1b;x=y\r\nyload\":1,\"attributes\":{}}  \r\n0\r\ntrailer: x\r\n\r\n",
        201, false);
    expect_log("publish t 1 [1]\n");
}

static void test_other_versions(void **state)
{
    (void)state;
    raw("GET /livez HTTP/1.0\r\n\r\n", 200, true);
    raw("HEAD /api/topics HTTP/1.1\r\nHost: h\r\n\r\n", 200, false);
    raw("GET /livez HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 200,
        true);
}

/* An answer to HEAD, and a 204, have a header alone: what follows on the
 * connection is the next answer. */
static void test_bare_answers(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "HEAD /api/topics HTTP/1.1\r\nHost: h\r\n\r\n",
        "HEAD /nothing HTTP/1.1\r\nHost: h\r\n\r\n",
        "DELETE /api/publishers/7 HTTP/1.1\r\nHost: h\r\n\r\n"};
    static const int statuses[] = {200, 404, 204};
    int client = client_connect(&house);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *answer = client_exchange(&house, client, texts[i]);
        assert_int_equal(answer_status(answer), statuses[i]);
        free(answer);
        answer = client_exchange(&house, client,
                                 "GET /livez HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_int_equal(answer_status(answer), 200);
        free(answer);
    }
    close(client);
}

/* The client sends its whole body although it is refused: it must still see
 * the 413, and no reset. */
static void test_too_large_is_seen(void **state)
{
    (void)state;
    enum { SIZE = 4 * 1024 * 1024 };
    char *body = calloc(1, SIZE);
    for (int chunked = 0; chunked <= 1; chunked++) {
        int client = client_connect(&house);
        char head[256];
        if (chunked)
            snprintf(head, sizeof head,
                     "POST /api/messages HTTP/1.1\r\nHost: h\r\n"
                     "Transfer-Encoding: chunked\r\n\r\n%x\r\n",
                     SIZE);
        else
            snprintf(head, sizeof head,
                     "POST /api/messages HTTP/1.1\r\nHost: h\r\n"
                     "Content-Length: %d\r\n\r\n",
                     SIZE);
        assert_true(client_send(&house, client, head, strlen(head)));
        assert_true(client_send(&house, client, body, SIZE));
        char *answer = client_answer(&house, client, false);
        assert_int_equal(answer_status(answer), 413);
        assert_true(client_sees_end(&house, client));
        free(answer);
        close(client);
    }
    free(body);
}

static void test_message_too_large(void **state)
{
    (void)state;
    enum { SIZE = 65 * 1024 };
    char *text = malloc(SIZE + 512);
    int length = snprintf(text, SIZE + 512,
                          "POST /api/messages HTTP/1.1\r\nHost: h\r\n"
                          "Content-Length: %d\r\n\r\n{\"topic\":\"t\","
                          "\"attributes\":{},\"payload\":\"%0*d\"}",
                          SIZE + 42, SIZE, 0);
    int client = client_connect(&house);
    assert_true(client_send(&house, client, text, (size_t)length));
    char *answer = client_answer(&house, client, false);
    assert_int_equal(answer_status(answer), 413);
    free(answer);
    free(text);
    /* The request was sound: the connection goes on. */
    answer = client_exchange(&house, client,
                             "GET /livez HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(answer_status(answer), 200);
    free(answer);
    close(client);
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, open_house, close_house)

int main(void)
{
    logger_setup(LOGGER_ERROR, LOGGER_TEXT);
    const struct CMUnitTest tests[] = {
        TEST(test_content_types),         TEST(test_hostile_framing),
        TEST(test_refusals_are_problems), TEST(test_chunked_bodies),
        TEST(test_other_versions),        TEST(test_bare_answers),
        TEST(test_too_large_is_seen),     TEST(test_message_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
