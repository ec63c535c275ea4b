#include "pipeline_inside.h"

#include "backoff.h"

#include <stdlib.h>

enum {
    REPEAT_MS = 1000, /* After a failed read or a refused command. */
    RATE_WINDOW_MS = 5000,
};

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
           by_state[SLOT_PROPOSED] + by_state[SLOT_READY] +
                   by_state[SLOT_SENDING] + by_state[SLOT_ANSWERED] +
                   by_state[SLOT_SETTLING] ==
               0;
}

void pipeline_due_at(struct pipeline *pipeline, uint64_t due_ms)
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
        pipeline_due_at(pipeline, now_ms + REPEAT_MS);
        hold(pipeline, now_ms);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!slots_has(&pipeline->slots, supplies[i].letter->position))
            hand_push(&pipeline->due, &supplies[i]);
    }
    if (next_due_ms != 0)
        pipeline_due_at(pipeline, next_due_ms);
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
            pipeline_due_at(pipeline, now_ms);
        else if (slot->outcome.state == DELIVERY_RETRYING)
            pipeline_due_at(pipeline, slot->outcome.next_attempt_ms);
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
            pipeline_due_at(pipeline, now_ms + REPEAT_MS);
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
