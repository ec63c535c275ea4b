#include "service.h"

#include "base/bounds.h"
#include "base/clock.h"
#include "base/logger.h"
#include "base/memory.h"
#include "storage/idempotency.h"

#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

enum {
    READY_AFTER_LEADER_MS = 10000, /* Seen a leader within so long. */
    STATISTICS_MS = 100,           /* How old figures of space may be. */
};

struct service {
    struct service_parts parts;
    backend_done done;
    void *done_context;
    struct writer_statistics writer; /* Not older than STATISTICS_MS. */
    uint64_t writer_ms;
    uint64_t leader_seen_ms;
    uint64_t published;
    uint64_t published_bytes;
    uint64_t refused;
};

/* ---- Answers ---- */

static void answer(struct service *service, struct backend_result *result)
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
    uint64_t id;
    struct backend_page page;
    struct topic *topics;
    struct publisher_view *publishers;
    struct message_view message;
    uint32_t count;
    struct backend_result result; /* What is known already. */
};

static struct publisher_activity activity_of(struct service *service,
                                             uint32_t publisher_id)
{
    struct pipeline_statistics statistics;
    struct publisher_activity activity = {.known = false};
    if (dispatcher_activity(service->parts.dispatcher, publisher_id,
                            &statistics)) {
        activity.known = true;
        activity.in_flight = statistics.in_flight;
        activity.rate_per_second = statistics.rate_per_second;
        activity.next_attempt_ms = statistics.next_attempt_ms;
    }
    return activity;
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
            activities[i] =
                activity_of(service, read->publishers[i].publisher.id);
        result->activities = activities;
    }
    answer(service, result);
    arena_close(&job->arena);
    free(read);
}

static struct service_read *read_new(struct service *service, uint64_t ticket,
                                     int (*run)(struct read_job *job,
                                                struct view *view,
                                                struct error *error))
{
    struct service_read *read = memory_new_zeroed(1, sizeof *read);
    read->service = service;
    read->ticket = ticket;
    read->job.run = run;
    read->job.done = read_done;
    read->job.waiter.index = catalog_applied_index(service->parts.catalog);
    return read;
}

static void read_submit(struct service_read *read)
{
    reads_submit(read->service->parts.reads, &read->job);
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
    answer(service, &answered);
    return true;
}

/* ---- Whether it would be taken ---- */

static const struct writer_statistics *statistics(struct service *service)
{
    uint64_t now_ms = clock_ms();
    if (service->writer_ms == 0 ||
        now_ms - service->writer_ms >= STATISTICS_MS) {
        service->writer = writer_statistics(service->parts.writer);
        service->writer_ms = now_ms;
    }
    return &service->writer;
}

/* The store may grow to nine tenths of its largest size by publishing; the
 * rest is for outcomes and whatever else must go on. */
static const char *space_problem(struct service *service)
{
    const struct settings *settings = service->parts.settings;
    const struct writer_statistics *now = statistics(service);
    if (now->disk_free_bytes < settings->min_free_bytes)
        return "the disk has less free space than --min-free-bytes";
    uint64_t used = now->space.file_bytes > now->space.reusable_bytes
                        ? now->space.file_bytes - now->space.reusable_bytes
                        : 0;
    if (used > settings->max_store_bytes / 10 * 9)
        return "the store has reached --max-store-bytes";
    if (cluster_status(service->parts.cluster).no_space)
        return "no space for the next segment of the log";
    return NULL;
}

static int publish_check(struct service *service, size_t size,
                         const char **ret_detail)
{
    *ret_detail = NULL;
    int rc = proposer_check(service->parts.proposer, size);
    if (rc == ERR_NOT_LEADER) {
        *ret_detail = "no leader is known yet";
        return ERR_UNAVAILABLE;
    }
    if (rc == ERR_BUSY)
        *ret_detail = "more is waiting to be written than fits";
    if (rc != 0 && rc != ERR_NO_SPACE)
        return rc;
    *ret_detail = space_problem(service);
    return *ret_detail != NULL ? ERR_NO_SPACE : rc;
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
    answer(service, &answered);
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
    int rc = publish_check(service, size, &detail);
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
    answer(service, &answered);
}

