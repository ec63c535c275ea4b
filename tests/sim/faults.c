#include "faults.h"

#include "base/memory.h"
#include "raft/replica_core.h"
#include "trace.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

struct fault {
    struct event event;
    struct world *world;
    unsigned node;
    uint64_t gap_ms; /* Between two faults, about. */
};

static struct node *any_node(struct world *world)
{
    return &world->nodes[dice_below(&world->dice, world->count)];
}

/* Preferably: it hurts most. */
static struct node *leader_or_any(struct world *world)
{
    for (unsigned i = 0; i < world->count; i++)
        if (world->nodes[i].up && world->nodes[i].leading_term != 0 &&
            dice_chance(&world->dice, 600))
            return &world->nodes[i];
    return any_node(world);
}

/* ---- Processes ---- */

static void on_return(struct event *event)
{
    struct fault *fault = (struct fault *)event;
    struct node *node = &fault->world->nodes[fault->node];
    free(event);
    if (!node->up && !node->gone)
        node_boot(node);
}

static void crash(struct node *node, uint64_t away_ms)
{
    struct world *world = node->world;
    node_crash(node);
    if (node->gone)
        return;
    struct fault *fault = memory_new_zeroed(1, sizeof *fault);
    fault->event.run = on_return;
    fault->world = world;
    fault->node = node->number;
    timeline_add(&world->timeline, &fault->event,
                 world->timeline.now_ms + away_ms);
}

static void crash_one(struct world *world)
{
    struct node *node = leader_or_any(world);
    if (!node->up)
        return;
    world->result->totals.crashes++;
    crash(node, dice_chance(&world->dice, 700)
                    ? dice_between(&world->dice, 5, 500)
                    : dice_between(&world->dice, 500, 4000));
}

static void crash_all(struct world *world)
{
    world->result->totals.all_crashed++;
    for (unsigned i = 0; i < world->count; i++)
        if (world->nodes[i].up)
            crash(&world->nodes[i], dice_between(&world->dice, 5, 900));
}

/* SIGSTOP, or a virtual machine that stalls. */
static void pause_one(struct world *world)
{
    struct node *node = leader_or_any(world);
    if (!node->up)
        return;
    world->result->totals.pauses++;
    node->paused_until_ms =
        world->timeline.now_ms + dice_between(&world->dice, 50, 1500);
    trace(world, TRACE_PAUSE, node->id, node->paused_until_ms, 0, 0);
}

/* ---- Disks ---- */

static void disturb_disk(struct world *world)
{
    struct node *node = leader_or_any(world);
    struct dice *dice = &world->dice;
    unsigned gone = 0;
    for (unsigned i = 0; i < world->count; i++)
        gone += world->nodes[i].gone || world->nodes[i].disk.failing;
    world->result->totals.stalls++;
    if (dice_chance(dice, 400))
        node->disk.slow = !node->disk.slow;
    else
        node->disk.stalled_until_ms =
            world->timeline.now_ms + dice_between(dice, 50, 1500);
    if (dice_chance(dice, 60) && gone < (world->count - 1) / 2 &&
        !node->disk.failing) {
        node->disk.failing = true;
        world->result->totals.failures++;
    }
    trace(world, TRACE_DISK, node->id, node->disk.slow,
          node->disk.stalled_until_ms, 0);
}

/* ---- The network ---- */

static void heal_network(struct world *world)
{
    trace(world, TRACE_HEAL, 0, 0, 0, 0);
    for (unsigned a = 0; a < NODES_MAX; a++)
        for (unsigned b = 0; b < NODES_MAX; b++)
            world->network.cut[a][b] = false;
}

static void on_heal(struct event *event)
{
    struct fault *fault = (struct fault *)event;
    heal_network(fault->world);
    free(event);
}

static void cut(struct world *world, unsigned from, unsigned to)
{
    world->network.cut[from][to] = true;
    trace(world, TRACE_CUT, from + 1, to + 1, 1, 0);
}

