#include "base/bounds.h"
#include "bodies.h"
#include "http/publisher_options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct backend_publisher_create publisher;
static struct backend_publisher_change change;

static int tear_down(void **state)
{
    (void)state;
    body_begin();
    return 0;
}

static void read_publisher(const char *body)
{
    body_begin();
    request_body_publisher(slice_text(body), &body_arena, &body_problem,
                           &publisher);
}

static void read_change(const char *body)
{
    body_begin();
    request_body_publisher_change(slice_text(body), &body_arena, &body_problem,
                                  &change);
}

#define PUBLISHER(more)                                                        \
    "{\"topic\":\"t\",\"target\":\"http://h/\",\"type\":\"http\","             \
    "\"active\":true" more "}"

static void test_publisher(void **state)
{
    (void)state;
    read_publisher(PUBLISHER(""));
    body_expect("0");
    assert_true(publisher.active);
    assert_false(publisher.from_now);
    assert_int_equal(publisher.options.timeout_seconds, 30);
    assert_int_equal(publisher.options.retry_seconds, 30);
    assert_int_equal(publisher.options.retry_seconds_max, 3600);
    assert_int_equal(publisher.options.max_in_flight, 16);
    assert_int_equal(publisher.options.max_attempts, 100);
    read_publisher(PUBLISHER(
        ",\"from_now\":\"true\",\"seconds_timeout\":1,\"seconds_retry\":2,"
        "\"retry_max_seconds\":3,\"chunk_size\":4,\"max_in_flight\":1024,"
        "\"max_attempts\":6,\"description\":\"d\",\"ordering\":\"none\","
        "\"guarantee\":\"at_least_once\",\"headers\":{},\"filter\":null"));
    body_expect("0");
    assert_true(publisher.from_now);
    assert_int_equal(publisher.options.timeout_seconds, 1);
    assert_int_equal(publisher.options.retry_seconds, 2);
    assert_int_equal(publisher.options.retry_seconds_max, 3);
    assert_int_equal(publisher.options.chunk_size, 4);
    assert_int_equal(publisher.options.max_in_flight, 1024);
    assert_int_equal(publisher.options.max_attempts, 6);
    assert_true(slice_is(publisher.options.description, "d"));
    read_publisher("{\"topic\":\"t\",\"target\":\"http://h/\",\"type\":"
                   "\"http\",\"active\":\"false\"}");
    body_expect("0");
    assert_false(publisher.active);
}

static void test_publisher_errors(void **state)
{
    (void)state;
    read_publisher("{}");
    body_expect("400 topic: can't be blank; target: can't be blank; "
                "type: can't be blank; active: can't be blank");
    read_publisher("{\"topic\":\"t\",\"target\":\"ftp://h\",\"type\":\"http\","
                   "\"active\":1}");
    body_expect("400 active: is invalid; target: is invalid");
    read_publisher("{\"topic\":\"t\",\"target\":\"http://h\",\"type\":\"tcp\","
                   "\"active\":false}");
    body_expect("400 type: is invalid");
    read_publisher(PUBLISHER(",\"max_in_flight\":1025,\"seconds_retry\":-1,"
                             "\"max_attempts\":1.5"));
    body_expect(
        "400 seconds_retry: is invalid: an integer from 1 to 2592000 is "
        "expected; max_in_flight: is invalid: an integer from 1 to 1024 is "
        "expected; max_attempts: is invalid: an integer from 1 to 1000000 "
        "is expected");
}

static void test_options(void **state)
{
    (void)state;
    const struct publisher_options *options = &publisher.options;
    read_publisher(PUBLISHER(
        ",\"ordering\":\"strict\",\"on_poison\":\"block\",\"guarantee\":"
        "\"at_most_once\",\"body_format\":\"envelope\","
        "\"rate_limit_per_second\":5,\"expire_after_seconds\":60,"
        "\"filter\":{\"attributes\":{\"kind\":[\"a\",\"b\"]}},"
        "\"headers\":{\"X-One\":\"1\",\"x-two\":\"t\\u0077o\"},"
        "\"secret\":\"whsec_x\",\"basic_auth\":\"u:p\""));
    body_expect("0");
    assert_int_equal(options->ordering, ORDERING_STRICT);
    assert_int_equal(options->on_poison, POISON_BLOCK);
    assert_int_equal(options->guarantee, AT_MOST_ONCE);
    assert_int_equal(options->body_format, BODY_ENVELOPE);
    assert_int_equal(options->rate_limit_per_second, 5);
    assert_int_equal(options->expire_after_seconds, 60);
    assert_true(
        slice_is(options->filter, "{\"attributes\":{\"kind\":[\"a\",\"b\"]}}"));
    assert_true(slice_is(options->secret, "whsec_x"));
    assert_true(slice_is(options->basic_auth, "u:p"));
    struct slice headers = options->headers;
    struct slice text;
    const char *const texts[] = {"X-One", "1", "x-two", "two"};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(text_list_next(&headers, &text), 0);
        assert_true(slice_is(text, texts[i]));
    }
    assert_int_equal(headers.length, 0);
}

