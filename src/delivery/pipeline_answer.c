/* What comes of an answer: what is told to the log of this message, and what
 * it says about the target.
 *
 *     2xx                                   delivered
 *     429, 503 with Retry-After             held, ten times; no attempt used
 *     410                                   failed, and the publisher paused
 *     no status, at_most_once, and it may
 *     have arrived                          ambiguous
 *     no status while the circuit is open   to be tried again; no attempt used
 *     anything else                         to be tried again after a backoff;
 *                                           dead when the attempts are spent,
 *                                           unless an order blocks on it
 */
#include "pipeline_inside.h"

#include "backoff.h"

#include <stdio.h>

enum { RATE_WINDOW_MS = 5000 };

/* When it was accepted, or the time that it was scheduled for. */
static uint64_t since_ms(const struct message *message)
{
    return message->schedule_ms > message->received_ms ? message->schedule_ms
                                                       : message->received_ms;
}

static void count_delivered(struct pipeline *pipeline, const struct slot *slot,
                            uint64_t now_ms)
{
    uint64_t since = since_ms(&slot->letter->message);
    if (slot->replay_id == 0)
        histogram_add(&pipeline->metrics.end_to_end,
                      now_ms > since ? now_ms - since : 0);
    uint64_t passed = now_ms - pipeline->window_began_ms;
    if (passed >= RATE_WINDOW_MS) {
        pipeline->window_before =
            passed < 2 * RATE_WINDOW_MS ? pipeline->window_count : 0;
        pipeline->window_count = 0;
        pipeline->window_began_ms = now_ms;
    }
    pipeline->window_count++;
}

/* What a person has asked for once more, by a retry or a replay, is as old as
 * it is: its age is no matter then. */
static uint64_t expires_ms(const struct pipeline *pipeline,
                           const struct slot *slot)
{
    uint32_t seconds = pipeline->options.expire_after_seconds;
    if (seconds == 0 || slot->replay_id != 0 || slot->budget_from > 0)
        return UINT64_MAX;
    return since_ms(&slot->letter->message) + (uint64_t)seconds * 1000u;
}

/* The receiver may have got it, and no answer says whether it did. */
static bool may_have_arrived(const struct attempt *attempt)
{
    return attempt->status == 0 && (attempt->class == ATTEMPT_TIMEOUT ||
                                    attempt->class == ATTEMPT_PROTOCOL);
}

static void retry(struct pipeline *pipeline, const struct slot *slot,
                  struct outcome *outcome, uint64_t now_ms)
{
    uint32_t used = outcome->attempt.number - slot->budget_from;
    uint64_t next_ms =
        now_ms + backoff_ms(pipeline->options.retry_seconds,
                            pipeline->options.retry_seconds_max, used,
                            random_next(&pipeline->random));
    uint64_t latest_ms = expires_ms(pipeline, slot);
    outcome->state = DELIVERY_RETRYING;
    outcome->next_attempt_ms = next_ms < latest_ms ? next_ms : latest_ms;
}

/* A receiver that asks for patience gets it, whatever it costs the message. */
static void hold_publisher(struct pipeline *pipeline, const struct slot *slot)
{
    if (slot->hold_until_ms > pipeline->throttled_until_ms) {
        pipeline->throttled_until_ms = slot->hold_until_ms;
        pipeline->throttle_changed = true;
    }
    breaker_held(&pipeline->breaker, slot->hold_until_ms);
}

static void failed(struct pipeline *pipeline, struct slot *slot,
                   struct outcome *outcome, uint64_t now_ms)
{
    const struct attempt *attempt = &outcome->attempt;
    struct breaker_options options = pipeline_breaker_options(pipeline);
    bool was_open = breaker_is_open(&pipeline->breaker);
    bool opened =
        breaker_failed(&pipeline->breaker, &options, slot->position, attempt,
                       slot->probe, random_next(&pipeline->random), now_ms);
    if (opened) {
        pipeline->metrics.circuits++;
        pipeline->fresh_probes = 0;
        pipeline->probe_fresh = false;
    }
    if (attempt->status == 410)
        pipeline->gone = true;
    if (pipeline->options.guarantee == AT_MOST_ONCE &&
        may_have_arrived(attempt)) {
        outcome->state = DELIVERY_AMBIGUOUS;
        return;
    }
    retry(pipeline, slot, outcome, now_ms);
    if (was_open && attempt->status == 0) {
        outcome->uncounted = true;
        outcome->next_attempt_ms = pipeline->breaker.circuit.next_probe_ms;
        return;
    }
    bool spent =
        attempt->number - slot->budget_from >= pipeline->options.max_attempts;
    if (spent && !(slot->ordered && pipeline_blocks(pipeline)))
        outcome->state = DELIVERY_DEAD;
}

