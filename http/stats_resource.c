/* GET /api/stats: what went through, point by point, for charts. */
#include "http/event_text.h"
#include "http/resources.h"

static bool read_step(struct request *request, uint32_t *ret_seconds)
{
    struct problem problem = {0};
    struct slice text;
    *ret_seconds = 1;
    if (!query_string_get(&request->query, "step", &text) ||
        slice_is(text, "1"))
        return true;
    *ret_seconds = 60;
    if (slice_is(text, "60"))
        return true;
    problem_parameter(&problem, "step", "is invalid: 1 or 60 (seconds)");
    request_fail(request, &problem);
    return false;
}

void stats_get(struct request *request)
{
    const struct backend *backend = request_backend(request);
    struct backend_stats stats = {0};
    uint32_t step;
    if (!read_step(request, &step))
        return;
    backend->stats(backend->context, step, &stats);
    struct json_writer json = request_data_begin(request);
    json_write_begin(&json, '{');
    json_member_u64(&json, "node", stats.node_id);
    json_member_time(&json, "since", stats.since_ms);
    json_member_u64(&json, "step_seconds", step);
    json_write_name(&json, "points");
    json_write_begin(&json, '[');
    for (unsigned part = 0; part < 2; part++)
        for (uint32_t i = 0; i < stats.parts[part].count; i++) {
            json_write_begin(&json, '{');
            point_write(&json, &stats.parts[part].points[i]);
            json_write_end(&json, '}');
        }
    json_write_end(&json, ']');
    json_write_end(&json, '}');
    request_data_send(request, &json, 200);
}
