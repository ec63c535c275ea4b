/* What a request is made of, which headers may be set, and Retry-After. */
#include "src/delivery/header_rule.h"
#include "src/delivery/outgoing.h"
#include "src/delivery/retry_after.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct desk {
    struct outgoing outgoing;
    struct publisher_options options;
    struct message message;
    struct delivery_send send;
    struct encoder attributes;
    struct encoder headers;
    struct outgoing_context context;
};

static void desk_open(struct desk *desk, const char *payload)
{
    *desk = (struct desk){0};
    attribute_encode(&desk->attributes, slice_text("kind"), slice_text("a\"b"));
    attribute_encode(&desk->attributes, slice_text("X-Y"), slice_text("1"));
    desk->message =
        (struct message){.id = 42,
                         .received_ms = 1717236000123,
                         .key = slice_text("k"),
                         .attributes = encoder_slice(&desk->attributes),
                         .payload = slice_text(payload)};
    desk->send = (struct delivery_send){
        .options = &desk->options, .topic = slice_text("orders"), .attempt = 3};
    desk->context = (struct outgoing_context){
        .public_id = "msg_1", .now_ms = 1000500, .signer = signer_new()};
}

static void desk_close(struct desk *desk)
{
    signer_free(desk->context.signer);
    outgoing_close(&desk->outgoing);
    encoder_close(&desk->attributes);
    encoder_close(&desk->headers);
    letter_unref(desk->send.letter);
}

static void make(struct desk *desk)
{
    letter_unref(desk->send.letter);
    desk->send.letter = letter_new(42, &desk->message);
    outgoing_make(&desk->outgoing, &desk->send, &desk->context);
}

static void expect_body(enum body_format format, const char *payload,
                        const char *body)
{
    struct desk desk;
    desk_open(&desk, payload);
    desk.options.body_format = format;
    make(&desk);
    struct slice got = desk.outgoing.body;
    if (!slice_is(got, body))
        fail_msg("%.*s, expected %s", (int)got.length, (const char *)got.data,
                 body);
    desk_close(&desk);
}

static void test_bodies(void **state)
{
    (void)state;
    expect_body(BODY_PAYLOAD, " {\"a\" : 1} ", " {\"a\" : 1} ");
    expect_body(BODY_PAYLOAD_WITH_ATTRIBUTES, " {\"a\" : [1, 2] }",
                "{\"a\":[1, 2],\"attributes\":{\"kind\":\"a\\\"b\",\"X-Y\":"
                "\"1\"}}");
    expect_body(BODY_PAYLOAD_WITH_ATTRIBUTES,
                "{\"\\u0061ttributes\":null,\"b\":1e400}",
                "{\"b\":1e400,\"attributes\":{\"kind\":\"a\\\"b\",\"X-Y\":"
                "\"1\"}}");
    expect_body(BODY_PAYLOAD_WITH_ATTRIBUTES, "{}",
                "{\"attributes\":{\"kind\":\"a\\\"b\",\"X-Y\":\"1\"}}");
    expect_body(BODY_PAYLOAD_WITH_ATTRIBUTES, "[1]", "[1]");
    expect_body(BODY_ENVELOPE, "1.50",
                "{\"id\":42,\"public_id\":\"msg_1\",\"topic\":\"orders\","
                "\"key\":\"k\",\"received_at\":\"2024-06-01T10:00:00.123Z\","
                "\"attributes\":{\"kind\":\"a\\\"b\",\"X-Y\":\"1\"},"
                "\"payload\":1.50}");
    expect_body(BODY_CLOUDEVENTS, "null",
                "{\"specversion\":\"1.0\",\"id\":\"msg_1\",\"source\":"
                "\"/topics/orders\",\"type\":\"postoffice.message\",\"time\":"
                "\"2024-06-01T10:00:00.123Z\",\"subject\":\"k\",\"kind\":"
                "\"a\\\"b\",\"datacontenttype\":\"application/json\",\"data\":"
                "null}");
}

