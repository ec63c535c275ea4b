#include "oracle.h"

#include "base/memory.h"
#include "raft/replica_core.h"
#include "trace.h"
#include "world.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static_assert((int)SIM_PUBLISHERS == (int)PUBLISHERS_MAX, "a wire for each");

void oracle_violate(struct world *world, const char *format, ...)
{
    struct sim_result *result = world->result;
    if (result->violation[0] != '\0')
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(result->violation, sizeof result->violation, format, arguments);
    va_end(arguments);
    result->violation_ms = world->timeline.now_ms;
}

/* ---- Promises of one member ---- */

void oracle_founded(struct node *node, uint64_t log_id)
{
    struct world *world = node->world;
    if (world->oracle.founded++ == 0)
        world->oracle.log_id = log_id;
    else if (world->oracle.log_id != log_id)
        oracle_violate(world, "node %u founds another cluster", node->id);
    for (unsigned i = 0; i < world->count; i++)
        if (world->nodes[i].disk.nonce == 0)
            oracle_violate(world, "node %u founds before node %u is there",
                           node->id, i + 1);
}

static void check_vote(struct node *node, uint64_t term, uint64_t candidate)
{
    struct world *world = node->world;
    const struct disk *disk = &node->disk;
    if (term >= TERMS_MAX) {
        oracle_violate(world, "term %lu: terms never end", (unsigned long)term);
        return;
    }
    uint8_t *vote = &world->oracle.votes[term][node->number];
    if (disk->term != term || disk->vote != candidate)
        oracle_violate(world, "node %u votes in term %lu unsaved", node->id,
                       (unsigned long)term);
    if (*vote != 0 && *vote != candidate)
        oracle_violate(world, "node %u votes twice in term %lu", node->id,
                       (unsigned long)term);
    *vote = (uint8_t)candidate;
}

/* On disk, and not something else that is still to be cut off. */
static void check_acknowledgement(struct node *node, uint64_t index)
{
    const struct entry *durable = shelf_at(&node->disk.durable, index);
    const struct entry *written = shelf_at(&node->disk.written, index);
    if (index <= node->disk.durable.base)
        return;
    if (durable == NULL || written == NULL || durable->term != written->term)
        oracle_violate(node->world, "node %u acknowledges %lu, and has %lu",
                       node->id, (unsigned long)index,
                       (unsigned long)node->disk.durable.last);
}

void oracle_said(struct node *node, const struct raft_message *message)
{
    const struct raft_request_vote_result *vote = &message->request_vote_result;
    const struct raft_append_entries_result *result =
        &message->append_entries_result;
    if (message->type == RAFT_REQUEST_VOTE && !message->request_vote.pre_vote)
        check_vote(node, message->request_vote.term, node->id);
    if (message->type == RAFT_REQUEST_VOTE_RESULT && vote->vote_granted &&
        !vote->pre_vote)
        check_vote(node, vote->term, message->server_id);
    if (message->type == RAFT_APPEND_ENTRIES_RESULT && result->rejected == 0) {
        node->world->oracle.acknowledged_index = result->last_log_index;
        check_acknowledgement(node, result->last_log_index);
    }
}

void oracle_appends(struct node *node, const struct entry *entries,
                    size_t count)
{
    struct world *world = node->world;
    uint64_t first = entries[0].index;
    uint64_t last = node->disk.written.last;
    if (first > last + 1 || first <= node->disk.written.base)
        oracle_violate(world, "node %u: entry %lu is written behind %lu",
                       node->id, (unsigned long)first, (unsigned long)last);
    for (size_t i = 0; i < count; i++) {
        const struct chronicle_entry *known =
            chronicle_entry(world->chronicle, entries[i].index);
        if (entries[i].index != first + i)
            oracle_violate(world, "node %u: entries out of order", node->id);
        if (entries[i].index <= node->seen_commit && known->term != 0 &&
            known->term != entries[i].term)
            oracle_violate(world, "node %u writes over committed entry %lu",
                           node->id, (unsigned long)entries[i].index);
    }
}

/* ---- Commits ---- */

/* Who has this very entry on disk. */
static unsigned durable_copies(const struct world *world, uint64_t index,
                               uint64_t term)
{
    unsigned copies = 0;
    for (unsigned i = 0; i < world->count; i++) {
        const struct shelf *shelf = &world->nodes[i].disk.durable;
        const struct entry *entry = shelf_at(shelf, index);
        copies +=
            index <= shelf->base || (entry != NULL && entry->term == term);
    }
    return copies;
}

static void know_committed(struct node *node, uint64_t index)
{
    struct world *world = node->world;
    struct chronicle *chronicle = world->chronicle;
    struct chronicle_entry *known = chronicle_entry(chronicle, index);
    const struct entry *entry = shelf_at(&node->disk.written, index);
    if (entry == NULL) {
        if (known->term == 0)
            oracle_violate(world, "node %u: committed entry %lu is nowhere",
                           node->id, (unsigned long)index);
        return;
    }
    if (known->term == 0) {
        known->term = entry->term;
        known->checksum = entry->checksum;
        trace(world, TRACE_COMMIT, node->id, index, entry->term, 0);
        world->result->totals.entries++;
        /* The first one is agreed upon by founding. */
        if (index > 1 &&
            durable_copies(world, index, entry->term) <= world->count / 2)
            oracle_violate(world,
                           "entry %lu is committed by node %u, and "
                           "durable on no majority",
                           (unsigned long)index, node->id);
    } else if (known->term != entry->term ||
               known->checksum != entry->checksum) {
        oracle_violate(world, "node %u has another committed entry %lu",
                       node->id, (unsigned long)index);
    }
    if (index > chronicle->committed)
        chronicle->committed = index;
}

