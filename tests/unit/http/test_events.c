/* GET /api/events: streams through the real server, which a test feeds with
 * events. */
#include "http_client.h"

#include "base/bounds.h"
#include "base/clock.h"
#include "base/codec.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct house house;
static struct backend_caller caller;
static char seen[128 * 1024]; /* Of the stream that is looked at. */
static size_t seen_length;

static int open_house(void **state)
{
    static const struct http_options options = {
        .body_bytes_max = 1 << 20,
        .message_bytes_max = 1 << 16,
        .bulk_messages_max = 10,
        .connections_max = BOUND_EVENT_STREAMS + 16,
        .heartbeat_ms = 200,
    };
    (void)state;
    house_open(&house, &options);
    return 0;
}

static int close_house(void **state)
{
    (void)state;
    house_close(&house, 0);
    return 0;
}

/* ---- A client ---- */

static int follow(const char *query, const char *headers)
{
    char text[512];
    int client = client_connect(&house);
    snprintf(text, sizeof text,
             "GET /api/events%s HTTP/1.1\r\nHost: h\r\n%s\r\n", query, headers);
    assert_true(client_send(&house, client, text, strlen(text)));
    seen_length = 0;
    seen[0] = '\0';
    return client;
}

/* Reads on until this text has come; false: the stream ended before. */
static bool read_until(int client, const char *wanted)
{
    for (uint64_t end = clock_ms() + 20000; clock_ms() < end;) {
        if (strstr(seen, wanted) != NULL)
            return true;
        ssize_t got =
            recv(client, seen + seen_length, sizeof seen - 1 - seen_length, 0);
        if (got > 0)
            seen[seen_length += (size_t)got] = '\0';
        else if (got == 0 || errno != EAGAIN)
            return false;
        else
            house_turn(&house, 5);
    }
    fail_msg("waited in vain for %s; so far: %s", wanted, seen);
    return false;
}

static void forget(void)
{
    seen_length = 0;
    seen[0] = '\0';
}

static void happen(enum event_type type, const char *topic, uint32_t id)
{
    http_server_event(house.server,
                      &(struct backend_event){.type = type,
                                              .id = id,
                                              .topic = slice_text(topic),
                                              .action = "changed",
                                              .term = 7});
}

/* The id of the last event that was seen. */
static void last_id(char id[64])
{
    const char *at = NULL;
    for (const char *next = seen; (next = strstr(next, "id: ")) != NULL;)
        at = next += 4;
    assert_non_null(at);
    snprintf(id, 64, "%.*s", (int)strcspn(at, "\n"), at);
}

/* ---- What is told ---- */

static void test_events_are_told(void **state)
{
    (void)state;
    int client = follow("", "");
    assert_true(read_until(client, "event: open\ndata: {\"node\":1}\n\n"));
    assert_non_null(
        strcasestr(seen, "\r\ncontent-type: text/event-stream\r\n"));
    assert_non_null(strcasestr(seen, "\r\ncache-control: no-store\r\n"));
    assert_null(strcasestr(seen, "content-length"));
    happen(EVENT_TOPIC, "orders", 3);
    assert_true(read_until(client,
                           "event: topic\ndata: {\"topic_id\":3,\"topic\":"
                           "\"orders\",\"action\":\"changed\"}\n\n"));
    happen(EVENT_PUBLISHER, "a", 4);
    happen(EVENT_CIRCUIT, "a", 5);
    happen(EVENT_LEADER, "", 0);
    assert_true(
        read_until(client, "event: publisher\ndata: {\"publisher\":4,"));
    assert_true(read_until(client, "event: circuit\ndata: {\"publisher\":5,"));
    assert_true(read_until(
        client, "event: leader\ndata: {\"leader\":null,\"term\":7}\n\n"));
    close(client);
}

static void test_filters(void **state)
{
    (void)state;
    int client = follow("?types=topic,leader&topic=b", "");
    assert_true(read_until(client, "event: open"));
    happen(EVENT_TOPIC, "a", 1);
    happen(EVENT_LEADER, "", 2); /* About no topic. */
    happen(EVENT_PUBLISHER, "b", 3);
    happen(EVENT_TOPIC, "b", 4);
    assert_true(read_until(client, "\"topic_id\":4"));
    assert_null(strstr(seen, "\"topic_id\":1"));
    assert_null(strstr(seen, "leader"));
    assert_null(strstr(seen, "publisher"));
    close(client);
}

static void test_bad_filters(void **state)
{
    static const char *const bad[] = {
        "?types=",      "?types=topic,", "?types=other",
        "?topic=a%20b", "?topic=",       "?more=1",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int client = follow(bad[i], "");
        assert_true(read_until(client, "HTTP/1.1 400 "));
        close(client);
    }
}

/* ---- Coming again ---- */

static void test_resume(void **state)
{
    char id[64], header[128];
    (void)state;
    int client = follow("", "");
    assert_true(read_until(client, "event: open"));
    last_id(id);
    close(client);
    happen(EVENT_TOPIC, "a", 1);
    happen(EVENT_TOPIC, "a", 2);
    snprintf(header, sizeof header, "Last-Event-ID: %s\r\n", id);
    client = follow("", header);
    assert_true(read_until(client, "\"topic_id\":2"));
    assert_non_null(strstr(seen, "\"topic_id\":1"));
    assert_null(strstr(seen, "event: open"));
    assert_null(strstr(seen, "event: reset"));
    close(client);
}

static void expect_reset(const char *id)
{
    char header[256];
    snprintf(header, sizeof header, "Last-Event-ID: %s\r\n", id);
    int client = follow("", header);
    assert_true(read_until(client, "event: reset\ndata: {\"node\":1}\n\n"));
    happen(EVENT_TOPIC, "a", 77);
    if (!read_until(client, "\"topic_id\":77"))
        fail_msg("%s: %s", id, seen);
    close(client);
}

