/* A log entry: commands back to back, as another node or the disk gives them.
 * What is decoded is encoded again, and must be what came: so a command has
 * one spelling only, and nodes that compare entries compare meanings. */
#include "fuzz.h"

#include "storage/command.h"
#include "storage/idempotency.h"

static void check_same(const struct encoder *out, struct slice came)
{
    FUZZ_CHECK(slice_equal(encoder_slice(out), came));
}

/* Messages are copied, never encoded again: but for the time, which apply
 * sets, a record would come out the same. */
static void check_records(struct slice records)
{
    struct encoder out = {0};
    struct message message;
    struct slice before = records;
    while (message_next(&records, &message) == 0) {
        size_t length = before.length - records.length;
        struct slice name, value;
        out.length = 0;
        message_encode(&out, &message);
        FUZZ_CHECK(out.length == length);
        FUZZ_CHECK(memcmp(out.data + 8, before.data + 8, length - 8) == 0);
        while (attribute_next(&message.attributes, &name, &value) == 0)
            ;
        FUZZ_CHECK(message.attributes.length == 0);
        before = records;
    }
    encoder_close(&out);
}

static void try_messages(const struct command *command)
{
    uint32_t count;
    struct slice records;
    if (command_messages_decode(command->body, &count, &records) == 0)
        check_records(records);
}

/* One per type: true when it was decoded, and `out` has it again. */
#define AGAIN(decoded, encode)                                                 \
    do {                                                                       \
        if ((decoded) != 0)                                                    \
            return false;                                                      \
        encode;                                                                \
        return true;                                                           \
    } while (0)

static bool again_topic(struct encoder *out, const struct command *from)
{
    struct topic_options options;
    struct command_topic_update update;
    struct command_topic_delete deletion;
    switch (from->type) {
    case COMMAND_TOPIC_CREATE:
        AGAIN(topic_options_decode(from->body, &options),
              command_topic_create_encode(out, from->time_ms, &options));
    case COMMAND_TOPIC_UPDATE:
        AGAIN(command_topic_update_decode(from->body, &update),
              command_topic_update_encode(out, from->time_ms, &update));
    default:
        AGAIN(command_topic_delete_decode(from->body, &deletion),
              command_topic_delete_encode(out, from->time_ms, &deletion));
    }
}

static bool again_publisher(struct encoder *out, const struct command *from)
{
    struct command_publisher_create create;
    struct command_publisher_update update;
    struct command_pause pause;
    uint32_t id;
    switch (from->type) {
    case COMMAND_PUBLISHER_CREATE:
        AGAIN(command_publisher_create_decode(from->body, &create),
              command_publisher_create_encode(out, from->time_ms, &create));
    case COMMAND_PUBLISHER_UPDATE:
        AGAIN(command_publisher_update_decode(from->body, &update),
              command_publisher_update_encode(out, from->time_ms, &update));
    case COMMAND_PUBLISHER_PAUSE:
        AGAIN(command_pause_decode(from->body, &pause),
              command_pause_encode(out, from->time_ms, &pause));
    default:
        AGAIN(command_publisher_delete_decode(from->body, &id),
              command_publisher_delete_encode(out, from->time_ms, id));
    }
}

static bool again_delivery(struct encoder *out, struct arena *arena,
                           const struct command *from)
{
    struct command_grant grant;
    struct command_outcomes outcomes;
    struct command_unpark unpark;
    struct command_positions positions;
    switch (from->type) {
    case COMMAND_GRANT:
        AGAIN(command_grant_decode(from->body, arena, &grant),
              command_grant_encode(out, from->time_ms, &grant));
    case COMMAND_OUTCOMES:
        AGAIN(command_outcomes_decode(from->body, arena, &outcomes),
              command_outcomes_encode(out, from->time_ms, &outcomes));
    case COMMAND_UNPARK:
        AGAIN(command_unpark_decode(from->body, arena, &unpark),
              command_unpark_encode(out, from->time_ms, &unpark));
    default:
        AGAIN(command_positions_decode(from->body, arena, &positions),
              command_positions_encode(out, from->type, from->time_ms,
                                       &positions));
    }
}

static bool again_decision(struct encoder *out, const struct command *from)
{
    struct command_decision decision;
    struct command_decision_step step;
    if (from->type == COMMAND_RETRY || from->type == COMMAND_DISCARD)
        AGAIN(
            command_decision_decode(from->body, &decision),
            command_decision_encode(out, from->type, from->time_ms, &decision));
    AGAIN(command_decision_step_decode(from->body, &step),
          command_decision_step_encode(out, from->type, from->time_ms, &step));
}

