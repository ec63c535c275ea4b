/* The formats in the log: round trips, frozen bytes, and everything malformed
 * an error. */
#include "fixture.h"

#include "storage/attempt.h"
#include "storage/idempotency.h"

#include <stdio.h>
#include <stdlib.h>

/* Decodes the body by its type, as apply does. */
static int decode(const struct command *command, struct arena *arena)
{
    struct command_init init;
    struct topic_options topic;
    struct command_publisher_create create;
    struct command_pause pause;
    struct command_grant grant;
    struct command_outcomes outcomes;
    struct command_positions positions;
    struct slice records;
    struct message message;
    uint32_t a;
    uint32_t b;
    struct idempotency request;
    struct command_topic_update topic_update;
    struct command_topic_delete topic_delete;
    struct command_publisher_update update;
    struct command_circuit circuit;
    struct command_release release;
    struct command_expire expire;
    struct command_unpark unpark;
    struct command_decision decision;
    struct command_decision_step decision_step;
    struct command_replay_start replay_start;
    struct command_replay_step replay_step;
    struct command_transfer transfer;
    struct token token;
    int rc = 0;
    switch ((enum command_type)command->type) {
    case COMMAND_INIT:
        return command_init_decode(command->body, &init);
    case COMMAND_TOPIC_CREATE:
        return topic_options_decode(command->body, &topic);
    case COMMAND_PUBLISHER_CREATE:
        return command_publisher_create_decode(command->body, &create);
    case COMMAND_PUBLISHER_DELETE:
        return command_publisher_delete_decode(command->body, &a);
    case COMMAND_PUBLISHER_PAUSE:
        return command_pause_decode(command->body, &pause);
    case COMMAND_MESSAGES:
        if ((command->flags & COMMAND_KEYED) != 0)
            rc = idempotency_decode(command->idempotency, &request);
        if (rc == 0)
            rc = command_messages_decode(command->body, &a, &records);
        for (uint32_t i = 0; rc == 0 && i < a; i++)
            rc = message_next(&records, &message);
        if (rc == ERR_END || (rc == 0 && records.length > 0))
            rc = ERR_CORRUPT;
        return rc;
    case COMMAND_GRANT:
        return command_grant_decode(command->body, arena, &grant);
    case COMMAND_OUTCOMES:
        return command_outcomes_decode(command->body, arena, &outcomes);
    case COMMAND_INTENT:
    case COMMAND_WITHDRAW:
        return command_positions_decode(command->body, arena, &positions);
    case COMMAND_TAKEOVER:
        return command_takeover_decode(command->body, &a);
    case COMMAND_PURGE:
    case COMMAND_TOPIC_PURGE:
        return command_purge_decode(command->body, &a, &b);
    case COMMAND_TOPIC_UPDATE:
        return command_topic_update_decode(command->body, &topic_update);
    case COMMAND_TOPIC_DELETE:
        return command_topic_delete_decode(command->body, &topic_delete);
    case COMMAND_PUBLISHER_UPDATE:
        return command_publisher_update_decode(command->body, &update);
    case COMMAND_CIRCUIT:
        return command_circuit_decode(command->body, &circuit);
    case COMMAND_RELEASE:
        return command_release_decode(command->body, &release);
    case COMMAND_EXPIRE:
        return command_expire_decode(command->body, &expire);
    case COMMAND_UNPARK:
        return command_unpark_decode(command->body, arena, &unpark);
    case COMMAND_RETRY:
    case COMMAND_DISCARD:
        return command_decision_decode(command->body, &decision);
    case COMMAND_RETRY_STEP:
    case COMMAND_DISCARD_STEP:
        return command_decision_step_decode(command->body, &decision_step);
    case COMMAND_REPLAY_START:
        return command_replay_start_decode(command->body, &replay_start);
    case COMMAND_REPLAY_STEP:
        return command_replay_step_decode(command->body, arena, &replay_step);
    case COMMAND_REPLAY_CANCEL:
        return command_replay_cancel_decode(command->body, &a);
    case COMMAND_TOKEN_CREATE:
        return command_token_create_decode(command->body, &token);
    case COMMAND_TOKEN_REVOKE:
        return command_token_revoke_decode(command->body, &a);
    case COMMAND_TRANSFER:
        return command_transfer_decode(command->body, &transfer);
    }
    return ERR_VERSION;
}