static void test_what_cannot_be_resumed(void **state)
{
    char id[64], other[80];
    (void)state;
    int client = follow("", "");
    assert_true(read_until(client, "event: open"));
    last_id(id);
    close(client);
    expect_reset("");
    expect_reset("nonsense");
    expect_reset("0000000000000000-1");
    snprintf(other, sizeof other, "%.17s999999", id);
    expect_reset(other);
    snprintf(other, sizeof other, "%.17s-1", id);
    expect_reset(other);
    snprintf(other, sizeof other, "%.17s99999999999999999999999999", id);
    expect_reset(other);
    snprintf(other, sizeof other, "%s x", id);
    expect_reset(other);
    /* Known once, but no longer kept. */
    for (int i = 0; i < BOUND_EVENTS_KEPT + 1; i++)
        happen(EVENT_TOPIC, "a", 1);
    expect_reset(id);
}

/* ---- Whoever follows ---- */

static void test_heartbeat(void **state)
{
    (void)state;
    int client = follow("", "");
    assert_true(read_until(client, "event: open"));
    forget();
    assert_true(read_until(client, ":\n\n"));
    forget();
    assert_true(read_until(client, ":\n\n"));
    close(client);
}

static void test_a_slow_client_is_cut(void **state)
{
    static char name[256];
    (void)state;
    int slow = follow("", "");
    int quick = client_connect(&house);
    assert_true(read_until(slow, "event: open"));
    close(quick);
    memset(name, 'a', sizeof name - 1);
    /* Far more than the kernel holds for one who does not read. */
    for (int i = 0; i < 60000; i++) {
        happen(EVENT_TOPIC, name, 1);
        if (i % 100 == 0)
            house_turn(&house, 0);
    }
    forget();
    while (read_until(slow, "never"))
        ;
    close(slow);
    /* The server lives, and so does who reads. */
    quick = follow("", "");
    assert_true(read_until(quick, "event: open"));
    close(quick);
}

static void test_too_many(void **state)
{
    static int clients[BOUND_EVENT_STREAMS];
    (void)state;
    for (int i = 0; i < BOUND_EVENT_STREAMS; i++) {
        clients[i] = follow("", "");
        assert_true(read_until(clients[i], "event: open"));
    }
    int more = follow("", "");
    assert_true(read_until(more, "HTTP/1.1 503 "));
    assert_true(read_until(more, "ask another one"));
    close(more);
    for (int i = 0; i < BOUND_EVENT_STREAMS; i++)
        close(clients[i]);
    /* Those who went are found out by what is written to them. */
    for (bool open = false; !open;) {
        happen(EVENT_TOPIC, "a", 1);
        house_turn(&house, 10);
        more = follow("", "");
        read_until(more, "\r\n");
        open = strstr(seen, "HTTP/1.1 200 ") != NULL;
        close(more);
    }
}

static void test_the_server_closes(void **state)
{
    (void)state;
    int client = follow("", "");
    assert_true(read_until(client, "event: open"));
    house_close(&house, 5000);
    open_house(NULL);
    assert_true(read_until(client, "\r\n0\r\n\r\n"));
    assert_true(client_sees_end(&house, client));
    close(client);
}

static void test_head(void **state)
{
    (void)state;
    int client = client_connect(&house);
    char *answer = client_exchange(
        &house, client, "HEAD /api/events HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(answer_status(answer), 200);
    free(answer);
    close(client);
}

/* ---- Who may ---- */

#define GOOD "Authorization: Bearer good\r\n"

static void test_a_limited_caller(void **state)
{
    (void)state;
    struct encoder topics = {0};
    text_list_add(&topics, slice_text("a"));
    caller = (struct backend_caller){.kind = CALLER_OF_FILE,
                                     .role = ROLE_READ,
                                     .name = slice_text("x"),
                                     .topics = encoder_slice(&topics)};
    house.fake.caller = &caller;
    int client = follow("", GOOD);
    assert_true(read_until(client, "event: open"));
    happen(EVENT_TOPIC, "b", 1);
    happen(EVENT_STATS, "", 0);
    happen(EVENT_TOPIC, "a", 2);
    assert_true(read_until(client, "\"topic_id\":2"));
    assert_null(strstr(seen, "\"topic_id\":1"));
    assert_null(strstr(seen, "stats"));
    close(client);
    client = follow("?topic=b", GOOD);
    assert_true(read_until(client, "HTTP/1.1 403 "));
    close(client);
    encoder_close(&topics);
}

/* It is asked for again with each heartbeat. */
static void test_a_revoked_token_ends_the_stream(void **state)
{
    (void)state;
    caller = (struct backend_caller){
        .kind = CALLER_OF_FILE, .role = ROLE_READ, .name = slice_text("x")};
    house.fake.caller = &caller;
    int client = follow("", GOOD);
    assert_true(read_until(client, "event: open"));
    forget();
    assert_true(read_until(client, ":\n\n"));
    caller.role = ROLE_PUBLISH;
    assert_true(read_until(client, "\r\n0\r\n\r\n"));
    close(client);
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, open_house, close_house)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_events_are_told),
        TEST(test_filters),
        TEST(test_bad_filters),
        TEST(test_resume),
        TEST(test_what_cannot_be_resumed),
        TEST(test_heartbeat),
        TEST(test_a_slow_client_is_cut),
        TEST(test_too_many),
        TEST(test_the_server_closes),
        TEST(test_head),
        TEST(test_a_limited_caller),
        TEST(test_a_revoked_token_ends_the_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