static bool again_replay(struct encoder *out, struct arena *arena,
                         const struct command *from)
{
    struct command_replay_start start;
    struct command_replay_step step;
    uint32_t id;
    switch (from->type) {
    case COMMAND_REPLAY_START:
        AGAIN(command_replay_start_decode(from->body, &start),
              command_replay_start_encode(out, from->time_ms, &start));
    case COMMAND_REPLAY_STEP:
        AGAIN(command_replay_step_decode(from->body, arena, &step),
              command_replay_step_encode(out, from->time_ms, &step));
    default:
        AGAIN(command_replay_cancel_decode(from->body, &id),
              command_replay_cancel_encode(out, from->time_ms, id));
    }
}

static bool again_chore(struct encoder *out, const struct command *from)
{
    struct command_init init;
    struct command_release release;
    struct command_expire expire;
    struct command_circuit circuit;
    uint32_t id, rows;
    switch (from->type) {
    case COMMAND_INIT:
        AGAIN(command_init_decode(from->body, &init),
              command_init_encode(out, from->time_ms, &init));
    case COMMAND_RELEASE:
        AGAIN(command_release_decode(from->body, &release),
              command_release_encode(out, from->time_ms, &release));
    case COMMAND_EXPIRE:
        AGAIN(command_expire_decode(from->body, &expire),
              command_expire_encode(out, from->time_ms, &expire));
    case COMMAND_CIRCUIT:
        AGAIN(command_circuit_decode(from->body, &circuit),
              command_circuit_encode(out, from->time_ms, &circuit));
    case COMMAND_TAKEOVER:
        AGAIN(command_takeover_decode(from->body, &id),
              command_takeover_encode(out, from->time_ms, id));
    case COMMAND_PURGE:
        AGAIN(command_purge_decode(from->body, &id, &rows),
              command_purge_encode(out, from->time_ms, id, rows));
    default:
        AGAIN(command_purge_decode(from->body, &id, &rows),
              command_topic_purge_encode(out, from->time_ms, id, rows));
    }
}

static bool again_access(struct encoder *out, const struct command *from)
{
    struct token token;
    struct command_transfer transfer;
    uint32_t id;
    switch (from->type) {
    case COMMAND_TOKEN_CREATE:
        AGAIN(command_token_create_decode(from->body, &token),
              command_token_create_encode(out, from->time_ms, &token));
    case COMMAND_TOKEN_REVOKE:
        AGAIN(command_token_revoke_decode(from->body, &id),
              command_token_revoke_encode(out, from->time_ms, id));
    default:
        AGAIN(command_transfer_decode(from->body, &transfer),
              command_transfer_encode(out, from->time_ms, &transfer));
    }
}

static bool again(struct encoder *out, struct arena *arena,
                  const struct command *from)
{
    switch (from->type) {
    case COMMAND_TOPIC_CREATE:
    case COMMAND_TOPIC_UPDATE:
    case COMMAND_TOPIC_DELETE:
        return again_topic(out, from);
    case COMMAND_PUBLISHER_CREATE:
    case COMMAND_PUBLISHER_UPDATE:
    case COMMAND_PUBLISHER_DELETE:
    case COMMAND_PUBLISHER_PAUSE:
        return again_publisher(out, from);
    case COMMAND_GRANT:
    case COMMAND_OUTCOMES:
    case COMMAND_INTENT:
    case COMMAND_WITHDRAW:
    case COMMAND_UNPARK:
        return again_delivery(out, arena, from);
    case COMMAND_RETRY:
    case COMMAND_DISCARD:
    case COMMAND_RETRY_STEP:
    case COMMAND_DISCARD_STEP:
        return again_decision(out, from);
    case COMMAND_REPLAY_START:
    case COMMAND_REPLAY_STEP:
    case COMMAND_REPLAY_CANCEL:
        return again_replay(out, arena, from);
    case COMMAND_TOKEN_CREATE:
    case COMMAND_TOKEN_REVOKE:
    case COMMAND_TRANSFER:
        return again_access(out, from);
    case COMMAND_INIT:
    case COMMAND_RELEASE:
    case COMMAND_EXPIRE:
    case COMMAND_CIRCUIT:
    case COMMAND_TAKEOVER:
    case COMMAND_PURGE:
    case COMMAND_TOPIC_PURGE:
        return again_chore(out, from);
    default:
        return false;
    }
}

static void try_command(const struct command *command)
{
    struct encoder out = {0};
    struct arena arena = {0};
    struct idempotency request;
    if (command->type == COMMAND_MESSAGES)
        try_messages(command);
    if ((command->flags & COMMAND_KEYED) != 0)
        idempotency_decode(command->idempotency, &request);
    /* The body alone: what is reserved in the envelope may be anything. */
    if (again(&out, &arena, command)) {
        out.data += COMMAND_ENVELOPE_SIZE;
        out.length -= COMMAND_ENVELOPE_SIZE;
        check_same(&out, command->body);
        out.data -= COMMAND_ENVELOPE_SIZE;
    }
    encoder_close(&out);
    arena_close(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(slice_of(data, size));
    struct slice entry = slice_of(copy, size);
    struct command command;
    while (command_next(&entry, &command) == 0)
        try_command(&command);
    free(copy);
    return 0;
}
