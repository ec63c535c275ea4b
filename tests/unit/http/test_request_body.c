#include "base/bounds.h"
#include "bodies.h"
#include "storage/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct body_limits limits = {.message_bytes_max = 1000,
                                          .bulk_messages_max = 3};

static struct encoder attributes;
static struct topic_options topic;
static struct message message;
static struct backend_publish publish;

static int tear_down(void **state)
{
    (void)state;
    encoder_close(&attributes);
    body_begin();
    return 0;
}

static void read_topic(const char *body)
{
    body_begin();
    request_body_topic(slice_text(body), &body_arena, &body_problem, &topic);
}

static void read_message(const char *body)
{
    body_begin();
    attributes.length = 0;
    request_body_message(slice_text(body), BODY_NOW_OR_LATER, &limits,
                         &body_arena, &attributes, &body_problem, &message,
                         &publish);
}

static void read_bulk(const char *body)
{
    body_begin();
    attributes.length = 0;
    request_body_bulk(slice_text(body), &limits, &body_arena, &attributes,
                      &body_problem, &publish);
}

static void test_topic(void **state)
{
    (void)state;
    read_topic("{\"name\":\"a.b_c~d-1\",\"origin_host\":\"x.org\","
               "\"recovery_enabled\":true,\"unknown\":[1e999]}");
    body_expect("0");
    assert_true(slice_is(topic.name, "a.b_c~d-1"));
    assert_true(slice_is(topic.origin_host, "x.org"));
    assert_true(topic.recovery_enabled);
    read_topic("{\"name\":\"\",\"origin_host\":null}");
    body_expect("400 name: can't be blank; origin_host: can't be blank");
    read_topic("{\"name\":\"a b\",\"origin_host\":\"a\\nb\","
               "\"recovery_enabled\":\"maybe\"}");
    body_expect("400 name: is invalid; origin_host: is invalid; "
                "recovery_enabled: is invalid");
    read_topic("{\"name\":7,\"origin_host\":[]}");
    body_expect("400 name: is invalid; origin_host: is invalid");
    read_topic("{\"name\":\"a\",\"name\":\"b\",\"origin_host\":\"h\"}");
    body_expect("400 name: is given twice");
    read_topic("{\"n\\u0061me\":\"\\u0061\",\"origin_host\":\"h\"}");
    body_expect("0");
    assert_true(slice_is(topic.name, "a"));
    read_topic("{\"name\":\"a\",\"origin_host\":\"h\",\"indexed_fields\":"
               "[\"/a\"],\"retention_seconds\":null}");
    body_expect("0");
    assert_true(topic.indexed_fields.length > 0);
    read_topic("{\"name\":\"a\",\"origin_host\":\"h\",\"retention_seconds\":60,"
               "\"max_backlog_bytes\":1000}");
    body_expect("0");
    assert_int_equal(topic.retention_seconds, 60);
    assert_int_equal(topic.max_backlog_bytes, 1000);
    read_topic("{\"name\":\"a\",\"origin_host\":\"h\",\"indexed_fields\":"
               "[\"/a\",\"/a\"],\"retention_seconds\":0}");
    body_expect("400 retention_seconds: is invalid: an integer from 1 to "
                "3153600000 is expected; indexed_fields: holds a JSON pointer "
                "twice");
    static const char *const pointers[] = {"\"\"", "\"a\"", "\"/~2\"", "\"/~\"",
                                           "7"};
    for (size_t i = 0; i < sizeof pointers / sizeof *pointers; i++) {
        char body[128];
        snprintf(body, sizeof body,
                 "{\"name\":\"a\",\"origin_host\":\"h\","
                 "\"indexed_fields\":[%s]}",
                 pointers[i]);
        read_topic(body);
        assert_int_equal(body_problem.status, 400);
        assert_string_equal(body_problem.errors[0].field, "indexed_fields");
    }
}

static void test_topic_change(void **state)
{
    struct backend_topic_change change;
    (void)state;
    body_begin();
    request_body_topic_change(
        slice_text("{\"retention_seconds\":null,\"recovery_enabled\":true}"),
        &body_arena, &body_problem, &change);
    body_expect("0");
    assert_int_equal(change.given,
                     TOPIC_GIVES_RETENTION | TOPIC_GIVES_RECOVERY);
    assert_int_equal(change.options.retention_seconds, 0);
    assert_true(change.options.recovery_enabled);
    body_begin();
    request_body_topic_change(
        slice_text("{\"name\":\"a\",\"colour\":1,\"origin_host\":\"\"}"),
        &body_arena, &body_problem, &change);
    body_expect("400 colour: is not a field of this request; name: cannot be "
                "changed; origin_host: can't be blank");
}

static void test_topic_name_length(void **state)
{
    (void)state;
    char body[400];
    for (int length = 255; length <= 256; length++) {
        snprintf(body, sizeof body, "{\"name\":\"%0*d\",\"origin_host\":\"h\"}",
                 length, 0);
        read_topic(body);
        assert_int_equal(body_problem.status, length == 255 ? 0 : 400);
    }
}

static void test_malformed(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "", " ", "[]", "null", "{", "{}x", "{\"name\":\"\xff\"}", "{'a':1}"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        read_topic(bodies[i]);
        assert_int_equal(body_problem.status, 400);
        assert_string_equal(body_problem.code, "malformed_json");
        assert_non_null(strstr(body_problem.detail, "byte"));
        read_bulk(bodies[i]);
        assert_string_equal(body_problem.code, "malformed_json");
    }
}

