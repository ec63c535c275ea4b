#include "service_inside.h"

#include "base/bounds.h"
#include "base/clock.h"
#include "base/logger.h"
#include "base/memory.h"
#include "storage/idempotency.h"

#include <stdlib.h>
#include <string.h>

/* ---- Answers ---- */

void service_answer(struct service *service, struct backend_result *result)
{
    if (service->done == NULL)
        return;
    result->id_space = catalog_identity(service->parts.catalog)->id_space;
    service->done(service->done_context, result);
}

/* A read that answers one request. */
struct service_read {
    struct read_job job;
    struct service *service;
    uint64_t ticket;
    enum backend_consistency consistency;
    int (*query)(struct service_read *read, struct view *view,
                 struct error *error); /* On a thread of the pool. */
    uint64_t id;
    struct backend_page page;
    struct topic *topics;
    struct publisher_view *publishers;
    struct message_view message;
    uint32_t count;
    struct backend_result result; /* What is known already. */
};

static struct publisher_activity activity_of(const struct service_read *read,
                                             uint32_t publisher_id)
{
    struct pipeline_statistics statistics;
    struct publisher_activity activity = {.known = false};
    if (read->consistency != BACKEND_LOCAL &&
        dispatcher_activity(read->service->parts.dispatcher, publisher_id,
                            &statistics)) {
        activity.known = true;
        activity.in_flight = statistics.in_flight;
        activity.rate_per_second = statistics.rate_per_second;
        activity.next_attempt_ms = statistics.next_attempt_ms;
    }
    return activity;
}

static int run_read(struct read_job *job, struct view *view,
                    struct error *error)
{
    struct service_read *read = (struct service_read *)job;
    read->result.applied_index = view_applied_index(view);
    return read->query(read, view, error);
}

static void read_done(struct read_job *job)
{
    struct service_read *read = (struct service_read *)job;
    struct service *service = read->service;
    struct backend_result *result = &read->result;
    result->ticket = read->ticket;
    if (job->code == ERR_CORRUPT || job->code == ERR_IO)
        LOG_ERROR("store", "a read failed",
                  FIELD_TEXT("error", job->error.text));
    if (result->code == 0 && job->code != 0) {
        result->code = job->code == ERR_BUSY ? ERR_UNAVAILABLE : job->code;
        result->detail = job->error.text[0] != '\0' ? job->error.text : NULL;
    }
    if (result->code == 0) {
        result->count = read->count;
        result->topics = read->topics;
        result->publishers = read->publishers;
        result->message = &read->message;
    }
    if (read->publishers != NULL) {
        struct publisher_activity *activities = arena_take(
            &job->arena, read->count * sizeof(struct publisher_activity));
        for (uint32_t i = 0; i < read->count; i++)
            activities[i] = activity_of(read, read->publishers[i].publisher.id);
        result->activities = activities;
    }
    service_answer(service, result);
    arena_close(&job->arena);
    free(read);
}

static struct service_read *read_new(struct service *service, uint64_t ticket,
                                     int (*query)(struct service_read *read,
                                                  struct view *view,
                                                  struct error *error))
{
    struct service_read *read = memory_new_zeroed(1, sizeof *read);
    read->service = service;
    read->ticket = ticket;
    read->query = query;
    read->job.run = run_read;
    read->job.done = read_done;
    read->job.waiter.index = catalog_applied_index(service->parts.catalog);
    return read;
}

/* Only a leader that has applied what those before it have acknowledged, and
 * whose lease holds, knows that nothing newer was committed
 * elsewhere. A local read does not ask, and takes the store's last commit as
 * it is. */
static void read_submit(struct service_read *read,
                        enum backend_consistency consistency)
{
    struct service *service = read->service;
    read->consistency = consistency;
    bool leads = cluster_lease_until_ms(service->parts.cluster) > clock_ms() &&
                 proposer_check(service->parts.proposer, 0) != ERR_NOT_LEADER;
    if (consistency == BACKEND_LOCAL)
        read->job.waiter.index = 0;
    if (consistency == BACKEND_LOCAL || leads) {
        reads_submit(service->parts.reads, &read->job);
        return;
    }
    read->result.code = ERR_UNAVAILABLE;
    read->result.detail = "no leader is known yet";
    reads_return(service->parts.reads, &read->job);
}

