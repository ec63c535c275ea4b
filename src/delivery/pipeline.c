#include "pipeline.h"

#include "backoff.h"
#include "base/bounds.h"
#include "base/memory.h"
#include "slots.h"

#include <assert.h>
#include <stdlib.h>

enum {
    AHEAD_MIN = 32,         /* Read ahead at least so many messages ... */
    OUTCOMES_AT_ONCE = 512, /* ... and settle at most so many together. */
    REPEAT_MS = 1000,       /* After a failed read or a refused command. */
    RATE_WINDOW_MS = 5000,
};

/* Messages in hand that wait for their turn, oldest first. */
struct hand {
    struct supply *array;
    uint32_t first;
    uint32_t count;
    uint32_t capacity;
};

struct pipeline {
    uint32_t id;
    uint32_t topic_id;
    struct publisher_options options;
    struct arena texts; /* What options point to. */
    bool paused;
    bool draining;
    uint64_t next;          /* Everything below is granted, in the log. */
    uint64_t grant_upto;    /* Of the grant that is on the way. */
    uint64_t last_position; /* Of the topic. */
    struct hand ahead;      /* Positions from `next` on. */
    uint64_t feed_from;     /* The first position not in `ahead`. */
    uint64_t feed_asked;    /* What the read under way began at, ... */
    uint64_t feed_last;     /* ... and what the topic's last one was then. */
    struct hand due;        /* Retries whose time has come. */
    uint64_t first_due_ms;  /* Of the retries not in `due`; 0: none. */
    struct slots slots;
    /* What is on the way. */
    bool feeding;
    bool loading;
    bool asking_due;
    bool granting;
    bool intending;
    uint64_t hold_ms; /* No reads or grants before this. */
    uint32_t batch;
    /* For effects, valid between two steps. */
    struct outcome outcomes[OUTCOMES_AT_ONCE];
    uint64_t *positions; /* Three parts: withdraw, intent, grant or load. */
    uint32_t positions_capacity;
    uint64_t random;
    /* Delivered in this window and in the one before. */
    uint64_t window_began_ms;
    uint32_t window_count;
    uint32_t window_before;
};

/* ---- Messages in hand ---- */

static void hand_push(struct hand *hand, const struct supply *supply)
{
    if (hand->first + hand->count == hand->capacity) {
        if (hand->first > 0) {
            memmove(hand->array, hand->array + hand->first,
                    hand->count * sizeof *hand->array);
            hand->first = 0;
        }
        if (hand->count == hand->capacity) {
            hand->capacity = hand->capacity == 0 ? 32 : hand->capacity * 2;
            hand->array = memory_resize(hand->array,
                                        hand->capacity * sizeof *hand->array);
        }
    }
    letter_ref(supply->letter);
    hand->array[hand->first + hand->count++] = *supply;
}

/* The caller gets the reference. */
static struct supply hand_pop(struct hand *hand)
{
    assert(hand->count > 0);
    hand->count--;
    return hand->array[hand->first++];
}

static void hand_empty(struct hand *hand)
{
    while (hand->count > 0)
        letter_unref(hand_pop(hand).letter);
    hand->first = 0;
}

static void hand_close(struct hand *hand)
{
    hand_empty(hand);
    free(hand->array);
}

/* ---- Life ---- */

static void keep_options(struct pipeline *pipeline,
                         const struct publisher_options *options)
{
    pipeline->options = *options;
    pipeline->options.target = arena_copy(&pipeline->texts, options->target);
    pipeline->options.description = slice_of(NULL, 0);
}

struct pipeline *pipeline_new(const struct pipeline_view *view, uint64_t seed)
{
    struct pipeline *pipeline = memory_new_zeroed(1, sizeof *pipeline);
    pipeline->id = view->publisher.id;
    pipeline->topic_id = view->publisher.topic_id;
    pipeline->paused = view->publisher.paused;
    keep_options(pipeline, &view->publisher.options);
    pipeline->next = view->next;
    pipeline->feed_from = view->next;
    pipeline->last_position = view->last_position;
    pipeline->first_due_ms = view->first_due_ms;
    pipeline->random = (seed ^ view->publisher.id * 0x9E3779B97F4A7C15u) | 1u;
    for (uint32_t i = 0; i < view->open_count; i++) {
        const struct open_position *open = &view->open[i];
        struct slot *slot =
            slots_take(&pipeline->slots, SLOT_LOADING, open->position);
        slot->attempt = open->attempt;
        slot->doubt = open->doubt;
    }
    return pipeline;
}

void pipeline_free(struct pipeline *pipeline)
{
    if (pipeline == NULL)
        return;
    hand_close(&pipeline->ahead);
    hand_close(&pipeline->due);
    slots_close(&pipeline->slots);
    arena_close(&pipeline->texts);
    free(pipeline->positions);
    free(pipeline);
}

uint32_t pipeline_id(const struct pipeline *pipeline)
{
    return pipeline->id;
}

uint32_t pipeline_topic_id(const struct pipeline *pipeline)
{
    return pipeline->topic_id;
}