/* How many header lines begin with this. */
static uint32_t lines_with(const struct desk *desk, const char *prefix)
{
    const char *line = (const char *)desk->outgoing.headers.data;
    uint32_t found = 0;
    for (uint32_t i = 0; i < desk->outgoing.header_count; i++) {
        found += strncmp(line, prefix, strlen(prefix)) == 0;
        line += strlen(line) + 1;
    }
    assert_ptr_equal(line, (const char *)desk->outgoing.headers.data +
                               desk->outgoing.headers.length);
    return found;
}

static void test_headers(void **state)
{
    (void)state;
    struct desk desk;
    desk_open(&desk, "{}");
    make(&desk);
    assert_int_equal(lines_with(&desk, "content-type: application/json"), 1);
    assert_int_equal(lines_with(&desk, "user-agent: Postoffice/"), 1);
    assert_int_equal(lines_with(&desk, "message-id: 42"), 1);
    assert_int_equal(lines_with(&desk, "webhook-id: msg_1"), 1);
    assert_int_equal(lines_with(&desk, "webhook-timestamp: 1000"), 1);
    assert_int_equal(lines_with(&desk, "postoffice-topic: orders"), 1);
    assert_int_equal(lines_with(&desk, "postoffice-attempt: 3"), 1);
    assert_int_equal(desk.outgoing.header_count, 7);
    desk.send.doubt = true;
    desk.send.replay_id = 9;
    desk.message.traceparent = slice_text("00-0af7-b7ad-01");
    desk.options.body_format = BODY_CLOUDEVENTS;
    make(&desk);
    assert_int_equal(
        lines_with(&desk, "content-type: application/cloudevents+json"), 1);
    assert_int_equal(lines_with(&desk, "postoffice-maybe-duplicate: true"), 1);
    assert_int_equal(lines_with(&desk, "postoffice-replay: 9"), 1);
    assert_int_equal(lines_with(&desk, "traceparent: 00-0af7-b7ad-01"), 1);
    desk.message.traceparent = slice_text("00\r\nx: y");
    make(&desk);
    assert_int_equal(lines_with(&desk, "traceparent"), 0);
    desk_close(&desk);
}

static void test_credentials_and_own_headers(void **state)
{
    (void)state;
    struct desk desk;
    desk_open(&desk, "{}");
    text_list_add(&desk.headers, slice_text("Authorization"));
    text_list_add(&desk.headers, slice_text("mine"));
    text_list_add(&desk.headers, slice_text("x-empty"));
    text_list_add(&desk.headers, slice_text(""));
    desk.options.headers = encoder_slice(&desk.headers);
    make(&desk);
    assert_int_equal(lines_with(&desk, "Authorization: mine"), 1);
    assert_int_equal(lines_with(&desk, "x-empty;"), 1);
    desk.options.basic_auth = slice_text("user:pass");
    make(&desk);
    assert_int_equal(lines_with(&desk, "authorization: Basic dXNlcjpwYXNz"), 1);
    assert_int_equal(lines_with(&desk, "Authorization"), 0);
    desk.options.bearer_token = slice_text("token");
    make(&desk);
    assert_int_equal(lines_with(&desk, "authorization: Bearer token"), 1);
    assert_int_equal(lines_with(&desk, "authorization"), 1);
    desk_close(&desk);
}

/* The old secret signs until its time is over, and what is signed is the body
 * that goes out. */
