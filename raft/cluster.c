/* The shell around `replica`: threads and timers in, events to the core,
 * effects out.
 *
 *     submit, timer, wake --> replica --> perform() --> log, vote, transport
 *                                             |
 *     pump() <-- wake <-- threads <-----------+
 *       `--> committed, leading, deposed, writable, failed
 *
 * Callbacks come from pump() alone, which runs from the wake handle and the
 * timer; what other calls change only wakes it. */
#include "raft/cluster.h"

#include "base/bounds.h"
#include "base/clock.h"
#include "base/logger.h"
#include "base/memory.h"
#include "raft/cluster_home.h"
#include "raft/disk.h"
#include "raft/log.h"
#include "raft/replica.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

enum {
    /* Left in a segment for barriers and changes of membership while there is
     * no next one: with a full disk a leader can still be elected. */
    SMALL_ENTRIES_ROOM = 4096,
    /* Old entries read back in one request. */
    READ_BYTES = 4 * 1024 * 1024,
};
_Static_assert((int)BOUND_ENTRY_BYTES_MAX + 4 * (int)SEGMENT_BLOCK <
                   (int)BOUND_SEGMENT_BYTES,
               "the largest entry fits in a segment");

struct cluster {
    uv_loop_t *loop;
    struct cluster_callbacks callbacks;
    struct cluster_home home;
    struct log *log;
    struct replica *replica;
    uint64_t segment_bytes;

    uv_async_t wake;
    uv_timer_t timer;
    uint64_t armed_ms; /* When the timer fires; 0: it is not running. */
    uv_work_t ending;

    bool closing;
    bool failed;
    bool blocked;          /* committed() said: not now. */
    bool writable;         /* As was last said or seen. */
    uint64_t leading_term; /* As was last said; 0: not leading. */
    uint64_t in_flight;    /* Index of the last submitted entry. */
    size_t refused_bytes;  /* Of the entry that found no room; 0. */
    uint64_t durable_index;
    struct log_read *fetched; /* Entries read back; NULL: none. */
    bool reading;

    void (*done)(void *context);
    void *done_context;
    unsigned handles_open;
};

/* --- Effects ------------------------------------------------------------ */

static void push_vote(struct cluster *cluster, uint64_t term, uint64_t vote)
{
    struct log_write *write = memory_new_zeroed(1, sizeof *write);
    cluster->home.vote.term = term;
    cluster->home.vote.vote = vote;
    write->is_vote = true;
    write->vote = cluster->home.vote;
    log_append(cluster->log, write);
}

/* Moves the effect's references into the request. */
static void push_append(struct cluster *cluster, struct replica_effect *effect)
{
    struct log_write *write = memory_new_zeroed(1, sizeof *write);
    write->generation = effect->append.generation;
    write->base = effect->append.base;
    write->entries = effect->append.entries;
    write->count = effect->append.count;
    write->places = memory_new_zeroed(write->count, sizeof *write->places);
    log_append(cluster->log, write);
}

static void free_write(struct log_write *write)
{
    for (size_t i = 0; i < write->count; i++)
        entry_unref(&write->entries[i]);
    free(write->entries);
    free(write->places);
    buffer_unref(write->base.configuration);
    free(write);
}

static void perform(struct cluster *cluster)
{
    struct replica_effect effect;
    while (replica_next_effect(cluster->replica, &effect)) {
        switch (effect.type) {
        case REPLICA_PERSIST_VOTE:
            push_vote(cluster, effect.vote.term, effect.vote.vote);
            break;
        case REPLICA_APPEND:
            push_append(cluster, &effect);
            break;
        case REPLICA_SEND:
            /* Without a transport every message is lost, which Raft allows;
             * a sole voter sends none. */
            replica_effect_close(&effect);
            break;
        }
    }
}

