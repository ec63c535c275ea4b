/* Publishing, and what became of a message. A payload's bytes go in and come
 * out unchanged. */
#include "http/idempotency_key.h"
#include "http/resources.h"

#include "base/public_id.h"
#include "storage/command.h"

/* ---- Publishing ---- */

static void tell_replayed(struct request *request,
                          const struct backend_result *result)
{
    if (result->replayed)
        request_header(request, "idempotent-replayed", slice_text("true"));
}

static void on_published(struct request *request,
                         const struct backend_result *result)
{
    char public_id[PUBLIC_ID_SIZE];
    public_id_format(public_id, result->id_space, result->id);
    tell_replayed(request, result);
    struct json_writer json = json_writer_of(&request->answer);
    json_write_begin(&json, '{');
    json_member_u64(&json, "id", result->id);
    json_member_text(&json, "public_id", slice_of(public_id, PUBLIC_ID_LENGTH));
    json_write_end(&json, '}');
    request_send_json(request, 201);
}

static void on_published_bulk(struct request *request,
                              const struct backend_result *result)
{
    tell_replayed(request, result);
    struct json_writer json = json_writer_of(&request->answer);
    json_write_begin(&json, '{');
    json_write_name(&json, "result");
    json_write_begin(&json, '[');
    for (uint32_t i = 0; i < result->count; i++)
        json_write_number(&json, result->id + i);
    json_write_end(&json, ']');
    json_write_end(&json, '}');
    request_send_json(request, 201);
}

void message_publish(struct request *request)
{
    const struct backend *backend = request_backend(request);
    struct problem problem = {0};
    struct message message;
    struct backend_publish publish;
    request_body_message(request->body, request_limits(request),
                         &request->arena, request_scratch(request), &problem,
                         &message, &publish);
    publish.idempotency =
        idempotency_key_read(request, IDEMPOTENT_MESSAGE, &problem);
    if (problem.status != 0) {
        request_fail(request, &problem);
        return;
    }
    backend->publish(backend->context, request_wait(request, on_published),
                     &publish);
}

void message_publish_bulk(struct request *request)
{
    const struct backend *backend = request_backend(request);
    struct problem problem = {0};
    struct backend_publish publish;
    request_body_bulk(request->body, request_limits(request), &request->arena,
                      request_scratch(request), &problem, &publish);
    publish.idempotency =
        idempotency_key_read(request, IDEMPOTENT_BULK, &problem);
    if (problem.status != 0) {
        request_fail(request, &problem);
        return;
    }
    if (publish.count == 0 && publish.idempotency == NULL) {
        /* Nothing to store, so nothing to wait for. */
        on_published_bulk(request, &(struct backend_result){.count = 0});
        return;
    }
    request->bulk = true;
    backend->publish(backend->context, request_wait(request, on_published_bulk),
                     &publish);
}

/* ---- Reading ---- */

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

static void write_attempt(struct json_writer *json,
                          const struct attempt *attempt)
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
static void write_last_error(struct json_writer *json,
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

static void write_delivery(struct json_writer *json,
                           const struct delivery *delivery)
{
    json_write_begin(json, '{');
    json_member_u64(json, "publisher", delivery->publisher_id);
    json_member_text(json, "target", delivery->target);
    json_member_string(json, "type",
                       delivery->type == PUBLISHER_PUBSUB ? "pubsub" : "http");
    json_member_string(json, "state", delivery_state_text(delivery->state));
    json_member_u64(json, "attempts", delivery->attempts);
    json_member_time(json, "processed_at", delivery->processed_ms);
    json_member_time(json, "next_attempt_at", delivery->next_attempt_ms);
    json_member_boolean(json, "maybe_duplicate", delivery->maybe_duplicate);
    write_last_error(json, delivery);
    json_write_name(json, "history");
    json_write_begin(json, '[');
    for (uint32_t i = 0; i < delivery->history_count; i++)
        write_attempt(json, &delivery->history[i]);
    json_write_end(json, ']');
    json_write_end(json, '}');
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

static void write_message(struct json_writer *json,
                          const struct message_view *view, uint64_t id_space)
{
    const struct message *message = &view->message;
    char public_id[PUBLIC_ID_SIZE];
    public_id_format(public_id, id_space, message->id);
    json_write_begin(json, '{');
    json_member_u64(json, "id", message->id);
    json_member_text(json, "public_id", slice_of(public_id, PUBLIC_ID_LENGTH));
    json_member_text(json, "topic", view->topic);
    json_member_text_or_null(json, "key", message->key);
    json_write_name(json, "attributes");
    write_attributes(json, message->attributes);
    json_write_name(json, "payload");
    json_write_raw(json, message->payload);
    json_member_u64(json, "size", message->payload.length);
    json_member_time(json, "received_at", message->received_ms);
    json_member_time(json, "schedule_at", message->schedule_ms);
    json_member_string(json, "state", state_of(view));
    json_write_name(json, "deliveries");
    json_write_begin(json, '[');
    for (uint32_t i = 0; i < view->delivery_count; i++)
        write_delivery(json, &view->deliveries[i]);
    json_write_end(json, ']');
    json_write_end(json, '}');
}

static void on_message(struct request *request,
                       const struct backend_result *result)
{
    struct json_writer json = json_writer_of(&request->answer);
    json_write_begin(&json, '{');
    json_write_name(&json, "data");
    write_message(&json, result->message, result->id_space);
    json_write_end(&json, '}');
    request_send_json(request, 200);
}

/* By number, or by public id when it is of this cluster. */
static bool read_id(struct request *request, uint64_t *ret_id)
{
    const struct backend *backend = request_backend(request);
    uint64_t space;
    if (!public_id_parse(request->parameter, &space, ret_id))
        return request_id_parameter(request, ret_id);
    if (space == backend->id_space(backend->context))
        return true;
    struct problem problem = {0};
    problem_from_code(&problem, ERR_NOT_FOUND, NULL, NULL);
    request_fail(request, &problem);
    return false;
}

void message_get(struct request *request)
{
    const struct backend *backend = request_backend(request);
    uint64_t id;
    if (read_id(request, &id))
        backend->message_get(backend->context,
                             request_wait(request, on_message),
                             request->consistency, id);
}