static const uint64_t two_positions[] = {7, 9};

static const struct message sample_message = {
    .topic_id = 3,
    .schedule_ms = 0x0102,
    .key = {(const uint8_t *)"key", 3},
    .traceparent = {(const uint8_t *)"tp", 2},
    .origin = {(const uint8_t *)"o", 1},
    .attributes = {(const uint8_t *)"\1\0\2\0abb", 7},
    .payload = {(const uint8_t *)"{}", 2},
};

static const struct idempotency sample_request = {
    .scope = 9,
    .route = IDEMPOTENT_BULK,
    .key = {(const uint8_t *)"once", 4},
    .request_hash = "0123456789abcde",
};

static struct publisher_options sample_publisher(void)
{
    struct publisher_options options = fixture_publisher("http://t/");
    options.guarantee = AT_MOST_ONCE;
    options.description = slice_text("d");
    options.expire_after_seconds = 7;
    options.rate_limit_per_second = 8;
    options.ordering = ORDERING_STRICT;
    options.on_poison = POISON_BLOCK;
    options.body_format = BODY_ENVELOPE;
    options.filter = slice_text("{}");
    options.headers = slice_of("\1\0n\1\0v", 6);
    options.secret = slice_text("s");
    options.previous_secret = slice_text("p");
    options.previous_secret_until_ms = 9;
    options.basic_auth = slice_text("u:p");
    options.bearer_token = slice_text("t");
    return options;
}

static struct outcome sample_outcome(void)
{
    return (struct outcome){
        .position = 7,
        .state = DELIVERY_RETRYING,
        .next_attempt_ms = 500,
        .uncounted = true,
        .held = true,
        .attempt = {.number = 2,
                    .class = ATTEMPT_HTTP_5XX,
                    .status = 503,
                    .started_ms = 100,
                    .duration_ms = 5,
                    .maybe_duplicate = true,
                    .response = slice_text("no")},
    };
}

static struct topic_options sample_topic(void)
{
    return (struct topic_options){.name = slice_text("t"),
                                  .origin_host = slice_text("h"),
                                  .recovery_enabled = true,
                                  .retention_seconds = 60,
                                  .max_backlog_bytes = 61,
                                  .indexed_fields = slice_of("\2\0/a", 4)};
}

static void encode_grant_sample(struct encoder *out)
{
    struct command_grant grant = {.publisher_id = 4,
                                  .from = 7,
                                  .upto = 10,
                                  .examined = 3,
                                  .open_count = 2,
                                  .open = two_positions,
                                  .open_keys = two_positions,
                                  .parked_count = 1,
                                  .parked = two_positions,
                                  .parked_keys = two_positions};
    command_grant_encode(out, 1, &grant);
}

/* What came with tokens; the last is a command that is signed. */
static void encode_access_sample(struct encoder *out, int sample)
{
    static const struct author author = {
        .who = {(const uint8_t *)"app", 3},
        .request_id = {(const uint8_t *)"r-1", 3}};
    struct command_transfer transfer = {.from = 1, .to = 2};
    size_t begun = out->length;
    struct token token = {.name = slice_text("app"),
                          .role = ROLE_PUBLISH,
                          .topics = slice_of("\1\0t", 3)};
    for (uint8_t i = 0; i < TOKEN_DIGEST_SIZE; i++)
        token.digest[i] = i;
    switch (sample) {
    case 28:
        command_token_create_encode(out, 1, &token);
        break;
    case 29:
        command_token_revoke_encode(out, 1, 5);
        break;
    case 30:
        command_transfer_encode(out, 1, &transfer);
        break;
    default:
        command_publisher_delete_encode(out, 1, 2, 4);
        command_sign(out, begun, &author);
        break;
    }
}

