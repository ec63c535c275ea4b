/* Founding or recovering, starting, and the end.
 *
 *     cluster_open() --> log and replica --> start()
 *              `-> waits --> cluster_found() --> found() on a worker
 *                                                  `-> on_found() --'
 *     cluster_close() --> threads, transport --> handles --> done() */
#include "raft/cluster_inside.h"

#include "base/clock.h"
#include "base/logger.h"
#include "base/memory.h"
#include "raft/address.h"
#include "raft/disk.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

_Static_assert((int)BOUND_ENTRY_BYTES_MAX + 4 * (int)SEGMENT_BLOCK <
                   (int)BOUND_SEGMENT_BYTES,
               "the largest entry fits in a segment");

/* --- Opening ------------------------------------------------------------ */

static int check_options(const struct cluster_options *options,
                         struct error *error)
{
    uint64_t segment = options->segment_bytes;
    if (options->node_id == 0 || options->node_id > 65535)
        return error_set(error, ERR_INVALID,
                         "the node id must be 1 to 65535, not %u",
                         options->node_id);
    if (options->heartbeat_ms == 0 ||
        options->election_timeout_ms <= options->heartbeat_ms)
        return error_set(error, ERR_INVALID,
                         "the election timeout must exceed the heartbeat");
    if (segment != 0 &&
        (segment % SEGMENT_BLOCK != 0 || segment < SEGMENT_BYTES_MIN ||
         segment > BOUND_SEGMENT_BYTES))
        return error_set(error, ERR_INVALID,
                         "a segment of %" PRIu64 " bytes is not possible",
                         segment);
    return 0;
}

static int check_member(const struct cluster_options *options, size_t number,
                        struct error *error)
{
    const struct cluster_address *member = &options->members[number];
    struct address address;
    if (member->node_id == 0 || member->node_id > 65535)
        return error_set(error, ERR_INVALID,
                         "a first member's id must be 1 to 65535, not %u",
                         member->node_id);
    for (size_t i = 0; i < number; i++)
        if (options->members[i].node_id == member->node_id ||
            strcmp(options->members[i].address, member->address) == 0)
            return error_set(error, ERR_INVALID,
                             "node %u or its address %.100s is twice among "
                             "the first members",
                             member->node_id, member->address);
    return address_parse(member->address, &address, error);
}

static int check_members(const struct cluster_options *options,
                         struct error *error)
{
    bool found = options->members_count == 0;
    int rc = 0;
    if (options->members_count > 1 && options->listen == NULL)
        return error_set(error, ERR_INVALID,
                         "several first members need a listening address");
    if (options->members_count >= BOUND_PEERS)
        return error_set(error, ERR_INVALID, "more than %d first members",
                         BOUND_PEERS - 1);
    for (size_t i = 0; i < options->members_count && rc == 0; i++) {
        rc = check_member(options, i, error);
        found = found || options->members[i].node_id == options->node_id;
    }
    if (rc == 0 && !found)
        rc = error_set(error, ERR_INVALID,
                       "this node (%u) is not among the first members",
                       options->node_id);
    return rc;
}

/* What the store holds and what the log holds must overlap. */
static int check_reach(const struct log_found *found, uint64_t applied_index,
                       struct error *error)
{
    uint64_t last = found->base.index + found->count;
    if (last < applied_index)
        return error_set(error, ERR_CORRUPT,
                         "the log ends at entry %" PRIu64
                         ", but the store holds up to %" PRIu64
                         ": acknowledged entries are lost; rebuild this node",
                         last, applied_index);
    if (found->base.index > applied_index)
        return error_set(error, ERR_CORRUPT,
                         "the log begins after entry %" PRIu64
                         ", but the store holds only up to %" PRIu64
                         ": entries are missing between; rebuild this node",
                         found->base.index, applied_index);
    return 0;
}

/* --- The log and the replica -------------------------------------------- */

static int open_replica(struct cluster *cluster, struct log_found *found,
                        struct replica **ret, struct error *error)
{
    const struct cluster_options *options = &cluster->options;
    const struct replica_options replica_options = {
        .id = vote_raft_id(&cluster->home.vote),
        .address = options->address,
        .election_timeout_ms = options->election_timeout_ms,
        .heartbeat_ms = options->heartbeat_ms,
        .seed = (unsigned)disk_random(),
        .tail_bytes = options->tail_bytes,
    };
    const struct replica_start start = {
        .now_ms = clock_ms(),
        .term = cluster->home.vote.term,
        .vote = cluster->home.vote.vote,
        .base = found->base,
        .entries = found->entries,
        .count = found->count,
        .applied_index = options->applied_index,
    };
    return replica_new(&replica_options, &start, ret, error);
}

