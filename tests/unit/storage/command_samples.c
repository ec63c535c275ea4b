#include "command_samples.h"

#include "fixture.h"

static const uint64_t two_positions[] = {7, 9};

const struct message sample_message = {
    .topic_id = 3,
    .schedule_ms = 0x0102,
    .key = {(const uint8_t *)"key", 3},
    .traceparent = {(const uint8_t *)"tp", 2},
    .origin = {(const uint8_t *)"o", 1},
    .attributes = {(const uint8_t *)"\1\0\2\0abb", 7},
    .payload = {(const uint8_t *)"{}", 2},
};

const struct idempotency sample_request = {
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

static const struct command_positions sample_positions = {
    .publisher_id = 4, .count = 2, .positions = two_positions};

static const struct command_decision sample_decision = {.message_id = 7,
                                                        .publisher_id = 4};

static const struct command_decision_step sample_step = {.publisher_id = 4,
                                                         .state = DELIVERY_DEAD,
                                                         .from = 7,
                                                         .upto = 9,
                                                         .rows_max = 10};

/* ---- Each ---- */

static void append_init(struct encoder *out)
{
    struct command_init init = {.cluster_id = "0123456789abcde",
                                .id_space = 0x1122334455667788};
    command_init_encode(out, 1, &init);
}

static void append_topic_create(struct encoder *out)
{
    struct topic_options options = sample_topic();
    command_topic_create_encode(out, 1, &options);
}

static void append_publisher_create(struct encoder *out)
{
    struct command_publisher_create create = {
        .topic_id = 3, .from_now = true, .options = sample_publisher()};
    command_publisher_create_encode(out, 1, &create);
}

static void append_publisher_delete(struct encoder *out)
{
    command_publisher_delete_encode(out, 1, 4);
}

static void append_pause(struct encoder *out)
{
    struct command_pause pause = {
        .publisher_id = 4, .paused = true, .reason = slice_text("gone")};
    command_pause_encode(out, 1, &pause);
}

static void append_messages(struct encoder *out)
{
    size_t begun = command_messages_begin(out, 1, 1);
    message_encode(out, &sample_message);
    command_end(out, begun);
}

static void append_grant(struct encoder *out)
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

static void append_outcomes(struct encoder *out)
{
    struct outcome outcome = sample_outcome();
    struct command_outcomes outcomes = {
        .publisher_id = 4, .count = 1, .outcomes = &outcome};
    command_outcomes_encode(out, 1, &outcomes);
}

static void append_intent(struct encoder *out)
{
    command_positions_encode(out, COMMAND_INTENT, 1, &sample_positions);
}

static void append_withdraw(struct encoder *out)
{
    command_positions_encode(out, COMMAND_WITHDRAW, 1, &sample_positions);
}

static void append_takeover(struct encoder *out)
{
    command_takeover_encode(out, 1, 5);
}

static void append_purge(struct encoder *out)
{
    command_purge_encode(out, 1, 4, 100);
}

static void append_messages_once(struct encoder *out)
{
    size_t begun = command_messages_begin_once(out, 1, &sample_request, 1);
    message_encode(out, &sample_message);
    command_end(out, begun);
}

static void append_topic_update(struct encoder *out)
{
    struct command_topic_update update = {.topic_id = 3,
                                          .options = sample_topic()};
    command_topic_update_encode(out, 1, &update);
}

static void append_topic_delete(struct encoder *out)
{
    struct command_topic_delete deletion = {.topic_id = 3, .force = true};
    command_topic_delete_encode(out, 1, &deletion);
}

static void append_publisher_update(struct encoder *out)
{
    struct command_publisher_update update = {
        .publisher_id = 4, .rotate = true, .options = sample_publisher()};
    command_publisher_update_encode(out, 1, &update);
}

static void append_circuit(struct encoder *out)
{
    struct command_circuit circuit = {
        .publisher_id = 4,
        .circuit = {.state = CIRCUIT_OPEN,
                    .since_ms = 1,
                    .failures = 2,
                    .step = 3,
                    .next_probe_ms = 4,
                    .error = sample_outcome().attempt},
        .throttled_until_ms = 5};
    command_circuit_encode(out, 1, &circuit);
}

static void append_release(struct encoder *out)
{
    struct command_release release = {
        .topic_id = 3, .upto_ms = 4, .count_max = 5};
    command_release_encode(out, 1, &release);
}

static void append_expire(struct encoder *out)
{
    struct command_expire expire = {
        .topic_id = 3, .from = 4, .upto = 5, .cutoff_ms = 6};
    command_expire_encode(out, 1, &expire);
}

static void append_unpark(struct encoder *out)
{
    struct command_unpark unpark = {.publisher_id = 4,
                                    .key = 5,
                                    .from = 7,
                                    .upto = 9,
                                    .examined = 2,
                                    .open_count = 2,
                                    .open = two_positions};
    command_unpark_encode(out, 1, &unpark);
}

static void append_retry(struct encoder *out)
{
    command_decision_encode(out, COMMAND_RETRY, 1, &sample_decision);
}

static void append_discard(struct encoder *out)
{
    command_decision_encode(out, COMMAND_DISCARD, 1, &sample_decision);
}

static void append_retry_step(struct encoder *out)
{
    command_decision_step_encode(out, COMMAND_RETRY_STEP, 1, &sample_step);
}

static void append_discard_step(struct encoder *out)
{
    command_decision_step_encode(out, COMMAND_DISCARD_STEP, 1, &sample_step);
}

static void append_topic_purge(struct encoder *out)
{
    command_topic_purge_encode(out, 1, 3, 100);
}

static void append_replay_start(struct encoder *out)
{
    struct command_replay_start start = {.publisher_id = 4,
                                         .from = 7,
                                         .upto = 9,
                                         .any_state = true,
                                         .wanted = DELIVERY_DELIVERED,
                                         .filter = slice_text("{}")};
    command_replay_start_encode(out, 1, &start);
}

static void append_replay_step(struct encoder *out)
{
    struct command_replay_step replay = {.replay_id = 1,
                                         .from = 7,
                                         .upto = 9,
                                         .count = 2,
                                         .positions = two_positions};
    command_replay_step_encode(out, 1, &replay);
}

static void append_replay_cancel(struct encoder *out)
{
    command_replay_cancel_encode(out, 1, 1);
}

static void append_token_create(struct encoder *out)
{
    struct token token = {.name = slice_text("app"),
                          .role = ROLE_PUBLISH,
                          .topics = slice_of("\1\0t", 3)};
    for (uint8_t i = 0; i < TOKEN_DIGEST_SIZE; i++)
        token.digest[i] = i;
    command_token_create_encode(out, 1, &token);
}

static void append_token_revoke(struct encoder *out)
{
    command_token_revoke_encode(out, 1, 5);
}

static void append_transfer(struct encoder *out)
{
    struct command_transfer transfer = {.from = 1, .to = 2};
    command_transfer_encode(out, 1, &transfer);
}

static void append_signed(struct encoder *out)
{
    struct author author = {.who = slice_text("app"),
                            .request_id = slice_text("r-1")};
    size_t begun = out->length;
    command_publisher_delete_encode(out, 1, 4);
    command_sign(out, begun, &author);
}

void encode_sample(struct encoder *out, enum sample sample)
{
    static void (*const encoders[SAMPLES])(struct encoder *) = {
        [SAMPLE_INIT] = append_init,
        [SAMPLE_TOPIC_CREATE] = append_topic_create,
        [SAMPLE_PUBLISHER_CREATE] = append_publisher_create,
        [SAMPLE_PUBLISHER_DELETE] = append_publisher_delete,
        [SAMPLE_PAUSE] = append_pause,
        [SAMPLE_MESSAGES] = append_messages,
        [SAMPLE_GRANT] = append_grant,
        [SAMPLE_OUTCOMES] = append_outcomes,
        [SAMPLE_INTENT] = append_intent,
        [SAMPLE_WITHDRAW] = append_withdraw,
        [SAMPLE_TAKEOVER] = append_takeover,
        [SAMPLE_PURGE] = append_purge,
        [SAMPLE_MESSAGES_ONCE] = append_messages_once,
        [SAMPLE_TOPIC_UPDATE] = append_topic_update,
        [SAMPLE_TOPIC_DELETE] = append_topic_delete,
        [SAMPLE_PUBLISHER_UPDATE] = append_publisher_update,
        [SAMPLE_CIRCUIT] = append_circuit,
        [SAMPLE_RELEASE] = append_release,
        [SAMPLE_EXPIRE] = append_expire,
        [SAMPLE_UNPARK] = append_unpark,
        [SAMPLE_RETRY] = append_retry,
        [SAMPLE_DISCARD] = append_discard,
        [SAMPLE_RETRY_STEP] = append_retry_step,
        [SAMPLE_DISCARD_STEP] = append_discard_step,
        [SAMPLE_TOPIC_PURGE] = append_topic_purge,
        [SAMPLE_REPLAY_START] = append_replay_start,
        [SAMPLE_REPLAY_STEP] = append_replay_step,
        [SAMPLE_REPLAY_CANCEL] = append_replay_cancel,
        [SAMPLE_TOKEN_CREATE] = append_token_create,
        [SAMPLE_TOKEN_REVOKE] = append_token_revoke,
        [SAMPLE_TRANSFER] = append_transfer,
        [SAMPLE_SIGNED] = append_signed,
    };
    encoders[sample](out);
}

/* ---- Back ---- */

struct command first_command(const struct encoder *out)
{
    struct slice entry = encoder_slice(out);
    struct command command;
    assert_int_equal(command_next(&entry, &command), 0);
    return command;
}

int decode_body(const struct command *command, struct arena *arena)
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
