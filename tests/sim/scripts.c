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
    abort(); /* A script has three nodes at least. */
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
    three.nodes = options->nodes < 3 ? 3 : options->nodes;
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
    struct node *leader = leader_of(world);
    struct node *voter = follower_of(world, 0);
    struct node *rival = follower_of(world, 1);
    cut(world, leader, rival, true);
    cut(world, rival, leader, true);
    for (unsigned i = 0; i < 40 && !world_is_red(world); i++) {
        run_for(world, dice_between(&world->dice, 60, 260));
        node_crash(voter);
        run_for(world, 1);
        node_boot(voter);
    }
}

/* Who was asked to lead is not heard in its first term, only in a later one,
 * when the others have long gone on without it. */
static void act_disturb(struct world *world)
{
    for (unsigned i = 0; i < 12 && !world_is_red(world); i++) {
        struct node *leader = leader_of(world);
        if (leader == NULL) {
            run_for(world, 200);
            continue;
        }
        for (unsigned n = 0; n < 2; n++)
            cut(world, follower_of(world, n), leader, false);
        node_give_away(leader);
        uint64_t until = world->timeline.now_ms + 2000;
        while (!world_is_red(world) && !leader->transfer.asked &&
               world->timeline.now_ms < until)
            run_for(world, 1);
        struct node *heir = &world->nodes[world->oracle.heir];
        for (unsigned n = 0; n < world->count; n++)
            if (n != heir->number)
                cut(world, heir, &world->nodes[n], true);
        run_for(world, dice_between(&world->dice, 300, 900));
        for (unsigned n = 0; n < world->count; n++)
            cut(world, heir, &world->nodes[n], false);
        run_for(world, 1000);
    }
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

/* B1: of a leader's earlier term, when it leads again. */
static void act_old_term(struct world *world)
{
    for (unsigned i = 0; i < 10 && !world_is_red(world); i++) {
        struct node *leader = leader_of(world);
        struct node *follower = follower_of(world, i % 2);
        run_for(world, 150);
        if (leader_of(world) != leader || follower->replica == NULL)
            continue;
        struct raft_message message =
            append_of(follower, leader->leading_term - 1);
        message.append_entries.prev_log_index = 0;
        message.append_entries.prev_log_term = 0;
        message.append_entries.leader_commit = 0;
        arrive(leader, follower, &message);
    }
    run_for(world, 500);
}

/* B6: a heartbeat that knows of fewer commits. */
static void act_old_commit(struct world *world)
{
    for (unsigned i = 0; i < 10 && !world_is_red(world); i++) {
        run_for(world, 150);
        struct node *leader = leader_of(world);
        if (leader == NULL)
            continue;
        struct node *follower = follower_of(world, i % 2);
        struct raft_message message = append_of(follower, leader->leading_term);
        message.append_entries.leader_commit -= 2;
        arrive(leader, follower, &message);
    }
}

/* B8: results of votes that nobody waits for any more. */
static void act_late_votes(struct world *world)
{
    uint64_t before = world->result->totals.elections;
    for (unsigned i = 0; i < 40 && !world_is_red(world); i++) {
        run_for(world, 60);
        struct node *leader = leader_of(world);
        if (leader == NULL)
            break;
        struct raft_message message = {.type = RAFT_REQUEST_VOTE_RESULT};
        struct raft_request_vote_result *result = &message.request_vote_result;
        result->version = 2;
        result->term = leader->leading_term + (i & 1u);
        result->pre_vote = (i & 2u) != 0;
        result->vote_granted = (i & 4u) != 0;
        if (i & 8u)
            arrive(follower_of(world, 0), leader, &message);
        else
            arrive(leader, follower_of(world, 1), &message);
    }
    if (world->result->totals.elections != before)
        oracle_violate(world, "late vote results force an election");
}

/* B12: a rejection from before the follower had what it has. */
static void act_old_rejection(struct world *world)
{
    for (unsigned i = 0; i < 20 && !world_is_red(world); i++) {
        run_for(world, 200);
        struct node *leader = leader_of(world);
        if (leader == NULL)
            continue;
        struct raft_message message = {.type = RAFT_APPEND_ENTRIES_RESULT};
        message.append_entries_result.version = 2;
        message.append_entries_result.term = leader->leading_term;
        message.append_entries_result.rejected = 2;
        message.append_entries_result.last_log_index = 1;
        arrive(follower_of(world, i % 2), leader, &message);
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

#define SCRIPTS(X)                                                             \
    X(promise)                                                                 \
    X(disturb)                                                                 \
    X(old_term) X(old_commit) X(late_votes) X(old_rejection) X(own_term)

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
