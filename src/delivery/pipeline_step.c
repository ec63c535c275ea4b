/* What a pipeline wants done now. The order of the effects is a rule: an
 * outcome stands in the log before the grant that takes its place. */
#include "pipeline_inside.h"

#include "base/bounds.h"

#include <assert.h>

enum { AHEAD_MIN = 32 }; /* Read ahead at least so many messages. */

static uint32_t room(const struct pipeline *pipeline)
{
    uint32_t most = pipeline->options.max_in_flight;
    return pipeline->slots.window < most ? most - pipeline->slots.window : 0;
}

static void need_positions(struct pipeline *pipeline)
{
    uint32_t most = pipeline->slots.capacity;
    if (most < pipeline->options.max_in_flight)
        most = pipeline->options.max_in_flight;
    if (most * 3 > pipeline->positions_capacity) {
        pipeline->positions_capacity = most * 3;
        pipeline->positions = memory_resize(
            pipeline->positions, most * 3 * sizeof pipeline->positions[0]);
    }
}

static void step_outcomes(struct pipeline *pipeline,
                          struct pipeline_effects *effects)
{
    struct slot *slot;
    uint32_t place = 0;
    uint32_t count = 0;
    while (count < OUTCOMES_AT_ONCE &&
           (slot = slots_next(&pipeline->slots, SLOT_ANSWERED, &place)) !=
               NULL) {
        slot->batch = effects->batch;
        pipeline->outcomes[count++] = slot->outcome;
        slots_move(&pipeline->slots, slot, SLOT_SETTLING);
    }
    effects->outcomes = pipeline->outcomes;
    effects->outcome_count = count;
}

/* What is granted and not sent goes back. The store does not forget what of
 * it is in doubt. */
static void step_withdraw(struct pipeline *pipeline,
                          struct pipeline_effects *effects)
{
    struct slot *slot;
    uint32_t place = 0;
    effects->withdraw = pipeline->positions;
    while ((slot = slots_next(&pipeline->slots, SLOT_READY, &place)) != NULL) {
        slot->batch = effects->batch;
        slot->withdrawn = true;
        effects->withdraw[effects->withdraw_count++] = slot->position;
        slots_move(&pipeline->slots, slot, SLOT_SETTLING);
    }
}

static struct slot *propose(struct pipeline *pipeline, struct hand *hand,
                            uint32_t batch)
{
    struct supply supply = hand_pop(hand);
    struct slot *slot =
        slots_take(&pipeline->slots, SLOT_PROPOSED, supply.letter->position);
    slot->letter = supply.letter;
    slot->attempt = supply.attempts + 1;
    slot->doubt = supply.doubt;
    slot->batch = batch;
    return slot;
}

static void step_intent(struct pipeline *pipeline,
                        struct pipeline_effects *effects)
{
    if (pipeline->intending || pipeline->due.count == 0)
        return;
    uint32_t count = room(pipeline);
    if (count > pipeline->due.count)
        count = pipeline->due.count;
    effects->intent = pipeline->positions + pipeline->positions_capacity / 3;
    for (uint32_t i = 0; i < count; i++)
        effects->intent[i] =
            propose(pipeline, &pipeline->due, effects->batch)->position;
    effects->intent_count = count;
    pipeline->intending = count > 0;
}

static void step_grant(struct pipeline *pipeline,
                       struct pipeline_effects *effects)
{
    uint32_t count = room(pipeline);
    if (pipeline->granting || pipeline->ahead.count == 0 || count == 0)
        return;
    if (count > pipeline->ahead.count)
        count = pipeline->ahead.count;
    uint64_t *open =
        pipeline->positions + 2 * (pipeline->positions_capacity / 3);
    for (uint32_t i = 0; i < count; i++)
        open[i] = propose(pipeline, &pipeline->ahead, effects->batch)->position;
    effects->grant = (struct command_grant){.publisher_id = pipeline->id,
                                            .from = pipeline->next,
                                            .upto = open[count - 1],
                                            .examined = count,
                                            .open_count = count,
                                            .open = open};
    pipeline->grant_upto = open[count - 1];
    pipeline->granting = true;
}

static void step_reads(struct pipeline *pipeline, uint64_t now_ms,
                       struct pipeline_effects *effects)
{
    uint32_t want = pipeline->options.max_in_flight * 2;
    want = want < AHEAD_MIN ? AHEAD_MIN : want;
    want = want > BOUND_FEED_MESSAGES ? BOUND_FEED_MESSAGES : want;
    if (!pipeline->feeding && pipeline->ahead.count < want / 2 &&
        pipeline->feed_from <= pipeline->last_position) {
        pipeline->feeding = true;
        pipeline->feed_asked = pipeline->feed_from;
        pipeline->feed_last = pipeline->last_position;
        effects->read_feed = true;
        effects->feed_from = pipeline->feed_from;
        effects->feed_count = want - pipeline->ahead.count;
    }
    uint32_t due_count = room(pipeline);
    if (!pipeline->asking_due && !pipeline->intending &&
        pipeline->due.count == 0 && pipeline->first_due_ms != 0 &&
        pipeline->first_due_ms <= now_ms && due_count > 0) {
        pipeline->asking_due = true;
        pipeline->first_due_ms = 0; /* The answer tells the next one. */
        effects->read_due = true;
        effects->due_count = due_count;
    }
}

static void step_load(struct pipeline *pipeline,
                      struct pipeline_effects *effects)
{
    if (pipeline->loading || pipeline->slots.by_state[SLOT_LOADING] == 0)
        return;
    /* The third part is free: nothing is granted while something loads. */
    uint64_t *load =
        pipeline->positions + 2 * (pipeline->positions_capacity / 3);
    struct slot *slot;
    uint32_t place = 0;
    while ((slot = slots_next(&pipeline->slots, SLOT_LOADING, &place)) != NULL)
        load[effects->load_count++] = slot->position;
    effects->load = load;
    pipeline->loading = true;
}

/* What is in hand can be read again; a publisher that is paused for long
 * should not keep it in memory. */
static void put_down(struct pipeline *pipeline, uint64_t now_ms)
{
    if (pipeline->due.count > 0)
        pipeline_due_at(pipeline, now_ms);
    hand_empty(&pipeline->due);
    if (!pipeline->granting) {
        hand_empty(&pipeline->ahead);
        pipeline->feed_from = pipeline->next;
    }
}

void pipeline_step(struct pipeline *pipeline, uint64_t now_ms,
                   struct pipeline_effects *ret_effects)
{
    *ret_effects = (struct pipeline_effects){.batch = pipeline->batch};
    pipeline->batch = (pipeline->batch + 1) % PIPELINE_BATCHES;
    need_positions(pipeline);
    step_outcomes(pipeline, ret_effects);
    if (pipeline->paused || pipeline->draining) {
        put_down(pipeline, now_ms);
        step_withdraw(pipeline, ret_effects);
        return;
    }
    if (now_ms < pipeline->hold_ms) {
        ret_effects->wake_ms = pipeline->hold_ms;
        return;
    }
    if (pipeline->slots.by_state[SLOT_LOADING] > 0) {
        step_load(pipeline, ret_effects);
        return;
    }
    step_intent(pipeline, ret_effects);
    step_grant(pipeline, ret_effects);
    step_reads(pipeline, now_ms, ret_effects);
    if (pipeline->first_due_ms > now_ms)
        ret_effects->wake_ms = pipeline->first_due_ms;
}
