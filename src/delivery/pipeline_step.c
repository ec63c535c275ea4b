/* What a pipeline wants done now. The order of the effects is a rule: an
 * outcome stands in the log before the grant that takes its place. */
#include "pipeline_inside.h"

#include "base/bounds.h"

#include <assert.h>

enum {
    AHEAD_MIN = 32, /* Read ahead at least so many messages. */
    /* Of what the rate allows in a second, the part that is granted ahead:
     * what is granted and not sent would be in doubt after a crash. */
    RATE_AHEAD = 10,
};

/* ---- How much ---- */

/* What may be open beyond what is. */
static uint32_t room(struct pipeline *pipeline, uint64_t now_ms)
{
    struct breaker_options options = pipeline_breaker_options(pipeline);
    uint32_t most = breaker_window(&pipeline->breaker, &options, now_ms);
    uint32_t used = pipeline->slots.window;
    uint32_t left = used < most ? most - used : 0;
    uint32_t rate = pipeline->options.rate_limit_per_second;
    if (rate == 0)
        return left;
    const uint32_t *by_state = pipeline->slots.by_state;
    uint32_t waiting = by_state[SLOT_PROPOSED] + by_state[SLOT_READY];
    uint32_t level = bucket_level(&pipeline->bucket, now_ms);
    uint32_t limit = level + rate / RATE_AHEAD + 1;
    limit = waiting < limit ? limit - waiting : 0;
    return left < limit ? left : limit;
}

/* Nothing may be sent for a while: a closed door, not a full house. */
static uint64_t held_back_until_ms(struct pipeline *pipeline, uint64_t now_ms)
{
    uint64_t probe_ms = breaker_wake_ms(&pipeline->breaker, now_ms);
    uint64_t throttled_ms = pipeline->throttled_until_ms;
    if (throttled_ms <= now_ms)
        throttled_ms = 0;
    return probe_ms > throttled_ms ? probe_ms : throttled_ms;
}

static void *at_least(void *array, uint32_t count, size_t size)
{
    return memory_resize(array, (size_t)count * size);
}

static void need_positions(struct pipeline *pipeline)
{
    uint32_t most = pipeline->slots.capacity;
    if (most < pipeline->options.max_in_flight)
        most = pipeline->options.max_in_flight;
    if (most <= pipeline->positions_capacity)
        return;
    pipeline->positions_capacity = most;
    pipeline->positions = at_least(pipeline->positions, most * POSITIONS_PARTS,
                                   sizeof *pipeline->positions);
}

uint64_t *pipeline_part(struct pipeline *pipeline, uint32_t which)
{
    return pipeline->positions + which * pipeline->positions_capacity;
}

static void need_outcomes(struct pipeline *pipeline)
{
    uint32_t most = pipeline->slots.by_state[SLOT_ANSWERED];
    if (most > OUTCOMES_AT_ONCE)
        most = OUTCOMES_AT_ONCE;
    if (most <= pipeline->outcomes_capacity)
        return;
    pipeline->outcomes_capacity = most;
    pipeline->outcomes =
        at_least(pipeline->outcomes, most, sizeof *pipeline->outcomes);
}

/* ---- What is over ---- */

void pipeline_left(struct pipeline *pipeline, const struct slot *slot,
                   enum delivery_state state)
{
    if (!slot->ordered)
        return;
    if (state == DELIVERY_RETRYING)
        order_waits(&pipeline->order, slot->key);
    else if (state == DELIVERY_AMBIGUOUS)
        order_stuck(&pipeline->order, slot->key);
    order_shut(&pipeline->order, slot->key, pipeline_blocks(pipeline));
}

static void step_outcomes(struct pipeline *pipeline,
                          struct pipeline_effects *effects)
{
    struct slot *slot;
    uint32_t place = 0;
    uint32_t count = 0;
    need_outcomes(pipeline);
    while (count < OUTCOMES_AT_ONCE &&
           (slot = slots_next(&pipeline->slots, SLOT_ANSWERED, &place)) !=
               NULL) {
        slot->batch = effects->outcome_batch;
        pipeline->outcomes[count++] = slot->outcome;
        pipeline_left(pipeline, slot, slot->outcome.state);
        slots_move(&pipeline->slots, slot, SLOT_SETTLING);
    }
    effects->outcomes = pipeline->outcomes;
    effects->outcome_count = count;
}