/* An error known before anything was begun. It takes the way of a read, so
 * that no answer comes before the call that asked has returned. */
static void refuse(struct service *service, uint64_t ticket, int code,
                   const char *field, const char *detail)
{
    struct service_read *read = read_new(service, ticket, NULL);
    read->result.code = code;
    read->result.field = field;
    read->result.detail = detail;
    reads_return(service->parts.reads, &read->job);
}

/* What apply said of a create or change, or that it was never applied. */
static bool failed(struct service *service, uint64_t ticket, int code,
                   const struct command_result *result, const char *exists)
{
    struct backend_result answered = {.ticket = ticket, .code = code};
    if (code == 0)
        answered.code = result->code;
    if (answered.code == 0)
        return false;
    if (answered.code == ERR_EXISTS)
        answered.field = exists;
    service_answer(service, &answered);
    return true;
}

/* ---- Publishing ---- */

static void on_published(void *context, uint64_t ticket, int code,
                         uint64_t index, const struct command_result *result)
{
    struct service *service = context;
    (void)index;
    struct backend_result answered = {.ticket = ticket, .code = code};
    if (code == 0) {
        answered.replayed = result->code == ERR_EXISTS;
        answered.code = answered.replayed ? 0 : result->code;
        answered.id = result->id;
        answered.count = result->count;
        if (result->code == 0)
            service->published += result->count;
        if (result->code == ERR_NOT_FOUND)
            answered.field = "topic";
        if (result->code == ERR_BUSY) {
            service->refused++;
            answered.detail = "no more idempotency keys can be kept: each is "
                              "kept for 24 hours";
        }
    }
    service_answer(service, &answered);
}

static void publish(void *context, uint64_t ticket,
                    const struct backend_publish *request)
{
    struct service *service = context;
    size_t size = COMMAND_ENVELOPE_SIZE + 4;
    for (uint32_t i = 0; i < request->count; i++)
        size += message_encoded_size(&request->messages[i]);
    if (request->idempotency != NULL)
        size += idempotency_encoded_size(request->idempotency);
    const char *detail;
    int rc = service_publish_check(service, size, &detail);
    const struct topic *topic =
        catalog_topic_named(service->parts.catalog, request->topic);
    if (rc == 0 && topic == NULL)
        rc = ERR_NOT_FOUND;
    if (rc != 0) {
        service->refused += rc != ERR_NOT_FOUND;
        refuse(service, ticket, rc, rc == ERR_NOT_FOUND ? "topic" : NULL,
               detail);
        return;
    }
    struct encoder *out = proposer_begin(service->parts.proposer);
    size_t begun = command_messages_begin_once(
        out, clock_wall_ms(), 0, request->idempotency, request->count);
    for (uint32_t i = 0; i < request->count; i++) {
        struct message message = request->messages[i];
        message.topic_id = topic->id;
        message_encode(out, &message);
        service->published_bytes += message.payload.length;
    }
    command_end(out, begun);
    proposer_end(service->parts.proposer, on_published, service, ticket);
}

/* ---- Topics ---- */

static void on_topic_created(void *context, uint64_t ticket, int code,
                             uint64_t index,
                             const struct command_result *result)
{
    struct service *service = context;
    (void)index;
    if (failed(service, ticket, code, result, "name"))
        return;
    struct backend_result answered = {
        .ticket = ticket,
        .id = result->id,
        .count = 1,
        .topics = catalog_topic(service->parts.catalog, (uint32_t)result->id),
    };
    service_answer(service, &answered);
}

static void topic_create(void *context, uint64_t ticket,
                         const struct topic_options *options)
{
    struct service *service = context;
    const char *detail;
    int rc = service_publish_check(service, 0, &detail);
    if (rc != 0) {
        refuse(service, ticket, rc, NULL, detail);
        return;
    }
    if (catalog_topic_named(service->parts.catalog, options->name) != NULL) {
        refuse(service, ticket, ERR_EXISTS, "name", NULL);
        return;
    }
    command_topic_create_encode(proposer_begin(service->parts.proposer),
                                clock_wall_ms(), 0, options);
    proposer_end(service->parts.proposer, on_topic_created, service, ticket);
}

static int run_topic_list(struct service_read *read, struct view *view,
                          struct error *error)
{
    return query_topics(view, read->page.after_id, read->page.limit,
                        &read->job.arena, &read->topics, &read->count, error);
}