/* What came with the second format of the store. */
static void encode_later_sample(struct encoder *out, int sample)
{
    struct command_topic_update topic = {.topic_id = 3,
                                         .options = sample_topic()};
    struct command_topic_delete deletion = {.topic_id = 3, .force = true};
    struct command_publisher_update update = {
        .publisher_id = 4, .rotate = true, .options = sample_publisher()};
    struct command_circuit circuit = {
        .publisher_id = 4,
        .circuit = {.state = CIRCUIT_OPEN,
                    .since_ms = 1,
                    .failures = 2,
                    .step = 3,
                    .next_probe_ms = 4,
                    .error = sample_outcome().attempt},
        .throttled_until_ms = 5};
    struct command_release release = {
        .topic_id = 3, .upto_ms = 4, .count_max = 5};
    struct command_expire expire = {
        .topic_id = 3, .from = 4, .upto = 5, .cutoff_ms = 6};
    struct command_unpark unpark = {.publisher_id = 4,
                                    .key = 5,
                                    .from = 7,
                                    .upto = 9,
                                    .examined = 2,
                                    .open_count = 2,
                                    .open = two_positions};
    struct command_decision decision = {.message_id = 7, .publisher_id = 4};
    struct command_decision_step step = {.publisher_id = 4,
                                         .state = DELIVERY_DEAD,
                                         .from = 7,
                                         .upto = 9,
                                         .rows_max = 10};
    struct command_replay_start start = {.publisher_id = 4,
                                         .from = 7,
                                         .upto = 9,
                                         .any_state = true,
                                         .wanted = DELIVERY_DELIVERED,
                                         .filter = slice_text("{}")};
    struct command_replay_step replay = {.replay_id = 1,
                                         .from = 7,
                                         .upto = 9,
                                         .count = 2,
                                         .positions = two_positions};
    switch (sample) {
    case 13:
        command_topic_update_encode(out, 1, 2, &topic);
        break;
    case 14:
        command_topic_delete_encode(out, 1, 2, &deletion);
        break;
    case 15:
        command_publisher_update_encode(out, 1, 2, &update);
        break;
    case 16:
        command_circuit_encode(out, 1, &circuit);
        break;
    case 17:
        command_release_encode(out, 1, &release);
        break;
    case 18:
        command_expire_encode(out, 1, &expire);
        break;
    case 19:
        command_unpark_encode(out, 1, &unpark);
        break;
    case 20:
        command_decision_encode(out, COMMAND_RETRY, 1, 2, &decision);
        break;
    case 21:
        command_decision_encode(out, COMMAND_DISCARD, 1, 2, &decision);
        break;
    case 22:
        command_decision_step_encode(out, COMMAND_RETRY_STEP, 1, 2, &step);
        break;
    case 23:
        command_decision_step_encode(out, COMMAND_DISCARD_STEP, 1, 2, &step);
        break;
    case 24:
        command_topic_purge_encode(out, 1, 3, 100);
        break;
    case 25:
        command_replay_start_encode(out, 1, 2, &start);
        break;
    case 26:
        command_replay_step_encode(out, 1, &replay);
        break;
    case 27:
        command_replay_cancel_encode(out, 1, 2, 1);
        break;
    default:
        encode_access_sample(out, sample);
        break;
    }
}