static void test_signatures(void **state)
{
    (void)state;
    struct desk desk;
    char expected[SIGNATURE_SIZE + 32] = "webhook-signature: ";
    struct signature_key keys[SIGNATURE_KEYS] = {0};
    desk_open(&desk, "{\"a\":1}");
    desk.options.secret = slice_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    desk.options.previous_secret =
        slice_text("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGA==");
    desk.options.previous_secret_until_ms = desk.context.now_ms + 1;
    desk.options.body_format = BODY_ENVELOPE;
    make(&desk);
    signature_key_read(desk.options.secret, &keys[0]);
    signature_key_read(desk.options.previous_secret, &keys[1]);
    size_t length = signer_sign(desk.context.signer, keys, "msg_1", 1000,
                                desk.outgoing.body, expected + 19);
    expected[19 + length] = '\0';
    assert_int_equal(lines_with(&desk, expected), 1);
    assert_non_null(strstr(expected, " v1,"));
    desk.context.now_ms += 1;
    make(&desk);
    expected[19 + 47] = '\0'; /* The first one alone. */
    assert_int_equal(lines_with(&desk, expected), 1);
    expected[19 + 47] = ' ';
    assert_int_equal(lines_with(&desk, expected), 0);
    desk_close(&desk);
}

static void test_which_headers_may_be_set(void **state)
{
    static const char *const good[][2] = {{"x-api-key", "abc"},
                                          {"Authorization", "Token 1"},
                                          {"accept", "text/html, */*"},
                                          {"x-empty", ""},
                                          {"x-name", "\xc3\xa9va"}};
    static const char *const bad[][2] = {{"", "x"},
                                         {"x y", "z"},
                                         {"x:", "z"},
                                         {"x\r\n", "z"},
                                         {"x-a", "b\r\nhost: c"},
                                         {"x-a", "b\nc"},
                                         {"x-a", "b\x01"},
                                         {"x-a", " b"},
                                         {"x-a", "b "},
                                         {"Host", "z"},
                                         {"CONTENT-LENGTH", "5"},
                                         {"content-type", "text/plain"},
                                         {"Transfer-Encoding", "chunked"},
                                         {"connection", "close"},
                                         {"upgrade", "h2c"},
                                         {"te", "trailers"},
                                         {"Webhook-Id", "1"},
                                         {"webhook-signature", "v1,x"},
                                         {"postoffice-anything", "1"},
                                         {"Postoffice-Attempt", "1"},
                                         {"expect", "100-continue"}};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_null(
            header_check(slice_text(good[i][0]), slice_text(good[i][1])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (header_check(slice_text(bad[i][0]), slice_text(bad[i][1])) == NULL)
            fail_msg("allowed: %s", bad[i][0]);
    assert_non_null(header_check(slice_text("x"), slice_of("a\0b", 3)));
    assert_null(header_check_basic(slice_text("a:b:c")));
    assert_non_null(header_check_basic(slice_text("ab")));
    assert_non_null(header_check_basic(slice_text("a:b\n")));
    assert_null(header_check_bearer(slice_text("abc.def-")));
    assert_non_null(header_check_bearer(slice_text("a b")));
    assert_non_null(header_check_bearer(slice_text("")));
}

static void test_retry_after(void **state)
{
    const uint64_t now_ms = 784111770500; /* 7.5 s before the example. */
    static const char *const dates[] = {
        "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994", "  Sun, 06 Nov 1994 08:49:37 GMT\r\n"};
    static const char *const none[] = {
        "",
        "0",
        "-1",
        "soon",
        "1.5",
        "12a",
        "1e3",
        "Sun, 06 Nov 1993 08:49:37 GMT",
        "06 Nov 1994",
        "Sun, 06 Nov 1994 08:49:37 GMT and more"};
    (void)state;
    for (size_t i = 0; i < sizeof dates / sizeof *dates; i++)
        assert_int_equal(retry_after_ms(slice_text(dates[i]), now_ms),
                         784111777000);
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(retry_after_ms(slice_text(none[i]), now_ms), 0);
    assert_int_equal(retry_after_ms(slice_text(" 120\r\n"), now_ms),
                     now_ms + 120000);
    assert_true(retry_after_ms(slice_text("99999999999999999999"), now_ms) >
                now_ms + 3600000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_credentials_and_own_headers),
        cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_which_headers_may_be_set),
        cmocka_unit_test(test_retry_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
