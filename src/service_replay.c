/* Replays: begun, tried, read, cancelled.
 *
 * What a request says by ids and times is looked up first; then it becomes a
 * job of the log, which the leader carries out step by step. To try one is to
 * walk through the same messages without a job: in slices, so that no view
 * stays open for long. */
#include "service_inside.h"

#include "base/bounds.h"
#include "base/clock.h"
#include "base/memory.h"

#include <stdlib.h>

enum {
    SAMPLE = 10,
    SLICE = 512, /* Deliveries in one look. */
    /* A dry run gives up its count after so long: the client waits. */
    TRY_MS = 5000,
};

/* What one request has come to so far. */
struct trial {
    struct backend_replay ask;
    struct author author;
    struct arena texts;
    struct replay job; /* Positions instead of ids and times. */
    struct filter *filter;
    bool located;
    uint64_t from; /* The next position to look at. */
    uint64_t matched;
    uint64_t sample[SAMPLE]; /* Ids. */
    uint32_t sample_count;
    uint64_t deadline_ms;
};

static void trial_close(struct trial *trial)
{
    arena_close(&trial->texts);
    filter_unref(trial->filter);
    trial->filter = NULL;
}

/* ---- From ids and times to positions ---- */

/* When it came, or was due: what rises with the position, save for scheduled
 * messages that were due while there was no leader. */
static uint64_t time_of(const struct message *message)
{
    return message->schedule_ms > message->received_ms ? message->schedule_ms
                                                       : message->received_ms;
}

/* The first position at or above `position` and its message's time; 0 behind
 * the last one. */
static int look(struct view *view, uint32_t topic_id, uint64_t position,
                uint64_t *ret_position, uint64_t *ret_ms, struct error *error)
{
    struct arena scratch = {0};
    struct feed_item *items;
    uint32_t count;
    int rc = query_feed(view, topic_id, position, 1, 1, &scratch, &items,
                        &count, error);
    *ret_position = rc == 0 && count > 0 ? items[0].position : 0;
    *ret_ms = *ret_position == 0 ? 0 : time_of(&items[0].message);
    arena_close(&scratch);
    return rc;
}

/* The first position whose message came at this time or later; behind the
 * last one when there is none. */
static int find_time(struct view *view, const struct topic *topic, uint64_t ms,
                     uint64_t *ret_position, struct error *error)
{
    uint64_t low = topic->first_position;
    uint64_t high = topic->last_position + 1;
    int rc = 0;
    while (rc == 0 && low < high) {
        uint64_t middle = low + (high - low) / 2;
        uint64_t position, at_ms;
        rc = look(view, topic->id, middle, &position, &at_ms, error);
        if (position == 0 || at_ms >= ms)
            high = middle;
        else
            low = position + 1;
    }
    *ret_position = low;
    return rc;
}

static int find_id(struct view *view, uint32_t topic_id, uint64_t id,
                   uint64_t *ret_position, struct error *error)
{
    struct arena scratch = {0};
    struct message_view message;
    int rc = query_message(view, id, &scratch, &message, error);
    if (rc == 0 && message.message.topic_id != topic_id)
        rc = error_set(error, ERR_NOT_FOUND,
                       "is a message of another topic than the publisher's");
    if (rc == 0 && message.position == 0)
        rc = error_set(error, ERR_NOT_FOUND,
                       "is a message that waits for its time");
    *ret_position = message.position;
    arena_close(&scratch);
    return rc;
}

static int locate_edges(struct service_read *read, struct view *view,
                        const struct topic *topic, struct error *error)
{
    struct trial *trial = read->data;
    const struct replay_edge *from = &trial->ask.from;
    const struct replay_edge *to = &trial->ask.to;
    int rc = 0;
    trial->job.from = topic->first_position;
    trial->job.upto = topic->last_position;
    read->missing = "from";
    if (from->id != 0)
        rc = find_id(view, topic->id, from->id, &trial->job.from, error);
    else if (from->timed)
        rc = find_time(view, topic, from->ms, &trial->job.from, error);
    if (rc != 0)
        return rc;
    read->missing = "to";
    if (to->id != 0)
        return find_id(view, topic->id, to->id, &trial->job.upto, error);
    if (!to->timed)
        return 0;
    rc = find_time(view, topic, to->ms + 1, &trial->job.upto, error);
    trial->job.upto -= rc == 0 && trial->job.upto > 0;
    return rc;
}

