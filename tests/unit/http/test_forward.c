/* Requests that another node answers: sent on by one server and served by
 * another (here the same one), the client must not see a difference. */
#include "http_client.h"

#include "base/codec.h"
#include "base/logger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <cmocka.h>

static char *ask(struct house *house, const char *method, const char *target,
                 const char *body)
{
    char text[4096];
    int client = client_connect(house);
    snprintf(text, sizeof text,
             "%s %s HTTP/1.1\r\nHost: h\r\nx-request-id: r-9\r\n"
             "content-type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
             method, target, strlen(body), body);
    char *answer = client_exchange(house, client, text);
    close(client);
    assert_non_null(answer);
    return answer;
}

/* The same answer, but for its Date. */
static void expect_same(const char *method, const char *target,
                        const char *body)
{
    char *answers[2];
    for (int elsewhere = 0; elsewhere < 2; elsewhere++) {
        struct house house;
        house_open(&house, NULL);
        house.fake.elsewhere = elsewhere != 0;
        answers[elsewhere] = ask(&house, method, target, body);
        char *date = strcasestr(answers[elsewhere], "\r\ndate:");
        assert_non_null(date);
        memset(date + 2, '.', strcspn(date + 2, "\r"));
        house_close(&house, 0);
    }
    assert_string_equal(answers[0], answers[1]);
    free(answers[0]);
    free(answers[1]);
}

static void test_answers_are_the_same(void **state)
{
    (void)state;
    static const char publish[] =
        "{\"topic\":\"t\",\"payload\":{\"a\": 1e400},\"attributes\":{}}";
    expect_same("POST", "/api/messages", publish);
    expect_same("POST", "/api/messages/", publish);
    expect_same("POST", "/api/messages", "{\"topic\":\"t\"}");
    expect_same("POST", "/api/messages", "not json");
    expect_same("POST", "/api/topics",
                "{\"name\":\"t\",\"origin_host\":\"h\"}");
    expect_same("GET", "/api/topics?limit=2", "");
    expect_same("GET", "/api/topics?limit=0", "");
    expect_same("GET", "/api/publishers/7", "");
    expect_same("DELETE", "/api/publishers/7", "");
    expect_same("GET", "/api/messages/x", "");
    expect_same("PATCH", "/api/messages", "");
    expect_same("GET", "/livez", "");
}

static void test_errors_of_the_leader_come_through(void **state)
{
    (void)state;
    struct house house;
    house_open(&house, NULL);
    house.fake.elsewhere = true;
    house.fake.code = ERR_UNKNOWN_OUTCOME;
    char *answer = ask(&house, "DELETE", "/api/publishers/7", "");
    assert_int_equal(answer_status(answer), 504);
    assert_non_null(strstr(answer, "unknown_outcome"));
    free(answer);
    house_close(&house, 0);
}

static const struct http_options waits = {.body_bytes_max = 1 << 20,
                                          .message_bytes_max = 1 << 16,
                                          .bulk_messages_max = 10,
                                          .connections_max = 64,
                                          .leader_wait_ms = 60};

static const char *const reads[] = {
    "/api/topics?consistency=local",
    "/api/publishers?limit=1&consistency=local",
    "/api/publishers/7?consistency=local",
    "/api/messages/7/?consistency=local",
};

/* Whoever leads, and whatever became of it: the node asks nobody, waits for
 * nobody, and says how old its answer is. */
static void test_a_local_read_stays_here(void **state)
{
    (void)state;
    static const int codes[] = {0, ERR_NOT_FOUND, ERR_UNAVAILABLE};
    static const int statuses[] = {200, 404, 503};
    for (unsigned i = 0; i < 3 * sizeof reads / sizeof reads[0]; i++) {
        struct http_options options = waits;
        struct house house;
        options.leader_wait_ms = 60000;
        house_open(&house, &options);
        house.fake.elsewhere = true;
        house.fake.code = codes[i % 3];
        char *answer = ask(&house, "GET", reads[i / 3], "");
        assert_int_equal(answer_status(answer), statuses[i % 3]);
        assert_int_equal(strncmp(house.fake.log, "local\n", 6), 0);
        const char *told =
            strcasestr(answer, "\r\npostoffice-applied-index: 1234\r\n");
        assert_true((told != NULL) == (codes[i % 3] != ERR_UNAVAILABLE));
        free(answer);
        house_close(&house, 0);
    }
}

/* Without the parameter no answer has an index: it would be the leader's. */
static void test_other_reads_tell_no_index(void **state)
{
    (void)state;
    struct house house;
    house_open(&house, NULL);
    char *answer = ask(&house, "GET", "/api/publishers/7", "");
    assert_int_equal(answer_status(answer), 200);
    assert_null(strcasestr(answer, "applied-index"));
    free(answer);
    house_close(&house, 0);
}

/* What only reads is asked again, and is never in doubt. */
static void test_a_lost_answer_to_a_read_is_no_unknown_outcome(void **state)
{
    (void)state;
    struct house house;
    house_open(&house, NULL);
    house.fake.elsewhere = true;
    house.fake.code = ERR_UNKNOWN_OUTCOME;
    char *answer = ask(&house, "GET", "/api/publishers/7", "");
    assert_int_equal(answer_status(answer), 503);
    assert_non_null(strcasestr(answer, "\r\nretry-after:"));
    free(answer);
    house_close(&house, 0);
}

/* A request that was sent on is never sent on again. */
static void test_one_hop(void **state)
{
    (void)state;
    struct house house;
    house_open(&house, NULL);
    house.fake.elsewhere = true;
    char *answer = ask(&house, "DELETE", "/api/publishers/7", "");
    assert_int_equal(answer_status(answer), 204);
    assert_int_equal(house.fake.forward_count, 0);
    free(answer);
    house_close(&house, 0);
}

