/* Publishing. A payload's bytes go in as they are. */
#include "http/idempotency_key.h"
#include "http/identity.h"
#include "http/resources.h"
#include "http/trace_parent.h"

#include "base/public_id.h"
#include "storage/command.h"

/* ---- Publishing ---- */

static void tell_replayed(struct request *request,
                          const struct backend_result *result)
{
    if (result->replayed)
        request_header(request, "idempotent-replayed", slice_text("true"));
}

void publish_write_ids(struct json_writer *json, uint64_t id_space, uint64_t id)
{
    char public_id[PUBLIC_ID_SIZE];
    public_id_format(public_id, id_space, id);
    json_member_u64(json, "id", id);
    json_member_text(json, "public_id", slice_of(public_id, PUBLIC_ID_LENGTH));
}

static void on_published(struct request *request,
                         const struct backend_result *result)
{
    tell_replayed(request, result);
    struct json_writer json = json_writer_of(&request->answer);
    json_write_begin(&json, '{');
    publish_write_ids(&json, result->id_space, result->id);
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

/* The original's answer has nothing but the id. */
static void on_scheduled(struct request *request,
                         const struct backend_result *result)
{
    tell_replayed(request, result);
    struct json_writer json = json_writer_of(&request->answer);
    json_write_begin(&json, '{');
    json_member_u64(&json, "id", result->id);
    json_write_end(&json, '}');
    request_send_json(request, 201);
}

/* What the request's traceparent says, be it junk, is no reason to refuse. */
struct slice publish_trace(struct request *request)
{
    struct slice value;
    char text[TRACE_PARENT_LENGTH + 1];
    if (!request_find_header(request, "traceparent", &value) ||
        !trace_parent_read(value, text))
        return slice_of(NULL, 0);
    return arena_copy(&request->arena, slice_of(text, TRACE_PARENT_LENGTH));
}

static void publish_one(struct request *request, enum body_schedule schedule,
                        enum idempotent_route route, request_finish finish)
{
    const struct backend *backend = request_backend(request);
    struct problem problem = {0};
    struct message message;
    struct backend_publish publish;
    request_body_message(request->body, schedule, request_limits(request),
                         &request->arena, request_scratch(request), &problem,
                         &message, &publish);
    identity_check_topic(request, publish.topic, &problem);
    publish.idempotency = idempotency_key_read(request, route, &problem);
    publish.traceparent = publish_trace(request);
    if (!request_failed(request, &problem))
        backend->publish(backend->context, request_wait(request, finish),
                         &publish);
}

void message_publish(struct request *request)
{
    publish_one(request, BODY_NOW_OR_LATER, IDEMPOTENT_MESSAGE, on_published);
}

void message_schedule(struct request *request)
{
    publish_one(request, BODY_LATER, IDEMPOTENT_SCHEDULE, on_scheduled);
}

void message_publish_bulk(struct request *request)
{
    const struct backend *backend = request_backend(request);
    struct problem problem = {0};
    struct backend_publish publish;
    request_body_bulk(request->body, request_limits(request), &request->arena,
                      request_scratch(request), &problem, &publish);
    identity_check_topic(request, publish.topic, &problem);
    publish.idempotency =
        idempotency_key_read(request, IDEMPOTENT_BULK, &problem);
    publish.traceparent = publish_trace(request);
    if (request_failed(request, &problem))
        return;
    if (publish.count == 0 && publish.idempotency == NULL) {
        /* Nothing to store, so nothing to wait for. */
        on_published_bulk(request, &(struct backend_result){.count = 0});
        return;
    }
    request->bulk = true;
    backend->publish(backend->context, request_wait(request, on_published_bulk),
                     &publish);
}
