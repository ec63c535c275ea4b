/* The real server, a scripted backend and raw sockets: the routes, and what
 * clients do that they should not. */
#include "http_client.h"

#include "base/clock.h"
#include "base/logger.h"
#include "base/public_id.h"

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

/* One request on a connection of its own; the answer is kept until the next
 * one. */
static char *last;

static const char *ask(const char *method, const char *path, const char *body)
{
    char text[8192];
    int client = client_connect(&house);
    snprintf(text, sizeof text,
             "%s %s HTTP/1.1\r\nHost: h\r\nx-request-id: r-7\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             method, path, strlen(body), body);
    free(last);
    last = client_exchange(&house, client, text);
    close(client);
    assert_non_null(last);
    assert_non_null(strcasestr(last, "\r\nx-request-id: r-7\r\n"));
    assert_null(strcasestr(last, "\r\nserver:"));
    return last;
}

static void expect(const char *method, const char *path, const char *body,
                   int status)
{
    const char *answer = ask(method, path, body);
    if (answer_status(answer) != status)
        fail_msg("%s %s %s: %s", method, path, body, answer);
    if (status >= 400 && strncmp(path, "/readyz", 7) != 0 &&
        strncmp(path, "/livez", 6) != 0 && strstr(path, "health") == NULL) {
        assert_non_null(
            strcasestr(answer, "content-type: application/problem+json\r\n"));
        json_t *problem = json_loads(answer_body(answer), 0, NULL);
        assert_int_equal(json_integer_value(json_object_get(problem, "status")),
                         status);
        assert_string_equal(
            json_string_value(json_object_get(problem, "request_id")), "r-7");
        assert_non_null(
            json_object_get(json_object_get(problem, "data"), "errors"));
        json_decref(problem);
    }
}

static void expect_body(const char *wanted)
{
    assert_string_equal(answer_body(last), wanted);
}

static void expect_log(const char *wanted)
{
    assert_string_equal(house.fake.log, wanted);
    house.fake.log[0] = '\0';
}

#define MESSAGE "{\"topic\":\"t\",\"payload\":{\"a\": 1},\"attributes\":{}}"

static void test_publishing(void **state)
{
    (void)state;
    char wanted[128], public_id[PUBLIC_ID_SIZE];
    public_id_format(public_id, 0x1122334455667788u, 42);
    snprintf(wanted, sizeof wanted, "{\"id\":42,\"public_id\":\"%s\"}",
             public_id);
    expect("POST", "/api/messages", MESSAGE, 201);
    expect_body(wanted);
    expect_log("publish t 1 [{\"a\": 1}]\n");
    expect("POST", "/api/bulk_messages/",
           "{\"topic\":\"t\",\"payload\":[1,\"x\",{}],\"attributes\":{}}", 201);
    expect_body("{\"result\":[43,44,45]}");
    expect_log("publish t 3 [1]\n");
    expect("POST", "/api/bulk_messages",
           "{\"topic\":\"t\",\"payload\":[],\"attributes\":{}}", 201);
    expect_body("{\"result\":[]}");
    expect_log("");
}

static void test_statuses_of_publishing(void **state)
{
    (void)state;
    static const struct {
        int code;
        const char *field;
        int status, bulk_status;
    } cases[] = {
        {ERR_NOT_FOUND, "topic", 400, 406},
        {ERR_BUSY, NULL, 429, 429},
        {ERR_UNAVAILABLE, NULL, 503, 503},
        {ERR_NOT_LEADER, NULL, 503, 503},
        {ERR_UNKNOWN_OUTCOME, NULL, 504, 504},
        {ERR_NO_SPACE, NULL, 507, 507},
        {ERR_IO, NULL, 500, 500},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        house.fake.code = cases[i].code;
        house.fake.field = cases[i].field;
        expect("POST", "/api/messages", MESSAGE, cases[i].status);
        bool retry = strcasestr(last, "\r\nretry-after: 1\r\n") != NULL;
        assert_int_equal(retry,
                         cases[i].status == 429 || cases[i].status == 503);
        expect("POST", "/api/bulk_messages",
               "{\"topic\":\"t\",\"payload\":[1],\"attributes\":{}}",
               cases[i].bulk_status);
    }
    house.fake.code = ERR_NOT_FOUND;
    house.fake.field = "topic";
    expect("POST", "/api/messages", MESSAGE, 400);
    assert_non_null(strstr(last, "\"data\":{\"errors\":{\"topic\":[\"is "
                                 "invalid\"]}}"));
}

static void test_topics(void **state)
{
    (void)state;
    expect("POST", "/api/topics", "{\"name\":\"orders\",\"origin_host\":\"h\"}",
           201);
    expect_log("topic orders h\n");
    expect_body("{\"data\":{\"id\":1,\"name\":\"orders\",\"origin_host\":\"h\","
                "\"recovery_enabled\":false,\"retention_seconds\":null,"
                "\"max_backlog_bytes\":null,\"indexed_fields\":[],"
                "\"created_at\":\"2023-11-14T22:13:20.123Z\",\"messages\":5,"
                "\"publishers\":2,\"recovery\":null}}");
    house.fake.code = ERR_EXISTS;
    house.fake.field = "name";
    expect("POST", "/api/topics", "{\"name\":\"orders\",\"origin_host\":\"h\"}",
           409);
    assert_non_null(strstr(last, "\"name\":[\"has already been taken\"]"));
    expect("POST", "/api/topics", "{}", 400);
    assert_non_null(strstr(last, "\"origin_host\":[\"can't be blank\"]"));
}

/* Follows the cursors to the end and counts. */
static void test_lists_have_pages(void **state)
{
    (void)state;
    house.fake.list_total = 25;
    char path[128] = "/api/topics?limit=10";
    unsigned seen = 0, pages = 0;
    for (;;) {
        expect("GET", path, "", 200);
        json_t *list = json_loads(answer_body(last), 0, NULL);
        json_t *next = json_object_get(list, "next_cursor");
        seen += (unsigned)json_array_size(json_object_get(list, "data"));
        pages++;
        bool more = json_is_string(next);
        if (more)
            snprintf(path, sizeof path, "/api/topics?cursor=%s&limit=10",
                     json_string_value(next));
        json_decref(list);
        if (!more)
            break;
    }
    assert_int_equal(seen, 25);
    assert_int_equal(pages, 3);
    house.fake.list_total = 1000;
    expect("GET", "/api/topics?limit=1000", "", 200);
    assert_non_null(strstr(last, "\"next_cursor\":null"));
    expect("GET", "/api/topics?limit=1001", "", 400);
    expect("GET", "/api/topics?cursor=zzz", "", 400);
    assert_non_null(strstr(last, "\"parameter\":\"cursor\""));
    expect("GET", "/api/topics?colour=red", "", 400);
    assert_non_null(strstr(last, "\"parameter\":\"colour\""));
    expect("POST", "/api/messages?a=b", MESSAGE, 400);
    expect("GET", "/api/topics?consistency=linearizable", "", 200);
    expect("GET", "/api/topics?consistency=local", "", 501);
    expect("GET", "/api/topics?consistency=maybe", "", 400);
}

static void test_publishers(void **state)
{
    (void)state;
    expect("POST", "/api/publishers",
           "{\"topic\":\"orders\",\"target\":\"http://h/x\",\"type\":\"http\","
           "\"active\":\"false\"}",
           201);
    expect_log("publisher orders http://h/x paused\n");
    json_t *answer = json_loads(answer_body(last), 0, NULL);
    json_t *data = json_object_get(answer, "data");
    assert_int_equal(json_integer_value(json_object_get(data, "id")), 7);
    assert_int_equal(json_integer_value(json_object_get(data, "in_flight")), 4);
    assert_string_equal(json_string_value(json_object_get(data, "state")),
                        "paused");
    assert_string_equal(
        json_string_value(json_object_get(data, "state_reason")), "requested");
    json_t *error = json_object_get(data, "last_error");
    assert_string_equal(json_string_value(json_object_get(error, "class")),
                        "http_5xx");
    assert_string_equal(json_string_value(json_object_get(error, "text")),
                        "no\xef\xbf\xbd");
    json_decref(answer);
    expect("GET", "/api/publishers", "", 200);
    expect("GET", "/api/publishers/7", "", 200);
    expect("POST", "/api/publishers/7/pause", "", 200);
    expect("POST", "/api/publishers/7/resume", "", 200);
    expect("DELETE", "/api/publishers/7", "", 204);
    expect_body("");
    assert_null(strcasestr(last, "content-length"));
    expect_log("get 7\npause 7\nresume 7\ndelete 7\n");
    expect("GET", "/api/publishers/4294967296", "", 404);
    expect("GET", "/api/publishers/9007199254740992", "", 400);
    expect("DELETE", "/api/publishers/x", "", 400);
    expect("DELETE", "/api/publishers/0", "", 400);
    house.fake.code = ERR_NOT_FOUND;
    expect("GET", "/api/publishers/8", "", 404);
    house.fake.code = ERR_EXISTS;
    house.fake.field = "target";
    expect("POST", "/api/publishers",
           "{\"topic\":\"orders\",\"target\":\"http://h/x\",\"type\":\"http\","
           "\"active\":true}",
           409);
}

static void test_messages(void **state)
{
    (void)state;
    expect("GET", "/api/messages/42", "", 200);
    assert_non_null(strstr(last, "\"payload\":{ \"n\": 1e400 },\"size\":14,"));
    assert_non_null(strstr(last, "\"attributes\":{\"kind\":\"a\\\"b\"}"));
    assert_non_null(strstr(last, "\"state\":\"retrying\",\"deliveries\":["));
    assert_non_null(strstr(last, "\"last_error\":{\"at\":\"2023-11-14T22:13:"
                                 "20.003Z\",\"status\":null,\"class\":"
                                 "\"connect\",\"text\":\"refused\"}"));
    char public_id[PUBLIC_ID_SIZE], path[64];
    public_id_format(public_id, 0x1122334455667788u, 43);
    snprintf(path, sizeof path, "/api/messages/%s", public_id);
    expect("GET", path, "", 200);
    expect_log("message 42\nmessage 43\n");
    public_id_format(public_id, 0x99, 43);
    snprintf(path, sizeof path, "/api/messages/%s", public_id);
    expect("GET", path, "", 404);
    expect("GET", "/api/messages/abc", "", 400);
    expect("GET", "/api/messages/batch", "", 405);
}

static void test_probes(void **state)
{
    (void)state;
    expect("GET", "/api/health", "", 200);
    expect_body("{\"status\":\"ok\"}");
    expect("GET", "/livez", "", 200);
    expect("GET", "/readyz/write?verbose", "", 200);
    expect_body("[+]live ok\n[+]ready ok\n[+]write ok\n");
    house.fake.status.writable = false;
    house.fake.status.writable_reason = "the disk is full";
    expect("GET", "/readyz", "", 200);
    expect("GET", "/readyz/write", "", 503);
    expect_body("[-]write failed: the disk is full\n");
    house.fake.status.live = false;
    expect("GET", "/api/health", "", 503);
    expect_body("{\"status\":\"ko\"}");
    expect("GET", "/livez", "", 503);
    expect("GET", "/livez?verbos", "", 400);
}

static void test_cluster_metrics_and_page(void **state)
{
    (void)state;
    expect("GET", "/api/cluster", "", 200);
    assert_non_null(strstr(last, "\"members\":[{\"id\":1,\"role\":\"voter\""));
    expect("GET", "/metrics", "", 200);
    assert_non_null(strstr(last, "# TYPE postoffice_messages_published_total "
                                 "counter\n"
                                 "postoffice_messages_published_total 42\n"));
    assert_non_null(
        strstr(last, "\npostoffice_log_sync_seconds_total 1.500000\n"));
    expect("GET", "/", "", 200);
    assert_non_null(strstr(last, "<p class=\"well\">"));
    assert_non_null(strcasestr(last, "x-content-type-options: nosniff"));
    assert_non_null(strcasestr(last, "content-security-policy: default-src "
                                     "'none'"));
    assert_null(strstr(last, "{{"));
    expect("GET", "/page.css", "", 200);
}

static void test_wrong_addresses(void **state)
{
    (void)state;
    expect("GET", "/nothing", "", 404);
    expect("GET", "/api/../api/topics", "", 404);
    expect("PUT", "/api/topics", "{}", 405);
    assert_non_null(strcasestr(last, "\r\nallow: POST, GET, HEAD\r\n"));
    expect("GET", "/api/backup", "", 501);
    expect("GET", "/api/messages?state=dead", "", 501);
    expect("GET", "http://other/api/topics", "", 200);
    expect("GET", "http://other", "", 200);
}

/* ---- Raw requests ---- */

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
        "1c;x=y\r\nyload\":1,\"attributes\":{}}  \r\n0\r\ntrailer: x\r\n\r\n",
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

/* ---- Order, haste, sloth ---- */

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
    expect("GET", "/livez", "", 200);
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
    expect_log("");
}

