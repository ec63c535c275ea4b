/* Replays: what has gone through is sent once more. */
#include "http/resources.h"

static const char *state_text(enum replay_state state)
{
    static const char *const texts[] = {[REPLAY_RUNNING] = "running",
                                        [REPLAY_DONE] = "done",
                                        [REPLAY_CANCELLED] = "cancelled"};
    return texts[state];
}

/* How many match is known once all were looked at; what was cancelled has
 * looked at all that it ever will. */
static bool has_matched(const struct replay *replay)
{
    return replay->state != REPLAY_RUNNING || replay->cursor > replay->upto;
}

void replay_write(struct json_writer *json, const struct replay *replay)
{
    json_member_u64(json, "id", replay->id);
    json_member_u64(json, "publisher", replay->publisher_id);
    json_member_string(json, "state", state_text(replay->state));
    if (has_matched(replay))
        json_member_u64(json, "matched", replay->matched);
    else
        json_member_null(json, "matched");
    json_member_u64(json, "done", replay->done);
    json_member_time(json, "started_at", replay->started_ms);
    json_member_time(json, "ended_at", replay->ended_ms);
    json_member_text_or_null(json, "asked_by", replay->asked_by);
}

/* A replay goes on as long as its publisher may: what holds that up holds it
 * up. */
static void write_publisher_state(struct json_writer *json,
                                  const struct backend_result *result)
{
    json_write_name(json, "publisher_state");
    if (result->publishers == NULL) {
        json_write_null(json);
        return;
    }
    json_write_begin(json, '{');
    publisher_write_state(json, result, 0);
    json_write_end(json, '}');
}

static void send_one(struct request *request,
                     const struct backend_result *result, int status)
{
    struct json_writer json = request_data_begin(request);
    json_write_begin(&json, '{');
    replay_write(&json, result->replay);
    write_publisher_state(&json, result);
    json_write_end(&json, '}');
    request_data_send(request, &json, status);
}

static void on_one(struct request *request, const struct backend_result *result)
{
    send_one(request, result, 200);
}

static void on_started(struct request *request,
                       const struct backend_result *result)
{
    send_one(request, result, 202);
}

static void on_tried(struct request *request,
                     const struct backend_result *result)
{
    struct json_writer json = request_data_begin(request);
    json_write_begin(&json, '{');
    json_member_u64(&json, "matched", result->id);
    json_member_boolean(&json, "complete", !result->incomplete);
    json_write_name(&json, "sample");
    json_write_begin(&json, '[');
    for (uint32_t i = 0; i < result->count; i++)
        message_write(&json, result, i, MESSAGE_LISTED);
    json_write_end(&json, ']');
    json_write_end(&json, '}');
    request_data_send(request, &json, 200);
}

void replay_start(struct request *request)
{
    const struct backend *backend = request_backend(request);
    struct problem problem = {0};
    struct backend_replay replay;
    uint32_t id;
    if (!request_small_id(request, &id))
        return;
    request_body_replay(request->body, &request->arena, &problem, &replay);
    if (request_failed(request, &problem))
        return;
    replay.publisher_id = id;
    backend->replay_start(
        backend->context,
        request_wait(request, replay.dry_run ? on_tried : on_started), &replay);
}

void replay_get(struct request *request)
{
    const struct backend *backend = request_backend(request);
    uint32_t id;
    if (request_small_id(request, &id))
        backend->replay_get(backend->context, request_wait(request, on_one),
                            request->consistency, id);
}

void replay_cancel(struct request *request)
{
    const struct backend *backend = request_backend(request);
    uint32_t id;
    if (request_small_id(request, &id))
        backend->replay_cancel(backend->context, request_wait(request, on_one),
                               id);
}
