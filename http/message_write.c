/* The shapes of messages, deliveries and attempts. A payload's bytes come out
 * as they went in. */
#include "http/publisher_options.h"
#include "http/resources.h"

#include "base/public_id.h"
#include "storage/command.h"

enum { PREVIEW_BYTES = 256, CLAUSE_SIZE = 256 };

void attempt_say(struct encoder *out, const struct attempt *attempt)
{
    int length = attempt->response.length < CLAUSE_SIZE
                     ? (int)attempt->response.length
                     : CLAUSE_SIZE;
    if (attempt->number == 0 && attempt->class == ATTEMPT_OK)
        return;
    encoder_print(out, "%s", attempt_class_text(attempt->class));
    if (attempt->status != 0)
        encoder_print(out, ", the target answered %u", attempt->status);
    if (length > 0)
        encoder_print(out, " (%.*s)", length,
                      (const char *)attempt->response.data);
}

void attempt_write_error(struct json_writer *json,
                         const struct attempt *attempt, uint64_t at_ms)
{
    json_write_begin(json, '{');
    json_member_time(json, "at", at_ms);
    json_member_u64_or_null(json, "status", attempt->status);
    json_member_string(json, "class", attempt_class_text(attempt->class));
    json_member_text_or_null(json, "text", attempt->response);
    json_write_end(json, '}');
}

void attempt_write(struct json_writer *json, const struct attempt *attempt)
{
    json_write_begin(json, '{');
    json_member_u64(json, "number", attempt->number);
    json_member_time(json, "started_at", attempt->started_ms);
    json_member_u64(json, "duration_ms", attempt->duration_ms);
    json_member_u64_or_null(json, "status", attempt->status);
    json_member_string(json, "class",
                       attempt->class == ATTEMPT_OK
                           ? NULL
                           : attempt_class_text(attempt->class));
    json_member_boolean(json, "maybe_duplicate", attempt->maybe_duplicate);
    json_member_text_or_null(json, "response", attempt->response);
    json_write_end(json, '}');
}

/* The newest failure of those kept. */
void delivery_write_last_error(struct json_writer *json,
                               const struct delivery *delivery)
{
    json_write_name(json, "last_error");
    for (uint32_t i = delivery->history_count; i > 0; i--) {
        const struct attempt *attempt = &delivery->history[i - 1];
        if (attempt->class == ATTEMPT_OK)
            continue;
        attempt_write_error(json, attempt,
                            attempt->started_ms + attempt->duration_ms);
        return;
    }
    json_write_null(json);
}

static void write_history(struct json_writer *json,
                          const struct delivery *delivery)
{
    json_write_name(json, "history");
    json_write_begin(json, '[');
    for (uint32_t i = 0; i < delivery->history_count; i++)
        attempt_write(json, &delivery->history[i]);
    json_write_end(json, ']');
}

/* What makes the delivery of a whole message more than that of a list. */
static void write_account(struct json_writer *json,
                          const struct backend_result *result, uint32_t index)
{
    write_history(json, &result->messages[0].deliveries[index]);
    json_write_name(json, "explanation");
    if (index < result->explanation_count)
        explanation_write(json, result, index);
    else
        json_write_null(json);
}

static void write_delivery(struct json_writer *json,
                           const struct delivery *delivery)
{
    json_member_u64(json, "publisher", delivery->publisher_id);
    json_member_text(json, "target", delivery->target);
    json_member_string(json, "type", publisher_type_text(delivery->type));
    json_member_string(json, "state", delivery_state_text(delivery->state));
    json_member_u64(json, "attempts", delivery->attempts);
    json_member_time(json, "processed_at", delivery->processed_ms);
    json_member_time(json, "next_attempt_at", delivery->next_attempt_ms);
    json_member_boolean(json, "maybe_duplicate", delivery->maybe_duplicate);
    json_member_u64_or_null(json, "replay", delivery->replay_id);
    delivery_write_last_error(json, delivery);
}

static void write_attributes(struct json_writer *json, struct slice encoded)
{
    struct slice name, value;
    json_write_begin(json, '{');
    while (attribute_next(&encoded, &name, &value) == 0) {
        json_write_name_slice(json, name);
        json_write_text(json, value);
    }
    json_write_end(json, '}');
}

/* A message is as far as its least advanced delivery. */
static const char *state_of(const struct message_view *view)
{
    if (view->delivery_count == 0)
        return "stored";
    enum delivery_state least = view->deliveries[0].state;
    for (uint32_t i = 1; i < view->delivery_count; i++)
        if (view->deliveries[i].state < least)
            least = view->deliveries[i].state;
    return delivery_state_text(least);
}

/* The first bytes as text, to the end of a character. */
static void write_preview(struct json_writer *json, struct slice payload)
{
    size_t length =
        payload.length < PREVIEW_BYTES ? payload.length : PREVIEW_BYTES;
    while (length > 0 && length < payload.length &&
           (payload.data[length] & 0xc0) == 0x80)
        length--;
    json_member_text(json, "preview", slice_of(payload.data, length));
}

static void write_replicas(struct json_writer *json,
                           const struct backend_result *result)
{
    json_write_name(json, "replicated_to");
    if (result->replicas == NULL) {
        json_write_null(json);
        return;
    }
    json_write_begin(json, '[');
    for (uint32_t i = 0; i < result->replica_count; i++)
        json_write_number(json, result->replicas[i]);
    json_write_end(json, ']');
}

void message_write(struct json_writer *json,
                   const struct backend_result *result, uint32_t index,
                   enum message_depth depth)
{
    const struct message_view *view = &result->messages[index];
    const struct message *message = &view->message;
    char public_id[PUBLIC_ID_SIZE];
    public_id_format(public_id, result->id_space, message->id);
    json_write_begin(json, '{');
    json_member_u64(json, "id", message->id);
    json_member_text(json, "public_id", slice_of(public_id, PUBLIC_ID_LENGTH));
    json_member_text(json, "topic", view->topic);
    json_member_text_or_null(json, "key", message->key);
    json_write_name(json, "attributes");
    write_attributes(json, message->attributes);
    if (depth == MESSAGE_WHOLE) {
        json_write_name(json, "payload");
        json_write_raw(json, message->payload);
    } else {
        write_preview(json, message->payload);
    }
    json_member_u64(json, "size", message->payload.length);
    json_member_time(json, "received_at", message->received_ms);
    if (depth == MESSAGE_WHOLE)
        write_replicas(json, result);
    json_member_time(json, "schedule_at", message->schedule_ms);
    json_member_string(json, "state", state_of(view));
    json_write_name(json, "deliveries");
    json_write_begin(json, '[');
    for (uint32_t i = 0; i < view->delivery_count; i++) {
        json_write_begin(json, '{');
        write_delivery(json, &view->deliveries[i]);
        if (depth == MESSAGE_WHOLE)
            write_account(json, result, i);
        json_write_end(json, '}');
    }
    json_write_end(json, ']');
    json_write_end(json, '}');
}