const struct publisher_options *
pipeline_options(const struct pipeline *pipeline)
{
    return &pipeline->options;
}

/* ---- Events ---- */

void pipeline_published(struct pipeline *pipeline, uint64_t last_position)
{
    if (last_position > pipeline->last_position)
        pipeline->last_position = last_position;
}

void pipeline_pause(struct pipeline *pipeline, bool paused)
{
    pipeline->paused = paused;
    if (!paused)
        pipeline->hold_ms = 0;
}

void pipeline_drain(struct pipeline *pipeline)
{
    pipeline->draining = true;
}

/* What was not even read since the takeover stays open: it is in doubt for
 * the next leader just as well. */
bool pipeline_is_drained(const struct pipeline *pipeline)
{
    const uint32_t *by_state = pipeline->slots.by_state;
    return pipeline->draining && !pipeline->granting && !pipeline->intending &&
           by_state[SLOT_PROPOSED] + by_state[SLOT_SENDING] +
                   by_state[SLOT_ANSWERED] + by_state[SLOT_SETTLING] ==
               0;
}

static void due_at(struct pipeline *pipeline, uint64_t due_ms)
{
    if (pipeline->first_due_ms == 0 || due_ms < pipeline->first_due_ms)
        pipeline->first_due_ms = due_ms;
}

static void hold(struct pipeline *pipeline, uint64_t now_ms)
{
    pipeline->hold_ms = now_ms + REPEAT_MS;
}

void pipeline_fed(struct pipeline *pipeline, int code,
                  const struct supply *supplies, uint32_t count,
                  uint64_t now_ms)
{
    pipeline->feeding = false;
    if (code != 0) {
        hold(pipeline, now_ms);
        return;
    }
    if (pipeline->feed_asked != pipeline->feed_from)
        return; /* The hand was emptied meanwhile: this is not what follows. */
    for (uint32_t i = 0; i < count; i++) {
        hand_push(&pipeline->ahead, &supplies[i]);
        pipeline->feed_from = supplies[i].letter->position + 1;
    }
    /* What was announced is not there any more (purged). */
    if (count == 0)
        pipeline->feed_from = pipeline->feed_last + 1;
}

void pipeline_due(struct pipeline *pipeline, int code,
                  const struct supply *supplies, uint32_t count,
                  uint64_t next_due_ms, uint64_t now_ms)
{
    pipeline->asking_due = false;
    if (code != 0) {
        due_at(pipeline, now_ms + REPEAT_MS);
        hold(pipeline, now_ms);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!slots_has(&pipeline->slots, supplies[i].letter->position))
            hand_push(&pipeline->due, &supplies[i]);
    }
    if (next_due_ms != 0)
        due_at(pipeline, next_due_ms);
}

static void slot_gone(struct slots *slots, struct slot *slot)
{
    slot->outcome = (struct outcome){
        .position = slot->position,
        .state = DELIVERY_DEAD,
        .attempt = {.number = slot->attempt,
                    .class = ATTEMPT_PROTOCOL,
                    .maybe_duplicate = slot->doubt,
                    .response = slice_text("the message is gone")}};
    slots_move(slots, slot, SLOT_ANSWERED);
}

void pipeline_loaded(struct pipeline *pipeline, int code,
                     const struct supply *supplies, uint32_t count,
                     uint64_t now_ms)
{
    pipeline->loading = false;
    if (code != 0) {
        hold(pipeline, now_ms);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct slot *slot =
            slots_at(&pipeline->slots, supplies[i].letter->position);
        if (slot == NULL || slot->state != SLOT_LOADING)
            continue;
        slot->letter = letter_ref(supplies[i].letter);
        slots_move(&pipeline->slots, slot, SLOT_READY);
    }
    struct slot *slot;
    uint32_t place = 0;
    while ((slot = slots_next(&pipeline->slots, SLOT_LOADING, &place)) != NULL)
        slot_gone(&pipeline->slots, slot);
}

/* The grant was refused: its messages are read again. */
static void grant_refused(struct pipeline *pipeline, uint64_t now_ms)
{
    hand_empty(&pipeline->ahead);
    pipeline->feed_from = pipeline->next;
    hold(pipeline, now_ms);
}

/* The proposed slots of a batch may be sent, or their proposal was refused. */
static void proposal_decided(struct pipeline *pipeline, uint32_t batch,
                             bool granted)
{
    struct slot *slot;
    uint32_t place = 0;
    while ((slot = slots_next(&pipeline->slots, SLOT_PROPOSED, &place)) !=
           NULL) {
        if (slot->batch != batch)
            continue;
        if (granted)
            slots_move(&pipeline->slots, slot, SLOT_READY);
        else
            slots_release(&pipeline->slots, slot);
    }
}

/* From here on a read of what is due finds the batch's retries: a read begun
 * earlier may have missed them, so their times are noted only now. */
static void batch_settled(struct pipeline *pipeline, uint32_t batch,
                          uint64_t now_ms)
{
    struct slot *slot;
    uint32_t place = 0;
    while ((slot = slots_next(&pipeline->slots, SLOT_SETTLING, &place)) !=
           NULL) {
        if (slot->batch != batch)
            continue;
        if (slot->withdrawn)
            due_at(pipeline, now_ms);
        else if (slot->outcome.state == DELIVERY_RETRYING)
            due_at(pipeline, slot->outcome.next_attempt_ms);
        slots_release(&pipeline->slots, slot);
    }
}