/* One of each. */
enum { SAMPLES = 32, SAMPLE_ONCE = 12, SAMPLE_SIGNED = 31 };
static void encode_sample(struct encoder *out, int sample)
{
    struct command_init init = {.cluster_id = "0123456789abcde",
                                .id_space = 0x1122334455667788};
    struct topic_options topic = sample_topic();
    struct command_publisher_create create = {
        .topic_id = 3, .from_now = true, .options = sample_publisher()};
    struct command_pause pause = {
        .publisher_id = 4, .paused = true, .reason = slice_text("gone")};
    struct outcome outcome = sample_outcome();
    struct command_outcomes outcomes = {
        .publisher_id = 4, .count = 1, .outcomes = &outcome};
    struct command_positions positions = {
        .publisher_id = 4, .count = 2, .positions = two_positions};
    size_t begun;
    switch (sample) {
    case 0:
        command_init_encode(out, 1, &init);
        break;
    case 1:
        command_topic_create_encode(out, 1, 2, &topic);
        break;
    case 2:
        command_publisher_create_encode(out, 1, 2, &create);
        break;
    case 3:
        command_publisher_delete_encode(out, 1, 2, 4);
        break;
    case 4:
        command_pause_encode(out, 1, 2, &pause);
        break;
    case 5:
        begun = command_messages_begin(out, 1, 2, 1);
        message_encode(out, &sample_message);
        command_end(out, begun);
        break;
    case 6:
        encode_grant_sample(out);
        break;
    case 7:
        command_outcomes_encode(out, 1, &outcomes);
        break;
    case 8:
        command_positions_encode(out, COMMAND_INTENT, 1, &positions);
        break;
    case 9:
        command_positions_encode(out, COMMAND_WITHDRAW, 1, &positions);
        break;
    case 10:
        command_takeover_encode(out, 1, 5);
        break;
    case 11:
        command_purge_encode(out, 1, 4, 100);
        break;
    case SAMPLE_ONCE:
        begun = command_messages_begin_once(out, 1, 2, &sample_request, 1);
        message_encode(out, &sample_message);
        command_end(out, begun);
        break;
    default:
        encode_later_sample(out, sample);
        break;
    }
}

/* ---- Frozen bytes ---- */

/* Envelope: version, type, flags, length, time, actor; then the body. To
 * change one of these is to break every log there is: add a version. */
static const char *const golden[SAMPLES] = {
    "02010000180000000100000000000000000000003031323334353637383961626364"
    "65008877665544332211",
    "020200003b0000000100000000000000020000000100010000007402000100000068"
    "030001000000010400080000003c000000000000000500080000003d000000000000"
    "0006000400000002002f61",
    "02050000ce0000000100000000000000020000000300000001010009000000687474"
    "703a2f2f742f020001000000010300040000001e0000000400040000001e00000005"
    "0004000000100e000006000400000064000000070004000000100000000800040000"
    "0064000000090001000000010a0001000000640b0004000000070000000c00040000"
    "00080000000d0001000000020e0001000000010f0001000000031000020000007b7d"
    "11000600000001006e01007612000100000073130001000000701400080000000900"
    "000000000000150003000000753a7016000100000074",
    "020700000400000001000000000000000200000004000000",
    "020800000d000000010000000000000002000000040000000104000000676f6e65",
    "020a00003f0000000100000000000000020000000100000000000000000000000300"
    "00001a000000070000000200000001080002010000000000000203006b6579030200"
    "74700401006f010002006162627b7d",
    "02140000550000000100000000000000000000000400000007000000000000000a00"
    "00000000000003000000020000000100000000000000010700000000000000090000"
    "00000000000700000000000000090000000000000007000000000000000700000000"
    "000000",
    "02150000340000000100000000000000000000000400000001000000070000000000"
    "00000203f401000000000000020000000801f7016400000000000000050000000200"
    "00006e6f",
    "02160000180000000100000000000000000000000400000002000000070000000000"
    "00000900000000000000",
    "02170000180000000100000000000000000000000400000002000000070000000000"
    "00000900000000000000",
    "021800000400000001000000000000000000000005000000",
    "021e0000080000000100000000000000000000000400000064000000",
    "020a01005a0000000100000000000000020000001900090000000230313233343536"
    "3738396162636465006f6e6365010000000000000000000000030000001a00000007"
    "0000000200000001080002010000000000000203006b657903020074700401006f01"
    "0002006162627b7d",
    "020300003f0000000100000000000000020000000300000001000100000074020001"
    "00000068030001000000010400080000003c000000000000000500080000003d0000"
    "000000000006000400000002002f61",
    "02040000050000000100000000000000020000000300000001",
    "02060000ce0000000100000000000000020000000400000001010009000000687474"
    "703a2f2f742f020001000000010300040000001e0000000400040000001e00000005"
    "0004000000100e000006000400000064000000070004000000100000000800040000"
    "0064000000090001000000010a0001000000640b0004000000070000000c00040000"
    "00080000000d0001000000020e0001000000010f0001000000031000020000007b7d"
    "11000600000001006e01007612000100000073130001000000701400080000000900"
    "000000000000150003000000753a7016000100000074",
    "020900003f0000000100000000000000000000000400000005000000000000000101"
    "0000000000000002000000030000000400000000000000020000000801f701640000"
    "000000000005000000020000006e6f",
    "020b0000100000000100000000000000000000000300000004000000000000000500"
    "0000",
    "020c00001c0000000100000000000000000000000300000004000000000000000500"
    "0000000000000600000000000000",
    "02190000340000000100000000000000000000000400000005000000000000000700"
    "00000000000009000000000000000200000002000000070000000000000009000000"
    "00000000",
    "021a00000c000000010000000000000002000000070000000000000004000000",
    "021b00000c000000010000000000000002000000070000000000000004000000",
    "021c0000190000000100000000000000020000000400000004070000000000000009"
    "000000000000000a000000",
    "021d0000190000000100000000000000020000000400000004070000000000000009"
    "000000000000000a000000",
    "021f0000080000000100000000000000000000000300000064000000",
    "022800001c0000000100000000000000020000000400000007000000000000000900"
    "0000000000000106020000007b7d",
    "02290000280000000100000000000000000000000100000007000000000000000900"
    "0000000000000200000007000000000000000900000000000000",
    "022a00000400000001000000000000000200000001000000",
    "023200002f00000001000000000000000000000001000102030405060708090a0b0c"
    "0d0e0f101112131415161718191a1b1c1d1e1f0300000061707003000000010074",
    "023300000400000001000000000000000000000005000000",
    "02340000080000000100000000000000000000000100000002000000",
    "020702000d000000010000000000000002000000070003617070722d3104000000",
};