static void topic_create(void *context, uint64_t ticket,
                         const struct topic_options *options)
{
    struct service *service = context;
    const char *detail;
    int rc = publish_check(service, 0, &detail);
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

static int run_topic_list(struct read_job *job, struct view *view,
                          struct error *error)
{
    struct service_read *read = (struct service_read *)job;
    return query_topics(view, read->page.after_id, read->page.limit,
                        &job->arena, &read->topics, &read->count, error);
}

static void topic_list(void *context, uint64_t ticket,
                       const struct backend_page *page)
{
    struct service_read *read = read_new(context, ticket, run_topic_list);
    read->page = *page;
    read_submit(read);
}

/* ---- Publishers ---- */

static int run_publisher(struct read_job *job, struct view *view,
                         struct error *error)
{
    struct service_read *read = (struct service_read *)job;
    read->publishers = arena_take(&job->arena, sizeof *read->publishers);
    int rc = query_publisher(view, (uint32_t)read->id, &job->arena,
                             read->publishers, error);
    read->count = rc == 0;
    if (rc != 0)
        read->publishers = NULL;
    return rc;
}

static void publisher_get(void *context, uint64_t ticket, uint32_t id)
{
    struct service_read *read = read_new(context, ticket, run_publisher);
    read->id = id;
    read_submit(read);
}

static void on_publisher_changed(void *context, uint64_t ticket, int code,
                                 uint64_t index,
                                 const struct command_result *result)
{
    struct service *service = context;
    if (code == 0 && result->code == ERR_NOT_FOUND) {
        struct backend_result answered = {.ticket = ticket,
                                          .code = ERR_NOT_FOUND};
        answer(service, &answered);
        return;
    }
    if (failed(service, ticket, code, result, "target"))
        return;
    /* Answered with what the change has made of it. */
    struct service_read *read = read_new(service, ticket, run_publisher);
    read->id = result->id;
    read->result.id = result->id;
    read->job.waiter.index = index;
    read_submit(read);
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
    int rc = publish_check(service, 0, &detail);
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

static int run_publisher_list(struct read_job *job, struct view *view,
                              struct error *error)
{
    struct service_read *read = (struct service_read *)job;
    return query_publishers(view, 0, read->page.after_id, read->page.limit,
                            &job->arena, &read->publishers, &read->count,
                            error);
}

static void publisher_list(void *context, uint64_t ticket,
                           const struct backend_page *page)
{
    struct service_read *read = read_new(context, ticket, run_publisher_list);
    read->page = *page;
    read_submit(read);
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
    answer(service, &answered);
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

static int run_message(struct read_job *job, struct view *view,
                       struct error *error)
{
    struct service_read *read = (struct service_read *)job;
    return query_message(view, read->id, &job->arena, &read->message, error);
}

static void message_get(void *context, uint64_t ticket, uint64_t id)
{
    struct service_read *read = read_new(context, ticket, run_message);
    read->id = id;
    read_submit(read);
}

/* ---- Health and figures ---- */

static uint64_t id_space(void *context)
{
    struct service *service = context;
    return catalog_identity(service->parts.catalog)->id_space;
}

static void fill_probes(struct service *service,
                        const struct cluster_status *cluster,
                        struct backend_status *status)
{
    struct error failure;
    status->live = writer_failure(service->parts.writer, &failure) == 0;
    if (!status->live)
        status->live_reason = "the store has failed";
    uint64_t now_ms = clock_ms();
    if (cluster->leading ||
        (cluster->leader_id != 0 &&
         cluster->leader_id != service->parts.settings->node_id))
        service->leader_seen_ms = now_ms;
    status->ready = status->live && service->leader_seen_ms != 0 &&
                    now_ms - service->leader_seen_ms < READY_AFTER_LEADER_MS;
    if (!status->ready)
        status->ready_reason = "no leader was seen lately";
    const char *detail;
    status->writable = status->live &&
                       publish_check(service, 0, &detail) == 0 &&
                       cluster_lease_until_ms(service->parts.cluster) > now_ms;
    if (!status->writable)
        status->writable_reason =
            status->live && detail != NULL ? detail : "no leader is known";
}

static void fill_status(void *context, struct backend_status *ret_status)
{
    struct service *service = context;
    struct cluster_status cluster = cluster_status(service->parts.cluster);
    const struct cluster_identity *identity =
        catalog_identity(service->parts.catalog);
    *ret_status = (struct backend_status){
        .node_id = service->parts.settings->node_id,
        .leader_id = cluster.leader_id,
        .term = cluster.term,
        .commit_index = cluster.commit_index,
        .applied_index = catalog_applied_index(service->parts.catalog),
        .state_hash = statistics(service)->state_hash,
        .leader = cluster.leading,
        .raft_address = service->parts.raft_address,
        .url = service->parts.url,
        .version = POSTOFFICE_VERSION,
    };
    if (identity->id_space != 0)
        uuid_unparse_lower(identity->cluster_id, ret_status->cluster_id);
    fill_probes(service, &cluster, ret_status);
}

static void fill_metrics(void *context, struct backend_metrics *ret_metrics)
{
    struct service *service = context;
    struct cluster_status cluster = cluster_status(service->parts.cluster);
    struct scheduler_statistics delivery =
        dispatcher_statistics(service->parts.dispatcher);
    const struct writer_statistics *writer = statistics(service);
    *ret_metrics = (struct backend_metrics){
        .messages_published = service->published,
        .payload_bytes_published = service->published_bytes,
        .publish_refused = service->refused,
        .backlog_messages = writer->backlog,
        .deliveries_in_flight = delivery.sends_in_flight,
        .attempts_succeeded = delivery.succeeded,
        .attempts_failed = delivery.failed,
        .deliveries_delivered = delivery.succeeded,
        .deliveries_dead = delivery.dead,
        .duplicates_possible = delivery.doubtful,
        .topics = catalog_topics(service->parts.catalog),
        .publishers = catalog_publishers(service->parts.catalog),
        .term = cluster.term,
        .commit_index = cluster.commit_index,
        .applied_index = catalog_applied_index(service->parts.catalog),
        .leader = cluster.leading,
        .log_bytes = cluster.log_bytes,
        .log_syncs = cluster.syncs,
        .log_sync_us = cluster.sync_us_total,
        .log_written_bytes = cluster.bytes_written,
        .store_file_bytes = writer->space.file_bytes,
        .store_reusable_bytes = writer->space.reusable_bytes,
        .store_commits = writer->commits,
        .store_commit_us = writer->commit_us,
        .disk_free_bytes = writer->disk_free_bytes,
        .proposals_waiting_bytes =
            proposer_waiting_bytes(service->parts.proposer),
    };
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
        .id_space = id_space,
        .status = fill_status,
        .metrics = fill_metrics,
    };
}