void oracle_handed(struct node *node, const struct entry *entry)
{
    struct world *world = node->world;
    const struct chronicle_entry *known =
        chronicle_entry(world->chronicle, entry->index);
    const struct entry *durable = shelf_at(&node->disk.durable, entry->index);
    if (known->term != 0 &&
        (known->term != entry->term || known->checksum != entry->checksum))
        oracle_violate(world, "node %u hands over another entry %lu", node->id,
                       (unsigned long)entry->index);
    if (durable == NULL || durable->term != entry->term)
        oracle_violate(world,
                       "node %u hands over entry %lu, which it has not "
                       "on disk",
                       node->id, (unsigned long)entry->index);
}

/* ---- Leaders ---- */

/* Nobody may be elected while another leader could trust in its lease. */
static void check_leases(struct node *elected, uint64_t term)
{
    struct world *world = elected->world;
    for (unsigned i = 0; i < world->count; i++) {
        struct node *other = &world->nodes[i];
        if (other == elected || !other->up || other->replica == NULL)
            continue;
        if (leadership_may_send(other->leadership) &&
            other->leading_term < term)
            oracle_violate(world,
                           "node %u is elected in term %lu while node %u "
                           "holds its lease",
                           elected->id, (unsigned long)term, other->id);
    }
}

static void note_state(struct node *node)
{
    struct world *world = node->world;
    struct replica_status status = replica_status(node->replica);
    if (status.term < node->seen_term)
        oracle_violate(world, "node %u: its term goes back", node->id);
    if (status.term == node->seen_term && (int)status.state == node->seen_state)
        return;
    node->seen_term = status.term;
    node->seen_state = (int)status.state;
    trace(world, TRACE_STATE, node->id, status.state, status.term, 0);
    if (status.state != RAFT_LEADER || status.term >= TERMS_MAX)
        return;
    uint64_t life = node->boot * SIM_NODES + node->number + 1;
    uint64_t *leader = &world->oracle.leader_of[status.term];
    if (*leader != 0 && *leader != life)
        oracle_violate(world, "term %lu has two leaders, the second node %u",
                       (unsigned long)status.term, node->id);
    if (*leader == 0)
        world->result->totals.elections++;
    *leader = life;
    if (status.term > world->oracle.elected_term) {
        world->oracle.elected_term = status.term;
        check_leases(node, status.term);
    }
}

/* The core's membership is that of the log, and only one is undecided. */
static void check_membership(struct node *node)
{
    const struct replica *replica = node->replica;
    const struct raft *raft = &replica->raft;
    uint64_t pending = raft->configuration_uncommitted_index;
    size_t count = replica->changes_count;
    uint64_t newest = replica->changes[count - 1].index;
    if (pending != 0 && pending != newest)
        oracle_violate(node->world,
                       "node %u takes entry %lu for the newest membership, "
                       "which is %lu",
                       node->id, (unsigned long)pending, (unsigned long)newest);
    if (count > 1 &&
        replica->changes[count - 2].index > raft->configuration_committed_index)
        oracle_violate(node->world,
                       "node %u has two memberships that it does not know as "
                       "committed",
                       node->id);
}

void oracle_look(struct node *node)
{
    if (world_is_red(node->world) || node->replica == NULL)
        return;
    /* What the core says may wait for a vote to be durable. */
    if (node->replica->holding)
        return;
    note_state(node);
    check_membership(node);
    uint64_t commit = replica_status(node->replica).commit_index;
    if (commit < node->seen_commit)
        oracle_violate(node->world, "node %u: its commit index goes back",
                       node->id);
    while (node->seen_commit < commit && !world_is_red(node->world))
        know_committed(node, ++node->seen_commit);
}

/* Its own barrier: an entry of its own term. */
void oracle_leads(struct node *node, uint64_t term)
{
    uint64_t commit = replica_status(node->replica).commit_index;
    if (replica_term_of(node->replica, commit) != term)
        oracle_violate(node->world,
                       "node %u leads in term %lu without an entry of its own",
                       node->id, (unsigned long)term);
}

void oracle_asked(struct node *node)
{
    if (node->abdication.drained)
        node->world->chronicle->drained_term = node->leading_term;
}

void oracle_crashed(struct node *node)
{
    node->world->oracle.ended_ms[node->number] = node->world->timeline.now_ms;
}

/* ---- Clients ---- */

void oracle_acknowledged(struct world *world, uint64_t token, uint32_t count,
                         uint64_t id)
{
    for (uint32_t i = 0; i < count; i++) {
        struct chronicle_token *known = &world->chronicle->tokens[token + i];
        if (known->stored == 0 || (known->keyed && known->id != id + i))
            oracle_violate(world,
                           "token %lu is acknowledged as message %lu, "
                           "which is not stored",
                           (unsigned long)(token + i), (unsigned long)(id + i));
        if (!known->acknowledged)
            world->result->totals.acknowledged++;
        known->acknowledged = true;
    }
}
