/* What proposer and leadership need of raft/cluster: taking entries, leading,
 * the lease, giving leadership away. The rules are those of cluster.c and
 * cluster_transfer.c; their shells are libuv's. */
#include "node.h"

#include "base/memory.h"
#include "raft/lease.h"
#include "raft/replica_core.h"
#include "trace.h"
#include "world.h"

#include <stdlib.h>

enum { DRAIN_MS = 1500, POLL_MS = 10 };

/* ---- For src/proposer ---- */

static bool leads(const struct node *node)
{
    return node->up && node->replica != NULL && node->leading_term != 0 &&
           replica_leading(node->replica) == node->leading_term;
}

bool cluster_can_submit(const struct cluster *cluster)
{
    const struct node *node = cluster->node;
    if (!leads(node) || node->transfer.active)
        return false;
    struct replica_status status = replica_status(node->replica);
    return !status.transferring && status.commit_index >= node->in_flight;
}

int cluster_submit(struct cluster *cluster, struct buffer *entry,
                   uint64_t *ret_index)
{
    struct node *node = cluster->node;
    uint64_t index;
    if (!leads(node))
        return ERR_NOT_LEADER;
    if (!cluster_can_submit(cluster))
        return ERR_BUSY;
    int rc = replica_submit(node->replica, node_clock_ms(node), entry, &index);
    if (rc != 0)
        return rc == ERR_NOT_LEADER ? rc : ERR_UNAVAILABLE;
    trace(node->world, TRACE_SUBMIT, node->id, index, entry->length, 0);
    node->in_flight = index;
    *ret_index = index;
    return 0;
}

struct cluster_status cluster_status(const struct cluster *cluster)
{
    (void)cluster;
    return (struct cluster_status){.no_space = false};
}

/* ---- Leading ---- */

static uint64_t lease_until(const struct node *node)
{
    const struct replica *replica = node->replica;
    uint64_t now = node_clock_ms(node);
    if (node->world->options.mutant == MUTANT_IGNORE_LEASE)
        return UINT64_MAX;
    if (node->world->options.mutant == MUTANT_TRANSFER_KEEPS_LEASE)
        return lease_until_ms(&replica->lease, &replica->raft.configuration,
                              replica->raft.id, now, ELECTION_MS);
    return replica_lease_until_ms(replica, now);
}

bool node_holds_lease(const struct node *node)
{
    return leads(node) && lease_until(node) > node_clock_ms(node);
}

static void depose(struct node *node)
{
    trace(node->world, TRACE_DEPOSED, node->id, node->leading_term, 0, 0);
    node->leading_term = 0;
    node->in_flight = 0;
    leadership_deposed(node->leadership);
    proposer_lead(node->proposer, false);
}

void node_announce(struct node *node)
{
    uint64_t term = replica_leading(node->replica);
    if (term == node->leading_term)
        return;
    if (node->leading_term != 0)
        depose(node);
    if (term == 0)
        return;
    trace(node->world, TRACE_LEAD, node->id, term, 0, 0);
    oracle_leads(node, term);
    node->leading_term = term;
    proposer_lead(node->proposer, true);
    leadership_lead(node->leadership, node_wall_ms(node));
    node_chores_lead(node);
}

/* ---- Giving away ---- */

static void end_transfer(struct node *node, int code)
{
    node->transfer.active = false;
    trace(node->world, TRACE_HANDED, node->id, (uint64_t)(code != 0), 0, 0);
    if (code == 0 && node->abdication.drained) {
        node->world->result->totals.handed_over++;
    }
    if (node->abdication.state == ABDICATION_ASKING)
        abdication_ended(&node->abdication, node->leadership,
                         node_wall_ms(node));
}

/* The voter with most of the log. */
static uint64_t choose(const struct node *node)
{
    uint64_t chosen = 0;
    uint64_t most = 0;
    for (unsigned i = 0; i < replica_members(node->replica); i++) {
        struct replica_member member = replica_member(node->replica, i);
        if (member.id == node->id ||
            (chosen != 0 && member.match_index <= most))
            continue;
        chosen = member.id;
        most = member.match_index;
    }
    return chosen;
}

static void ask(struct node *node)
{
    uint64_t to = choose(node);
    if (to == 0 ||
        replica_transfer(node->replica, node_clock_ms(node), to) != 0)
        return;
    node->transfer.asked = true;
    trace(node->world, TRACE_ASKED, node->id, to, node->abdication.drained, 0);
    oracle_asked(node);
}

void node_transfer_step(struct node *node)
{
    struct transfer *transfer = &node->transfer;
    if (!transfer->active)
        return;
    struct replica_status status = replica_status(node->replica);
    bool lead = status.state == RAFT_LEADER && status.term == transfer->term;
    if (!lead && status.leader_id != 0 && status.term > transfer->term) {
        end_transfer(node, 0);
        return;
    }
    if (lead && !transfer->asked)
        ask(node);
    else if (lead && !status.transferring)
        end_transfer(node, ERR_UNAVAILABLE);
    if (transfer->active && node_clock_ms(node) >= transfer->due_ms)
        end_transfer(node, ERR_UNAVAILABLE);
}

static void begin_transfer(struct node *node)
{
    if (!leads(node) || node->world->count == 1) {
        end_transfer(node, ERR_NOT_LEADER);
        return;
    }
    node->transfer = (struct transfer){
        .active = true,
        .term = node->leading_term,
        .due_ms = node_clock_ms(node) + 3 * ELECTION_MS,
    };
}

static void on_poll(struct event *event)
{
    struct node *node = event->owner;
    bool early = node->world->options.mutant == MUTANT_ASK_BEFORE_DRAINED;
    free(event);
    if (node->abdication.state == ABDICATION_IDLE)
        return;
    bool may = abdication_may_ask(&node->abdication, node->leadership,
                                  node_clock_ms(node));
    if (early && node->abdication.state == ABDICATION_DRAINING) {
        node->abdication.state = ABDICATION_ASKING;
        node->abdication.drained = true;
        may = true;
    }
    if (may)
        begin_transfer(node);
    struct event *again = memory_new_zeroed(1, sizeof *again);
    again->run = on_poll;
    node_plan(node, again, POLL_MS);
}

void node_give_away(struct node *node)
{
    if (!leads(node) || node->transfer.active ||
        abdication_begin(&node->abdication, node->leadership, 0, true,
                         node_clock_ms(node) + DRAIN_MS) != 0)
        return;
    trace(node->world, TRACE_HANDOVER, node->id, 0, 0, 0);
    node->world->result->totals.handovers++;
    struct event *event = memory_new_zeroed(1, sizeof *event);
    event->run = on_poll;
    node_plan(node, event, 0);
}