static void decide(struct pipeline *pipeline, struct slot *slot,
                   struct outcome *outcome, uint64_t now_ms)
{
    struct breaker_options options = pipeline_breaker_options(pipeline);
    *outcome = (struct outcome){.position = slot->position,
                                .attempt = outcome->attempt};
    if (slot->hold_until_ms > now_ms)
        hold_publisher(pipeline, slot);
    if (outcome->attempt.class == ATTEMPT_OK) {
        outcome->state = DELIVERY_DELIVERED;
        breaker_succeeded(&pipeline->breaker, &options, now_ms);
        count_delivered(pipeline, slot, now_ms);
    } else if (slot->hold_until_ms > now_ms && slot->holds < HOLDS_MAX) {
        outcome->state = DELIVERY_RETRYING;
        outcome->uncounted = true;
        outcome->held = true;
        outcome->next_attempt_ms = slot->hold_until_ms;
    } else {
        failed(pipeline, slot, outcome, now_ms);
    }
    pipeline->metrics.dead += outcome->state == DELIVERY_DEAD;
    pipeline->metrics.ambiguous += outcome->state == DELIVERY_AMBIGUOUS;
}

void pipeline_hold(struct pipeline *pipeline, uint64_t token, uint64_t until_ms)
{
    struct slot *slot = slots_of_token(&pipeline->slots, token);
    if (slot != NULL)
        slot->hold_until_ms = until_ms;
}

static void keep_response(struct slot *slot, struct slice response)
{
    if (response.length > 0) {
        slot->response = memory_new(response.length);
        memcpy(slot->response, response.data, response.length);
    }
    slot->outcome.attempt.response = slice_of(slot->response, response.length);
}

void pipeline_answered(struct pipeline *pipeline, uint64_t token,
                       const struct attempt *attempt, uint64_t now_ms)
{
    struct slot *slot = slots_of_token(&pipeline->slots, token);
    if (slot == NULL || slot->state != SLOT_SENDING)
        return;
    struct outcome *outcome = &slot->outcome;
    outcome->attempt = *attempt;
    outcome->attempt.number = slot->attempt;
    outcome->attempt.maybe_duplicate = slot->doubt;
    if ((int)attempt->class < (int)METRICS_CLASSES)
        pipeline->metrics.outcomes[attempt->class]++;
    histogram_add(&pipeline->metrics.delivery, attempt->duration_ms);
    if (slot->hold_until_ms > now_ms + THROTTLE_MS_MAX)
        slot->hold_until_ms = now_ms + THROTTLE_MS_MAX;
    decide(pipeline, slot, outcome, now_ms);
    keep_response(slot, attempt->response);
    slots_move(&pipeline->slots, slot, SLOT_ANSWERED);
}

/* Its time has come before its turn: it is not sent. */
static void expire(struct pipeline *pipeline, struct slot *slot,
                   uint64_t now_ms)
{
    char words[96];
    int length = snprintf(words, sizeof words,
                          "not delivered within %u seconds: "
                          "expire_after_seconds",
                          pipeline->options.expire_after_seconds);
    slot->outcome =
        (struct outcome){.position = slot->position,
                         .state = DELIVERY_DEAD,
                         .attempt = {.number = slot->attempt,
                                     .class = ATTEMPT_EXPIRED,
                                     .started_ms = now_ms,
                                     .maybe_duplicate = slot->doubt}};
    keep_response(slot, slice_of(words, (size_t)length));
    slots_move(&pipeline->slots, slot, SLOT_ANSWERED);
    pipeline->metrics.outcomes[ATTEMPT_EXPIRED]++;
    pipeline->metrics.dead++;
}

void pipeline_expire(struct pipeline *pipeline, uint64_t now_ms)
{
    struct slot *slot;
    uint32_t place = 0;
    if (pipeline->options.expire_after_seconds == 0 ||
        pipeline->clock_distrusted)
        return;
    while ((slot = slots_next(&pipeline->slots, SLOT_READY, &place)) != NULL) {
        if (expires_ms(pipeline, slot) <= now_ms)
            expire(pipeline, slot, now_ms);
    }
}