static void on_written(void *context, struct log_write *write)
{
    struct cluster *cluster = context;
    uint64_t now = clock_ms();
    if (write->result == 0 && !cluster->closing && !cluster->failed) {
        if (write->is_vote)
            replica_vote_persisted(cluster->replica, now);
        else
            replica_persisted(cluster->replica, now, write->generation);
    }
    free_write(write);
}

static void on_read(void *context, struct log_read *read)
{
    struct cluster *cluster = context;
    cluster->reading = false;
    log_read_free(cluster->fetched);
    cluster->fetched = read;
}

/* --- Callbacks ---------------------------------------------------------- */

static bool stopped(const struct cluster *cluster)
{
    return cluster->closing || cluster->failed;
}

static void fail(struct cluster *cluster, const struct error *error)
{
    cluster->failed = true;
    uv_timer_stop(&cluster->timer);
    if (cluster->leading_term != 0) {
        cluster->leading_term = 0;
        cluster->callbacks.deposed(cluster->callbacks.context);
    }
    cluster->callbacks.failed(cluster->callbacks.context, error);
}

static bool give(struct cluster *cluster, const struct entry *entry)
{
    const struct cluster_entry given = {
        .index = entry->index,
        .term = entry->term,
        .bytes = entry->payload,
        .buffer = entry->buffer,
    };
    cluster->blocked =
        !cluster->callbacks.committed(cluster->callbacks.context, &given);
    return !cluster->blocked;
}

/* The entry among those read back; NULL: it has to be read. */
static const struct entry *find_fetched(struct cluster *cluster, uint64_t index)
{
    struct log_read *fetched = cluster->fetched;
    if (fetched == NULL)
        return NULL;
    if (index >= fetched->first_index &&
        index < fetched->first_index + fetched->count)
        return &fetched->entries[index - fetched->first_index];
    log_read_free(fetched);
    cluster->fetched = NULL;
    return NULL;
}

static void fetch(struct cluster *cluster, uint64_t index)
{
    uint64_t commit = replica_status(cluster->replica).commit_index;
    uint64_t last = positions_last(log_positions(cluster->log));
    if (cluster->reading)
        return;
    cluster->reading = true;
    log_read(cluster->log, index, commit < last ? commit : last, READ_BYTES);
}

/* One entry; false: none that could be handed over now. */
static bool hand_over_one(struct cluster *cluster)
{
    struct entry entry;
    const struct entry *fetched;
    switch (replica_peek(cluster->replica, &entry)) {
    case REPLICA_NOTHING:
        break;
    case REPLICA_ENTRY:
        if (!give(cluster, &entry))
            return false;
        replica_handed(cluster->replica);
        return true;
    case REPLICA_ABSENT:
        fetched = find_fetched(cluster, entry.index);
        if (fetched == NULL) {
            fetch(cluster, entry.index);
            return false;
        }
        if (fetched->type == ENTRY_COMMAND && !give(cluster, fetched))
            return false;
        replica_handed(cluster->replica);
        return true;
    }
    /* All is handed over: what was read back is of no more use. */
    if (!cluster->reading) {
        log_read_free(cluster->fetched);
        cluster->fetched = NULL;
    }
    return false;
}

static void hand_over(struct cluster *cluster)
{
    if (cluster->fetched != NULL && cluster->fetched->error.code != 0) {
        fail(cluster, &cluster->fetched->error);
        return;
    }
    while (!stopped(cluster) && !cluster->blocked && hand_over_one(cluster))
        ;
}

static void announce_leadership(struct cluster *cluster)
{
    uint64_t term = replica_leading(cluster->replica);
    if (stopped(cluster) || term == cluster->leading_term)
        return;
    if (cluster->leading_term != 0) {
        cluster->leading_term = 0;
        cluster->in_flight = 0;
        cluster->callbacks.deposed(cluster->callbacks.context);
    }
    if (term == 0 || stopped(cluster))
        return;
    LOG_INFO("raft", "this node leads", FIELD_U64("term", term));
    cluster->leading_term = term;
    cluster->callbacks.leading(cluster->callbacks.context, term);
}

