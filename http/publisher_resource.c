#include "http/resources.h"

#include <math.h>
#include <stdio.h>

/* The options that this version has one value for. */
static void write_fixed_options(struct json_writer *json)
{
    json_member_null(json, "expire_after_seconds");
    json_member_null(json, "rate_limit_per_second");
    json_member_string(json, "ordering", "none");
    json_member_string(json, "on_poison", "dead_letter");
    json_member_null(json, "filter");
    json_member_string(json, "body_format", "payload");
    json_write_name(json, "headers");
    json_write_begin(json, '{');
    json_write_end(json, '}');
    json_member_null(json, "secret");
    json_member_null(json, "basic_auth");
    json_member_null(json, "bearer_token");
}

static void write_options(struct json_writer *json,
                          const struct publisher_options *options)
{
    json_member_text(json, "target", options->target);
    json_member_string(json, "type",
                       options->type == PUBLISHER_PUBSUB ? "pubsub" : "http");
    json_member_u64(json, "seconds_timeout", options->timeout_seconds);
    json_member_u64(json, "seconds_retry", options->retry_seconds);
    json_member_u64(json, "retry_max_seconds", options->retry_seconds_max);
    json_member_u64(json, "chunk_size", options->chunk_size);
    json_member_u64(json, "max_in_flight", options->max_in_flight);
    json_member_u64(json, "max_attempts", options->max_attempts);
    json_member_string(json, "guarantee",
                       options->guarantee == AT_MOST_ONCE ? "at_most_once"
                                                          : "at_least_once");
    json_member_text_or_null(json, "description", options->description);
    write_fixed_options(json);
}

static void write_state(struct json_writer *json,
                        const struct publisher *publisher)
{
    json_member_boolean(json, "active", !publisher->paused);
    json_member_string(json, "state", publisher->paused ? "paused" : "active");
    json_member_text_or_null(json, "state_reason", publisher->pause_reason);
    json_member_time(json, "state_since",
                     publisher->paused && publisher->paused_ms != 0
                         ? publisher->paused_ms
                         : publisher->created_ms);
}

static void write_counts(struct json_writer *json,
                         const struct publisher_counts *counts)
{
    json_member_u64(json, "backlog", counts->backlog);
    json_member_u64(json, "retrying", counts->retrying);
    json_member_u64(json, "scheduled", counts->scheduled);
    json_member_u64(json, "dead", counts->dead);
    json_member_u64(json, "ambiguous", counts->ambiguous);
    json_member_u64(json, "discarded", counts->discarded);
    json_member_u64(json, "delivered", counts->delivered);
    json_member_time(json, "oldest_undelivered_at",
                     counts->oldest_undelivered_ms);
    json_member_time(json, "last_delivered_at", counts->last_delivered_ms);
    json_write_name(json, "last_error");
    if (counts->last_error_ms == 0)
        json_write_null(json);
    else
        attempt_write_error(json, &counts->last_error, counts->last_error_ms);
}

/* Only the leader's delivery knows these. */
static void write_activity(struct json_writer *json,
                           const struct publisher_activity *activity)
{
    if (activity == NULL || !activity->known) {
        json_member_null(json, "in_flight");
        json_member_null(json, "rate_per_second");
        json_member_null(json, "next_attempt_at");
        return;
    }
    char rate[48];
    double value =
        isfinite(activity->rate_per_second) ? activity->rate_per_second : 0.0;
    int length = snprintf(rate, sizeof rate, "%.2f", value);
    json_member_u64(json, "in_flight", activity->in_flight);
    json_write_name(json, "rate_per_second");
    json_write_raw(json, slice_of(rate, (size_t)length));
    json_member_time(json, "next_attempt_at", activity->next_attempt_ms);
}

static void write_publisher(struct json_writer *json,
                            const struct backend_result *result, uint32_t index)
{
    const struct publisher_view *view = &result->publishers[index];
    json_write_begin(json, '{');
    json_member_u64(json, "id", view->publisher.id);
    json_member_text(json, "topic", view->publisher.topic);
    write_options(json, &view->publisher.options);
    write_state(json, &view->publisher);
    json_member_time(json, "created_at", view->publisher.created_ms);
    write_counts(json, &view->counts);
    write_activity(
        json, result->activities == NULL ? NULL : &result->activities[index]);
    json_write_end(json, '}');
}

static void send_one(struct request *request,
                     const struct backend_result *result, int status)
{
    struct json_writer json = json_writer_of(&request->answer);
    json_write_begin(&json, '{');
    json_write_name(&json, "data");
    write_publisher(&json, result, 0);
    json_write_end(&json, '}');
    request_send_json(request, status);
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

void publisher_create(struct request *request)
{
    const struct backend *backend = request_backend(request);
    struct problem problem = {0};
    struct backend_publisher_create create;
    request_body_publisher(request->body, &request->arena, &problem, &create);
    if (problem.status != 0) {
        request_fail(request, &problem);
        return;
    }
    backend->publisher_create(backend->context,
                              request_wait(request, on_created), &create);
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
        write_publisher(&json, result, i);
    json_write_end(&json, ']');
    uint32_t last = count == 0 ? 0 : result->publishers[count - 1].publisher.id;
    request_page_end(&json, 'p', count < result->count, last);
    request_send_json(request, 200);
}

void publisher_list(struct request *request)
{
    const struct backend *backend = request_backend(request);
    struct backend_page page;
    if (request_page(request, 'p', &page))
        backend->publisher_list(backend->context,
                                request_wait(request, on_list),
                                request->consistency, &page);
}

/* Ids beyond what a publisher can have are well formed and not found. */
static bool read_id(struct request *request, uint32_t *ret_id)
{
    uint64_t id;
    if (!request_id_parameter(request, &id))
        return false;
    if (id <= UINT32_MAX) {
        *ret_id = (uint32_t)id;
        return true;
    }
    struct problem problem = {0};
    problem_from_code(&problem, ERR_NOT_FOUND, NULL, NULL);
    request_fail(request, &problem);
    return false;
}

void publisher_get(struct request *request)
{
    const struct backend *backend = request_backend(request);
    uint32_t id;
    if (read_id(request, &id))
        backend->publisher_get(backend->context, request_wait(request, on_one),
                               request->consistency, id);
}

static void on_deleted(struct request *request,
                       const struct backend_result *result)
{
    (void)result;
    request_send(request, 204, NULL);
}

void publisher_delete(struct request *request)
{
    const struct backend *backend = request_backend(request);
    uint32_t id;
    if (read_id(request, &id))
        backend->publisher_delete(backend->context,
                                  request_wait(request, on_deleted), id);
}

static void set_paused(struct request *request, bool paused)
{
    const struct backend *backend = request_backend(request);
    uint32_t id;
    if (read_id(request, &id))
        backend->publisher_pause(backend->context,
                                 request_wait(request, on_one), id, paused);
}

void publisher_pause(struct request *request)
{
    set_paused(request, true);
}

void publisher_resume(struct request *request)
{
    set_paused(request, false);
}