static void withdraw(struct pipeline *pipeline, struct slot *slot,
                     struct pipeline_effects *effects)
{
    slot->batch = effects->withdraw_batch;
    slot->withdrawn = true;
    effects->withdraw[effects->withdraw_count++] = slot->position;
    pipeline_left(pipeline, slot, DELIVERY_RETRYING);
    slots_move(&pipeline->slots, slot, SLOT_SETTLING);
}

/* What is granted and not sent goes back. The store does not forget what of
 * it is in doubt. */
static void step_withdraw(struct pipeline *pipeline,
                          struct pipeline_effects *effects)
{
    struct slot *slot;
    uint32_t place = 0;
    effects->withdraw = pipeline_part(pipeline, POSITIONS_WITHDRAW);
    while ((slot = slots_next(&pipeline->slots, SLOT_READY, &place)) != NULL)
        withdraw(pipeline, slot, effects);
    place = 0;
    while ((slot = slots_reloading(&pipeline->slots, &place)) != NULL)
        withdraw(pipeline, slot, effects);
}

/* What the next leader must know of the target, and that it wants no more. */
static void step_tell(struct pipeline *pipeline,
                      struct pipeline_effects *effects)
{
    if (breaker_told(&pipeline->breaker) || pipeline->throttle_changed) {
        pipeline->throttle_changed = false;
        pipeline->circuit = (struct command_circuit){
            .publisher_id = pipeline->id,
            .circuit = pipeline->breaker.circuit,
            .throttled_until_ms = pipeline->throttled_until_ms};
        effects->circuit = &pipeline->circuit;
    }
    if (pipeline->gone && !pipeline->paused)
        effects->pause_reason = "gone: the target answered 410";
}

/* ---- What begins ---- */

static struct slot *propose(struct pipeline *pipeline,
                            const struct supply *supply, uint32_t batch)
{
    struct slot *slot =
        slots_take(&pipeline->slots, SLOT_PROPOSED, supply->position);
    slot->letter = supply->letter;
    slot->attempt = supply->attempts + 1;
    slot->budget_from = supply->budget_from;
    slot->holds = supply->holds;
    slot->replay_id = supply->replay_id;
    slot->doubt = supply->doubt;
    slot->ordered = supply->ordered;
    slot->key = supply->ordered ? supply->key : 0;
    slot->batch = batch;
    return slot;
}

void pipeline_open(struct pipeline *pipeline, struct supply *supply,
                   uint32_t batch, uint64_t now_ms)
{
    supply->ordered =
        pipeline->options.ordering == ORDERING_STRICT ||
        (pipeline->options.ordering == ORDERING_KEY && supply->key != 0);
    struct slot *slot = propose(pipeline, supply, batch);
    if (slot->ordered)
        order_opened(&pipeline->order, slot->key, now_ms);
}

static uint32_t propose_due(struct pipeline *pipeline, uint32_t count,
                            uint64_t now_ms, struct pipeline_effects *effects)
{
    if (count > pipeline->due.count)
        count = pipeline->due.count;
    effects->intent = pipeline_part(pipeline, POSITIONS_INTENT);
    for (uint32_t i = 0; i < count; i++) {
        struct supply supply = hand_pop(&pipeline->due);
        struct slot *slot = propose(pipeline, &supply, effects->intent_batch);
        effects->intent[i] = slot->position;
        if (!slot->ordered)
            continue;
        order_opened(&pipeline->order, slot->key, now_ms);
        order_waits_no_more(&pipeline->order, slot->key,
                            pipeline_blocks(pipeline));
    }
    effects->intent_count = count;
    pipeline->intending = count > 0;
    pipeline->intent_count = count;
    return count;
}

/* ---- Probing ---- */

static bool due_may_come(const struct pipeline *pipeline, uint64_t now_ms)
{
    return pipeline->due.count > 0 || pipeline->asking_due ||
           (pipeline->first_due_ms != 0 && pipeline->first_due_ms <= now_ms);
}

