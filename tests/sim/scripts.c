/* Schedules of their own, for rules that chance hardly ever needs: a calm
 * world, and in it just what the rule is for. With the rule each is green. */
#include "sim.h"

#include "base/memory.h"
#include "raft/replica_core.h"
#include "trace.h"
#include "world.h"

#include <stdlib.h>
#include <string.h>

enum { CALM_MS = 2500 };

/* ---- The frame ---- */

static void run_for(struct world *world, uint64_t ms)
{
    world_run_until(world, world->timeline.now_ms + ms);
}

static struct node *leader_of(struct world *world)
{
    struct node *leader = NULL;
    for (unsigned i = 0; i < world->count; i++) {
        struct node *node = &world->nodes[i];
        if (node->up && node->leading_term != 0 &&
            (leader == NULL || node->leading_term > leader->leading_term))
            leader = node;
    }
    return leader;
}

/* The first or the second of those that follow. */
static struct node *follower_of(struct world *world, unsigned number)
{
    struct node *leader = leader_of(world);
    for (unsigned i = 0; i < world->count; i++)
        if (&world->nodes[i] != leader && number-- == 0)
            return &world->nodes[i];
    abort(); /* A script has three nodes. */
}

static void cut(struct world *world, const struct node *from,
                const struct node *to, bool is_cut)
{
    world->network.cut[from->number][to->number] = is_cut;
    trace(world, TRACE_CUT, from->id, to->id, is_cut, 0);
}

/* A message that was on its way for long. */
static void arrive(struct node *from, struct node *to,
                   struct raft_message *message)
{
    const struct frame_stamp stamp = {.time_ms = 1};
    node_receive(to, from->number, message, &stamp, NULL);
    node_turn(to);
}

/* Calm from the start, until all follow one leader. */
static void open_calm(struct world *world, const struct sim_options *options,
                      struct sim_result *ret)
{
    *ret = (struct sim_result){.hash = 1};
    world_open(world, options, ret);
    clients_start(world);
    run_for(world, CALM_MS);
    while (!world_is_red(world) && leader_of(world) == NULL)
        run_for(world, 100);
}

static void close_calm(struct world *world)
{
    if (!world_is_red(world))
        world_heal(world);
    world_settle(world);
    if (!world_is_red(world))
        oracle_end(world);
    world_close(world);
    free(world);
}

/* Runs one script, which gets a calm world. */
static void run_script(const struct sim_options *options,
                       struct sim_result *ret, void (*act)(struct world *world))
{
    struct world *world = memory_new(sizeof *world);
    struct sim_options three = *options;
    three.nodes = 3;
    open_calm(world, &three, ret);
    if (!world_is_red(world))
        act(world);
    close_calm(world);
}

/* ---- The lease ---- */

/* A voter on whom the lease rests is started again, and is asked for its vote
 * before it hears of its leader. */
static void act_promise(struct world *world)
{
    world->clients.still = true; /* So that the rival lacks nothing. */
    run_for(world, 3000);
    struct node *leader = leader_of(world);
    struct node *voter = follower_of(world, 0);
    struct node *rival = follower_of(world, 1);
    cut(world, leader, rival, true);
    cut(world, rival, leader, true);
    for (unsigned i = 0; i < 10 && !world_is_red(world); i++) {
        while (!world_is_red(world) &&
               node_due_ms(rival, replica_deadline_ms(rival->replica)) >
                   world->timeline.now_ms + 2)
            run_for(world, 1);
        cut(world, leader, voter, true);
        node_crash(voter);
        run_for(world, 1);
        node_boot(voter);
        run_for(world, 60);
        cut(world, leader, voter, false);
        run_for(world, 300);
    }
    world->clients.still = false;
}

/* ---- Messages that come late ---- */

static struct raft_message append_of(const struct node *to, uint64_t term)
{
    const struct replica *replica = to->replica;
    struct raft_message message = {.type = RAFT_APPEND_ENTRIES};
    message.append_entries.term = term;
    message.append_entries.prev_log_index = replica->commit_index;
    message.append_entries.prev_log_term =
        replica_term_of(replica, replica->commit_index);
    message.append_entries.leader_commit = replica->commit_index;
    return message;
}