static void test_message(void **state)
{
    (void)state;
    read_message(" {\"topic\":\"t\", \"payload\" : {\"n\":1e400, \"n\":[ ]} ,"
                 "\"attributes\":{\"a\":\"1\",\"\\u00e9\":\"x\\ty\"},"
                 "\"key\":\"k\"}");
    body_expect("0");
    assert_int_equal(publish.count, 1);
    assert_true(slice_is(publish.topic, "t"));
    assert_true(slice_is(message.payload, "{\"n\":1e400, \"n\":[ ]}"));
    assert_true(slice_is(message.key, "k"));
    struct slice left = message.attributes, name, value;
    assert_int_equal(attribute_next(&left, &name, &value), 0);
    assert_true(slice_is(name, "a") && slice_is(value, "1"));
    assert_int_equal(attribute_next(&left, &name, &value), 0);
    assert_true(slice_is(name, "\xc3\xa9") && slice_is(value, "x\ty"));
    assert_int_equal(attribute_next(&left, &name, &value), ERR_END);
    read_message("{\"topic\":\"t\",\"payload\":null,\"attributes\":{}}");
    body_expect("0");
    assert_true(slice_is(message.payload, "null"));
}

static void test_message_errors(void **state)
{
    (void)state;
    read_message("{}");
    body_expect("400 topic: can't be blank; payload: can't be blank; "
                "attributes: can't be blank");
    read_message("{\"topic\":\"no topic\",\"payload\":1,\"attributes\":[]}");
    body_expect("400 topic: is invalid; attributes: is invalid");
    read_message(
        "{\"topic\":\"t\",\"payload\":1,\"attributes\":"
        "{\"a\":1,\"b\":null,\"c\":\"\\ud800\",\"d\":\"\",\"d\":\"\"}}");
    body_expect("400 attributes/a: is invalid; attributes/b: is invalid; "
                "attributes/c: is invalid; attributes/d: is given twice");
    read_message("{\"topic\":\"t\",\"payload\":1,\"payload\":2,"
                 "\"attributes\":{}}");
    body_expect("400 payload: is given twice");
    read_message("{\"topic\":\"t\",\"payload\":1,\"attributes\":{},"
                 "\"schedule_at\":\"2030-01-01T00:00:00Z\"}");
    body_expect("0");
    assert_int_equal(message.schedule_ms, 1893456000000);
    read_message("{\"topic\":\"t\",\"payload\":1,\"attributes\":{},"
                 "\"schedule_at\":\"soon\"}");
    body_expect("400 schedule_at: is invalid");
    read_message("{\"topic\":\"t\",\"payload\":1,\"attributes\":{},"
                 "\"schedule_at\":null}");
    body_expect("0");
    assert_int_equal(message.schedule_ms, 0);
}

static void test_message_size(void **state)
{
    (void)state;
    char body[2200];
    for (int over = 0; over <= 1; over++) {
        /* Payload, attribute and key together: 1000 bytes. */
        snprintf(body, sizeof body,
                 "{\"topic\":\"t\",\"payload\":\"%0*d\",\"attributes\":"
                 "{\"ab\":\"cd\"},\"key\":\"efg\"}",
                 991 + over, 0);
        read_message(body);
        assert_int_equal(body_problem.status, over ? 413 : 0);
    }
}

static void test_attribute_bounds(void **state)
{
    (void)state;
    char body[8192];
    for (int over = 0; over <= 1; over++) {
        int length =
            snprintf(body, sizeof body,
                     "{\"topic\":\"t\",\"payload\":1,\"attributes\":{");
        for (int i = 0; i < BOUND_ATTRIBUTES + over; i++)
            length += snprintf(body + length, sizeof body - (size_t)length,
                               "%s\"a%d\":\"\"", i == 0 ? "" : ",", i);
        snprintf(body + length, sizeof body - (size_t)length, "}}");
        read_message(body);
        assert_int_equal(body_problem.status, over ? 400 : 0);
        snprintf(body, sizeof body,
                 "{\"topic\":\"t\",\"payload\":1,\"attributes\":"
                 "{\"%0*d\":\"x\"}}",
                 256 + over, 0);
        read_message(body);
        assert_int_equal(body_problem.status, over ? 400 : 0);
    }
}

static void test_bulk(void **state)
{
    (void)state;
    read_bulk("{\"topic\":\"t\",\"payload\":[ 1 ,{\"a\": 2},\"x\"],"
              "\"attributes\":{\"a\":\"b\"}}");
    body_expect("0");
    assert_int_equal(publish.count, 3);
    assert_true(slice_is(publish.messages[0].payload, "1"));
    assert_true(slice_is(publish.messages[1].payload, "{\"a\": 2}"));
    assert_true(slice_is(publish.messages[2].payload, "\"x\""));
    assert_true(slice_equal(publish.messages[0].attributes,
                            publish.messages[2].attributes));
    read_bulk("{\"topic\":\"t\",\"payload\":[],\"attributes\":{}}");
    body_expect("0");
    assert_int_equal(publish.count, 0);
    read_bulk("{\"topic\":\"t\",\"payload\":[1,2,3,4],\"attributes\":{}}");
    body_expect("406");
    read_bulk("{\"topic\":\"t\",\"payload\":{},\"attributes\":{}}");
    body_expect("400 payload: is invalid");
    char body[1200];
    snprintf(body, sizeof body,
             "{\"topic\":\"t\",\"payload\":[1,\"%01000d\"],\"attributes\":{}}",
             0);
    read_bulk(body);
    body_expect("413");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topic),
        cmocka_unit_test(test_topic_change),
        cmocka_unit_test(test_topic_name_length),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_message),
        cmocka_unit_test(test_message_errors),
        cmocka_unit_test(test_message_size),
        cmocka_unit_test(test_attribute_bounds),
        cmocka_unit_test(test_bulk),
    };
    return cmocka_run_group_tests(tests, NULL, tear_down);
}