static void topic_list(void *context, uint64_t ticket,
                       enum backend_consistency consistency,
                       const struct backend_page *page)
{
    struct service_read *read = read_new(context, ticket, run_topic_list);
    read->page = *page;
    read_submit(read, consistency);
}

/* ---- Publishers ---- */

static int run_publisher(struct service_read *read, struct view *view,
                         struct error *error)
{
    read->publishers = arena_take(&read->job.arena, sizeof *read->publishers);
    int rc = query_publisher(view, (uint32_t)read->id, &read->job.arena,
                             read->publishers, error);
    read->count = rc == 0;
    if (rc != 0)
        read->publishers = NULL;
    return rc;
}

static void publisher_get(void *context, uint64_t ticket,
                          enum backend_consistency consistency, uint32_t id)
{
    struct service_read *read = read_new(context, ticket, run_publisher);
    read->id = id;
    read_submit(read, consistency);
}

static void on_publisher_changed(void *context, uint64_t ticket, int code,
                                 uint64_t index,
                                 const struct command_result *result)
{
    struct service *service = context;
    if (code == 0 && result->code == ERR_NOT_FOUND) {
        struct backend_result answered = {.ticket = ticket,
                                          .code = ERR_NOT_FOUND};
        service_answer(service, &answered);
        return;
    }
    if (failed(service, ticket, code, result, "target"))
        return;
    /* Answered with what the change has made of it. */
    struct service_read *read = read_new(service, ticket, run_publisher);
    read->id = result->id;
    read->result.id = result->id;
    read->job.waiter.index = index;
    read_submit(read, BACKEND_LINEARIZABLE);
}

static bool same_triple(const struct publisher *publisher, uint32_t topic_id,
                        const struct publisher_options *options)
{
    return publisher->topic_id == topic_id &&
           publisher->options.type == options->type &&
           slice_equal(publisher->options.target, options->target);
}

static bool triple_taken(struct service *service, uint32_t topic_id,
                         const struct publisher_options *options)
{
    const struct catalog_publisher *known;
    for (uint32_t id = 0; (known = catalog_next_publisher(
                               service->parts.catalog, &id)) != NULL;) {
        if (same_triple(&known->publisher, topic_id, options))
            return true;
    }
    return false;
}

static void publisher_create(void *context, uint64_t ticket,
                             const struct backend_publisher_create *request)
{
    struct service *service = context;
    const struct topic *topic =
        catalog_topic_named(service->parts.catalog, request->topic);
    const char *detail;
    int rc = service_publish_check(service, 0, &detail);
    const char *field = NULL;
    if (rc == 0 && topic == NULL) {
        rc = ERR_NOT_FOUND;
        field = "topic";
    } else if (rc == 0 && triple_taken(service, topic->id, &request->options)) {
        rc = ERR_EXISTS;
        field = "target";
    }
    if (rc != 0) {
        refuse(service, ticket, rc, field, detail);
        return;
    }
    struct command_publisher_create create = {.topic_id = topic->id,
                                              .from_now = request->from_now,
                                              .paused = !request->active,
                                              .options = request->options};
    command_publisher_create_encode(proposer_begin(service->parts.proposer),
                                    clock_wall_ms(), 0, &create);
    proposer_end(service->parts.proposer, on_publisher_changed, service,
                 ticket);
}

static int run_publisher_list(struct service_read *read, struct view *view,
                              struct error *error)
{
    return query_publishers(view, 0, read->page.after_id, read->page.limit,
                            &read->job.arena, &read->publishers, &read->count,
                            error);
}

static void publisher_list(void *context, uint64_t ticket,
                           enum backend_consistency consistency,
                           const struct backend_page *page)
{
    struct service_read *read = read_new(context, ticket, run_publisher_list);
    read->page = *page;
    read_submit(read, consistency);
}

/* Pausing, resuming and deleting need no space to speak of, and a full disk
 * is when they are wanted. */
static bool change_refused(struct service *service, uint64_t ticket,
                           uint32_t id)
{
    int rc = proposer_check(service->parts.proposer, 0);
    if (rc == ERR_NOT_LEADER)
        rc = ERR_UNAVAILABLE;
    if (rc == ERR_NO_SPACE)
        rc = 0;
    if (rc == 0 && catalog_publisher(service->parts.catalog, id) == NULL)
        rc = ERR_NOT_FOUND;
    if (rc != 0)
        refuse(service, ticket, rc, NULL, NULL);
    return rc != 0;
}