/* No retry is there, nor will one be. */
static bool nothing_waits(const struct pipeline *pipeline)
{
    return pipeline->due.count == 0 && !pipeline->asking_due &&
           pipeline->first_due_ms == 0;
}

static bool fresh_may_come(const struct pipeline *pipeline)
{
    return (pipeline->ahead.count > 0 || pipeline->feeding ||
            pipeline->feed_from <= pipeline->last_position) &&
           (pipeline->fresh_probes < FRESH_PROBES_MAX ||
            nothing_waits(pipeline)) &&
           !walks_come_first(pipeline);
}

/* One message at a time: in turn one that has failed before and one that was
 * never tried, so that a message that cannot be delivered holds nothing up.
 * What is parked behind a key that is free has its turn when there is neither:
 * whatever held the key may have been settled without being sent. */
static void step_probe(struct pipeline *pipeline, uint32_t most,
                       uint64_t now_ms, struct pipeline_effects *effects)
{
    bool due = due_may_come(pipeline, now_ms);
    bool fresh = fresh_may_come(pipeline);
    if (fresh && (pipeline->probe_fresh || !due)) {
        grants_step(pipeline, most, now_ms, effects);
        if (effects->grant.open_count > 0) {
            pipeline->fresh_probes++;
            pipeline->probe_fresh = false;
        }
        if (effects->grant.examined > 0 || pipeline->ahead.count == 0)
            return; /* Else the order holds it up: a retry goes first. */
    }
    if (pipeline->due.count > 0 && !pipeline->intending &&
        propose_due(pipeline, most, now_ms, effects) > 0)
        pipeline->probe_fresh = true;
    else if (!due)
        walks_step(pipeline, most, now_ms, effects);
}

/* ---- Reading ---- */

static void read_feed(struct pipeline *pipeline, uint32_t want,
                      struct pipeline_effects *effects)
{
    if (pipeline->feeding || pipeline->ahead.count >= (want + 1) / 2 ||
        pipeline->feed_from > pipeline->last_position)
        return;
    pipeline->feeding = true;
    pipeline->feed_asked = pipeline->feed_from;
    pipeline->feed_last = pipeline->last_position;
    effects->read_feed = true;
    effects->feed_from = pipeline->feed_from;
    effects->feed_count = want - pipeline->ahead.count;
    effects->feed_stored = pipeline->feed_from <= pipeline->distrust_upto;
    /* A backlog is there already. Not to wait for a commit spares the store
     * one at each read, and what is to be applied the wait for that. */
    effects->feed_committed = !effects->feed_stored && !pipeline->feed_in_vain;
}

static void step_reads(struct pipeline *pipeline, uint32_t most,
                       uint64_t now_ms, struct pipeline_effects *effects)
{
    uint32_t want = pipeline->options.max_in_flight * 2;
    want = want < AHEAD_MIN ? AHEAD_MIN : want;
    want = want > BOUND_FEED_MESSAGES ? BOUND_FEED_MESSAGES : want;
    if (breaker_is_open(&pipeline->breaker))
        want = 1; /* One is enough for a probe. */
    read_feed(pipeline, want, effects);
    if (!pipeline->asking_due && !pipeline->intending &&
        pipeline->due.count == 0 && pipeline->first_due_ms != 0 &&
        pipeline->first_due_ms <= now_ms && most > 0) {
        pipeline->asking_due = true;
        pipeline->first_due_ms = 0; /* The answer tells the next one. */
        effects->read_due = true;
        effects->due_count = most;
    }
}

/* Counts are read when nothing is on its way that would change them. */
static void step_refresh(struct pipeline *pipeline,
                         struct pipeline_effects *effects)
{
    const uint32_t *by_state = pipeline->slots.by_state;
    if (pipeline->viewing || pipeline->granting || pipeline->intending ||
        by_state[SLOT_PROPOSED] + by_state[SLOT_SETTLING] +
                by_state[SLOT_ANSWERED] >
            0)
        return;
    walks_put_down(pipeline);
    if (pipeline->walking > 0)
        return;
    pipeline->viewing = true;
    pipeline->refresh = false; /* Set again meanwhile, it is read again. */
    effects->read_view = true;
}