/* A publisher is not sent what it has not come to yet: that comes anyhow. */
static int locate(struct service_read *read, struct view *view,
                  struct error *error)
{
    struct trial *trial = read->data;
    struct pipeline_view pipeline;
    struct topic topic;
    read->missing = NULL;
    int rc = query_pipeline(view, trial->ask.publisher_id, &read->job.arena,
                            &pipeline, error);
    if (rc == 0)
        rc = query_topic(view, pipeline.publisher.topic_id, &read->job.arena,
                         &topic, error);
    if (rc == 0)
        rc = locate_edges(read, view, &topic, error);
    if (rc == 0 && trial->job.upto >= pipeline.next)
        trial->job.upto = pipeline.next - 1;
    trial->located = rc == 0;
    trial->from = trial->job.from;
    return rc;
}

/* ---- Trying ---- */

static void count(struct trial *trial, const struct feed_item *items,
                  uint32_t found)
{
    for (uint32_t i = 0; i < found; i++) {
        const struct message *message = &items[i].message;
        if (!filter_match(trial->filter, message->attributes, message->payload))
            continue;
        if (trial->sample_count < SAMPLE)
            trial->sample[trial->sample_count++] = message->id;
        trial->matched++;
    }
}

/* One slice; from a new view each. */
static int run_slice(struct service_read *read, struct view *view,
                     struct error *error)
{
    struct trial *trial = read->data;
    struct arena scratch = {0};
    struct feed_item *items;
    uint32_t found = 0;
    uint64_t upto = 0;
    if (trial->from > trial->job.upto)
        return 0;
    int rc = query_replay_feed(view, &trial->job, trial->from, SLICE,
                               BOUND_FEED_BYTES, &scratch, &items, &found,
                               &upto, error);
    if (rc == 0)
        count(trial, items, found);
    arena_close(&scratch);
    trial->from = upto + 1;
    return rc;
}

static bool is_tried(const struct trial *trial)
{
    return trial->from > trial->job.upto || clock_ms() > trial->deadline_ms;
}

static int fill_sample(struct service_read *read, struct view *view,
                       struct error *error)
{
    struct trial *trial = read->data;
    struct message_view *messages =
        arena_take(&read->job.arena, SAMPLE * sizeof *messages);
    uint32_t filled = 0;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < trial->sample_count; i++) {
        rc = query_message(view, trial->sample[i], &read->job.arena,
                           &messages[filled], error);
        filled += rc == 0;
        if (rc == ERR_NOT_FOUND)
            rc = 0; /* Retention was faster. */
    }
    read->result.messages = messages;
    read->result.count = filled;
    read->result.id = trial->matched;
    read->result.incomplete = trial->from <= trial->job.upto;
    return rc;
}

static int run_trial(struct service_read *read, struct view *view,
                     struct error *error)
{
    struct trial *trial = read->data;
    int rc = 0;
    if (!trial->located)
        rc = locate(read, view, error);
    if (rc == 0)
        rc = run_slice(read, view, error);
    if (rc == 0 && is_tried(trial))
        rc = fill_sample(read, view, error);
    return rc;
}

static struct service_read *trial_read(struct service *service, uint64_t ticket,
                                       struct trial *trial,
                                       bool (*then)(struct service_read *read));

static bool trial_then(struct service_read *read)
{
    struct trial *trial = read->data;
    if (read->result.code == 0 && !is_tried(trial)) {
        service_read_submit(
            trial_read(read->service, read->ticket, trial, trial_then),
            BACKEND_LINEARIZABLE);
        read->data = NULL;
        return true;
    }
    trial_close(trial);
    return false;
}

static int run_locate(struct service_read *read, struct view *view,
                      struct error *error)
{
    return locate(read, view, error);
}

/* ---- Jobs ---- */

/* With the publisher that it waits for. When that is deleted its replays are
 * cancelled. */