static void announce_writable(struct cluster *cluster)
{
    if (stopped(cluster))
        return;
    bool writable =
        cluster_can_submit(cluster) &&
        log_has_room(cluster->log, cluster->refused_bytes, SMALL_ENTRIES_ROOM);
    if (writable && !cluster->writable) {
        cluster->writable = true;
        cluster->refused_bytes = 0;
        cluster->callbacks.writable(cluster->callbacks.context);
    } else {
        cluster->writable = cluster->writable && writable;
    }
}

/* --- The pump ----------------------------------------------------------- */

static void arm(struct cluster *cluster);

static void check_failure(struct cluster *cluster)
{
    struct error error = {0};
    if (!stopped(cluster) && replica_failure(cluster->replica, &error) != 0)
        fail(cluster, &error);
}

static void pump(struct cluster *cluster)
{
    struct error error = {0};
    if (stopped(cluster))
        return;
    int rc = log_poll(cluster->log, &error);
    if (rc != 0) {
        fail(cluster, &error);
        return;
    }
    perform(cluster);
    hand_over(cluster);
    announce_leadership(cluster);
    announce_writable(cluster);
    if (!stopped(cluster))
        perform(cluster);
    check_failure(cluster);
    if (!stopped(cluster))
        arm(cluster);
}

static void on_wake(uv_async_t *wake)
{
    pump(wake->data);
}

static void on_timer(uv_timer_t *timer)
{
    struct cluster *cluster = timer->data;
    cluster->armed_ms = 0;
    if (stopped(cluster))
        return;
    replica_tick(cluster->replica, clock_ms());
    pump(cluster);
}

/* Only ever earlier: a timer that fires too soon does no harm, and most
 * deadlines move away before they come. */
static void arm(struct cluster *cluster)
{
    uint64_t deadline = replica_deadline_ms(cluster->replica);
    uint64_t now = clock_ms();
    if (cluster->armed_ms != 0 && cluster->armed_ms <= deadline)
        return;
    cluster->armed_ms = deadline > now ? deadline : now;
    uv_update_time(cluster->loop);
    uv_timer_start(&cluster->timer, on_timer, cluster->armed_ms - now, 0);
}

static void wake_up(void *context)
{
    struct cluster *cluster = context;
    uv_async_send(&cluster->wake);
}

/* --- Calls -------------------------------------------------------------- */

bool cluster_can_submit(const struct cluster *cluster)
{
    return !stopped(cluster) && cluster->leading_term != 0 &&
           replica_leading(cluster->replica) == cluster->leading_term &&
           replica_status(cluster->replica).commit_index >= cluster->in_flight;
}

static int may_submit(struct cluster *cluster, size_t length)
{
    if (length > log_entry_bytes_max(cluster->log) ||
        length > BOUND_ENTRY_BYTES_MAX)
        return ERR_TOO_LARGE;
    if (stopped(cluster) || cluster->leading_term == 0 ||
        replica_leading(cluster->replica) != cluster->leading_term)
        return ERR_NOT_LEADER;
    if (!cluster_can_submit(cluster))
        return ERR_BUSY;
    if (log_has_room(cluster->log, length, SMALL_ENTRIES_ROOM))
        return 0;
    /* The next segment is on its way, or there is no space for it. */
    cluster->refused_bytes = length;
    return log_no_space(cluster->log) ? ERR_NO_SPACE : ERR_BUSY;
}

int cluster_submit(struct cluster *cluster, struct buffer *entry,
                   uint64_t *ret_index)
{
    uint64_t index;
    int rc = may_submit(cluster, entry->length);
    if (rc == ERR_TOO_LARGE)
        return rc;
    cluster->writable = false;
    if (rc != 0)
        return rc;
    rc = replica_submit(cluster->replica, clock_ms(), entry, &index);
    if (rc != 0) {
        wake_up(cluster);
        return rc == ERR_NOT_LEADER ? rc : ERR_UNAVAILABLE;
    }
    cluster->in_flight = index;
    perform(cluster);
    *ret_index = index;
    return 0;
}

