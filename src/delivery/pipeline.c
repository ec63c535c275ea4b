#include "pipeline_inside.h"

#include "base/error.h"

#include <stdlib.h>

enum { RATE_WINDOW_MS = 5000 };

static void keep_options(struct pipeline *pipeline,
                         const struct publisher_options *options)
{
    struct arena texts = {0};
    struct filter_error error;
    pipeline->edition++;
    pipeline->options = *options;
    publisher_options_copy(&pipeline->options, &texts);
    arena_close(&pipeline->texts);
    pipeline->texts = texts;
    filter_unref(pipeline->filter);
    pipeline->filter = NULL;
    /* It was checked before it was stored; one that a newer program allowed
     * and this one does not know passes everything, since nothing may be lost
     * by it. */
    if (options->filter.length > 0)
        filter_compile(pipeline->options.filter, &pipeline->filter, &error);
}

static void take_counts(struct pipeline *pipeline,
                        const struct pipeline_view *view)
{
    struct order *order = &pipeline->order;
    order_reset(order);
    order->waits = view->ordered_waits;
    order->stuck = view->ordered_stuck;
    order->parked = view->parked;
    pipeline->load_keys =
        view->parked > 0 || (pipeline->options.ordering == ORDERING_KEY &&
                             view->ordered_waits + view->ordered_stuck > 0);
    pipeline->keys_after = 0;
}

static void take_open(struct pipeline *pipeline,
                      const struct open_position *open)
{
    struct slot *slot =
        slots_take(&pipeline->slots, SLOT_LOADING, open->position);
    slot->attempt = open->attempt;
    slot->doubt = open->doubt;
    slot->ordered = open->ordered;
    slot->key = open->key;
    if (open->ordered)
        order_opened(&pipeline->order, open->key, 0);
}

/* What was proposed under another order than it was granted under stands as
 * the store has it. */
static void retake_open(struct pipeline *pipeline,
                        const struct open_position *open, uint64_t now_ms)
{
    struct slot *slot = slots_at(&pipeline->slots, open->position);
    if (slot == NULL ||
        (slot->ordered == open->ordered && slot->key == open->key))
        return;
    if (slot->ordered)
        order_shut(&pipeline->order, slot->key, pipeline_blocks(pipeline));
    slot->ordered = open->ordered;
    slot->key = open->key;
    if (slot->ordered)
        order_opened(&pipeline->order, slot->key, now_ms);
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
    pipeline->throttled_until_ms = view->throttled_until_ms;
    pipeline->random = (seed ^ view->publisher.id * 0x9E3779B97F4A7C15u) | 1u;
    breaker_init(&pipeline->breaker, &view->circuit);
    bucket_limit(&pipeline->bucket, pipeline->options.rate_limit_per_second, 0);
    take_counts(pipeline, view);
    for (uint32_t i = 0; i < view->open_count; i++)
        take_open(pipeline, &view->open[i]);
    return pipeline;
}