static int run_replay(struct service_read *read, struct view *view,
                      struct error *error)
{
    struct arena *arena = &read->job.arena;
    struct replay *replay = arena_take(arena, sizeof *replay);
    struct publisher_view *publisher = arena_take(arena, sizeof *publisher);
    int rc = query_replay(view, (uint32_t)read->id, arena, replay, error);
    read->result.replay = replay;
    if (rc != 0 || replay->state != REPLAY_RUNNING)
        return rc;
    read->result.publishers = publisher;
    read->result.count = 1;
    return query_publisher(view, replay->publisher_id, arena, publisher, error);
}

static void on_changed(void *context, uint64_t ticket, int code, uint64_t index,
                       const struct command_result *result)
{
    struct service *service = context;
    if (service_failed(service, ticket, code, result, NULL))
        return;
    struct service_read *read = service_read_new(service, ticket, run_replay);
    read->id = result->id;
    service_read_behind(read, index);
}

/* It is known which positions are meant: the job can begin. */
static bool start_then(struct service_read *read)
{
    struct trial *trial = read->data;
    struct service *service = read->service;
    struct command_replay_start start = {.publisher_id =
                                             trial->ask.publisher_id,
                                         .from = trial->job.from,
                                         .upto = trial->job.upto,
                                         .any_state = trial->ask.any_state,
                                         .wanted = trial->ask.state,
                                         .filter = trial->ask.filter};
    if (read->result.code == 0)
        read->result.code = service_change_check(service);
    bool proposes = read->result.code == 0;
    if (proposes) {
        command_replay_start_encode(proposer_begin(service->parts.proposer),
                                    clock_wall_ms(), &start);
        proposer_sign(service->parts.proposer, &trial->author);
        proposer_end(service->parts.proposer, on_changed, service,
                     read->ticket);
    }
    trial_close(trial);
    return proposes;
}

/* ---- Requests ---- */

static struct service_read *trial_read(struct service *service, uint64_t ticket,
                                       struct trial *trial,
                                       bool (*then)(struct service_read *read))
{
    struct service_read *read = service_read_new(
        service, ticket, trial->ask.dry_run ? run_trial : run_locate);
    read->data = trial;
    read->then = then;
    return read;
}

static struct trial *trial_new(const struct service *service,
                               const struct backend_replay *ask)
{
    struct filter_error fault;
    struct trial *trial = memory_new_zeroed(1, sizeof *trial);
    trial->ask = *ask;
    trial->ask.filter = arena_copy(&trial->texts, ask->filter);
    trial->author = service_author_keep(service, &trial->texts);
    trial->deadline_ms = clock_ms() + TRY_MS;
    trial->job = (struct replay){.publisher_id = ask->publisher_id,
                                 .any_state = ask->any_state,
                                 .wanted = ask->state,
                                 .filter = trial->ask.filter};
    if (ask->filter.length > 0)
        filter_compile(ask->filter, &trial->filter, &fault);
    return trial;
}

void service_replay_start(void *context, uint64_t ticket,
                          const struct backend_replay *replay)
{
    struct service *service = context;
    if (catalog_publisher(service->parts.catalog, replay->publisher_id) ==
        NULL) {
        service_refuse(service, ticket, ERR_NOT_FOUND, NULL, NULL);
        return;
    }
    struct trial *trial = trial_new(service, replay);
    service_read_submit(trial_read(service, ticket, trial,
                                   replay->dry_run ? trial_then : start_then),
                        BACKEND_LINEARIZABLE);
}

void service_replay_get(void *context, uint64_t ticket,
                        enum backend_consistency consistency, uint32_t id)
{
    struct service_read *read = service_read_new(context, ticket, run_replay);
    read->id = id;
    service_read_submit(read, consistency);
}

void service_replay_cancel(void *context, uint64_t ticket, uint32_t id)
{
    struct service *service = context;
    int rc = service_change_check(service);
    if (rc != 0) {
        service_refuse(service, ticket, rc, NULL, NULL);
        return;
    }
    command_replay_cancel_encode(proposer_begin(service->parts.proposer),
                                 clock_wall_ms(), id);
    service_propose(service, on_changed, ticket);
}
