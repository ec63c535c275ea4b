/* Reads that answer requests: on a thread of the pool, from a view that shows
 * everything that was acknowledged when they began. */
#include "service_inside.h"

#include "base/clock.h"
#include "base/logger.h"
#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>

static struct backend_histogram histogram_of(const struct histogram *histogram)
{
    return (struct backend_histogram){.bounds_ms = metrics_bounds_ms,
                                      .buckets = histogram->buckets,
                                      .bucket_count = METRICS_BUCKETS,
                                      .count = histogram->count,
                                      .sum_ms = histogram->sum_ms};
}

static void fill_metrics(struct publisher_activity *activity,
                         const struct delivery_metrics *metrics)
{
    struct backend_outcomes *outcomes = &activity->outcomes;
    static_assert(sizeof outcomes->by_class == sizeof metrics->outcomes,
                  "both count the same classes");
    memcpy(outcomes->by_class, metrics->outcomes, sizeof metrics->outcomes);
    outcomes->dead = metrics->dead;
    outcomes->ambiguous = metrics->ambiguous;
    outcomes->doubtful = metrics->doubtful;
    outcomes->circuits = metrics->circuits;
    activity->delivery = histogram_of(&metrics->delivery);
    activity->end_to_end = histogram_of(&metrics->end_to_end);
}

struct publisher_activity service_activity(struct service *service,
                                           uint32_t publisher_id)
{
    struct pipeline_statistics statistics;
    struct publisher_activity activity = {.known = false};
    if (!dispatcher_activity(service->parts.dispatcher, publisher_id,
                             &statistics))
        return activity;
    activity.known = true;
    activity.in_flight = statistics.in_flight;
    activity.rate_per_second = statistics.rate_per_second;
    activity.next_attempt_ms = statistics.next_attempt_ms;
    activity.limited_until_ms = statistics.limited_until_ms;
    if (statistics.metrics != NULL)
        fill_metrics(&activity, statistics.metrics);
    return activity;
}

static int run(struct read_job *job, struct view *view, struct error *error)
{
    struct service_read *read = (struct service_read *)job;
    read->result.applied_index = view_applied_index(view);
    return read->query(read, view, error);
}

/* A local answer is the same wherever it comes from. */
static void fill_activities(struct service_read *read)
{
    struct backend_result *result = &read->result;
    bool told = result->publishers != NULL;
    uint32_t count = told ? result->count : result->explanation_count;
    if (count == 0)
        return;
    struct publisher_activity *activities =
        arena_take(&read->job.arena, count * sizeof *activities);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t id =
            told ? result->publishers[i].publisher.id
                 : result->explanations[i].facts.publisher.publisher.id;
        activities[i] = read->consistency == BACKEND_LOCAL
                            ? (struct publisher_activity){.known = false}
                            : service_activity(read->service, id);
    }
    result->activities = activities;
}

static void fill_error(struct service_read *read)
{
    struct backend_result *result = &read->result;
    struct read_job *job = &read->job;
    if (job->code == ERR_CORRUPT || job->code == ERR_IO)
        LOG_ERROR("store", "a read failed",
                  FIELD_TEXT("error", job->error.text));
    if (result->code != 0 || job->code == 0)
        return;
    result->code = job->code == ERR_BUSY ? ERR_UNAVAILABLE : job->code;
    result->detail = job->error.text[0] != '\0' ? job->error.text : NULL;
    if (result->code == ERR_NOT_FOUND)
        result->field = read->missing;
}

static void done(struct read_job *job)
{
    struct service_read *read = (struct service_read *)job;
    read->result.ticket = read->ticket;
    fill_error(read);
    if (read->result.code == 0)
        fill_activities(read);
    if (read->then == NULL || !read->then(read))
        service_answer(read->service, &read->result);
    arena_close(&job->arena);
    arena_close(&read->kept);
    free(read->data);
    free(read);
}

struct service_read *service_read_new(struct service *service, uint64_t ticket,
                                      int (*query)(struct service_read *read,
                                                   struct view *view,
                                                   struct error *error))
{
    struct service_read *read = memory_new_zeroed(1, sizeof *read);
    read->service = service;
    read->ticket = ticket;
    read->query = query;
    read->pool = service->parts.reads;
    read->now_ms = clock_wall_ms();
    read->job.run = run;
    read->job.done = done;
    read->job.waiter.index = catalog_applied_index(service->parts.catalog);
    return read;
}

/* A leader has applied what those before it have acknowledged. */
void service_read_submit(struct service_read *read,
                         enum backend_consistency consistency)
{
    struct service *service = read->service;
    read->consistency = consistency;
    bool leads = cluster_lease_until_ms(service->parts.cluster) > clock_ms() &&
                 proposer_check(service->parts.proposer, 0) != ERR_NOT_LEADER;
    if (consistency == BACKEND_LOCAL)
        read->job.waiter.index = 0;
    if (consistency == BACKEND_LOCAL || leads) {
        reads_submit(read->pool, &read->job);
        return;
    }
    read->result.code = ERR_UNAVAILABLE;
    read->result.detail = "no leader is known yet";
    reads_return(service->parts.reads, &read->job);
}

void service_read_behind(struct service_read *read, uint64_t index)
{
    read->job.waiter.index = index;
    service_read_submit(read, BACKEND_LINEARIZABLE);
}

void service_refuse(struct service *service, uint64_t ticket, int code,
                    const char *field, const char *detail)
{
    struct service_read *read = service_read_new(service, ticket, NULL);
    read->result.code = code;
    read->result.field = field;
    read->result.detail = detail;
    reads_return(service->parts.reads, &read->job);
}
