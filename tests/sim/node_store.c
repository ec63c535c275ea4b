/* The store of a node: entries are applied in order and a little later than
 * they are committed; a commit makes them visible to readers, and is what a
 * crash leaves: the rest is applied again from the log. */
#include "node.h"

#include "base/memory.h"
#include "node_reads.h"
#include "trace.h"
#include "world.h"

#include <stdlib.h>

enum {
    MAP_BYTES = 16 << 20,
    COMMIT_MS = 200,    /* At most, after something was applied. */
    COMMIT_SOON_MS = 8, /* When a reader waits. */
    APPLY_SLOW_MS = 60,
};

static void plan_apply(struct node *node);

/* ---- Commits ---- */

/* What nobody needs, as this leader knows; else as the last one has told. */
static uint64_t keep_index(struct node *node)
{
    struct world *world = node->world;
    if (world->count == 1)
        return UINT64_MAX;
    if (node->leading_term != 0)
        world->keep_index = replica_keep_index(node->replica) +
                            (world->options.mutant == MUTANT_KEEP_TOO_LITTLE);
    return world->keep_index;
}

static void forget(struct node *node)
{
    struct world *world = node->world;
    struct disk *disk = &node->disk;
    uint64_t index = store_durable_index(node->store);
    uint64_t base = keep_index(node);
    if (base > index)
        base = index;
    if (base <= disk->base.index || shelf_at(&disk->durable, base) == NULL ||
        !replica_forget(node->replica, node_clock_ms(node), index, base))
        return;
    struct log_base after = disk->base;
    for (uint64_t i = disk->base.index + 1; i <= base; i++)
        after = log_base_after(&after, &disk->durable.items[i]);
    trace(world, TRACE_FORGET, node->id, base, 0, 0);
    world->result->totals.forgotten += base - disk->base.index;
    disk_forget(disk, &after);
}

static void commit(struct node *node)
{
    struct error error = {0};
    if (store_commit(node->store, &error) != 0)
        oracle_violate(node->world, "node %u: %s", node->id, error.text);
    trace(node->world, TRACE_STORE, node->id,
          store_committed_index(node->store), 0, 0);
    node_reads_ready(node);
    if (node->replica != NULL && dice_chance(&node->world->dice, 300))
        forget(node);
}

static void on_commit(struct event *event)
{
    struct node *node = event->owner;
    free(event);
    node->commit_planned = false;
    commit(node);
}

void node_store_plan_commit(struct node *node, bool soon)
{
    if (node->commit_planned && !soon)
        return;
    struct event *event = memory_new_zeroed(1, sizeof *event);
    event->run = on_commit;
    node->commit_planned = true;
    node_plan(
        node, event,
        dice_below(&node->world->dice, soon ? COMMIT_SOON_MS : COMMIT_MS));
}

/* ---- Applying ---- */

static void tell_applied(struct node *node, struct slice rest, uint64_t index,
                         const struct command_result *results, uint32_t count)
{
    struct command command;
    for (uint32_t i = 0; i < count && command_next(&rest, &command) == 0; i++) {
        catalog_apply(node->catalog, &command, &results[i]);
        leadership_apply(node->leadership, &command, &results[i]);
    }
    catalog_set_applied_index(node->catalog, index);
    proposer_applied(node->proposer, index, results, count);
}

static void on_apply(struct event *event)
{
    struct node *node = event->owner;
    struct world *world = node->world;
    struct applying *applying = node->applying;
    struct error error = {0};
    struct arena arena = {0};
    struct command_result *results;
    uint32_t count;
    free(event);
    node->applying_now = false;
    node->applying = applying->next;
    if (node->applying == NULL)
        node->applying_end = &node->applying;
    int rc =
        store_apply(node->store, applying->entry.index, applying->entry.payload,
                    &arena, &results, &count, &error);
    if (rc != 0) {
        oracle_violate(world, "node %u: %s", node->id, error.text);
    } else {
        trace(world, TRACE_APPLY, node->id, applying->entry.index, count, 0);
        chronicle_applied(world->chronicle, node, &applying->entry, results,
                          count);
        tell_applied(node, applying->entry.payload, applying->entry.index,
                     results, count);
    }
    arena_close(&arena);
    entry_unref(&applying->entry);
    free(applying);
    node_store_plan_commit(node, node->commit_wanted >
                                     store_committed_index(node->store));
    plan_apply(node);
}

static void plan_apply(struct node *node)
{
    struct dice *dice = &node->world->dice;
    if (node->applying == NULL || node->applying_now)
        return;
    uint64_t delay = dice_below(dice, 3);
    if (!node->world->quiet && dice_chance(dice, 20))
        delay += dice_below(dice, APPLY_SLOW_MS);
    struct event *event = memory_new_zeroed(1, sizeof *event);
    event->run = on_apply;
    node->applying_now = true;
    node_plan(node, event, delay);
}

void node_apply(struct node *node, const struct entry *entry)
{
    struct applying *applying = memory_new_zeroed(1, sizeof *applying);
    applying->entry = *entry;
    entry_ref(entry);
    *node->applying_end = applying;
    node->applying_end = &applying->next;
    plan_apply(node);
}

/* ---- Life ---- */

void node_store_open(struct node *node)
{
    const struct store_options options = {.map_bytes = MAP_BYTES};
    struct error error = {0};
    struct view *view = NULL;
    node->applying_end = &node->applying;
    node->catalog = catalog_new();
    int rc = store_open(node->directory, &options, &node->store, &error);
    if (rc == 0)
        rc = view_begin(node->store, &view, &error);
    if (rc == 0)
        rc = catalog_load(node->catalog, view, &error);
    view_end(view);
    if (rc != 0)
        oracle_violate(node->world, "node %u: %s", node->id, error.text);
}

/* As kill -9 leaves it: what was not committed is gone. */
void node_store_crash(struct node *node)
{
    node_reads_drop(node);
    while (node->applying != NULL) {
        struct applying *applying = node->applying;
        node->applying = applying->next;
        entry_unref(&applying->entry);
        free(applying);
    }
    node->applying_now = false;
    node->commit_planned = false;
    node->commit_wanted = 0;
    catalog_free(node->catalog);
    node->catalog = NULL;
    store_close(node->store);
    node->store = NULL;
}

void node_store_settle(struct node *node)
{
    commit(node);
}