void cluster_resume(struct cluster *cluster)
{
    cluster->blocked = false;
    if (!stopped(cluster))
        wake_up(cluster);
}

void cluster_durable(struct cluster *cluster, uint64_t index)
{
    if (stopped(cluster) || index <= cluster->durable_index)
        return;
    cluster->durable_index = index;
    const struct position_segment *first = log_plan(cluster->log, index);
    if (first == NULL)
        return;
    uint64_t number = first->number;
    if (replica_forget(cluster->replica, clock_ms(), index, first->base.index))
        log_trim(cluster->log, number);
    wake_up(cluster);
}

uint64_t cluster_lease_until_ms(const struct cluster *cluster)
{
    bool leads = !stopped(cluster) && cluster->leading_term != 0 &&
                 replica_leading(cluster->replica) == cluster->leading_term;
    return leads && replica_status(cluster->replica).sole_voter ? UINT64_MAX
                                                                : 0;
}

static enum cluster_role role_of(enum raft_state state)
{
    switch (state) {
    case RAFT_LEADER:
        return CLUSTER_LEADER;
    case RAFT_CANDIDATE:
        return CLUSTER_CANDIDATE;
    case RAFT_FOLLOWER:
    case RAFT_UNAVAILABLE:
        break;
    }
    return CLUSTER_FOLLOWER;
}

struct cluster_status cluster_status(const struct cluster *cluster)
{
    if (cluster->closing)
        return (struct cluster_status){.role = CLUSTER_FOLLOWER};
    struct replica_status status = replica_status(cluster->replica);
    struct log_figures figures = log_figures(cluster->log);
    return (struct cluster_status){
        .role = role_of(status.state),
        .leading = cluster->leading_term != 0,
        .term = status.term,
        .leader_id = (uint32_t)(status.leader_id & 0xffff),
        .commit_index = status.commit_index,
        .last_index = status.last_index,
        .persisted_index = status.persisted_index,
        .first_index = log_positions(cluster->log)->base_index + 1,
        .log_bytes = figures.bytes,
        .syncs = figures.writer.syncs,
        .bytes_written = figures.writer.bytes_written,
        .sync_us_total = figures.writer.sync_us_total,
        .no_space = figures.no_space,
    };
}

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

