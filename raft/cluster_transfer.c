/* Giving leadership away: asked for, or since this node's disk stalls.
 *
 *     cluster_transfer() --> no more entries are taken --> somebody has
 *       everything --> it is asked to take over --> it leads: done
 *                             `--> it does not in time: this node goes on */
#include "raft/cluster_inside.h"

#include "base/clock.h"
#include "base/logger.h"

#include <assert.h>
#include <inttypes.h>

enum {
    /* In election timeouts: for a transfer as a whole; before a write that
     * does not end costs the leadership, and before it ends the node. A slow
     * disk is no reason to exit, one that hangs while others wait is. */
    TRANSFER_TIMEOUTS = 3,
    STALL_TIMEOUTS = 2,
    STALL_TIMEOUTS_MAX = 10,
};

/* --- Whom --------------------------------------------------------------- */

static bool is_there(const struct cluster *cluster, uint64_t raft_id,
                     uint64_t now_ms)
{
    const struct member *member =
        members_find(cluster, handshake_node(raft_id));
    return member != NULL && member->proved_id == raft_id &&
           transport_connected(cluster->transport, member->node_id,
                               LANE_SMALL) &&
           now_ms - member->contact_ms < cluster->options.election_timeout_ms;
}

/* The voter that was meant, or any that is there, the one with most of the log
 * first. 0: none. */
static uint64_t choose(const struct cluster *cluster, uint32_t node_id,
                       uint64_t now_ms)
{
    uint64_t chosen = 0;
    uint64_t most = 0;
    for (unsigned i = 0; i < replica_members(cluster->replica); i++) {
        struct replica_member member = replica_member(cluster->replica, i);
        bool meant = node_id == 0 ? is_there(cluster, member.id, now_ms)
                                  : handshake_node(member.id) == node_id;
        if (!member.voter || !meant ||
            handshake_node(member.id) == cluster->options.node_id)
            continue;
        if (chosen == 0 || member.match_index > most) {
            chosen = member.id;
            most = member.match_index;
        }
    }
    return chosen;
}

/* --- The transfer ------------------------------------------------------- */

int cluster_transfer(struct cluster *cluster, uint32_t node_id,
                     cluster_transferred done, void *context)
{
    struct cluster_transfer *transfer = &cluster->transfer;
    uint64_t now = clock_ms();
    if (cluster_is_idle(cluster) || cluster->leading_term == 0 ||
        replica_leading(cluster->replica) != cluster->leading_term)
        return ERR_NOT_LEADER;
    if (transfer->active)
        return ERR_BUSY;
    if (choose(cluster, node_id, now) == 0)
        return node_id == 0 ? ERR_UNAVAILABLE : ERR_NOT_FOUND;
    *transfer = (struct cluster_transfer){
        .active = true,
        .node_id = node_id,
        .term = cluster->leading_term,
        .due_ms = now + (uint64_t)TRANSFER_TIMEOUTS *
                            cluster->options.election_timeout_ms,
        .done = done,
        .context = context,
    };
    cluster->writable = false;
    cluster_wake(cluster);
    return 0;
}

static void conclude(struct cluster *cluster, const struct error *error)
{
    struct cluster_transfer transfer = cluster->transfer;
    cluster->transfer.active = false;
    transfer.done(transfer.context, error);
}

static void give_up(struct cluster *cluster, const char *words)
{
    struct error error = {0};
    error_set(&error, ERR_UNAVAILABLE, "leadership was not handed over: %s",
              words);
    conclude(cluster, &error);
}

/* Asks whom it may be, as soon as one has everything. */
static void try_to_ask(struct cluster *cluster, uint64_t now_ms)
{
    struct cluster_transfer *transfer = &cluster->transfer;
    uint64_t to = choose(cluster, transfer->node_id, now_ms);
    if (to == 0 || !is_there(cluster, to, now_ms) ||
        replica_transfer(cluster->replica, now_ms, to) != 0)
        return;
    transfer->asked = true;
    LOG_INFO("raft", "another member is asked to lead",
             FIELD_U64("node", handshake_node(to)),
             FIELD_U64("term", transfer->term));
}

static void transfer_step(struct cluster *cluster, uint64_t now_ms)
{
    struct cluster_transfer *transfer = &cluster->transfer;
    struct replica_status status = replica_status(cluster->replica);
    const struct error none = {0};
    bool leads = status.state == RAFT_LEADER && status.term == transfer->term;
    if (!leads && status.leader_id != 0 && status.term > transfer->term) {
        conclude(cluster, &none);
        return;
    }
    if (leads && !transfer->asked)
        try_to_ask(cluster, now_ms);
    else if (leads && !status.transferring)
        give_up(cluster, "the other member has not taken it");
    if (transfer->active && now_ms >= transfer->due_ms)
        give_up(cluster, leads ? "no other member has all entries"
                               : "this node leads no more, but no other yet");
}

/* --- A disk that stalls ------------------------------------------------- */

static void on_stall_transferred(void *context, const struct error *error)
{
    (void)context;
    if (error->code != 0)
        LOG_WARN("raft", "the disk stalls", FIELD_TEXT("reason", error->text));
}

/* While the whole process stood still (SIGSTOP, a virtual machine that was
 * frozen) nobody waited for the disk: that time does not count. A leader comes
 * here with every heartbeat. */
static void leave_out_standstill(struct cluster *cluster, uint64_t now_ms)
{
    uint64_t passed = now_ms - cluster->watched_ms;
    uint64_t since = cluster->appends_since_ms + passed;
    if (cluster->watched_ms != 0 && cluster->appends != 0 &&
        passed >= cluster->options.election_timeout_ms)
        cluster->appends_since_ms = since < now_ms ? since : now_ms;
    cluster->watched_ms = now_ms;
}

/* Followers would write for this leader, but nothing commits faster than by
 * one who can write, too, and its own share is at risk. */
static void watch_disk(struct cluster *cluster, uint64_t now_ms)
{
    uint64_t timeout = cluster->options.election_timeout_ms;
    struct error error = {0};
    if (cluster->appends == 0 || cluster->leading_term == 0 ||
        replica_status(cluster->replica).sole_voter)
        return;
    uint64_t since = now_ms - cluster->appends_since_ms;
    if (since < STALL_TIMEOUTS * timeout || cluster->transfer.active)
        return;
    if (since >= STALL_TIMEOUTS_MAX * timeout) {
        error_set(&error, ERR_IO,
                  "a write to the log has not ended for %" PRIu64
                  " ms, and no other member can lead",
                  since);
        cluster_fail(cluster, &error);
        return;
    }
    if (cluster_transfer(cluster, 0, on_stall_transferred, cluster) == 0)
        LOG_WARN("raft", "a write to the log does not end: another is to lead",
                 FIELD_U64("ms", since));
}

void transfer_run(struct cluster *cluster)
{
    uint64_t now = clock_ms();
    if (cluster->transfer.active)
        transfer_step(cluster, now);
    if (cluster_is_idle(cluster))
        return;
    leave_out_standstill(cluster, now);
    watch_disk(cluster, now);
}

void transfer_end(struct cluster *cluster)
{
    if (cluster->transfer.active)
        give_up(cluster, "this node ends");
}