static const struct http_options impatient = {.body_bytes_max = 4 << 20,
                                              .message_bytes_max = 64 * 1024,
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
    expect("GET", "/livez", "", 200);
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

static void test_bad_addresses(void **state)
{
    (void)state;
    static const char *const bad[] = {"",      "4000",      ":4000",
                                      "h:",    "::1:4000",  "127.0.0.1:x",
                                      "[::1]", "[::1]4000", "192.0.2.1:1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uv_loop_t loop;
        uv_loop_init(&loop);
        struct http_options options = {
            .listen = &bad[i], .listen_count = 1, .connections_max = 1};
        struct backend backend = fake_backend(&house.fake);
        struct http_server *server = NULL;
        struct error error = {0};
        assert_int_not_equal(
            http_server_open(&loop, &options, &backend, &server, &error), 0);
        assert_non_null(strstr(error.text, "listen on"));
        assert_null(server);
        uv_run(&loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&loop), 0);
    }
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, open_house, close_house)
#define HASTY(name)                                                            \
    cmocka_unit_test_setup_teardown(name, open_impatient_house, close_house)

int main(void)
{
    logger_setup(LOGGER_ERROR, LOGGER_TEXT);
    const struct CMUnitTest tests[] = {
        TEST(test_publishing),
        TEST(test_statuses_of_publishing),
        TEST(test_topics),
        TEST(test_lists_have_pages),
        TEST(test_publishers),
        TEST(test_messages),
        TEST(test_probes),
        TEST(test_cluster_metrics_and_page),
        TEST(test_wrong_addresses),
        TEST(test_content_types),
        TEST(test_hostile_framing),
        TEST(test_refusals_are_problems),
        TEST(test_chunked_bodies),
        TEST(test_other_versions),
        TEST(test_bare_answers),
        TEST(test_too_large_is_seen),
        TEST(test_message_too_large),
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
        TEST(test_bad_addresses),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(last);
    return failed;
}