void pipeline_applied(struct pipeline *pipeline, enum pipeline_command command,
                      uint32_t batch, int code, uint64_t now_ms)
{
    switch (command) {
    case PIPELINE_GRANT:
        pipeline->granting = false;
        proposal_decided(pipeline, batch, code == 0);
        if (code == 0)
            pipeline->next = pipeline->grant_upto + 1;
        else
            grant_refused(pipeline, now_ms);
        break;
    case PIPELINE_INTENT:
        pipeline->intending = false;
        proposal_decided(pipeline, batch, code == 0);
        if (code != 0) {
            due_at(pipeline, now_ms + REPEAT_MS);
            hold(pipeline, now_ms);
        }
        break;
    case PIPELINE_OUTCOMES:
    case PIPELINE_WITHDRAW:
        batch_settled(pipeline, batch, now_ms);
        break;
    }
}

bool pipeline_dispatch(struct pipeline *pipeline, struct dispatch *ret)
{
    if (pipeline->paused || pipeline->draining)
        return false;
    uint32_t place = 0;
    struct slot *slot = slots_next(&pipeline->slots, SLOT_READY, &place);
    if (slot == NULL)
        return false;
    slots_move(&pipeline->slots, slot, SLOT_SENDING);
    *ret = (struct dispatch){.token = slots_token(&pipeline->slots, slot),
                             .letter = slot->letter,
                             .attempt = slot->attempt,
                             .doubt = slot->doubt};
    return true;
}

static void count_delivered(struct pipeline *pipeline, uint64_t now_ms)
{
    uint64_t passed = now_ms - pipeline->window_began_ms;
    if (passed >= RATE_WINDOW_MS) {
        pipeline->window_before =
            passed < 2 * RATE_WINDOW_MS ? pipeline->window_count : 0;
        pipeline->window_count = 0;
        pipeline->window_began_ms = now_ms;
    }
    pipeline->window_count++;
}

static void decide(struct pipeline *pipeline, const struct attempt *attempt,
                   uint64_t now_ms, struct outcome *outcome)
{
    const struct publisher_options *options = &pipeline->options;
    outcome->next_attempt_ms = 0;
    if (attempt->class == ATTEMPT_OK) {
        outcome->state = DELIVERY_DELIVERED;
        count_delivered(pipeline, now_ms);
    } else if (attempt->number >= options->max_attempts) {
        outcome->state = DELIVERY_DEAD;
    } else {
        outcome->state = DELIVERY_RETRYING;
        outcome->next_attempt_ms =
            now_ms + backoff_ms(options->retry_seconds,
                                options->retry_seconds_max, attempt->number,
                                random_next(&pipeline->random));
    }
}

void pipeline_answered(struct pipeline *pipeline, uint64_t token,
                       const struct attempt *attempt, uint64_t now_ms)
{
    struct slot *slot = slots_of_token(&pipeline->slots, token);
    if (slot == NULL || slot->state != SLOT_SENDING)
        return;
    struct outcome *outcome = &slot->outcome;
    outcome->position = slot->position;
    outcome->attempt = *attempt;
    outcome->attempt.number = slot->attempt;
    outcome->attempt.maybe_duplicate = slot->doubt;
    decide(pipeline, &outcome->attempt, now_ms, outcome);
    size_t length = attempt->response.length;
    if (length > 0) {
        slot->response = memory_new(length);
        memcpy(slot->response, attempt->response.data, length);
    }
    outcome->attempt.response = slice_of(slot->response, length);
    slots_move(&pipeline->slots, slot, SLOT_ANSWERED);
}

/* ---- The step ---- */

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
        due_at(pipeline, now_ms);
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

bool pipeline_is_hungry(const struct pipeline *pipeline)
{
    return !pipeline->feeding && pipeline->feed_from > pipeline->last_position;
}

struct pipeline_statistics pipeline_statistics(const struct pipeline *pipeline,
                                               uint64_t now_ms)
{
    struct pipeline_statistics statistics = {
        .in_flight = pipeline->slots.by_state[SLOT_SENDING],
        .slots = pipeline->slots.used,
        .next_attempt_ms = pipeline->first_due_ms,
    };
    uint64_t passed = now_ms - pipeline->window_began_ms;
    if (passed < RATE_WINDOW_MS) {
        double share = (double)(RATE_WINDOW_MS - passed) / RATE_WINDOW_MS;
        statistics.rate_per_second =
            (pipeline->window_before * share + pipeline->window_count) * 1000 /
            RATE_WINDOW_MS;
    } else if (passed < 2 * RATE_WINDOW_MS) {
        double share = (double)(2 * RATE_WINDOW_MS - passed) / RATE_WINDOW_MS;
        statistics.rate_per_second =
            pipeline->window_count * share * 1000 / RATE_WINDOW_MS;
    }
    return statistics;
}
