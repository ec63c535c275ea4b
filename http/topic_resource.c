#include "http/resources.h"

static void write_topic(struct json_writer *json, const struct topic *topic)
{
    json_write_begin(json, '{');
    json_member_u64(json, "id", topic->id);
    json_member_text(json, "name", topic->options.name);
    json_member_text_or_null(json, "origin_host", topic->options.origin_host);
    json_member_boolean(json, "recovery_enabled",
                        topic->options.recovery_enabled);
    json_member_u64_or_null(json, "retention_seconds",
                            topic->options.retention_seconds);
    json_member_u64_or_null(json, "max_backlog_bytes",
                            topic->options.max_backlog_bytes);
    json_write_name(json, "indexed_fields");
    json_write_begin(json, '[');
    json_write_end(json, ']');
    json_member_time(json, "created_at", topic->created_ms);
    json_member_u64(json, "messages", topic->messages);
    json_member_u64(json, "publishers", topic->publishers);
    json_member_null(json, "recovery");
    json_write_end(json, '}');
}

static void on_created(struct request *request,
                       const struct backend_result *result)
{
    struct json_writer json = json_writer_of(&request->answer);
    json_write_begin(&json, '{');
    json_write_name(&json, "data");
    write_topic(&json, &result->topics[0]);
    json_write_end(&json, '}');
    request_send_json(request, 201);
}

void topic_create(struct request *request)
{
    const struct backend *backend = request_backend(request);
    struct problem problem = {0};
    struct topic_options options;
    request_body_topic(request->body, &request->arena, &problem, &options);
    if (problem.status != 0) {
        request_fail(request, &problem);
        return;
    }
    backend->topic_create(backend->context, request_wait(request, on_created),
                          &options);
}

static void on_list(struct request *request,
                    const struct backend_result *result)
{
    uint32_t count = request_page_count(request, result->count);
    struct json_writer json = json_writer_of(&request->answer);
    json_write_begin(&json, '{');
    json_write_name(&json, "data");
    json_write_begin(&json, '[');
    for (uint32_t i = 0; i < count; i++)
        write_topic(&json, &result->topics[i]);
    json_write_end(&json, ']');
    uint32_t last = count == 0 ? 0 : result->topics[count - 1].id;
    request_page_end(&json, 't', count < result->count, last);
    request_send_json(request, 200);
}

void topic_list(struct request *request)
{
    const struct backend *backend = request_backend(request);
    struct backend_page page;
    if (request_page(request, 't', &page))
        backend->topic_list(backend->context, request_wait(request, on_list),
                            request->consistency, &page);
}