/* B1: of a leader's earlier term. The core answers with what happens to stand
 * in its memory, such as how far another one is. */
static void act_old_term(struct world *world)
{
    struct node *leader = leader_of(world);
    struct node *follower = follower_of(world, 0);
    cut(world, leader, follower, true);
    for (unsigned i = 0; i < 40 && !world_is_red(world); i++) {
        run_for(world, dice_between(&world->dice, 1, 12));
        if (leader->leading_term == 0)
            break;
        struct raft_message message =
            append_of(follower, leader->leading_term - 1);
        message.append_entries.prev_log_index = 0;
        message.append_entries.prev_log_term = 0;
        message.append_entries.leader_commit = 0;
        arrive(leader, follower, &message);
        if (world->oracle.acknowledged_index != 0)
            oracle_violate(
                world, "node %u answers an old term as if it were at %lu",
                follower->id, (unsigned long)world->oracle.acknowledged_index);
    }
}

static void reject(struct node *from, struct node *leader, uint64_t index)
{
    struct raft_message message = {.type = RAFT_APPEND_ENTRIES_RESULT};
    message.append_entries_result.version = 2;
    message.append_entries_result.term = leader->leading_term;
    message.append_entries_result.rejected = index;
    message.append_entries_result.last_log_index = 1;
    arrive(from, leader, &message);
}

/* B12: rejections from before the follower had what it has. */
static void act_old_rejection(struct world *world)
{
    for (unsigned i = 0; i < 20 && !world_is_red(world); i++) {
        run_for(world, 200);
        struct node *leader = leader_of(world);
        struct node *follower = follower_of(world, i % 2);
        raft_index match = 0;
        if (leader == NULL ||
            raft_match_index(&leader->replica->raft, follower->id, &match) != 0)
            continue;
        reject(follower, leader, match + 1);
        reject(follower, leader, match);
    }
}

/* B15: entries of the leader's own term, as no honest member sends them. */
static void act_own_term(struct world *world)
{
    uint64_t before = world->result->totals.elections;
    for (unsigned i = 0; i < 10 && !world_is_red(world); i++) {
        run_for(world, 150);
        struct node *leader = leader_of(world);
        if (leader == NULL)
            break;
        struct raft_message message = append_of(leader, leader->leading_term);
        arrive(follower_of(world, i % 2), leader, &message);
    }
    if (world->result->totals.elections != before)
        oracle_violate(world, "a leader steps down for its own term");
}

/* ---- Elections ---- */

static void cut_both(struct world *world, const struct node *a,
                     const struct node *b, bool is_cut)
{
    cut(world, a, b, is_cut);
    cut(world, b, a, is_cut);
}

/* B7: of two that are left one has the longer log, the other has voted, two
 * terms later, for one that is no more. */
static void act_lost_vote(struct world *world)
{
    struct node *leader = leader_of(world);
    struct node *third = follower_of(world, 0);
    struct node *behind = follower_of(world, 1);
    cut_both(world, leader, behind, true);
    cut_both(world, third, behind, true);
    run_for(world, 600);
    world->clients.still = true;
    run_for(world, 400);
    cut_both(world, leader, third, true);
    cut_both(world, third, behind, false);
    for (unsigned round = 0; round < 2; round++) {
        uint64_t term = behind->disk.term;
        if (!third->up)
            node_boot(third);
        while (!world_is_red(world) &&
               (behind->disk.vote != third->id || behind->disk.term == term))
            run_for(world, 1);
        node_crash(third);
    }
    third->gone = true;
    cut_both(world, leader, behind, false);
    world->clients.still = false;
}

#define SCRIPTS(X)                                                             \
    X(promise) X(old_term) X(old_rejection) X(own_term) X(lost_vote)

#define X(name)                                                                \
    static void run_##name(const struct sim_options *options,                  \
                           struct sim_result *ret)                             \
    {                                                                          \
        run_script(options, ret, act_##name);                                  \
    }
SCRIPTS(X)
#undef X

sim_script *sim_script_named(const char *name)
{
#define X(script)                                                              \
    if (strcmp(name, #script) == 0)                                            \
        return run_##script;
    SCRIPTS(X)
#undef X
    return NULL;
}