/* It waits for the disk; nobody else looks at the home meanwhile. On failure
 * what there is was returned, too. */
static int open_log(struct cluster *cluster, struct log **ret_log,
                    struct replica **ret_replica, struct error *error)
{
    struct log_found found = {0};
    const struct log_options options = {
        .directory = cluster->home.log_directory,
        .vote_file = cluster->home.vote_file,
        .log_id = cluster->home.vote.log_id,
        .segment_bytes = cluster->options.segment_bytes,
        .context = cluster,
        .wake = cluster_wake,
        .written = cluster_on_written,
        .read = cluster_on_read,
    };
    int rc = log_open(&options, ret_log, &found, error);
    if (rc == 0)
        rc = check_reach(&found, cluster->options.applied_index, error);
    if (rc == 0)
        rc = open_replica(cluster, &found, ret_replica, error);
    log_found_close(&found);
    return rc;
}

/* --- Founding a cluster of several -------------------------------------- */

/* On a thread of libuv's pool. */
static void found(uv_work_t *work)
{
    struct cluster *cluster = work->data;
    struct error *error = &cluster->founding_error;
    int rc = cluster_home_found(&cluster->home, &cluster->home_options,
                                cluster->home.vote.log_id, error);
    if (rc == 0)
        rc = open_log(cluster, &cluster->founded_log, &cluster->founded_replica,
                      error);
    if (rc == 0)
        rc = log_start(cluster->founded_log, error);
    error->code = rc;
}

static void end(struct cluster *cluster);

static void on_found(uv_work_t *work, int status)
{
    struct cluster *cluster = work->data;
    (void)status;
    cluster->founding_now = false;
    cluster->log = cluster->founded_log;
    cluster->replica = cluster->founded_replica;
    if (cluster->closing) {
        end(cluster);
        return;
    }
    if (cluster->founding_error.code != 0) {
        cluster_fail(cluster, &cluster->founding_error);
        return;
    }
    LOG_INFO("raft", "the cluster is founded",
             FIELD_U64("node", cluster->options.node_id),
             FIELD_U64("members", cluster->options.members_count));
    members_founded(cluster);
    cluster_wake(cluster);
}

void cluster_found(struct cluster *cluster, uint64_t log_id)
{
    if (cluster->founding_now)
        return;
    cluster->founding_now = true;
    cluster->home.vote.log_id = log_id;
    cluster->work.data = cluster;
    int rc = uv_queue_work(cluster->loop, &cluster->work, found, on_found);
    assert(rc == 0); /* It only refuses a missing function. */
}

/* --- Starting ----------------------------------------------------------- */

static void free_state(struct cluster *cluster)
{
    log_close(cluster->log);
    replica_free(cluster->replica);
    log_read_free(cluster->fetched);
    members_close(cluster);
    cluster_home_close(&cluster->home);
    cluster->log = NULL;
    cluster->replica = NULL;
    cluster->fetched = NULL;
}

static void free_cluster(struct cluster *cluster)
{
    arena_close(&cluster->arena);
    free(cluster);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct cluster *cluster = handle->data;
    if (--cluster->handles_open > 0)
        return;
    if (cluster->done != NULL)
        cluster->done(cluster->done_context);
    free_cluster(cluster);
}

static void close_handles(struct cluster *cluster)
{
    uv_close((uv_handle_t *)&cluster->timer, on_handle_closed);
    uv_close((uv_handle_t *)&cluster->wake, on_handle_closed);
}

/* From here on the object goes through on_handle_closed(). */
static int start(struct cluster *cluster, struct error *error)
{
    int number = uv_async_init(cluster->loop, &cluster->wake, cluster_on_wake);
    if (number != 0) {
        free_state(cluster);
        free_cluster(cluster);
        return error_set(error, ERR_IO, "start the cluster: %s",
                         uv_strerror(number));
    }
    uv_timer_init(cluster->loop, &cluster->timer);
    cluster->wake.data = cluster;
    cluster->timer.data = cluster;
    cluster->handles_open = 2;
    int rc = cluster->options.listen == NULL ? 0 : members_open(cluster, error);
    if (rc == 0 && cluster->log != NULL)
        rc = log_start(cluster->log, error);
    if (rc != 0) {
        cluster->closing = true;
        if (cluster->transport != NULL)
            transport_close(cluster->transport, NULL, NULL);
        free_state(cluster);
        close_handles(cluster);
        return rc;
    }
    if (cluster->log == NULL)
        uv_timer_start(&cluster->timer, cluster_on_timer, 0, 0);
    else
        cluster_perform(cluster);
    cluster_wake(cluster);
    return 0;
}