void pipeline_free(struct pipeline *pipeline)
{
    if (pipeline == NULL)
        return;
    hand_close(&pipeline->ahead);
    hand_close(&pipeline->due);
    slots_close(&pipeline->slots);
    order_close(&pipeline->order);
    walks_close(pipeline);
    filter_unref(pipeline->filter);
    arena_close(&pipeline->texts);
    free(pipeline->outcomes);
    free(pipeline->positions);
    free(pipeline->parked);
    free(pipeline->discarded);
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

struct filter *pipeline_filter(const struct pipeline *pipeline)
{
    return pipeline->filter;
}

uint32_t pipeline_edition(const struct pipeline *pipeline)
{
    return pipeline->edition;
}

/* ---- Events ---- */

void pipeline_published(struct pipeline *pipeline, uint64_t last_position)
{
    if (last_position > pipeline->last_position)
        pipeline->last_position = last_position;
}

/* What was read ahead went through another filter or order. */
void pipeline_read_again(struct pipeline *pipeline)
{
    pipeline->reread = pipeline->granting;
    if (pipeline->granting)
        return; /* grant_applied() sees to it. */
    hand_empty(&pipeline->ahead);
    pipeline->feed_from = pipeline->next;
}

void pipeline_update(struct pipeline *pipeline,
                     const struct publisher_options *options, uint64_t now_ms)
{
    bool moves = !slice_equal(pipeline->options.target, options->target);
    bool reorders = pipeline->options.ordering != options->ordering;
    keep_options(pipeline, options);
    bucket_limit(&pipeline->bucket, options->rate_limit_per_second, now_ms);
    walks_put_down(pipeline);
    pipeline_read_again(pipeline);
    if (moves) {
        /* Applying the update has closed it in the log already; but what was
         * told of the old target may have come behind. */
        breaker_close(&pipeline->breaker, now_ms);
        pipeline->throttled_until_ms = 0;
        pipeline->throttle_changed = true;
    }
    pipeline->refresh |= reorders || options->ordering != ORDERING_NONE;
}

void pipeline_decided(struct pipeline *pipeline, uint64_t now_ms)
{
    hand_empty(&pipeline->due);
    pipeline_due_at(pipeline, now_ms);
    pipeline->ask_again = pipeline->asking_due;
    pipeline->reload = pipeline->intending;
    pipeline->distrust_upto = pipeline->last_position;
    pipeline_read_again(pipeline);
    walks_put_down(pipeline);
    pipeline->refresh |= pipeline->options.ordering != ORDERING_NONE ||
                         pipeline->order.parked > 0;
}

void pipeline_pause(struct pipeline *pipeline, bool paused)
{
    pipeline->paused = paused;
    pipeline->gone &= paused;
    if (!paused)
        pipeline->hold_ms = 0;
}

void pipeline_drain(struct pipeline *pipeline)
{
    pipeline->draining = true;
}

void pipeline_trust_clock(struct pipeline *pipeline, bool trusted)
{
    pipeline->clock_distrusted = !trusted;
}

/* What was not even read since the takeover stays open: it is in doubt for
 * the next leader just as well. */
bool pipeline_is_drained(const struct pipeline *pipeline)
{
    const uint32_t *by_state = pipeline->slots.by_state;
    uint32_t place = 0;
    return pipeline->draining && !pipeline->granting && !pipeline->intending &&
           pipeline->walking == 0 &&
           slots_reloading(&pipeline->slots, &place) == NULL &&
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

void pipeline_hold_until(struct pipeline *pipeline, uint64_t until_ms)
{
    pipeline->hold_ms = until_ms;
}

void pipeline_fed(struct pipeline *pipeline, int code,
                  const struct supply *supplies, uint32_t count,
                  uint64_t now_ms)
{
    bool in_vain = count == 0 && (code == 0 || code == ERR_NOT_FOUND) &&
                   !pipeline->feed_in_vain;
    pipeline->feeding = false;
    if (code == ERR_STALE)
        return;
    pipeline->feed_in_vain = in_vain;
    if (in_vain)
        return;
    if (code != 0) {
        pipeline_hold_until(pipeline, now_ms + REPEAT_MS);
        return;
    }
    if (pipeline->feed_asked != pipeline->feed_from)
        return; /* The hand was emptied meanwhile: this is not what follows. */
    for (uint32_t i = 0; i < count; i++) {
        hand_push(&pipeline->ahead, &supplies[i]);
        pipeline->feed_from = supplies[i].position + 1;
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
    if (pipeline->ask_again) {
        pipeline->ask_again = false;
        return; /* Its time is noted already. */
    }
    if (code != 0) {
        pipeline_due_at(pipeline, now_ms + REPEAT_MS);
        pipeline_hold_until(pipeline, now_ms + REPEAT_MS);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!slots_has(&pipeline->slots, supplies[i].position))
            hand_push(&pipeline->due, &supplies[i]);
    }
    if (next_due_ms != 0)
        pipeline_due_at(pipeline, next_due_ms);
}

/* What is not open after all was settled by somebody else: a person's
 * decision came between. */
static void load_missed(struct pipeline *pipeline)
{
    struct slot *slot;
    uint32_t place = 0;
    while ((slot = slots_next(&pipeline->slots, SLOT_LOADING, &place)) !=
           NULL) {
        if (slot->ordered)
            order_shut(&pipeline->order, slot->key, pipeline_blocks(pipeline));
        slots_release(&pipeline->slots, slot);
    }
}

void pipeline_loaded(struct pipeline *pipeline, int code,
                     const struct supply *supplies, uint32_t count,
                     uint64_t now_ms)
{
    pipeline->loading = false;
    if (pipeline->load_again) {
        pipeline->load_again = false;
        return; /* It does not know of what was opened since. */
    }
    if (code != 0) {
        pipeline_hold_until(pipeline, now_ms + REPEAT_MS);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct slot *slot = slots_at(&pipeline->slots, supplies[i].position);
        if (slot == NULL || slot->state != SLOT_LOADING)
            continue;
        letter_unref(slot->letter);
        slot->letter = letter_ref(supplies[i].letter);
        slot->budget_from = supplies[i].budget_from;
        slot->holds = supplies[i].holds;
        slot->replay_id = supplies[i].replay_id;
        slots_move(&pipeline->slots, slot, SLOT_READY);
    }
    load_missed(pipeline);
}

void pipeline_viewed(struct pipeline *pipeline, int code,
                     const struct pipeline_view *view, uint64_t now_ms)
{
    pipeline->viewing = false;
    if (code != 0) {
        pipeline->refresh = true;
        pipeline_hold_until(pipeline, now_ms + REPEAT_MS);
        return;
    }
    for (uint32_t i = 0; i < view->open_count; i++)
        retake_open(pipeline, &view->open[i], now_ms);
    take_counts(pipeline, view);
    if (view->first_due_ms != 0)
        pipeline_due_at(pipeline, view->first_due_ms);
}

void pipeline_keys(struct pipeline *pipeline, int code,
                   const struct blocked_key *keys, uint32_t count,
                   uint64_t now_ms)
{
    pipeline->reading_keys = false;
    if (code != 0) {
        pipeline_hold_until(pipeline, now_ms + REPEAT_MS);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        order_load(&pipeline->order, &keys[i], pipeline_blocks(pipeline));
        pipeline->keys_after = keys[i].key;
    }
    pipeline->load_keys = count == PIPELINE_KEYS_PAGE;
}

bool pipeline_dispatch(struct pipeline *pipeline, uint64_t now_ms,
                       struct dispatch *ret)
{
    if (pipeline->paused || pipeline->draining ||
        pipeline->slots.by_state[SLOT_READY] == 0 ||
        pipeline->throttled_until_ms > now_ms)
        return false;
    struct breaker_options options = pipeline_breaker_options(pipeline);
    if (breaker_window(&pipeline->breaker, &options, now_ms) <=
            pipeline->slots.by_state[SLOT_SENDING] ||
        !bucket_take(&pipeline->bucket, now_ms))
        return false;
    uint32_t place = 0;
    struct slot *slot = slots_next(&pipeline->slots, SLOT_READY, &place);
    slots_move(&pipeline->slots, slot, SLOT_SENDING);
    slot->probe = breaker_is_open(&pipeline->breaker);
    pipeline->metrics.doubtful += slot->doubt;
    *ret = (struct dispatch){.token = slots_token(&pipeline->slots, slot),
                             .letter = slot->letter,
                             .attempt = slot->attempt,
                             .replay_id = slot->replay_id,
                             .doubt = slot->doubt};
    return true;
}

bool pipeline_is_cut_off(const struct pipeline *pipeline)
{
    return breaker_is_open(&pipeline->breaker);
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
        .circuit = pipeline->breaker.circuit,
        .throttled_until_ms = pipeline->throttled_until_ms > now_ms
                                  ? pipeline->throttled_until_ms
                                  : 0,
        .metrics = &pipeline->metrics,
    };
    struct bucket bucket = pipeline->bucket;
    if (pipeline->slots.by_state[SLOT_READY] > 0 &&
        bucket_next_ms(&bucket, now_ms) > now_ms)
        statistics.limited_until_ms = bucket_next_ms(&bucket, now_ms);
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
