/* The shell around `replica`: threads and timers in, events to the core,
 * effects out.
 *
 *     submit, timer, wake --> replica --> perform() --> log, vote, transport
 *                                             |
 *     cluster_pump() <-- wake <-- threads <-----------+
 *       `--> committed, leading, deposed, writable, failed
 *
 * Callbacks come from cluster_pump() alone, which runs from the wake handle and
 * the timer; what other calls change only wakes it. */
#include "raft/cluster_inside.h"

#include "base/clock.h"
#include "base/logger.h"
#include "base/memory.h"
#include "raft/disk.h"

#include <assert.h>
#include <stdlib.h>

enum {
    /* Left in a segment for barriers and changes of membership while there is
     * no next one: with a full disk a leader can still be elected. */
    SMALL_ENTRIES_ROOM = 4096,
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
    if (cluster->appends++ == 0)
        cluster->appends_since_ms = clock_ms();
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

void cluster_perform(struct cluster *cluster)
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
            members_send(cluster, &effect);
            break;
        }
    }
}

void cluster_on_written(void *context, struct log_write *write)
{
    struct cluster *cluster = context;
    uint64_t now = clock_ms();
    if (!write->is_vote)
        cluster->appends_since_ms = --cluster->appends == 0 ? 0 : now;
    if (write->result == 0 && !cluster->closing && !cluster->failed) {
        if (write->is_vote)
            replica_vote_persisted(cluster->replica, now);
        else
            replica_persisted(cluster->replica, now, write->generation);
    }
    free_write(write);
}

void cluster_on_read(void *context, struct log_read *read)
{
    struct cluster *cluster = context;
    cluster->reading = false;
    if (cluster->reader != 0) {
        members_take_read(cluster, cluster->reader, read);
        return;
    }
    log_read_free(cluster->fetched);
    cluster->fetched = read;
}

/* --- Callbacks ---------------------------------------------------------- */

void cluster_fail(struct cluster *cluster, const struct error *error)
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
    cluster->reader = 0;
    log_read(cluster->log, index, commit < last ? commit : last,
             CLUSTER_READ_BYTES);
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
    log_read_free(cluster->fetched);
    cluster->fetched = NULL;
    return false;
}

static void hand_over(struct cluster *cluster)
{
    if (cluster->fetched != NULL && cluster->fetched->error.code != 0) {
        cluster_fail(cluster, &cluster->fetched->error);
        return;
    }
    while (!cluster_is_idle(cluster) && !cluster->blocked &&
           hand_over_one(cluster))
        ;
}

static void announce_leadership(struct cluster *cluster)
{
    struct entry next;
    uint64_t term = replica_leading(cluster->replica);
    if (cluster_is_idle(cluster) || term == cluster->leading_term)
        return;
    if (cluster->leading_term != 0) {
        cluster->leading_term = 0;
        cluster->in_flight = 0;
        cluster->callbacks.deposed(cluster->callbacks.context);
    }
    /* Whoever hears of it must have been handed what was committed before, be
     * it that this has to be read from the disk first. */
    if (term == 0 || cluster_is_idle(cluster) ||
        replica_peek(cluster->replica, &next) != REPLICA_NOTHING)
        return;
    LOG_INFO("raft", "this node leads", FIELD_U64("term", term));
    cluster->leading_term = term;
    cluster->leaderships++;
    cluster->callbacks.leading(cluster->callbacks.context, term);
}

static void announce_writable(struct cluster *cluster)
{
    if (cluster_is_idle(cluster))
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
    if (!cluster_is_idle(cluster) &&
        replica_failure(cluster->replica, &error) != 0)
        cluster_fail(cluster, &error);
}

void cluster_pump(struct cluster *cluster)
{
    struct error error = {0};
    if (cluster_is_idle(cluster))
        return;
    int rc = log_poll(cluster->log, &error);
    if (rc != 0) {
        cluster_fail(cluster, &error);
        return;
    }
    cluster_perform(cluster);
    hand_over(cluster);
    announce_leadership(cluster);
    announce_writable(cluster);
    if (!cluster_is_idle(cluster))
        transfer_run(cluster);
    if (!cluster_is_idle(cluster)) {
        members_follow(cluster);
        members_read(cluster);
    }
    if (!cluster_is_idle(cluster))
        cluster_perform(cluster);
    check_failure(cluster);
    if (!cluster_is_idle(cluster))
        arm(cluster);
}

void cluster_on_wake(uv_async_t *wake)
{
    cluster_pump(wake->data);
}

