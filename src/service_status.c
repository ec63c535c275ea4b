/* Whether this node is well, whether a message would be taken now, and the
 * figures for /metrics. */
#include "service_inside.h"

#include "base/bounds.h"
#include "base/clock.h"
#include "base/logger.h"
#include "base/memory.h"

#include <stdio.h>
#include <uuid/uuid.h>

enum {
    READY_AFTER_LEADER_MS = 10000, /* Seen a leader within so long. */
    STATISTICS_MS = 100,           /* How old figures of space may be. */
};

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

int service_publish_check(struct service *service, size_t size,
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
                       service_publish_check(service, 0, &detail) == 0 &&
                       cluster_lease_until_ms(service->parts.cluster) > now_ms;
    if (!status->writable)
        status->writable_reason =
            status->live && detail != NULL ? detail : "no leader is known";
}

static uint64_t behind(uint64_t commit_index, uint64_t applied_index)
{
    return commit_index > applied_index ? commit_index - applied_index : 0;
}

static const char stranded_reason[] =
    "it lacks entries that are no longer in the log: it must be rebuilt";

/* Only the leader knows, and tells all. */
static bool is_stranded(struct service *service,
                        const struct cluster_member *member,
                        const struct cluster_status *cluster)
{
    return member->state == CLUSTER_MEMBER_TOO_FAR ||
           peer_report_strands(peers_find(gateway_peers(service->parts.gateway),
                                          cluster->leader_id),
                               member->node_id);
}

static void fill_state(struct service *service,
                       const struct cluster_member *known,
                       const struct cluster_status *cluster, bool reachable,
                       struct backend_member *member)
{
    member->state = "follower";
    if (!reachable) {
        member->state = "unreachable";
    } else if (known->node_id == cluster->leader_id) {
        member->state = "leader";
    } else if (is_stranded(service, known, cluster)) {
        member->state = "quarantined";
        member->state_reason = stranded_reason;
    }
}

/* This node knows itself; of the others what they have told. */
static void fill_member(struct service *service,
                        const struct cluster_member *known,
                        const struct cluster_status *cluster,
                        struct backend_status *status)
{
    struct backend_member *member = &status->members[status->member_count++];
    const struct peer_report *report =
        peers_find(gateway_peers(service->parts.gateway), known->node_id);
    bool own = known->node_id == status->node_id;
    bool fresh = own || peer_report_is_fresh(report, clock_ms());
    *member = (struct backend_member){.id = known->node_id,
                                      .voter = known->voter,
                                      .raft_address = known->address};
    fill_state(service, known, cluster, fresh, member);
    if (own) {
        member->url = service->parts.url;
        member->version = POSTOFFICE_VERSION;
        member->applied_index = status->applied_index;
        member->state_hash = status->state_hash;
    } else if (report != NULL) {
        member->url = report->url;
        member->version = report->version;
        member->applied_index = report->applied_index;
        member->state_hash = report->state_hash;
    }
    member->lag = behind(status->commit_index, member->applied_index);
}

static void fill_members(struct service *service,
                         const struct cluster_status *cluster,
                         struct backend_status *status)
{
    struct cluster_member members[BACKEND_MEMBERS_MAX];
    unsigned count =
        cluster_members(service->parts.cluster, members, BACKEND_MEMBERS_MAX);
    for (unsigned i = 0; i < count; i++)
        fill_member(service, &members[i], cluster, status);
}

void service_report(void *context, struct peer_report *ret_report)
{
    struct service *service = context;
    ret_report->applied_index = catalog_applied_index(service->parts.catalog);
    ret_report->state_hash = statistics(service)->state_hash;
    snprintf(ret_report->url, sizeof ret_report->url, "%s", service->parts.url);
    snprintf(ret_report->version, sizeof ret_report->version, "%s",
             POSTOFFICE_VERSION);
    struct cluster_member members[PEERS_MAX];
    unsigned count =
        cluster_members(service->parts.cluster, members, PEERS_MAX);
    for (unsigned i = 0; i < count; i++)
        if (members[i].state == CLUSTER_MEMBER_TOO_FAR)
            ret_report->stranded[ret_report->stranded_count++] =
                members[i].node_id;
}

void service_status(void *context, struct backend_status *ret_status)
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
    };
    fill_members(service, &cluster, ret_status);
    if (identity->id_space != 0)
        uuid_unparse_lower(identity->cluster_id, ret_status->cluster_id);
    fill_probes(service, &cluster, ret_status);
}

