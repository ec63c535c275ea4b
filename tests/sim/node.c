#include "node.h"

#include "base/memory.h"
#include "raft/replica_core.h"
#include "trace.h"
#include "world.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    TAIL_BYTES = 4000, /* So little that entries have to be read back. */
    FOUNDING_MS = 50,
    PPM = 1000000,
};

/* ---- Clocks ---- */

uint64_t node_clock_ms(const struct node *node)
{
    int64_t now = (int64_t)node->world->timeline.now_ms;
    return node->clock_offset + (uint64_t)(now + now * node->clock_ppm / PPM);
}

uint64_t node_wall_ms(const struct node *node)
{
    return WALL_MS + (uint64_t)((int64_t)node->world->timeline.now_ms +
                                node->wall_offset);
}

uint64_t node_due_ms(const struct node *node, uint64_t clock_ms)
{
    uint64_t now = node_clock_ms(node);
    uint64_t left = clock_ms > now ? clock_ms - now : 0;
    uint64_t most = left * (PPM + 50000) / PPM + 2;
    uint64_t due = node->world->timeline.now_ms;
    /* The exact inverse, in a few steps: the rate is within a few percent. */
    uint64_t low = due;
    uint64_t high = due + most;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        int64_t at = (int64_t)middle;
        uint64_t shows =
            node->clock_offset + (uint64_t)(at + at * node->clock_ppm / PPM);
        if (shows >= clock_ms)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* ---- Planning ---- */

void node_plan(struct node *node, struct event *event, uint64_t delay_ms)
{
    event->owner = node;
    event->boot = node->boot;
    timeline_add(&node->world->timeline, event,
                 node->world->timeline.now_ms + delay_ms);
}

static void on_timer(struct event *event)
{
    struct node *node = event->owner;
    free(event);
    node->armed_ms = 0;
    if (node->replica != NULL)
        replica_tick(node->replica, node_clock_ms(node));
}

/* Only ever earlier, as the real one. */
static void arm(struct node *node)
{
    uint64_t due = node_due_ms(node, replica_deadline_ms(node->replica));
    if (node->armed_ms != 0 && node->armed_ms <= due)
        return;
    struct event *event = memory_new_zeroed(1, sizeof *event);
    event->run = on_timer;
    node->armed_ms = due;
    node_plan(node, event, due - node->world->timeline.now_ms);
}

/* ---- Effects ---- */

static void perform_append(struct node *node, struct replica_effect *effect)
{
    uint64_t generation = effect->append.generation;
    oracle_appends(node, effect->append.entries, effect->append.count);
    disk_append(&node->disk, generation, effect->append.entries,
                effect->append.count);
    effect->append.entries = NULL;
    effect->append.count = 0;
    if (node->world->options.mutant == MUTANT_ACKNOWLEDGE_EARLY)
        replica_persisted(node->replica, node_clock_ms(node), generation);
}

static void perform(struct node *node)
{
    struct replica_effect effect;
    while (replica_next_effect(node->replica, &effect)) {
        switch (effect.type) {
        case REPLICA_PERSIST_VOTE:
            if (node->world->options.mutant == MUTANT_FORGET_VOTES)
                replica_vote_persisted(node->replica, node_clock_ms(node));
            else
                disk_vote(&node->disk, effect.vote.term, effect.vote.vote);
            break;
        case REPLICA_APPEND:
            perform_append(node, &effect);
            break;
        case REPLICA_SEND:
            network_send(node, &effect.send.message, &effect.send.stamp);
            break;
        }
        replica_effect_close(&effect);
    }
}

/* An entry that is not in memory is read from the disk. */
static bool hand_over_one(struct node *node)
{
    struct entry entry;
    const struct entry *found = &entry;
    enum replica_offer offer = replica_peek(node->replica, &entry);
    if (offer == REPLICA_NOTHING)
        return false;
    if (offer == REPLICA_ABSENT) {
        found = shelf_at(&node->disk.durable, entry.index);
        if (found == NULL && node->world->options.mutant != MUTANT_NONE)
            found = shelf_at(&node->disk.written, entry.index);
        if (found == NULL) {
            oracle_violate(node->world, "node %u lacks committed entry %lu",
                           node->id, (unsigned long)entry.index);
            return false;
        }
    }
    oracle_handed(node, found);
    if (found->type == ENTRY_COMMAND)
        node_apply(node, found);
    replica_handed(node->replica);
    return true;
}

void node_turn(struct node *node)
{
    struct error error = {0};
    if (!node->up || node->replica == NULL)
        return;
    perform(node);
    while (!world_is_red(node->world) && hand_over_one(node))
        ;
    node_announce(node);
    node_transfer_step(node);
    leadership_run(node->leadership, node_wall_ms(node));
    proposer_pump(node->proposer);
    perform(node);
    oracle_look(node);
    if (replica_failure(node->replica, &error) != 0)
        oracle_violate(node->world, "node %u: %s", node->id, error.text);
    arm(node);
}

/* ---- Events ---- */

static void mutate(struct node *node)
{
    struct replica *replica = node->replica;
    if (node->world->options.mutant == MUTANT_FORGET_PROMISE)
        replica->promise_until_ms = 0;
}

void node_receive(struct node *node, unsigned from,
                  const struct raft_message *message,
                  const struct frame_stamp *stamp, struct entry *entries)
{
    if (node->replica == NULL) {
        for (unsigned i = 0; message->type == RAFT_APPEND_ENTRIES &&
                             i < message->append_entries.n_entries;
             i++)
            entry_unref(&entries[i]);
        return;
    }
    mutate(node);
    replica_receive(node->replica, node_clock_ms(node), from + 1, message,
                    stamp, entries);
    mutate(node);
}

void node_vote_written(struct node *node)
{
    replica_vote_persisted(node->replica, node_clock_ms(node));
}

void node_entries_written(struct node *node, uint64_t generation)
{
    if (node->world->options.mutant != MUTANT_ACKNOWLEDGE_EARLY)
        replica_persisted(node->replica, node_clock_ms(node), generation);
}

/* "This node cannot go on and stops." */
void node_disk_failed(struct node *node)
{
    trace(node->world, TRACE_GONE, node->id, 0, 0, 0);
    node->gone = true;
    node_crash(node);
}

/* ---- Founding ---- */

/* The first entry: all members are voters. */
static struct entry first_entry(const struct world *world)
{
    struct raft_configuration configuration;
    struct raft_buffer bytes;
    char address[16];
    raft_configuration_init(&configuration);
    for (unsigned i = 0; i < world->count; i++) {
        snprintf(address, sizeof address, "n%u:1", i + 1);
        raft_configuration_add(&configuration, i + 1, address, RAFT_VOTER);
    }
    raft_configuration_encode(&configuration, &bytes);
    raft_configuration_close(&configuration);
    struct buffer *buffer = entry_copy(slice_of(bytes.base, bytes.len));
    raft_free(bytes.base);
    return (struct entry){.index = 1,
                          .term = 1,
                          .checksum = entry_checksum(buffer_slice(buffer)),
                          .type = ENTRY_CHANGE,
                          .payload = buffer_slice(buffer),
                          .buffer = buffer};
}

static void start_replica(struct node *node)
{
    const struct disk *disk = &node->disk;
    const struct shelf *shelf = &disk->durable;
    struct error error = {0};
    char address[16];
    snprintf(address, sizeof address, "n%u:1", node->id);
    const struct replica_options options = {
        .id = node->id,
        .address = address,
        .election_timeout_ms = ELECTION_MS,
        .heartbeat_ms = HEARTBEAT_MS,
        .seed = (unsigned)dice_bits(&node->world->dice),
        .tail_bytes = TAIL_BYTES,
    };
    const struct replica_start start = {
        .now_ms = node_clock_ms(node),
        .term = disk->term,
        .vote = disk->vote,
        .base = disk->base,
        .entries = shelf->items + shelf->base + 1,
        .count = shelf->last - shelf->base,
        .applied_index = store_applied_index(node->store),
    };
    if (shelf->last < start.applied_index) {
        oracle_violate(node->world,
                       "node %u: the store has %lu, the log ends at %lu",
                       node->id, (unsigned long)start.applied_index,
                       (unsigned long)shelf->last);
        return;
    }
    if (replica_new(&options, &start, &node->replica, &error) != 0)
        oracle_violate(node->world, "node %u: %s", node->id, error.text);
    node->seen_commit =
        shelf->base > start.applied_index ? shelf->base : start.applied_index;
}

static void tell_state(struct node *node, unsigned to)
{
    uint8_t statement[FOUNDING_STATEMENT];
    founding_state(&node->founding, statement);
    network_state(node, to, statement);
}

static void on_founding(struct event *event)
{
    struct node *node = event->owner;
    free(event);
    if (node->replica != NULL)
        return;
    for (unsigned i = 0; i < node->world->count; i++)
        if (i != node->number)
            tell_state(node, i);
    struct event *again = memory_new_zeroed(1, sizeof *again);
    again->run = on_founding;
    node_plan(node, again, FOUNDING_MS);
}

static void found(struct node *node, uint64_t log_id)
{
    struct entry first = first_entry(node->world);
    trace(node->world, TRACE_FOUND, node->id, log_id, 0, 0);
    oracle_founded(node, log_id);
    disk_found(&node->disk, log_id, &first);
    entry_unref(&first);
    founding_done(&node->founding, node->id, node->disk.nonce, log_id);
    start_replica(node);
}

void node_hear(struct node *node, unsigned from, const uint8_t *statement)
{
    struct slice bytes = slice_of(statement, FOUNDING_STATEMENT);
    struct error error = {0};
    uint64_t log_id = 0;
    if (founding_hear(&node->founding, from + 1, bytes, &log_id, &error) != 0)
        oracle_violate(node->world, "node %u hears %u: %s", node->id, from + 1,
                       error.text);
    else if (log_id != 0 && node->replica == NULL)
        found(node, log_id);
    if (founding_waits(bytes))
        tell_state(node, from);
}

static void begin_founding(struct node *node)
{
    struct world *world = node->world;
    struct cluster_address members[NODES_MAX];
    static const char *const addresses[NODES_MAX] = {"n1:1", "n2:1", "n3:1",
                                                     "n4:1", "n5:1"};
    for (unsigned i = 0; i < world->count; i++)
        members[i] =
            (struct cluster_address){.node_id = i + 1, .address = addresses[i]};
    if (node->disk.nonce == 0)
        node->disk.nonce = dice_bits(&world->dice) | 1;
    founding_init(&node->founding, node->id, node->disk.nonce, members,
                  world->count);
    if (world->count == 1) {
        found(node, node->disk.nonce);
        return;
    }
    struct event *event = memory_new_zeroed(1, sizeof *event);
    event->run = on_founding;
    node_plan(node, event, 1);
}

/* ---- Life ---- */

void node_init(struct node *node, struct world *world, unsigned number)
{
    struct dice *dice = &world->dice;
    *node = (struct node){.world = world, .number = number, .id = number + 1};
    snprintf(node->directory, sizeof node->directory, "%s/n%u",
             world->options.directory, number);
    node->clock_offset = dice_below(dice, 1000000);
    node->clock_ppm = (int64_t)dice_below(dice, 40001) - 20000;
    node->wall_offset = (int64_t)dice_below(dice, 2001) - 1000;
    node->cluster.node = node;
    disk_init(&node->disk, node);
}

void node_boot(struct node *node)
{
    assert(!node->up && !node->gone);
    node->up = true;
    node->boot++;
    node->paused_until_ms = 0;
    node->seen_term = 0;
    node->seen_state = -1;
    trace(node->world, TRACE_BOOT, node->id, node->boot,
          node->disk.durable.last, node->disk.term);
    node_store_open(node);
    node->proposer = proposer_new();
    proposer_attach(node->proposer, &node->cluster);
    node->leadership = node_leadership_new(node);
    if (node->disk.log_id == 0) {
        begin_founding(node);
    } else {
        founding_done(&node->founding, node->id, node->disk.nonce,
                      node->disk.log_id);
        start_replica(node);
    }
    node_turn(node);
}

void node_crash(struct node *node)
{
    if (!node->up)
        return;
    trace(node->world, TRACE_CRASH, node->id, node->disk.durable.last,
          node->disk.term, 0);
    oracle_crashed(node);
    node->up = false;
    leadership_free(node->leadership);
    proposer_free(node->proposer);
    replica_free(node->replica);
    node->leadership = NULL;
    node->proposer = NULL;
    node->replica = NULL;
    node_store_crash(node);
    disk_crash(&node->disk);
    node->leading_term = 0;
    node->in_flight = 0;
    node->armed_ms = 0;
    node->wake_ms = 0;
    node->requests = 0;
    node->chores_work = false;
    node->abdication = (struct abdication){0};
    node->transfer = (struct transfer){0};
    node->paused_until_ms = 0;
}

void node_close(struct node *node)
{
    node_crash(node);
    for (size_t i = 0; i < node->waiting.count; i++)
        event_drop(node->waiting.events[i]);
    free(node->waiting.events);
    disk_close(&node->disk);
}