static uint16_t served_status;

static void on_served(void *context, uint64_t id, struct slice answer)
{
    (void)context;
    assert_int_equal(id, 5);
    struct decoder in = decoder_of(answer);
    assert_int_equal(decoder_u8(&in), 2);
    served_status = decoder_u16(&in);
}

/* The head of a request that an anonymous client has made. */
static void begin_request(struct encoder *out, const char *target)
{
    encoder_u8(out, 2);
    encoder_u8(out, CALLER_ANONYMOUS);
    encoder_u32(out, 0);
    encoder_u8(out, ROLE_ADMIN);
    encoder_string(out, slice_text("anonymous"));
    encoder_string(out, slice_text(""));
    encoder_string(out, slice_text("DELETE"));
    encoder_string(out, slice_text(target));
    encoder_string(out, slice_text("r-1"));
}

/* Whatever a node sends: every cut of a good request, and rubbish. */
static void test_unreadable_requests_are_refused(void **state)
{
    (void)state;
    struct house house;
    struct encoder good = {0};
    begin_request(&good, "/api/publishers/7?x=1");
    encoder_u8(&good, 1);
    encoder_string(&good, slice_text("content-type"));
    encoder_string(&good, slice_text("application/json"));
    encoder_string(&good, slice_text("body"));
    house_open(&house, NULL);
    for (size_t length = 0; length < good.length; length++) {
        served_status = 0;
        http_server_serve(house.server, slice_of(good.data, length), on_served,
                          NULL, 5);
        assert_int_equal(served_status, 400);
    }
    unsigned seed = 4;
    for (int round = 0; round < 2000; round++) {
        uint8_t rubbish[64];
        for (size_t i = 0; i < sizeof rubbish; i++)
            rubbish[i] = (uint8_t)rand_r(&seed);
        served_status = 0;
        http_server_serve(house.server, slice_of(rubbish, sizeof rubbish),
                          on_served, NULL, 5);
        assert_int_equal(served_status, 400);
    }
    encoder_close(&good);
    house_close(&house, 0);
}

/* A server that closes answers those that wait for another node. */
static void test_close_answers_what_waits(void **state)
{
    (void)state;
    struct house house;
    struct encoder request = {0};
    begin_request(&request, "/api/publishers/7");
    encoder_u8(&request, 0);
    encoder_string(&request, slice_text(""));
    house_open(&house, NULL);
    house.fake.hold = true;
    served_status = 0;
    http_server_serve(house.server, encoder_slice(&request), on_served, NULL,
                      5);
    assert_int_equal(served_status, 0);
    house_close(&house, 0);
    assert_int_equal(served_status, 504);
    encoder_close(&request);
}

static int delete_seven(struct house *house)
{
    int client = client_connect(house);
    static const char text[] =
        "DELETE /api/publishers/7 HTTP/1.1\r\nHost: h\r\n\r\n";
    assert_true(client_send(house, client, text, sizeof text - 1));
    return client;
}

/* No leader for a moment: the request is tried again, until one answers. */
static void test_a_request_waits_for_a_leader(void **state)
{
    (void)state;
    for (int elsewhere = 0; elsewhere < 2; elsewhere++) {
        struct http_options options = waits;
        struct house house;
        options.leader_wait_ms = 60000;
        house_open(&house, &options);
        house.fake.elsewhere = elsewhere != 0;
        house.fake.code = ERR_UNAVAILABLE;
        int client = delete_seven(&house);
        for (int turn = 0; turn < 20; turn++)
            house_turn(&house, 5);
        house.fake.code = 0;
        char *answer = client_answer(&house, client, true);
        assert_non_null(answer);
        assert_int_equal(answer_status(answer), 204);
        free(answer);
        close(client);
        house_close(&house, 0);
    }
}

static void test_it_does_not_wait_for_ever(void **state)
{
    (void)state;
    struct house house;
    house_open(&house, &waits);
    house.fake.code = ERR_UNAVAILABLE;
    int client = delete_seven(&house);
    char *answer = client_answer(&house, client, false);
    assert_int_equal(answer_status(answer), 503);
    assert_non_null(strcasestr(answer, "\r\nretry-after:"));
    free(answer);
    close(client);
    house_close(&house, 0);
}

/* A server that closes while somebody waits for a leader answers it. */
static void test_close_while_one_waits(void **state)
{
    (void)state;
    struct http_options options = waits;
    struct house house;
    options.leader_wait_ms = 60000;
    house_open(&house, &options);
    house.fake.code = ERR_UNAVAILABLE;
    int client = delete_seven(&house);
    for (int turn = 0; turn < 10; turn++)
        house_turn(&house, 5);
    house_close(&house, 0);
    close(client);
}

int main(void)
{
    logger_setup(LOGGER_ERROR, LOGGER_TEXT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_are_the_same),
        cmocka_unit_test(test_errors_of_the_leader_come_through),
        cmocka_unit_test(test_a_lost_answer_to_a_read_is_no_unknown_outcome),
        cmocka_unit_test(test_a_local_read_stays_here),
        cmocka_unit_test(test_other_reads_tell_no_index),
        cmocka_unit_test(test_one_hop),
        cmocka_unit_test(test_unreadable_requests_are_refused),
        cmocka_unit_test(test_close_answers_what_waits),
        cmocka_unit_test(test_a_request_waits_for_a_leader),
        cmocka_unit_test(test_it_does_not_wait_for_ever),
        cmocka_unit_test(test_close_while_one_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