static void test_bytes_are_frozen(void **state)
{
    (void)state;
    for (int sample = 0; sample < SAMPLES; sample++) {
        struct encoder out = {0};
        char hex[2048] = "";
        encode_sample(&out, sample);
        assert_true(out.length < sizeof hex / 2);
        for (size_t i = 0; i < out.length; i++)
            snprintf(hex + 2 * i, 3, "%02x", out.data[i]);
        assert_string_equal(hex, golden[sample]);
        encoder_close(&out);
    }
}

/* ---- Malformed input ---- */

/* A copy of exactly the size, so that a sanitizer sees any overrun. */
static int decode_copy(const uint8_t *data, size_t length, struct arena *arena)
{
    uint8_t *copy = malloc(length == 0 ? 1 : length);
    struct command command;
    memcpy(copy, data, length);
    struct slice entry = slice_of(copy, length);
    int rc = command_next(&entry, &command);
    if (rc == 0)
        rc = decode(&command, arena);
    free(copy);
    return rc;
}

static void test_every_truncation_is_an_error(void **state)
{
    struct arena arena = {0};
    (void)state;
    for (int sample = 0; sample < SAMPLES; sample++) {
        struct encoder out = {0};
        encode_sample(&out, sample);
        assert_int_equal(decode_copy(out.data, out.length, &arena), 0);
        for (size_t cut = 0; cut < out.length; cut++)
            assert_int_not_equal(decode_copy(out.data, cut, &arena), 0);
        /* The same with an envelope that owns up to the shorter body. */
        for (size_t cut = COMMAND_ENVELOPE_SIZE; cut < out.length; cut++) {
            put_u32(out.data + 4, (uint32_t)(cut - COMMAND_ENVELOPE_SIZE));
            assert_int_not_equal(decode_copy(out.data, cut, &arena), 0);
        }
        encoder_close(&out);
    }
    arena_close(&arena);
}

