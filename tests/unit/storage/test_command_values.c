/* What is encoded into a command comes back, value by value; histories of
 * attempts keep what they promise. */
#include "command_samples.h"
#include "fixture.h"

#include "storage/attempt.h"

static void test_options_come_back(void **state)
{
    struct encoder out = {0};
    struct topic_options topic;
    struct command_publisher_create create;
    (void)state;
    encode_sample(&out, SAMPLE_TOPIC_CREATE);
    struct command command = first_command(&out);
    assert_int_equal(command.time_ms, 1);
    assert_int_equal(topic_options_decode(command.body, &topic), 0);
    assert_true(slice_is(topic.name, "t"));
    assert_true(slice_is(topic.origin_host, "h"));
    assert_true(topic.recovery_enabled);
    assert_int_equal(topic.retention_seconds, 60);
    assert_int_equal(topic.max_backlog_bytes, 61);
    out.length = 0;
    encode_sample(&out, SAMPLE_PUBLISHER_CREATE);
    command = first_command(&out);
    assert_int_equal(command_publisher_create_decode(command.body, &create), 0);
    assert_int_equal(create.topic_id, 3);
    assert_true(create.from_now);
    assert_false(create.paused);
    assert_true(slice_is(create.options.target, "http://t/"));
    assert_true(slice_is(create.options.description, "d"));
    assert_int_equal(create.options.type, PUBLISHER_HTTP);
    assert_int_equal(create.options.timeout_seconds, 30);
    assert_int_equal(create.options.retry_seconds, 30);
    assert_int_equal(create.options.retry_seconds_max, 3600);
    assert_int_equal(create.options.chunk_size, 100);
    assert_int_equal(create.options.max_in_flight, 16);
    assert_int_equal(create.options.max_attempts, 100);
    assert_int_equal(create.options.guarantee, AT_MOST_ONCE);
    assert_int_equal(create.options.expire_after_seconds, 7);
    assert_int_equal(create.options.rate_limit_per_second, 8);
    assert_int_equal(create.options.ordering, ORDERING_STRICT);
    assert_int_equal(create.options.on_poison, POISON_BLOCK);
    assert_int_equal(create.options.body_format, BODY_ENVELOPE);
    assert_true(slice_is(create.options.filter, "{}"));
    assert_true(slice_is(create.options.secret, "s"));
    assert_true(slice_is(create.options.previous_secret, "p"));
    assert_int_equal(create.options.previous_secret_until_ms, 9);
    assert_true(slice_is(create.options.basic_auth, "u:p"));
    assert_true(slice_is(create.options.bearer_token, "t"));
    struct slice text;
    assert_int_equal(text_list_next(&create.options.headers, &text), 0);
    assert_true(slice_is(text, "n"));
    assert_int_equal(text_list_next(&create.options.headers, &text), 0);
    assert_true(slice_is(text, "v"));
    assert_int_equal(text_list_next(&create.options.headers, &text), ERR_END);
    encoder_close(&out);
}

static void test_messages_come_back(void **state)
{
    struct encoder out = {0};
    struct message message = {.id = 99};
    struct slice name;
    struct slice value;
    uint32_t count;
    struct slice records;
    (void)state;
    encode_sample(&out, SAMPLE_MESSAGES);
    struct command command = first_command(&out);
    assert_int_equal(command_messages_decode(command.body, &count, &records),
                     0);
    assert_int_equal(count, 1);
    assert_int_equal(records.length, message_encoded_size(&sample_message));
    assert_int_equal(message_next(&records, &message), 0);
    assert_int_equal(message.id, 99);
    assert_int_equal(message.received_ms, 0);
    assert_int_equal(message.topic_id, 3);
    assert_int_equal(message.schedule_ms, 0x0102);
    assert_true(slice_is(message.key, "key"));
    assert_true(slice_is(message.traceparent, "tp"));
    assert_true(slice_is(message.origin, "o"));
    assert_true(slice_is(message.payload, "{}"));
    assert_int_equal(attribute_next(&message.attributes, &name, &value), 0);
    assert_true(slice_is(name, "a"));
    assert_true(slice_is(value, "bb"));
    assert_int_equal(attribute_next(&message.attributes, &name, &value),
                     ERR_END);
    assert_int_equal(message_next(&records, &message), ERR_END);
    encoder_close(&out);
}

/* The key stands apart from the body, which reads as without one. */
static void test_keys_come_back(void **state)
{
    struct encoder plain = {0};
    struct encoder out = {0};
    struct idempotency request;
    (void)state;
    encode_sample(&plain, SAMPLE_MESSAGES);
    encode_sample(&out, SAMPLE_MESSAGES_ONCE);
    assert_int_equal(out.length - plain.length,
                     idempotency_encoded_size(&sample_request));
    struct command command = first_command(&out);
    assert_int_equal(command.flags, COMMAND_KEYED);
    assert_true(slice_equal(command.body, first_command(&plain).body));
    assert_int_equal(idempotency_decode(command.idempotency, &request), 0);
    assert_int_equal(request.scope, 9);
    assert_int_equal(request.route, IDEMPOTENT_BULK);
    assert_true(slice_is(request.key, "once"));
    assert_memory_equal(request.request_hash, sample_request.request_hash,
                        REQUEST_HASH_SIZE);
    assert_int_equal(first_command(&plain).idempotency.length, 0);
    encoder_close(&plain);
    encoder_close(&out);
}

