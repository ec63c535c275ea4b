/* The routes, through the real server with a scripted backend. */
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

static const char *headers = ""; /* More of them; each ends its line. */

static const char *ask(const char *method, const char *path, const char *body)
{
    char text[8192];
    int client = client_connect(&house);
    snprintf(text, sizeof text,
             "%s %s HTTP/1.1\r\nHost: h\r\nx-request-id: r-7\r\n%s"
             "Content-Length: %zu\r\n\r\n%s",
             method, path, headers, strlen(body), body);
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

static void expect_once(const char *header, const char *path, const char *body,
                        int status, const char *log)
{
    headers = header;
    expect("POST", path, body, status);
    headers = "";
    expect_log(log);
}

#define EMPTY_LIST "{\"topic\":\"t\",\"payload\":[],\"attributes\":{}}"

static void test_publishing_once(void **state)
{
    (void)state;
    expect_once("Idempotency-Key: a~!\"\\ \t\r\n", "/api/messages", MESSAGE,
                201, "publish t 1 [{\"a\": 1}] once 0:1:a~!\"\\ e1\n");
    assert_null(strcasestr(last, "idempotent-replayed"));
    /* White space in the body makes it another one. */
    expect_once("idempotency-key: a\r\n", "/api/messages/", MESSAGE " ", 201,
                "publish t 1 [{\"a\": 1}] once 0:1:a 3a\n");
    /* An empty list is remembered like any other. */
    expect_once("Idempotency-Key: a\r\n", "/api/bulk_messages", EMPTY_LIST, 201,
                "publish t 0 [] once 0:2:a 9d\n");
    expect_body("{\"result\":[]}");
    house.fake.replayed = true;
    expect_once("Idempotency-Key: a\r\n", "/api/messages", MESSAGE, 201,
                "publish t 1 [{\"a\": 1}] once 0:1:a e1\n");
    assert_non_null(strcasestr(last, "\r\nidempotent-replayed: true\r\n"));
    expect_once("Idempotency-Key: a\r\n", "/api/bulk_messages", EMPTY_LIST, 201,
                "publish t 0 [] once 0:2:a 9d\n");
    assert_non_null(strcasestr(last, "\r\nidempotent-replayed: true\r\n"));
}

static void test_idempotency_problems(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "Idempotency-Key:\r\n",
        "Idempotency-Key: \t \r\n",
        "Idempotency-Key: a b\r\n",
        "Idempotency-Key: a\x80\r\n",
        "Idempotency-Key: caf\xc3\xa9\r\n",
        "Idempotency-Key: a\r\nIdempotency-Key: b\r\n",
        "Idempotency-Key: a\r\nIdempotency-Key: a\r\n",
        "Idempotency-Key: a\r\nIdempotency-Key:\r\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        expect_once(bad[i], "/api/messages", MESSAGE, 400, "");
        assert_non_null(strstr(last, "\"pointer\":null,"
                                     "\"header\":\"Idempotency-Key\""));
        expect_once(bad[i], "/api/bulk_messages", EMPTY_LIST, 400, "");
    }
    for (int length = 255; length <= 256; length++) {
        char header[300];
        snprintf(header, sizeof header, "Idempotency-Key: %0*d\r\n", length, 0);
        headers = header;
        expect("POST", "/api/messages", MESSAGE, length == 255 ? 201 : 400);
        headers = "";
    }
    house.fake.log[0] = '\0';
    /* With everything else that is wrong. */
    expect_once(bad[0], "/api/messages", "{}", 400, "");
    assert_non_null(strstr(last, "\"Idempotency-Key\":["));
    assert_non_null(strstr(last, "\"topic\":["));
    house.fake.code = ERR_CONFLICT;
    headers = "Idempotency-Key: a\r\n";
    expect("POST", "/api/messages", MESSAGE, 422);
    assert_non_null(strstr(last, "\"code\":\"idempotency_key_reused\""));
    expect("POST", "/api/bulk_messages", EMPTY_LIST, 422);
    house.fake.code = ERR_BUSY;
    expect("POST", "/api/messages", MESSAGE, 429);
    assert_non_null(strcasestr(last, "\r\nretry-after: "));
    headers = "";
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
                "\"scheduled\":0,\"bytes\":0,"
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
    expect("GET", "/api/topics?consistency=local", "", 200);
    expect("GET", "/api/topics?consistency=maybe", "", 400);
    expect("GET", "/api/topics?consistency=", "", 400);
    expect("DELETE", "/api/publishers/7?consistency=local", "", 400);
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

static void test_publisher_secrets(void **state)
{
    (void)state;
    static const char create[] =
        "{\"topic\":\"orders\",\"target\":\"http://h/x\",\"type\":\"http\","
        "\"active\":true,\"secret\":\"whsec_abc\"}";
    expect("POST", "/api/publishers", create, 201);
    assert_non_null(strstr(last, "\"secret\":\"whsec_abc\""));
    expect("GET", "/api/publishers/7", "", 200);
    assert_non_null(strstr(last, "\"secret\":\"***\""));
    expect("GET", "/api/publishers", "", 200);
    assert_null(strstr(last, "whsec_abc"));
    expect("POST", "/api/publishers/7/pause", "", 200);
    assert_null(strstr(last, "whsec_abc"));
    expect("POST", "/api/publishers/7/rotate-secret", "", 200);
    assert_non_null(strstr(last, "\"secret\":\"whsec_abc\""));
    expect("PATCH", "/api/publishers/7", "{\"max_attempts\":3}", 200);
    assert_null(strstr(last, "whsec_abc"));
}

static void test_publisher_changes(void **state)
{
    (void)state;
    expect("PATCH", "/api/publishers/7", "{\"max_attempts\":3}", 200);
    expect("POST", "/api/publishers/7/pause", "{\"reason\":\" why\"}", 200);
    expect("POST", "/api/publishers/7/rotate-secret", "{}", 200);
    expect("POST", "/api/publishers/7/test", "", 200);
    assert_non_null(strstr(
        last, "\"test\":{\"number\":1,\"started_at\":"
              "\"2023-11-14T22:13:20.000Z\",\"duration_ms\":3,\"status\":404,"
              "\"class\":\"http_4xx\",\"maybe_duplicate\":false,"
              "\"response\":\"where?\"}"));
    expect_log("change 7\npause 7 why\nrotate 7\ntest 7\n");
    expect("PATCH", "/api/publishers/7", "{\"max_atempts\":3}", 400);
    assert_non_null(strstr(last, "\"pointer\":\"/max_atempts\""));
    expect("PATCH", "/api/publishers/7", "{\"topic\":\"t\"}", 400);
    expect("PATCH", "/api/publishers/7", "{\"target\":\"http://forbidden/\"}",
           400);
    assert_non_null(strstr(last, "\"target\":[\"is refused\"]"));
    expect("PATCH", "/api/publishers/7", "{", 400);
    expect("POST", "/api/publishers/7/resume", "{\"a\":1}", 400);
    expect("POST", "/api/publishers",
           "{\"topic\":\"t\",\"type\":\"http\",\"target\":"
           "\"http://forbidden/\",\"active\":7}",
           400);
    assert_non_null(strstr(last, "\"active\":[\"is invalid\"]"));
    assert_non_null(strstr(last, "\"target\":[\"is refused\"]"));
    expect("POST", "/api/publishers",
           "{\"topic\":\"t\",\"type\":\"http\",\"target\":\"http://h/\","
           "\"active\":true,\"filter\":{\"payload\":{\"no\":1}}}",
           400);
    assert_non_null(strstr(last, "\"pointer\":\"/filter/payload/no\""));
    expect_log("");
}

static void test_topic_changes(void **state)
{
    (void)state;
    expect("GET", "/api/topics/orders", "", 200);
    expect("GET", "/api/topics/orders/?consistency=local", "", 200);
    expect("PATCH", "/api/topics/orders", "{\"max_backlog_bytes\":5}", 200);
    expect("DELETE", "/api/topics/orders", "", 204);
    expect("DELETE", "/api/topics/orders?force=true", "", 204);
    expect_log("topic get orders\nlocal\ntopic get orders\n"
               "topic change orders 8\n"
               "topic delete orders\ntopic delete orders by force\n");
    expect("DELETE", "/api/topics/orders?force=yes", "", 400);
    expect("PATCH", "/api/topics/orders", "{\"name\":\"x\"}", 400);
    house.fake.code = ERR_NOT_FOUND;
    expect("GET", "/api/topics/nothing", "", 404);
}

/* A cursor goes on with its own search, told in any order, and no other. */
static void test_search_cursor(void **state)
{
    char cursor[50];
    char path[160];
    (void)state;
    expect("GET", "/api/messages?key=k&attr.a=1", "", 200);
    const char *found = strstr(last, "\"next_cursor\":\"m");
    assert_non_null(found);
    memcpy(cursor, found + strlen("\"next_cursor\":\""), 49);
    cursor[49] = '\0';
    expect_log("list  0 -1 k 0.0 50\nattribute a=1\n");
    snprintf(path, sizeof path,
             "/api/messages?cursor=%s&attr.a=1&limit=2&key=k", cursor);
    expect("GET", path, "", 200);
    expect_log("list  0 -1 k 7.5 2\nattribute a=1\n");
    static const char *const others[] = {
        "key=k", "key=k&attr.a=2", "key=a&attr.k=1", "key=k&attr.a=1&q=x"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        snprintf(path, sizeof path, "/api/messages?%s&cursor=%s", others[i],
                 cursor);
        expect("GET", path, "", 400);
        assert_non_null(strstr(last, "\"parameter\":\"cursor\""));
    }
}

static void test_message_list(void **state)
{
    (void)state;
    expect("GET",
           "/api/messages?topic=orders&publisher=7&state=dead&key=a%20b&limit=3"
           "&consistency=local",
           "", 200);
    expect_log("local\nlist orders 7 4 a b 0.0 3\n");
    assert_non_null(strstr(last, "\"preview\":\"\\\"\xc3\xa9\\\"\""));
    assert_null(strstr(last, "\"payload\""));
    assert_non_null(strstr(last, "\"complete\":false"));
    assert_non_null(
        strstr(last, "\"searched_to\":\"2023-11-14T22:13:20.123Z\""));
    expect("GET", "/api/messages", "", 200);
    expect_log("list  0 -1  0.0 50\n");
    expect("GET",
           "/api/messages?attr.kind=a%26b&attr.empty=&field./a~1b/0=3&q=%22x"
           "&received_from=1970-01-01T00:00:00Z"
           "&received_to=1970-01-01T00:00:02Z"
           "&processed_from=1970-01-01T00:00:03Z"
           "&processed_to=1970-01-01T00:00:04Z&key=k",
           "", 200);
    expect_log("list  0 -1 k 0.0 50\nq \"x\nattribute kind=a&b\nattribute "
               "empty=\nfield /a~1b/0=3\ntimes 1 2000 3000 4000\n");
    static const char *const wrong[] = {
        "state=lost",
        "publisher=x",
        "publisher=4294967296",
        "topic=a%20b",
        "key=&topic=orders",
        "q=",
        "field.a=x",
        "field./~2=x",
        "received_from=yesterday",
        "received_to=",
        "processed_from=2026-13-01T00:00:00Z",
        "processed_to=1",
        "attr.a=1&attr.a=2",
        "cursor=m0000000000000010",
        "cursor=m00000000000000000000000000000005000000000000000g",
        "limit=0",
        "cursor=t0000000000000010",
        "colour=red",
        "attr.=x",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char path[128];
        snprintf(path, sizeof path, "/api/messages?%s", wrong[i]);
        expect("GET", path, "", 400);
        assert_non_null(strstr(last, "\"parameter\":\""));
    }
    expect_log("");
    house.fake.code = ERR_NOT_FOUND;
    house.fake.field = "topic";
    expect("GET", "/api/messages?topic=nothing", "", 400);
    assert_non_null(strstr(last, "\"parameter\":\"topic\""));
}

static void expect_reason(struct explain facts, const char *reason,
                          const char *text)
{
    char wanted[512];
    facts.message.id = 42;
    facts.publisher.publisher.id = 7;
    house.fake.explanation.facts = facts;
    expect("GET", "/api/messages/42/explain?publisher=7", "", 200);
    snprintf(wanted, sizeof wanted, "\"reason\":\"%s\",\"text\":\"%s\"", reason,
             text);
    if (strstr(last, wanted) == NULL)
        fail_msg("%s is not in %s", wanted, answer_body(last));
}

static void test_explain(void **state)
{
    (void)state;
    struct explain facts = {.reason = REASON_DELIVERED,
                            .since_ms = 1700000000123};
    expect_reason(facts, "delivered",
                  "It was delivered at 2023-11-14T22:13:20.123Z.");
    facts = (struct explain){
        .reason = REASON_PAUSED,
        .publisher.publisher = {.pause_reason = slice_text("holiday"),
                                .paused_by = slice_text("boss"),
                                .paused_ms = 1700000000123}};
    expect_reason(facts, "paused",
                  "The publisher is paused by boss (holiday) since "
                  "2023-11-14T22:13:20.123Z and holds its messages until it is "
                  "resumed.");
    facts = (struct explain){
        .reason = REASON_CIRCUIT_OPEN,
        .next_attempt_ms = 1700000001123,
        .publisher.circuit = {.state = CIRCUIT_OPEN,
                              .since_ms = 1700000000123,
                              .error = {.number = 3,
                                        .class = ATTEMPT_CONNECT,
                                        .response = slice_text("refused")}}};
    expect_reason(facts, "circuit_open",
                  "The target fails, so that the circuit is open since "
                  "2023-11-14T22:13:20.123Z: connect (refused); the next probe "
                  "is due at 2023-11-14T22:13:21.123Z.");
    facts = (struct explain){.reason = REASON_WAITING_FOR_KEY,
                             .blocking_id = 41,
                             .message.key = slice_text("k")};
    expect_reason(facts, "waiting_for_key",
                  "It waits behind message 41 of the same key \\\"k\\\", which "
                  "is not settled yet.");
    facts = (struct explain){.reason = REASON_QUEUED, .ahead = 1};
    expect_reason(facts, "queued", "It is queued, with 1 message before it.");
    facts =
        (struct explain){.reason = REASON_DEAD,
                         .since_ms = 1700000000123,
                         .delivery = {.state = DELIVERY_DEAD,
                                      .attempts = 2,
                                      .history = {{.number = 2,
                                                   .class = ATTEMPT_HTTP_5XX,
                                                   .status = 500}},
                                      .history_count = 1}};
    expect_reason(facts, "dead",
                  "It was given up as dead at 2023-11-14T22:13:20.123Z after 2 "
                  "attempts: http_5xx, the target answered 500.");
    house.fake.explanation.verdict = (struct filter_verdict){
        .clause = "/attributes/kind", .text = "attribute is missing"};
    facts = (struct explain){.reason = REASON_FILTERED};
    expect_reason(facts, "filtered",
                  "The publisher's filter does not want it: at "
                  "/attributes/kind, attribute is missing.");
    expect("GET", "/api/messages/42/explain", "", 400);
    assert_non_null(strstr(last, "\"parameter\":\"publisher\""));
    expect("GET", "/api/messages/x/explain?publisher=7", "", 400);
}

static void test_decisions(void **state)
{
    (void)state;
    expect("POST", "/api/messages/42/retry", "", 200);
    expect("POST", "/api/messages/42/discard", "{\"publisher\":7}", 200);
    expect_log("retry 42 0\nmessage 42\ndiscard 42 7\nmessage 42\n");
    expect("POST", "/api/messages/42/retry", "{\"publishers\":7}", 400);
    expect("POST", "/api/messages/0/retry", "{}", 400);
    house.fake.code = ERR_CONFLICT;
    expect("POST", "/api/messages/42/retry", "{}", 409);
}

static void test_schedule(void **state)
{
    (void)state;
    expect("POST", "/api/schedule_messages/",
           "{\"topic\":\"t\",\"payload\":1,\"attributes\":{},\"schedule_at\":"
           "\"2026-01-02 03:04:05.5\"}",
           201);
    expect_body("{\"id\":42}");
    expect("POST", "/api/schedule_messages",
           "{\"topic\":\"t\",\"payload\":1,\"attributes\":{}}", 400);
    assert_non_null(strstr(last, "\"schedule_at\":[\"can't be blank\"]"));
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
    assert_non_null(strstr(last, "\"replicated_to\":[1,3],"));
    assert_non_null(strstr(
        last, "\"history\":[],\"explanation\":{\"message\":42,\"publisher\":1,"
              "\"state\":\"delivered\",\"reason\":\"delivered\","));
    assert_non_null(strstr(last, "\"response\":\"refused\"}],"
                                 "\"explanation\":null}]"));
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

static void test_the_page_says_what_ails_the_node(void **state)
{
    struct backend_status *status = &house.fake.status;
    (void)state;
    expect("GET", "/", "", 200);
    assert_non_null(strstr(last, ") is well: it takes messages.</p>"));
    status->writable = false;
    status->writable_reason = "The disk is full.";
    expect("GET", "/", "", 200);
    assert_non_null(strstr(last, "<p class=\"unwell\">"));
    assert_non_null(strstr(last, ") takes no messages now: The disk is "
                                 "full.</p>"));
    status->ready = false;
    status->ready_reason = "no leader was seen lately";
    expect("GET", "/", "", 200);
    assert_non_null(
        strstr(last, ") is not ready: no leader was seen lately.</p>"));
    status->live = false;
    expect("GET", "/", "", 200);
    assert_non_null(strstr(last, ") is broken.</p>"));
}

static void test_wrong_addresses(void **state)
{
    (void)state;
    expect("GET", "/nothing", "", 404);
    expect("GET", "/api/../api/topics", "", 404);
    expect("PUT", "/api/topics", "{}", 405);
    assert_non_null(strcasestr(last, "\r\nallow: POST, GET, HEAD\r\n"));
    expect("GET", "/api/backup", "", 501);
    expect("GET", "http://other/api/topics", "", 200);
    expect("GET", "http://other", "", 200);
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

int main(void)
{
    logger_setup(LOGGER_ERROR, LOGGER_TEXT);
    const struct CMUnitTest tests[] = {
        TEST(test_publishing),
        TEST(test_publishing_once),
        TEST(test_idempotency_problems),
        TEST(test_statuses_of_publishing),
        TEST(test_topics),
        TEST(test_lists_have_pages),
        TEST(test_publishers),
        TEST(test_publisher_secrets),
        TEST(test_publisher_changes),
        TEST(test_topic_changes),
        TEST(test_message_list),
        TEST(test_search_cursor),
        TEST(test_explain),
        TEST(test_decisions),
        TEST(test_schedule),
        TEST(test_messages),
        TEST(test_probes),
        TEST(test_cluster_metrics_and_page),
        TEST(test_the_page_says_what_ails_the_node),
        TEST(test_wrong_addresses),
        TEST(test_bad_addresses),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(last);
    return failed;
}