static void on_publisher_deleted(void *context, uint64_t ticket, int code,
                                 uint64_t index,
                                 const struct command_result *result)
{
    struct service *service = context;
    (void)index;
    if (failed(service, ticket, code, result, NULL))
        return;
    struct backend_result answered = {.ticket = ticket};
    service_answer(service, &answered);
}

static void publisher_delete(void *context, uint64_t ticket, uint32_t id)
{
    struct service *service = context;
    if (change_refused(service, ticket, id))
        return;
    command_publisher_delete_encode(proposer_begin(service->parts.proposer),
                                    clock_wall_ms(), 0, id);
    proposer_end(service->parts.proposer, on_publisher_deleted, service,
                 ticket);
}

static void publisher_pause(void *context, uint64_t ticket, uint32_t id,
                            bool paused)
{
    struct service *service = context;
    if (change_refused(service, ticket, id))
        return;
    struct command_pause pause = {.publisher_id = id,
                                  .paused = paused,
                                  .reason =
                                      slice_text(paused ? "requested" : NULL)};
    command_pause_encode(proposer_begin(service->parts.proposer),
                         clock_wall_ms(), 0, &pause);
    proposer_end(service->parts.proposer, on_publisher_changed, service,
                 ticket);
}

/* ---- Messages ---- */

static int run_message(struct service_read *read, struct view *view,
                       struct error *error)
{
    return query_message(view, read->id, &read->job.arena, &read->message,
                         error);
}

static void message_get(void *context, uint64_t ticket,
                        enum backend_consistency consistency, uint64_t id)
{
    struct service_read *read = read_new(context, ticket, run_message);
    read->id = id;
    read_submit(read, consistency);
}

/* ---- Other nodes ---- */

struct transfer {
    struct service *service;
    uint64_t ticket;
};

static void on_handed_over(void *context, int code, bool drained)
{
    struct transfer *transfer = context;
    struct backend_result result = {.ticket = transfer->ticket, .code = code};
    (void)drained; /* What was not is marked when it is sent again. */
    if (code == ERR_NOT_FOUND || code == ERR_UNAVAILABLE) {
        result.code = ERR_NOT_FOUND; /* No such other voter is there. */
        result.field = "to";
    }
    service_answer(transfer->service, &result);
    free(transfer);
}

static void hand_over(void *context, uint64_t ticket, uint32_t to)
{
    struct service *service = context;
    struct transfer *transfer = memory_new(sizeof *transfer);
    *transfer = (struct transfer){.service = service, .ticket = ticket};
    int rc = handover_start(service->parts.handover, to, true, on_handed_over,
                            transfer);
    if (rc == 0)
        return;
    free(transfer);
    refuse(service, ticket, rc, NULL, "leadership is being given away already");
}

static bool must_forward(void *context)
{
    struct service *service = context;
    return gateway_leader_is_elsewhere(service->parts.gateway);
}

static void forward(void *context, uint64_t ticket, struct slice request)
{
    struct service *service = context;
    gateway_forward(service->parts.gateway, ticket, request);
}

static uint64_t id_space(void *context)
{
    struct service *service = context;
    return catalog_identity(service->parts.catalog)->id_space;
}

/* ---- Life ---- */

struct service *service_new(const struct service_parts *parts)
{
    struct service *service = memory_new_zeroed(1, sizeof *service);
    service->parts = *parts;
    return service;
}

void service_free(struct service *service)
{
    free(service);
}

void service_attach(struct service *service, backend_done done, void *context)
{
    service->done = done;
    service->done_context = context;
}

struct backend service_backend(struct service *service)
{
    return (struct backend){
        .context = service,
        .publish = publish,
        .topic_create = topic_create,
        .topic_list = topic_list,
        .publisher_create = publisher_create,
        .publisher_list = publisher_list,
        .publisher_get = publisher_get,
        .publisher_delete = publisher_delete,
        .publisher_pause = publisher_pause,
        .message_get = message_get,
        .transfer = hand_over,
        .must_forward = must_forward,
        .forward = forward,
        .id_space = id_space,
        .status = service_status,
        .metrics = service_metrics,
    };
}