static int open_replica(struct cluster *cluster,
                        const struct cluster_options *options,
                        struct log_found *found, struct error *error)
{
    const struct replica_options replica_options = {
        .id = vote_raft_id(&cluster->home.vote),
        .address = options->address,
        .election_timeout_ms = options->election_timeout_ms,
        .heartbeat_ms = options->heartbeat_ms,
        .seed = (unsigned)disk_random(),
        .tail_bytes =
            options->tail_bytes == 0 ? BOUND_TAIL_BYTES : options->tail_bytes,
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
    return replica_new(&replica_options, &start, &cluster->replica, error);
}

static int open_state(struct cluster *cluster,
                      const struct cluster_options *options,
                      struct error *error)
{
    struct log_found found = {0};
    const struct cluster_home_options home_options = {
        .directory = options->directory,
        .node_id = options->node_id,
        .address = options->address,
        .segment_bytes = cluster->segment_bytes,
        .applied_index = options->applied_index,
    };
    int rc = cluster_home_open(&home_options, &cluster->home, error);
    if (rc != 0)
        return rc;
    const struct log_options log_options = {
        .directory = cluster->home.log_directory,
        .vote_file = cluster->home.vote_file,
        .log_id = cluster->home.vote.log_id,
        .segment_bytes = cluster->segment_bytes,
        .context = cluster,
        .wake = wake_up,
        .written = on_written,
        .read = on_read,
    };
    rc = log_open(&log_options, &cluster->log, &found, error);
    if (rc == 0)
        rc = check_reach(&found, options->applied_index, error);
    if (rc == 0)
        rc = open_replica(cluster, options, &found, error);
    log_found_close(&found);
    return rc;
}

static void free_state(struct cluster *cluster)
{
    log_close(cluster->log);
    replica_free(cluster->replica);
    log_read_free(cluster->fetched);
    cluster_home_close(&cluster->home);
    cluster->log = NULL;
    cluster->replica = NULL;
    cluster->fetched = NULL;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct cluster *cluster = handle->data;
    if (--cluster->handles_open > 0)
        return;
    if (cluster->done != NULL)
        cluster->done(cluster->done_context);
    free(cluster);
}

static void close_handles(struct cluster *cluster)
{
    uv_close((uv_handle_t *)&cluster->timer, on_handle_closed);
    uv_close((uv_handle_t *)&cluster->wake, on_handle_closed);
}

/* From here on the object goes through on_handle_closed(). */
static int start(struct cluster *cluster, struct error *error)
{
    int number = uv_async_init(cluster->loop, &cluster->wake, on_wake);
    if (number != 0) {
        free_state(cluster);
        free(cluster);
        return error_set(error, ERR_IO, "start the cluster: %s",
                         uv_strerror(number));
    }
    uv_timer_init(cluster->loop, &cluster->timer);
    cluster->wake.data = cluster;
    cluster->timer.data = cluster;
    cluster->handles_open = 2;
    int rc = log_start(cluster->log, error);
    if (rc != 0) {
        cluster->closing = true;
        free_state(cluster);
        close_handles(cluster);
        return rc;
    }
    perform(cluster);
    wake_up(cluster);
    return 0;
}

int cluster_open(uv_loop_t *loop, const struct cluster_options *options,
                 const struct cluster_callbacks *callbacks,
                 struct cluster **ret_cluster, struct error *error)
{
    int rc = check_options(options, error);
    if (rc != 0)
        return error_wrap(error, rc, "open the cluster");
    struct cluster *cluster = memory_new_zeroed(1, sizeof *cluster);
    cluster->loop = loop;
    cluster->callbacks = *callbacks;
    cluster->home.directory = cluster->home.log_directory = -1;
    cluster->segment_bytes = options->segment_bytes == 0
                                 ? BOUND_SEGMENT_BYTES
                                 : options->segment_bytes;
    rc = open_state(cluster, options, error);
    if (rc != 0) {
        free_state(cluster);
        free(cluster);
        return error_wrap(error, rc, "open the cluster");
    }
    rc = start(cluster, error);
    if (rc != 0)
        return error_wrap(error, rc, "open the cluster");
    *ret_cluster = cluster;
    return 0;
}

/* --- Closing ------------------------------------------------------------ */

/* On a thread of libuv's pool: it waits for the disk. */
static void end_threads(uv_work_t *ending)
{
    struct cluster *cluster = ending->data;
    log_end(cluster->log);
}

static void on_threads_ended(uv_work_t *ending, int status)
{
    struct cluster *cluster = ending->data;
    (void)status;
    free_state(cluster);
    if (cluster->leading_term != 0)
        cluster->callbacks.deposed(cluster->callbacks.context);
    cluster->leading_term = 0;
    close_handles(cluster);
}

void cluster_close(struct cluster *cluster, void (*done)(void *context),
                   void *context)
{
    assert(!cluster->closing);
    cluster->closing = true;
    cluster->done = done;
    cluster->done_context = context;
    uv_timer_stop(&cluster->timer);
    cluster->ending.data = cluster;
    int rc = uv_queue_work(cluster->loop, &cluster->ending, end_threads,
                           on_threads_ended);
    assert(rc == 0); /* It only refuses a missing function. */
}
