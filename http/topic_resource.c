#include "http/identity.h"
#include "http/resources.h"

static void write_indexed(struct json_writer *json, struct slice list)
{
    struct slice pointer;
    json_write_name(json, "indexed_fields");
    json_write_begin(json, '[');
    while (text_list_next(&list, &pointer) == 0)
        json_write_text(json, pointer);
    json_write_end(json, ']');
}

/* `messages` counts what can be found: what retention has removed is gone. */
void topic_write(struct json_writer *json, const struct topic *topic)
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
    write_indexed(json, topic->options.indexed_fields);
    json_member_time(json, "created_at", topic->created_ms);
    json_member_u64(json, "messages", topic->messages - topic->gone);
    json_member_u64(json, "scheduled", topic->scheduled);
    json_member_u64(json, "bytes", topic->bytes);
    json_member_u64(json, "publishers", topic->publishers);
    json_member_null(json, "recovery");
    json_write_end(json, '}');
}

static void send_one(struct request *request,
                     const struct backend_result *result, int status)
{
    struct json_writer json = request_data_begin(request);
    topic_write(&json, &result->topics[0]);
    request_data_send(request, &json, status);
}

static void on_created(struct request *request,
                       const struct backend_result *result)
{
    send_one(request, result, 201);
}

static void on_one(struct request *request, const struct backend_result *result)
{
    send_one(request, result, 200);
}

void topic_create(struct request *request)
{
    const struct backend *backend = request_backend(request);
    struct problem problem = {0};
    struct topic_options options;
    request_body_topic(request->body, &request->arena, &problem, &options);
    identity_check_topic(request, options.name, &problem);
    if (!request_failed(request, &problem))
        backend->topic_create(backend->context,
                              request_wait(request, on_created), &options);
}

static void on_list(struct request *request,
                    const struct backend_result *result)
{
    uint32_t count = request_page_count(request, result->count);
    struct json_writer json = request_data_begin(request);
    json_write_begin(&json, '[');
    for (uint32_t i = 0; i < count; i++)
        if (identity_reaches(request, result->topics[i].options.name))
            topic_write(&json, &result->topics[i]);
    request_page_end(request, &json, 't',
                     count < result->count ? result->topics[count - 1].id : 0);
}

void topic_list(struct request *request)
{
    const struct backend *backend = request_backend(request);
    struct backend_page page;
    if (request_page(request, 't', &page))
        backend->topic_list(backend->context, request_wait(request, on_list),
                            request->consistency, &page);
}

void topic_get(struct request *request)
{
    const struct backend *backend = request_backend(request);
    backend->topic_get(backend->context, request_wait(request, on_one),
                       request->consistency, request->parameter);
}

void topic_change(struct request *request)
{
    const struct backend *backend = request_backend(request);
    struct problem problem = {0};
    struct backend_topic_change change;
    request_body_topic_change(request->body, &request->arena, &problem,
                              &change);
    if (request_failed(request, &problem))
        return;
    change.name = request->parameter;
    backend->topic_change(backend->context, request_wait(request, on_one),
                          &change);
}

static void on_deleted(struct request *request,
                       const struct backend_result *result)
{
    (void)result;
    request_send(request, 204, NULL);
}

void topic_delete(struct request *request)
{
    const struct backend *backend = request_backend(request);
    struct problem problem = {0};
    struct slice text = {0};
    bool given = query_string_get(&request->query, "force", &text);
    bool force = given && slice_is(text, "true");
    if (given && !force && !slice_is(text, "false"))
        problem_parameter(&problem, "force", PROBLEM_INVALID);
    if (!request_failed(request, &problem))
        backend->topic_delete(backend->context,
                              request_wait(request, on_deleted),
                              request->parameter, force);
}