void service_stats(void *context, uint32_t step_seconds,
                   struct backend_stats *ret_stats)
{
    struct service *service = context;
    ret_stats->node_id = service->parts.settings->node_id;
    series_read(news_series(service->parts.news), step_seconds, ret_stats);
}

static void fill_metrics(struct service *service,
                         struct backend_metrics *ret_metrics)
{
    struct cluster_status cluster = cluster_status(service->parts.cluster);
    struct scheduler_statistics delivery =
        dispatcher_statistics(service->parts.dispatcher);
    const struct writer_statistics *writer = statistics(service);
    const struct settings *settings = service->parts.settings;
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
        .last_index = cluster.last_index,
        .first_index = cluster.first_index,
        .leaderships = cluster.leaderships,
        .leader = cluster.leading,
        .leader_known = cluster.leader_id != 0,
        .log_bytes = cluster.log_bytes,
        .log_syncs = cluster.syncs,
        .log_sync_us = cluster.sync_us_total,
        .log_written_bytes = cluster.bytes_written,
        .store_file_bytes = writer->space.file_bytes,
        .store_reusable_bytes = writer->space.reusable_bytes,
        .store_commits = writer->commits,
        .store_commit_us = writer->commit_us,
        .indexed_message_id =
            service->parts.index == NULL ? 0 : index_upto(service->parts.index),
        .disk_free_bytes = writer->disk_free_bytes,
        .disk_reserve_bytes = settings->min_free_bytes,
        .store_limit_bytes = settings->max_store_bytes,
        .idempotency_keys_limit = BOUND_IDEMPOTENCY_KEYS,
        .proposals_waiting_bytes =
            proposer_waiting_bytes(service->parts.proposer),
    };
    struct logger_figures logged = logger_figures();
    ret_metrics->log_warnings = logged.lines[LOGGER_WARN];
    ret_metrics->log_errors = logged.lines[LOGGER_ERROR];
    ret_metrics->log_silenced = logged.silenced;
    struct backend_status probes = {0};
    fill_probes(service, &cluster, &probes);
    ret_metrics->ready = probes.ready;
    ret_metrics->writable = probes.writable;
}

/* ---- Publishers, one by one ---- */

/* What takes a look at the store, or at the kernel's lists. */
struct looked_up {
    struct process_figures process;
    uint64_t idempotency_keys;
};

static int run_metrics(struct service_read *read, struct view *view,
                       struct error *error)
{
    struct publisher_view *publishers;
    struct looked_up *looked_up = read->data;
    looked_up->process = process_measure();
    int rc = query_idempotency_keys(view, &looked_up->idempotency_keys, error);
    if (rc != 0)
        return rc;
    rc =
        query_publishers(view, 0, 0, BOUND_METRICS_PUBLISHERS, &read->job.arena,
                         &publishers, &read->result.count, error);
    read->result.publishers = publishers;
    return rc;
}

/* What could not be read is left out: the rest is wanted most when something
 * is amiss. Unlike an answer of the API, this is about this node: what its
 * delivery knows is told. */
static bool metrics_then(struct service_read *read)
{
    struct backend_result *result = &read->result;
    struct backend_metrics metrics;
    const struct looked_up *looked_up = read->data;
    fill_metrics(read->service, &metrics);
    metrics.process = looked_up->process;
    metrics.idempotency_keys = looked_up->idempotency_keys;
    if (result->code != 0) {
        *result = (struct backend_result){.ticket = read->ticket};
    } else {
        struct publisher_activity *activities =
            arena_take(&read->job.arena, result->count * sizeof *activities);
        for (uint32_t i = 0; i < result->count; i++)
            activities[i] = service_activity(
                read->service, result->publishers[i].publisher.id);
        result->activities = activities;
        if (metrics.publishers > result->count)
            metrics.publishers_untold = metrics.publishers - result->count;
    }
    result->metrics = &metrics;
    service_answer(read->service, result);
    return true;
}

void service_metrics(void *context, uint64_t ticket)
{
    struct service_read *read = service_read_new(context, ticket, run_metrics);
    read->then = metrics_then;
    read->data = memory_new_zeroed(1, sizeof(struct looked_up));
    service_read_submit(read, BACKEND_LOCAL);
}
