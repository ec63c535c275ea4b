/* POST /api/messages/batch: a message a line, and for each line an outcome of
 * its own, in the order of the lines.
 *
 * A line that cannot be read is answered with its problem; the others go to
 * the backend together. Blank lines are skipped and not counted, so that
 * outcome n belongs to message n. With a key the lines count as KEY:1, KEY:2
 * and so on: a batch that is sent again stores what is missing of it. */
#include "http/idempotency_key.h"
#include "http/identity.h"
#include "http/resources.h"

#include "base/bounds.h"

#include <assert.h>

static const char ndjson_type[] = "application/x-ndjson";

struct batch {
    struct slice *refusals; /* A line each: its answer when it cannot be read,
                             * else empty. */
    uint32_t count;
    struct backend_publish *publishes; /* The others. */
    uint32_t publish_count;
    struct slice traceparent;
};

/* ---- Answers ---- */

static void write_problem(struct request *request,
                          const struct problem *problem, struct encoder *out)
{
    encoder_bytes(out, slice_text("{\"error\":"));
    problem_write(problem, request->path, request->id, out);
    encoder_bytes(out, slice_text("}\n"));
}

static void write_outcome(struct request *request, uint64_t id_space,
                          const struct backend_outcome *outcome)
{
    if (outcome->code != 0) {
        struct problem problem = {0};
        request_problem(request,
                        &(struct backend_result){.code = outcome->code,
                                                 .field = outcome->field,
                                                 .detail = outcome->detail},
                        &problem);
        write_problem(request, &problem, &request->answer);
        return;
    }
    struct json_writer json = json_writer_of(&request->answer);
    json_write_begin(&json, '{');
    publish_write_ids(&json, id_space, outcome->id);
    json_write_end(&json, '}');
    encoder_u8(&request->answer, '\n');
}

/* Whether something was stored, and all of that by an earlier request. */
static bool all_replayed(const struct backend_result *result)
{
    uint32_t stored = 0, replayed = 0;
    for (uint32_t i = 0; i < result->count; i++) {
        stored += result->outcomes[i].code == 0;
        replayed += result->outcomes[i].replayed;
    }
    return stored > 0 && replayed == stored;
}

static void on_published(struct request *request,
                         const struct backend_result *result)
{
    const struct batch *batch = request->held;
    uint32_t next = 0;
    for (uint32_t i = 0; i < batch->count; i++)
        if (batch->refusals[i].length > 0)
            encoder_bytes(&request->answer, batch->refusals[i]);
        else
            write_outcome(request, result->id_space, &result->outcomes[next++]);
    if (all_replayed(result))
        request_header(request, "idempotent-replayed", slice_text("true"));
    request_send(request, 200, ndjson_type);
}

/* ---- Reading ---- */

/* Adds one line to those to publish, or its refusal. The attributes are moved
 * to the arena, for the scratch buffer is used for the next line again. */
static void add_line(struct request *request, struct batch *batch,
                     struct slice key, struct slice line)
{
    struct arena *arena = &request->arena;
    struct encoder *scratch = request_scratch(request);
    struct problem problem = {0};
    struct message *message = arena_take(arena, sizeof *message);
    struct backend_publish *publish = &batch->publishes[batch->publish_count];
    struct slice *refusal = &batch->refusals[batch->count++];
    *refusal = slice_of(NULL, 0);
    request_body_line(line, request_limits(request), arena, scratch, &problem,
                      message, publish);
    if (problem.status == 0)
        identity_check_topic(request, publish->topic, &problem);
    if (problem.status == 0) {
        message->attributes = arena_copy(arena, message->attributes);
        publish->idempotency =
            idempotency_key_line(request, key, batch->count, line);
        publish->traceparent = batch->traceparent;
        batch->publish_count++;
        return;
    }
    scratch->length = 0;
    write_problem(request, &problem, scratch);
    *refusal = arena_copy(arena, encoder_slice(scratch));
}

/* How many lines there are; more than are allowed is a problem. */
static uint32_t count_lines(struct slice body, struct problem *problem)
{
    struct slice line;
    uint32_t count = 0;
    while (request_body_next_line(&body, &line) && count <= BOUND_BATCH_LINES)
        count++;
    static_assert(BOUND_BATCH_LINES == 10000, "as the text says");
    if (count > BOUND_BATCH_LINES)
        problem_set(problem, 413, "too_large",
                    "The batch has more than 10000 lines.");
    return count;
}

void message_publish_batch(struct request *request)
{
    const struct backend *backend = request_backend(request);
    struct problem problem = {0};
    if (request->content_type.data != NULL && request->body.length > 0 &&
        !request_type_is(request, ndjson_type))
        problem_set(&problem, 415, "unsupported_media_type",
                    "The body must be application/x-ndjson.");
    uint32_t count = count_lines(request->body, &problem);
    struct slice key = idempotency_key_of_lines(request, &problem);
    if (request_failed(request, &problem))
        return;
    struct batch *batch = arena_take(&request->arena, sizeof *batch);
    *batch = (struct batch){
        .traceparent = publish_trace(request),
        .refusals =
            arena_take(&request->arena, count * sizeof *batch->refusals + 1),
        .publishes =
            arena_take(&request->arena, count * sizeof *batch->publishes + 1),
    };
    request->held = batch;
    struct slice body = request->body, line;
    while (request_body_next_line(&body, &line))
        add_line(request, batch, key, line);
    if (batch->publish_count == 0)
        /* Nothing to store, so nothing to wait for. */
        on_published(request, &(struct backend_result){.count = 0});
    else
        backend->publish_each(backend->context,
                              request_wait(request, on_published),
                              batch->publishes, batch->publish_count);
}