static void test_trailing_bytes_are_an_error(void **state)
{
    struct arena arena = {0};
    (void)state;
    for (int sample = 0; sample < SAMPLES; sample++) {
        struct encoder out = {0};
        encode_sample(&out, sample);
        encoder_u8(&out, 0);
        put_u32(out.data + 4, (uint32_t)(out.length - COMMAND_ENVELOPE_SIZE));
        assert_int_not_equal(decode_copy(out.data, out.length, &arena), 0);
        encoder_close(&out);
    }
    arena_close(&arena);
}

/* Garbage may decode or not, but never reads beyond its end. */
static void test_garbage_is_survived(void **state)
{
    uint64_t random = random_seed(4711);
    struct arena arena = {0};
    (void)state;
    for (int i = 0; i < 60000; i++) {
        struct encoder out = {0};
        encode_sample(&out, (int)random_below(&random, SAMPLES));
        uint32_t hits = 1 + random_below(&random, 4);
        for (uint32_t k = 0; k < hits; k++)
            out.data[random_below(&random, (uint32_t)out.length)] =
                (uint8_t)random_next(&random);
        decode_copy(out.data, out.length, &arena);
        encoder_close(&out);
        arena_close(&arena);
    }
}

static void test_authors_come_back(void **state)
{
    struct encoder out = {0};
    struct command command;
    uint32_t id;
    (void)state;
    encode_sample(&out, SAMPLE_SIGNED);
    struct slice entry = encoder_slice(&out);
    assert_int_equal(command_next(&entry, &command), 0);
    assert_true(slice_is(command.author.who, "app"));
    assert_true(slice_is(command.author.request_id, "r-1"));
    assert_int_equal(command_publisher_delete_decode(command.body, &id), 0);
    assert_int_equal(id, 4);
    out.data[COMMAND_ENVELOPE_SIZE + 2] = 0; /* Nobody. */
    entry = encoder_slice(&out);
    assert_int_equal(command_next(&entry, &command), ERR_CORRUPT);
    out.data[COMMAND_ENVELOPE_SIZE + 2] = 7; /* More than the field. */
    entry = encoder_slice(&out);
    assert_int_equal(command_next(&entry, &command), ERR_CORRUPT);
    encoder_close(&out);
}

/* What a newer program wrote is told apart from what is broken. */
static void test_newer_is_not_corrupt(void **state)
{
    struct arena arena = {0};
    struct encoder out = {0};
    (void)state;
    encode_sample(&out, 3);
    out.data[0] = 3;
    assert_int_equal(decode_copy(out.data, out.length, &arena), ERR_VERSION);
    out.data[0] = 0;
    assert_int_equal(decode_copy(out.data, out.length, &arena), ERR_CORRUPT);
    out.data[0] = 1; /* Never in the field, and forgotten. */
    assert_int_equal(decode_copy(out.data, out.length, &arena), ERR_VERSION);
    out.data[0] = 2;
    out.data[2] = 1; /* A flag of other types. */
    assert_int_equal(decode_copy(out.data, out.length, &arena), ERR_VERSION);

    /* A flag that we know, and one that we do not, where flags may be. */
    out.length = 0;
    encode_sample(&out, SAMPLE_ONCE);
    out.data[2] |= 2;
    assert_int_equal(decode_copy(out.data, out.length, &arena), ERR_VERSION);

    /* An option that we do not know. */
    out.length = 0;
    encode_sample(&out, 1);
    encoder_u16(&out, 7);
    encoder_string(&out, slice_text("new"));
    put_u32(out.data + 4, (uint32_t)(out.length - COMMAND_ENVELOPE_SIZE));
    assert_int_equal(decode_copy(out.data, out.length, &arena), ERR_VERSION);
    put_u16(out.data + out.length - 9, 6); /* One that was there before. */
    assert_int_equal(decode_copy(out.data, out.length, &arena), ERR_CORRUPT);

    /* A tag of a message. */
    out.length = 0;
    encode_sample(&out, 5);
    size_t tags = COMMAND_ENVELOPE_SIZE + 4 + MESSAGE_HEADER_SIZE;
    out.data[tags + 22] = 5; /* For the origin's 4. */
    assert_int_equal(decode_copy(out.data, out.length, &arena), ERR_VERSION);
    out.data[tags + 22] = 3; /* Twice the same. */
    assert_int_equal(decode_copy(out.data, out.length, &arena), ERR_CORRUPT);
    encoder_close(&out);
    arena_close(&arena);
}

