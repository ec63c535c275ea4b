/* The shape of a publisher. */
#include "http/publisher_options.h"
#include "http/resources.h"

#include "base/clock.h"

#include <math.h>
#include <stdio.h>

/* Its state, why, since when, and when it is tried again. */
struct standing {
    const char *state;
    struct slice reason;
    uint64_t since_ms;
    uint64_t next_ms;
    const struct attempt *cause; /* Told behind the reason; NULL: none. */
};

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Of several things that hold a publisher the one is told that must go
 * first, as `explain` does. */
static struct standing standing_of(const struct publisher_view *view,
                                   const struct publisher_activity *activity,
                                   uint64_t now_ms)
{
    const struct publisher *publisher = &view->publisher;
    if (publisher->paused)
        return (struct standing){.state = "paused",
                                 .reason = publisher->pause_reason,
                                 .since_ms = publisher->paused_ms};
    if (view->circuit.state == CIRCUIT_OPEN)
        return (struct standing){.state = "circuit_open",
                                 .since_ms = view->circuit.since_ms,
                                 .next_ms = view->circuit.next_probe_ms,
                                 .cause = &view->circuit.error};
    if (view->throttled_until_ms > now_ms)
        return (struct standing){
            .state = "throttled",
            .reason = slice_text("the target said Retry-After: "),
            .since_ms = view->counts.last_error_ms,
            .next_ms = view->throttled_until_ms,
            .cause = &view->counts.last_error};
    struct standing standing = {
        .state = "active",
        .since_ms = later(publisher->created_ms, view->circuit.since_ms),
        .next_ms = view->first_due_ms};
    if (activity->limited_until_ms > now_ms) {
        standing.state = "throttled";
        standing.reason = slice_text("rate_limit_per_second");
        standing.next_ms = activity->limited_until_ms;
    }
    return standing;
}

const char *publisher_state(const struct publisher_view *view,
                            const struct publisher_activity *activity,
                            uint64_t now_ms)
{
    return standing_of(view, activity, now_ms).state;
}

static const struct publisher_activity *
activity_of(const struct backend_result *result, uint32_t index)
{
    static const struct publisher_activity unknown = {.known = false};
    return result->activities == NULL ? &unknown : &result->activities[index];
}

void publisher_write_state(struct json_writer *json,
                           const struct backend_result *result, uint32_t index)
{
    const struct publisher_view *view = &result->publishers[index];
    const struct publisher_activity *activity = activity_of(result, index);
    struct standing standing = standing_of(view, activity, clock_wall_ms());
    struct encoder reason = {0};
    encoder_bytes(&reason, standing.reason);
    if (standing.cause != NULL)
        attempt_say(&reason, standing.cause);
    json_member_boolean(json, "active", !view->publisher.paused);
    json_member_string(json, "state", standing.state);
    json_member_text_or_null(json, "state_reason", encoder_slice(&reason));
    json_member_time(json, "state_since", standing.since_ms);
    json_member_text_or_null(json, "paused_by", view->publisher.paused_by);
    json_member_time(json, "next_attempt_at", standing.next_ms);
    encoder_close(&reason);
}

static void write_counts(struct json_writer *json,
                         const struct publisher_counts *counts)
{
    json_member_u64(json, "backlog", counts->backlog);
    json_member_u64(json, "retrying", counts->retrying);
    json_member_u64(json, "parked", counts->parked);
    json_member_u64(json, "scheduled", counts->scheduled);
    json_member_u64(json, "dead", counts->dead);
    json_member_u64(json, "ambiguous", counts->ambiguous);
    json_member_u64(json, "discarded", counts->discarded);
    json_member_u64(json, "delivered", counts->delivered);
    json_member_u64(json, "filtered", counts->filtered);
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
    if (!activity->known) {
        json_member_null(json, "in_flight");
        json_member_null(json, "rate_per_second");
        return;
    }
    char rate[48];
    double value =
        isfinite(activity->rate_per_second) ? activity->rate_per_second : 0.0;
    int length = snprintf(rate, sizeof rate, "%.2f", value);
    json_member_u64(json, "in_flight", activity->in_flight);
    json_write_name(json, "rate_per_second");
    json_write_raw(json, slice_of(rate, (size_t)length));
}

void publisher_write(struct json_writer *json,
                     const struct backend_result *result, uint32_t index,
                     bool clear)
{
    const struct publisher_view *view = &result->publishers[index];
    json_member_u64(json, "id", view->publisher.id);
    json_member_text(json, "topic", view->publisher.topic);
    publisher_options_write(json, &view->publisher.options, clear);
    publisher_write_state(json, result, index);
    json_member_time(json, "created_at", view->publisher.created_ms);
    json_member_time(json, "updated_at", view->publisher.updated_ms);
    write_counts(json, &view->counts);
    write_activity(json, activity_of(result, index));
}