void cluster_on_timer(uv_timer_t *timer)
{
    struct cluster *cluster = timer->data;
    uint64_t now = clock_ms();
    cluster->armed_ms = 0;
    if (!cluster->closing && !cluster->failed)
        members_tell(cluster, now);
    if (cluster_is_idle(cluster))
        return;
    calls_expire(cluster, now);
    if (cluster_is_idle(cluster))
        return;
    replica_tick(cluster->replica, now);
    cluster_pump(cluster);
}

/* Only ever earlier: a timer that fires too soon does no harm, and most
 * deadlines move away before they come. */
static void arm(struct cluster *cluster)
{
    uint64_t deadline = replica_deadline_ms(cluster->replica);
    uint64_t now = clock_ms();
    uint64_t calls = calls_deadline_ms(cluster);
    deadline = calls < deadline ? calls : deadline;
    if (cluster->armed_ms != 0 && cluster->armed_ms <= deadline)
        return;
    cluster->armed_ms = deadline > now ? deadline : now;
    uv_update_time(cluster->loop);
    uv_timer_start(&cluster->timer, cluster_on_timer, cluster->armed_ms - now,
                   0);
}

void cluster_wake(void *context)
{
    struct cluster *cluster = context;
    uv_async_send(&cluster->wake);
}

/* --- Calls -------------------------------------------------------------- */

bool cluster_can_submit(const struct cluster *cluster)
{
    return !cluster_is_idle(cluster) && cluster->leading_term != 0 &&
           !cluster->transfer.active &&
           replica_leading(cluster->replica) == cluster->leading_term &&
           !replica_status(cluster->replica).transferring &&
           replica_status(cluster->replica).commit_index >= cluster->in_flight;
}

static int may_submit(struct cluster *cluster, size_t length)
{
    if (length > log_entry_bytes_max(cluster->log) ||
        length > BOUND_ENTRY_BYTES_MAX)
        return ERR_TOO_LARGE;
    if (cluster_is_idle(cluster) || cluster->leading_term == 0 ||
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
        cluster_wake(cluster);
        return rc == ERR_NOT_LEADER ? rc : ERR_UNAVAILABLE;
    }
    cluster->in_flight = index;
    cluster_perform(cluster);
    *ret_index = index;
    return 0;
}

void cluster_resume(struct cluster *cluster)
{
    cluster->blocked = false;
    if (!cluster_is_idle(cluster))
        cluster_wake(cluster);
}

/* The newest point before which nothing need be kept: what the store holds,
 * less what members lack, unless that has grown beyond its bound. */
static uint64_t trim_point(const struct cluster *cluster)
{
    const struct positions *positions = log_positions(cluster->log);
    size_t segments = (size_t)(cluster->options.kept_log_bytes /
                               cluster->options.segment_bytes) +
                      1;
    uint64_t least = replica_keep_index(cluster->replica);
    uint64_t kept = cluster->leading_term != 0 || least == UINT64_MAX
                        ? least
                        : cluster->keep_index;
    size_t count = positions->segments_count;
    if (count > segments) {
        uint64_t bound = positions->segments[count - segments].base.index;
        kept = kept > bound ? kept : bound;
    }
    return kept < cluster->durable_index ? kept : cluster->durable_index;
}

void cluster_durable(struct cluster *cluster, uint64_t index)
{
    if (cluster_is_idle(cluster) || index <= cluster->durable_index)
        return;
    cluster->durable_index = index;
    const struct position_segment *first =
        log_plan(cluster->log, trim_point(cluster));
    if (first == NULL)
        return;
    uint64_t number = first->number;
    if (replica_forget(cluster->replica, clock_ms(), index, first->base.index))
        log_trim(cluster->log, number);
    cluster_wake(cluster);
}

uint64_t cluster_lease_until_ms(const struct cluster *cluster)
{
    bool leads = !cluster_is_idle(cluster) && cluster->leading_term != 0 &&
                 replica_leading(cluster->replica) == cluster->leading_term;
    return leads ? replica_lease_until_ms(cluster->replica, clock_ms()) : 0;
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
    if (cluster->closing || cluster->replica == NULL)
        return (struct cluster_status){.role = CLUSTER_FOLLOWER,
                                       .waiting = !cluster->closing};
    struct replica_status status = replica_status(cluster->replica);
    struct log_figures figures = log_figures(cluster->log);
    return (struct cluster_status){
        .role = role_of(status.state),
        .leading = cluster->leading_term != 0,
        .leaderships = cluster->leaderships,
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