/* A count that the bytes do not bear out costs no memory. */
static void test_counts_are_not_believed(void **state)
{
    static const int with_counts[] = {5, 6, 6, 7, 8, 19, 26};
    static const size_t offsets[] = {20, 44, 48, 24, 24, 52, 40};
    struct arena arena = {0};
    (void)state;
    for (int i = 0; i < 7; i++) {
        struct encoder out = {0};
        encode_sample(&out, with_counts[i]);
        put_u32(out.data + offsets[i], UINT32_MAX);
        assert_int_equal(decode_copy(out.data, out.length, &arena),
                         ERR_CORRUPT);
        assert_true(arena.total < 100000);
        encoder_close(&out);
    }
    arena_close(&arena);
}

/* ---- Round trips ---- */

static struct command first_command(const struct encoder *out)
{
    struct slice entry = encoder_slice(out);
    struct command command;
    assert_int_equal(command_next(&entry, &command), 0);
    return command;
}

static void test_options_come_back(void **state)
{
    struct encoder out = {0};
    struct topic_options topic;
    struct command_publisher_create create;
    (void)state;
    encode_sample(&out, 1);
    struct command command = first_command(&out);
    assert_int_equal(command.actor, 2);
    assert_int_equal(command.time_ms, 1);
    assert_int_equal(topic_options_decode(command.body, &topic), 0);
    assert_true(slice_is(topic.name, "t"));
    assert_true(slice_is(topic.origin_host, "h"));
    assert_true(topic.recovery_enabled);
    assert_int_equal(topic.retention_seconds, 60);
    assert_int_equal(topic.max_backlog_bytes, 61);
    out.length = 0;
    encode_sample(&out, 2);
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
    encode_sample(&out, 5);
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
    encode_sample(&plain, 5);
    encode_sample(&out, SAMPLE_ONCE);
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
    encode_sample(&out, 6);
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
    encode_sample(&out, 7);
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

static void test_entries_hold_many_commands(void **state)
{
    struct encoder out = {0};
    struct command command;
    int count = 0;
    int rc;
    (void)state;
    for (int sample = 0; sample < SAMPLES; sample++)
        encode_sample(&out, sample);
    struct slice entry = encoder_slice(&out);
    while ((rc = command_next(&entry, &command)) == 0)
        count++;
    assert_int_equal(rc, ERR_END);
    assert_int_equal(count, SAMPLES);
    encoder_close(&out);
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
        cmocka_unit_test(test_bytes_are_frozen),
        cmocka_unit_test(test_every_truncation_is_an_error),
        cmocka_unit_test(test_trailing_bytes_are_an_error),
        cmocka_unit_test(test_garbage_is_survived),
        cmocka_unit_test(test_authors_come_back),
        cmocka_unit_test(test_newer_is_not_corrupt),
        cmocka_unit_test(test_counts_are_not_believed),
        cmocka_unit_test(test_options_come_back),
        cmocka_unit_test(test_messages_come_back),
        cmocka_unit_test(test_keys_come_back),
        cmocka_unit_test(test_keys_have_a_length),
        cmocka_unit_test(test_request_hash_is_frozen),
        cmocka_unit_test(test_deliveries_come_back),
        cmocka_unit_test(test_entries_hold_many_commands),
        cmocka_unit_test(test_history_keeps_first_and_last_nine),
        cmocka_unit_test(test_every_value_has_its_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