/* LMDB's keys have a limit: a key that is too long is found here. */
static void test_keys_have_a_length(void **state)
{
    static uint8_t bytes[IDEMPOTENCY_KEY_MAX + 1];
    struct idempotency request = sample_request;
    struct encoder out = {0};
    (void)state;
    request.key = slice_of(bytes, IDEMPOTENCY_KEY_MAX);
    idempotency_encode(&out, &request);
    struct slice field = slice_of(out.data + 2, out.length - 2);
    assert_int_equal(idempotency_decode(field, &request), 0);
    encoder_u8(&out, 0);
    field = slice_of(out.data + 2, out.length - 2);
    assert_int_equal(idempotency_decode(field, &request), ERR_CORRUPT);
    field.length = 4 + 1 + REQUEST_HASH_SIZE;
    assert_int_equal(idempotency_decode(field, &request), ERR_CORRUPT);
    encoder_close(&out);
}

static void test_request_hash_is_frozen(void **state)
{
    static const uint8_t wanted[REQUEST_HASH_SIZE] = {
        0x7a, 0xb9, 0x28, 0x6b, 0xf7, 0xba, 0x68, 0x5c,
        0x17, 0xef, 0x9d, 0xb9, 0x00, 0x3e, 0x27, 0xee};
    uint8_t got[REQUEST_HASH_SIZE];
    (void)state;
    idempotency_hash(slice_text("{\"topic\":\"t\"}"), got);
    assert_memory_equal(got, wanted, sizeof wanted);
}

static void test_deliveries_come_back(void **state)
{
    struct encoder out = {0};
    struct arena arena = {0};
    struct command_grant grant;
    struct command_outcomes outcomes;
    (void)state;
    encode_sample(&out, SAMPLE_GRANT);
    assert_int_equal(
        command_grant_decode(first_command(&out).body, &arena, &grant), 0);
    assert_int_equal(grant.publisher_id, 4);
    assert_int_equal(grant.from, 7);
    assert_int_equal(grant.upto, 10);
    assert_int_equal(grant.examined, 3);
    assert_int_equal(grant.open_count, 2);
    assert_int_equal(grant.open[1], 9);
    assert_int_equal(grant.open_keys[1], 9);
    assert_int_equal(grant.parked_count, 1);
    assert_int_equal(grant.parked[0], 7);
    assert_int_equal(grant.parked_keys[0], 7);
    out.length = 0;
    encode_sample(&out, SAMPLE_OUTCOMES);
    assert_int_equal(
        command_outcomes_decode(first_command(&out).body, &arena, &outcomes),
        0);
    assert_int_equal(outcomes.count, 1);
    const struct outcome *got = &outcomes.outcomes[0];
    assert_int_equal(got->position, 7);
    assert_int_equal(got->state, DELIVERY_RETRYING);
    assert_int_equal(got->next_attempt_ms, 500);
    assert_int_equal(got->attempt.number, 2);
    assert_int_equal(got->attempt.class, ATTEMPT_HTTP_5XX);
    assert_int_equal(got->attempt.status, 503);
    assert_int_equal(got->attempt.started_ms, 100);
    assert_int_equal(got->attempt.duration_ms, 5);
    assert_true(got->attempt.maybe_duplicate);
    assert_true(got->uncounted);
    assert_true(got->held);
    assert_true(slice_is(got->attempt.response, "no"));
    encoder_close(&out);
    arena_close(&arena);
}

/* ---- Attempts ---- */

static void test_history_keeps_first_and_last_nine(void **state)
{
    struct history history = {0};
    static uint8_t long_answer[6000];
    (void)state;
    for (uint32_t number = 1; number <= 25; number++) {
        struct attempt attempt = {
            .number = number,
            .class = number == 25 ? ATTEMPT_OK : ATTEMPT_TIMEOUT,
            .response = slice_of(long_answer, sizeof long_answer)};
        history_add(&history, &attempt);
    }
    assert_int_equal(history.count, 10);
    assert_int_equal(history.attempts[0].number, 1);
    for (uint32_t i = 1; i < 10; i++)
        assert_int_equal(history.attempts[i].number, 16 + i);
    assert_int_equal(history.attempts[0].response.length, 256);
    assert_int_equal(history.attempts[7].response.length, 256);
    assert_int_equal(history.attempts[8].response.length, 4096);
    assert_int_equal(history.attempts[9].response.length, 0);
}

static void test_every_value_has_its_word(void **state)
{
    (void)state;
    assert_string_equal(attempt_class_text(ATTEMPT_HTTP_1XX), "http_1xx");
    assert_string_equal(attempt_class_text(ATTEMPT_OK), "ok");
    assert_string_equal(delivery_state_text(DELIVERY_SCHEDULED), "scheduled");
    assert_string_equal(delivery_state_text(DELIVERY_FILTERED), "filtered");
    assert_true(attempt_class_known(ATTEMPT_HTTP_1XX));
    assert_false(attempt_class_known(200));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_come_back),
        cmocka_unit_test(test_messages_come_back),
        cmocka_unit_test(test_keys_come_back),
        cmocka_unit_test(test_keys_have_a_length),
        cmocka_unit_test(test_request_hash_is_frozen),
        cmocka_unit_test(test_deliveries_come_back),
        cmocka_unit_test(test_history_keeps_first_and_last_nine),
        cmocka_unit_test(test_every_value_has_its_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