static void test_option_errors(void **state)
{
    (void)state;
    static const struct {
        const char *more, *wanted;
    } cases[] = {
        {"\"ordering\":\"sideways\"", "400 ordering: is invalid"},
        {"\"guarantee\":7", "400 guarantee: is invalid"},
        {"\"body_format\":\"xml\"", "400 body_format: is invalid"},
        {"\"rate_limit_per_second\":0",
         "400 rate_limit_per_second: is invalid: an integer from 1 to 1000000 "
         "is expected"},
        {"\"headers\":[]", "400 headers: is invalid"},
        {"\"headers\":{\"a\":1}",
         "400 headers/a: is invalid: a text is expected"},
        {"\"headers\":{\"Ab\":\"1\",\"aB\":\"2\"}",
         "400 headers/aB: is given twice"},
        {"\"headers\":{\"\":\"1\"}",
         "400 headers: has a name that is not 1 to 128 bytes long"},
        {"\"basic_auth\":\"u:p\",\"bearer_token\":\"t\"",
         "400 bearer_token: cannot stand beside basic_auth"},
        {"\"bearer_token\":\"t\",\"headers\":{\"Authorization\":\"x\"}",
         "400 headers: holds an authorization beside basic_auth or "
         "bearer_token"},
        {"\"secret\":null,\"filter\":{},\"headers\":{},\"bearer_token\":\"\"",
         "0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char body[256];
        snprintf(body, sizeof body, PUBLISHER(",%s"), cases[i].more);
        read_publisher(body);
        body_expect(cases[i].wanted);
    }
    read_publisher(PUBLISHER(",\"filter\":{\"payload\":{\"no/slash\":1}}"));
    assert_int_equal(body_problem.status, 400);
    assert_true(slice_is(body_problem.errors[0].pointer, "/payload/no~1slash"));
    read_publisher("{\"topic\":\"t\",\"target\":\"projects/p/topics/t\","
                   "\"type\":\"pubsub\",\"active\":true}");
    assert_string_equal(body_problem.errors[0].field, "target");
}

/* Only what is given changes, and what is blank goes back to its default. */
static void test_change(void **state)
{
    (void)state;
    struct publisher_options options;
    publisher_options_init(&options);
    options.target = slice_text("http://old/");
    options.timeout_seconds = 7;
    options.max_attempts = 3;
    options.description = slice_text("old");
    options.filter = slice_text("{}");
    read_change("{\"seconds_timeout\":9,\"filter\":null,"
                "\"max_attempts\":null}");
    body_expect("0");
    publisher_options_merge(&options, &change.options, change.given);
    assert_int_equal(options.timeout_seconds, 9);
    assert_int_equal(options.max_attempts, 100);
    assert_int_equal(options.filter.length, 0);
    assert_true(slice_is(options.target, "http://old/"));
    assert_true(slice_is(options.description, "old"));
    assert_false(change.gives_active);
    read_change("{\"active\":\"false\"}");
    body_expect("0");
    assert_true(change.gives_active && !change.active);
    assert_int_equal(change.given, 0);
    read_change("");
    body_expect("0");
    assert_int_equal(change.given, 0);
}

static void test_change_errors(void **state)
{
    (void)state;
    read_change("{\"topic\":\"t\",\"type\":null,\"from_now\":true}");
    body_expect("400 topic: cannot be changed; type: cannot be changed; "
                "from_now: cannot be changed: a publisher has begun");
    read_change("{\"colour\":1,\"seconds_timeot\":2}");
    body_expect("400 colour: is not a field of this request; "
                "seconds_timeot: is not a field of this request");
    read_change("{\"target\":null,\"active\":null}");
    body_expect("400 active: can't be blank; target: can't be blank");
    read_change("[]");
    assert_string_equal(body_problem.code, "malformed_json");
}

static void test_small_bodies(void **state)
{
    (void)state;
    struct slice reason;
    uint32_t id;
    body_begin();
    request_body_pause(slice_text("{\"reason\":\"holiday\"}"), &body_arena,
                       &body_problem, &reason);
    body_expect("0");
    assert_true(slice_is(reason, "holiday"));
    body_begin();
    request_body_pause(slice_text(""), &body_arena, &body_problem, &reason);
    body_expect("0");
    assert_int_equal(reason.length, 0);
    body_begin();
    request_body_none(slice_text("{\"reason\":1}"), &body_arena, &body_problem);
    body_expect("400 reason: is not a field of this request");
    body_begin();
    request_body_decision(slice_text("{\"publisher\":7}"), &body_arena,
                          &body_problem, &id);
    body_expect("0");
    assert_int_equal(id, 7);
    body_begin();
    request_body_decision(slice_text("{\"publisher\":0}"), &body_arena,
                          &body_problem, &id);
    assert_int_equal(body_problem.status, 400);
}

static struct backend_replay replay;

static void read_replay(const char *body)
{
    body_begin();
    request_body_replay(slice_text(body), &body_arena, &body_problem, &replay);
}

static void test_replay(void **state)
{
    (void)state;
    read_replay("");
    body_expect("0");
    assert_true(replay.any_state && !replay.dry_run);
    assert_true(replay.from.id == 0 && !replay.from.timed);
    read_replay("{\"from\":42,\"to\":\"2026-01-02T03:04:05Z\",\"state\":"
                "\"dead\",\"dry_run\":true,"
                "\"filter\":{\"attributes\":{\"a\":\"b\"}}}");
    body_expect("0");
    assert_int_equal(replay.from.id, 42);
    assert_true(replay.to.timed);
    assert_int_equal(replay.to.ms, 1767323045000);
    assert_true(!replay.any_state && replay.state == DELIVERY_DEAD);
    assert_true(replay.dry_run && replay.filter.length > 0);
    read_replay("{\"state\":\"pending\",\"from\":\"yesterday\",\"to\":0}");
    body_expect("400 from: is invalid; to: is invalid: an integer from 1 to "
                "9007199254740991 is expected; state: is invalid");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_publisher),
        cmocka_unit_test(test_publisher_errors),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_option_errors),
        cmocka_unit_test(test_change),
        cmocka_unit_test(test_change_errors),
        cmocka_unit_test(test_small_bodies),
        cmocka_unit_test(test_replay),
    };
    return cmocka_run_group_tests(tests, NULL, tear_down);
}