static void step_keys(struct pipeline *pipeline,
                      struct pipeline_effects *effects)
{
    if (pipeline->reading_keys)
        return;
    pipeline->reading_keys = true;
    effects->read_keys = true;
    effects->keys_after = pipeline->keys_after;
}

/* What is in hand can be read again; a publisher that is held back for long
 * should not keep it in memory. */
static void put_down(struct pipeline *pipeline, uint64_t now_ms)
{
    if (pipeline->due.count > 0)
        pipeline_due_at(pipeline, now_ms);
    hand_empty(&pipeline->due);
    walks_put_down(pipeline);
    if (!pipeline->granting) {
        hand_empty(&pipeline->ahead);
        pipeline->feed_from = pipeline->next;
    }
}

static void step_load(struct pipeline *pipeline,
                      struct pipeline_effects *effects)
{
    if (pipeline->loading)
        return;
    pipeline->loading = true;
    effects->load = true;
}

/* ---- All of it ---- */

/* What must be known before anything is granted. True: something must. */
static bool step_know(struct pipeline *pipeline,
                      struct pipeline_effects *effects)
{
    if (pipeline->slots.by_state[SLOT_LOADING] > 0) {
        step_load(pipeline, effects);
        return true;
    }
    if (pipeline->refresh) {
        step_refresh(pipeline, effects);
        return true;
    }
    if (pipeline->load_keys) {
        step_keys(pipeline, effects);
        return true;
    }
    return false;
}

static void earlier(uint64_t *wake_ms, uint64_t at_ms, uint64_t now_ms)
{
    if (at_ms > now_ms && (*wake_ms == 0 || at_ms < *wake_ms))
        *wake_ms = at_ms;
}

static void step_wake(struct pipeline *pipeline, uint64_t now_ms,
                      struct pipeline_effects *effects)
{
    earlier(&effects->wake_ms, pipeline->first_due_ms, now_ms);
    earlier(&effects->wake_ms, pipeline->patience_ms, now_ms);
    if (pipeline->options.rate_limit_per_second > 0)
        earlier(&effects->wake_ms, bucket_next_ms(&pipeline->bucket, now_ms),
                now_ms);
}

static void step_go(struct pipeline *pipeline, uint64_t now_ms,
                    struct pipeline_effects *effects)
{
    uint32_t most = room(pipeline, now_ms);
    pipeline->patience_ms = 0;
    if (breaker_is_open(&pipeline->breaker)) {
        if (most > 0)
            step_probe(pipeline, most, now_ms, effects);
    } else {
        if (!pipeline->intending && pipeline->due.count > 0)
            most -= propose_due(pipeline, most, now_ms, effects);
        uint32_t before = pipeline->slots.window;
        walks_step(pipeline, most, now_ms, effects);
        most -= pipeline->slots.window - before;
        grants_step(pipeline, most, now_ms, effects);
    }
    step_reads(pipeline, room(pipeline, now_ms), now_ms, effects);
    step_wake(pipeline, now_ms, effects);
}

void pipeline_step(struct pipeline *pipeline, uint64_t now_ms,
                   struct pipeline_effects *ret_effects)
{
    *ret_effects =
        (struct pipeline_effects){.outcome_batch = pipeline_batch(pipeline),
                                  .withdraw_batch = pipeline_batch(pipeline),
                                  .intent_batch = pipeline_batch(pipeline),
                                  .grant_batch = pipeline_batch(pipeline)};
    need_positions(pipeline);
    if (pipeline->viewing)
        return; /* Nothing may change what is being read. */
    pipeline_expire(pipeline, now_ms);
    step_outcomes(pipeline, ret_effects);
    step_tell(pipeline, ret_effects);
    uint64_t held_until_ms = held_back_until_ms(pipeline, now_ms);
    if (pipeline->paused || pipeline->draining || held_until_ms > 0) {
        put_down(pipeline, now_ms);
        step_withdraw(pipeline, ret_effects);
        if (!pipeline->paused && !pipeline->draining)
            ret_effects->wake_ms = held_until_ms;
        return;
    }
    if (now_ms < pipeline->hold_ms) {
        ret_effects->wake_ms = pipeline->hold_ms;
        return;
    }
    if (!step_know(pipeline, ret_effects))
        step_go(pipeline, now_ms, ret_effects);
}