/* Two sides, one link, or one node; in one direction or both. */
static void partition(struct world *world)
{
    struct dice *dice = &world->dice;
    unsigned side = dice_chance(dice, 500)
                        ? 1u << leader_or_any(world)->number
                        : (unsigned)dice_below(dice, 1u << world->count);
    bool one_way = dice_chance(dice, 400);
    bool one_link = dice_chance(dice, 300);
    unsigned other = any_node(world)->number;
    for (unsigned a = 0; a < world->count; a++)
        for (unsigned b = 0; b < world->count; b++) {
            bool out = (side >> a & 1u) != 0 && (side >> b & 1u) == 0;
            if (one_link)
                out = out && b == other;
            if (out)
                cut(world, a, b);
            if (out && !one_way)
                cut(world, b, a);
        }
    world->result->totals.partitions++;
    world->result->totals.one_way += one_way;
    struct fault *fault = memory_new_zeroed(1, sizeof *fault);
    fault->event.run = on_heal;
    fault->world = world;
    timeline_add(&world->timeline, &fault->event,
                 world->timeline.now_ms + dice_between(dice, 50, 2500));
}

/* ---- What operators and receivers do ---- */

static void hand_over(struct world *world)
{
    for (unsigned i = 0; i < world->count; i++) {
        struct node *node = &world->nodes[i];
        if (node->up && node->leading_term != 0 &&
            node->paused_until_ms <= world->timeline.now_ms)
            node_give_away(node);
    }
}

static void change_mood(struct world *world)
{
    uint64_t id = dice_between(&world->dice, 1, PUBLISHERS_MAX);
    world->receivers.moods[id] =
        (enum receiver_mood)dice_below(&world->dice, RECEIVER_MOODS);
}

/* The same members once more, as when an address is announced: a CHANGE, by
 * the rules for one. */
static void state_members(struct world *world)
{
    for (unsigned i = 0; i < world->count; i++) {
        struct node *node = &world->nodes[i];
        if (!node->up || node->leading_term == 0 || node->transfer.active ||
            node->paused_until_ms > world->timeline.now_ms)
            continue;
        struct replica *replica = node->replica;
        struct raft_buffer bytes;
        uint64_t index;
        if (!guard_may_change(replica->barrier_index, replica->commit_index,
                              replica->raft.configuration_uncommitted_index) ||
            replica_status(replica).transferring)
            continue;
        raft_configuration_encode(&replica->raft.configuration, &bytes);
        struct buffer *buffer = entry_copy(slice_of(bytes.base, bytes.len));
        raft_free(bytes.base);
        if (replica_submit_entry(replica, ENTRY_CHANGE, buffer, &index) != 0) {
            buffer_unref(buffer);
            continue;
        }
        world->result->totals.memberships++;
        trace(world, TRACE_MEMBERS, node->id, index, 0, 0);
        node_turn(node);
    }
}

/* ---- By chance ---- */

static void on_fault(struct event *event)
{
    struct fault *fault = (struct fault *)event;
    struct world *world = fault->world;
    struct dice *dice = &world->dice;
    if (world->quiet) {
        free(event);
        return;
    }
    uint64_t kind = dice_below(dice, 100);
    if (kind < 24)
        crash_one(world);
    else if (kind < 27)
        crash_all(world);
    else if (kind < 40)
        pause_one(world);
    else if (kind < 55)
        disturb_disk(world);
    else if (kind < 75)
        partition(world);
    else if (kind < 83)
        hand_over(world);
    else if (kind < 93)
        state_members(world);
    else
        change_mood(world);
    timeline_add(&world->timeline, event,
                 world->timeline.now_ms +
                     dice_between(dice, 1, 2 * fault->gap_ms));
}

void faults_start(struct world *world)
{
    struct dice *dice = &world->dice;
    static const uint64_t gaps[] = {150, 300, 600, 1500};
    struct fault *fault = memory_new_zeroed(1, sizeof *fault);
    fault->event.run = on_fault;
    fault->world = world;
    fault->gap_ms = gaps[dice_below(dice, 4)];
    world->network.loss = dice_below(dice, 60);
    world->network.doubled = dice_below(dice, 60);
    world->network.late = dice_below(dice, 80);
    for (unsigned id = 0; id <= PUBLISHERS_MAX; id++)
        change_mood(world);
    timeline_add(&world->timeline, &fault->event,
                 world->timeline.now_ms + dice_between(dice, 500, 1500));
}