/* --- Opening ------------------------------------------------------------ */

static const char *copy_text(struct cluster *cluster, const char *text)
{
    return text == NULL
               ? NULL
               : (const char *)arena_copy(&cluster->arena, slice_text(text))
                     .data;
}

static void copy_options(struct cluster *cluster,
                         const struct cluster_options *options)
{
    struct cluster_options *copy = &cluster->options;
    *copy = *options;
    copy->directory = copy_text(cluster, options->directory);
    copy->address = copy_text(cluster, options->address);
    copy->listen = copy_text(cluster, options->listen);
    copy->secret = arena_copy(&cluster->arena, options->secret);
    struct cluster_address *members = arena_take(
        &cluster->arena, (options->members_count + 1) * sizeof *members);
    for (size_t i = 0; i < options->members_count; i++)
        members[i] = (struct cluster_address){
            .node_id = options->members[i].node_id,
            .address = copy_text(cluster, options->members[i].address),
        };
    copy->members = members;
    if (copy->segment_bytes == 0)
        copy->segment_bytes = BOUND_SEGMENT_BYTES;
    if (copy->tail_bytes == 0)
        copy->tail_bytes = BOUND_TAIL_BYTES;
    if (copy->kept_log_bytes == 0)
        copy->kept_log_bytes = BOUND_KEPT_LOG_BYTES;
    cluster->home_options = (struct cluster_home_options){
        .directory = copy->directory,
        .node_id = copy->node_id,
        .address = copy->address,
        .segment_bytes = copy->segment_bytes,
        .applied_index = copy->applied_index,
        .members = copy->members,
        .members_count = copy->members_count,
    };
}

int cluster_open(uv_loop_t *loop, const struct cluster_options *options,
                 const struct cluster_callbacks *callbacks,
                 struct cluster **ret_cluster, struct error *error)
{
    int rc = check_options(options, error);
    if (rc == 0)
        rc = check_members(options, error);
    if (rc != 0)
        return error_wrap(error, rc, "open the cluster");
    struct cluster *cluster = memory_new_zeroed(1, sizeof *cluster);
    cluster->loop = loop;
    cluster->callbacks = *callbacks;
    cluster->home.directory = cluster->home.log_directory = -1;
    copy_options(cluster, options);
    rc = cluster_home_open(&cluster->home_options, &cluster->home, error);
    if (rc == 0 && !cluster->home.waiting)
        rc = open_log(cluster, &cluster->log, &cluster->replica, error);
    if (rc != 0) {
        free_state(cluster);
        free_cluster(cluster);
        return error_wrap(error, rc, "open the cluster");
    }
    rc = start(cluster, error);
    if (rc != 0)
        return error_wrap(error, rc, "open the cluster");
    *ret_cluster = cluster;
    return 0;
}

/* --- Closing ------------------------------------------------------------ */

static void finish(struct cluster *cluster)
{
    if (--cluster->parts_open > 0)
        return;
    calls_end(cluster);
    transfer_end(cluster);
    free_state(cluster);
    if (cluster->leading_term != 0)
        cluster->callbacks.deposed(cluster->callbacks.context);
    cluster->leading_term = 0;
    close_handles(cluster);
}

/* On a thread of libuv's pool: it waits for the disk. */
static void end_threads(uv_work_t *work)
{
    struct cluster *cluster = work->data;
    if (cluster->log != NULL)
        log_end(cluster->log);
}

static void on_threads_ended(uv_work_t *work, int status)
{
    (void)status;
    finish(work->data);
}

static void end(struct cluster *cluster)
{
    cluster->work.data = cluster;
    int rc = uv_queue_work(cluster->loop, &cluster->work, end_threads,
                           on_threads_ended);
    assert(rc == 0); /* It only refuses a missing function. */
}

static void on_transport_closed(void *context)
{
    finish(context);
}

void cluster_close(struct cluster *cluster, void (*done)(void *context),
                   void *context)
{
    assert(!cluster->closing);
    cluster->closing = true;
    cluster->done = done;
    cluster->done_context = context;
    uv_timer_stop(&cluster->timer);
    cluster->parts_open = 1;
    if (cluster->transport != NULL) {
        cluster->parts_open++;
        transport_close(cluster->transport, on_transport_closed, cluster);
    }
    if (!cluster->founding_now)
        end(cluster);
}
