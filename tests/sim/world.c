#include "world.h"

#include "base/memory.h"
#include "faults.h"
#include "trace.h"

#include <stdlib.h>
#include <string.h>

enum {
    START_MS = 1000,
    STEP_MS = 250,
    /* After all faults: so long it may take until all is delivered. Backoff is
     * two seconds at most, an election a few timeouts. */
    SETTLE_MS = 60000,
};

void world_open(struct world *world, const struct sim_options *options,
                struct sim_result *result)
{
    *world = (struct world){.options = *options,
                            .result = result,
                            .dice = {.state = options->seed * 0x10001 + 1},
                            .count = options->nodes};
    mutant_now = options->mutant;
    world->timeline.now_ms = START_MS;
    world->chronicle = chronicle_new();
    for (unsigned i = 0; i < world->count; i++)
        node_init(&world->nodes[i], world, i);
    for (unsigned i = 0; i < world->count; i++)
        node_boot(&world->nodes[i]);
}

void world_close(struct world *world)
{
    world->result->totals.events = world->timeline.count;
    world->result->totals.simulated_ms = world->timeline.now_ms - START_MS;
    for (unsigned i = 0; i < world->count; i++)
        node_close(&world->nodes[i]);
    timeline_close(&world->timeline);
    chronicle_free(world->chronicle);
}

static void run_event(struct world *world, struct event *event);

/* A process goes on: with what came meanwhile, in its order. */
struct resumption {
    struct event event;
    struct node *node;
};

static void on_resume(struct event *event)
{
    struct node *node = ((struct resumption *)event)->node;
    struct world *world = node->world;
    if (node->paused_until_ms > world->timeline.now_ms) {
        timeline_add(&world->timeline, event, node->paused_until_ms);
        return;
    }
    free(event);
    struct waiting waiting = node->waiting;
    node->waiting = (struct waiting){0};
    for (size_t i = 0; i < waiting.count; i++)
        if (world_is_red(world))
            event_drop(waiting.events[i]);
        else
            run_event(world, waiting.events[i]);
    free(waiting.events);
}

static void wait_with(struct node *node, struct event *event)
{
    struct world *world = node->world;
    struct waiting *waiting = &node->waiting;
    if (waiting->count == 0) {
        struct resumption *resumption =
            memory_new_zeroed(1, sizeof *resumption);
        resumption->event.run = on_resume;
        resumption->node = node;
        timeline_add(&world->timeline, &resumption->event,
                     node->paused_until_ms);
    }
    if (waiting->count == waiting->capacity) {
        waiting->capacity = waiting->capacity == 0 ? 32 : waiting->capacity * 2;
        waiting->events = memory_resize(
            waiting->events, waiting->capacity * sizeof *waiting->events);
    }
    waiting->events[waiting->count++] = event;
}

/* Its process has ended, stands still, or is there. */
static void run_event(struct world *world, struct event *event)
{
    struct node *node = event->owner;
    if (node == NULL) {
        event->run(event);
    } else if (!node->up || node->boot != event->boot) {
        event_drop(event);
    } else if (node->paused_until_ms > world->timeline.now_ms ||
               node->waiting.count > 0) {
        wait_with(node, event);
    } else {
        event->run(event);
        node_turn(node);
    }
}

void world_run_until(struct world *world, uint64_t until_ms)
{
    struct event *event;
    while (!world_is_red(world) &&
           (event = timeline_next(&world->timeline, until_ms)) != NULL)
        run_event(world, event);
}

void world_heal(struct world *world)
{
    trace(world, TRACE_QUIET, 0, 0, 0, 0);
    world->quiet = true;
    world->quiet_ms = world->timeline.now_ms;
    memset(&world->network, 0, sizeof world->network);
    for (unsigned id = 0; id <= PUBLISHERS_MAX; id++)
        world->receivers.moods[id] = RECEIVER_QUICK;
    for (unsigned i = 0; i < world->count; i++) {
        struct node *node = &world->nodes[i];
        node->disk.slow = false;
        node->disk.stalled_until_ms = 0;
        node->paused_until_ms = 0;
        if (!node->up && !node->gone)
            node_boot(node);
    }
}

void world_settle(struct world *world)
{
    char words[200] = "";
    uint64_t until = world->timeline.now_ms + SETTLE_MS;
    while (!world_is_red(world) &&
           !oracle_is_settled(world, words, sizeof words)) {
        if (world->timeline.now_ms >= until)
            oracle_gave_up(world, words);
        world_run_until(world, world->timeline.now_ms + STEP_MS);
        oracle_look_at_schedules(world);
    }
}
