/* The rules of src/delivery, and one of the store's, each of which can be taken
 * out, as those of raft/guard are (guards.c): the linker leads calls here. */
#include "mutants.h"

#include "src/delivery/bucket.h"
#include "src/delivery/order.h"
#include "src/delivery/pipeline.h"
#include "src/delivery/releases.h"
#include "storage/filter.h"
#include "storage/hot.h"

enum { WRONG_MS = 5000, OUTCOMES_AT_ONCE = 512 };

/* ---- Options ---- */

/* What this leader takes them for. */
static struct publisher_options mistake(const struct publisher_options *options)
{
    struct publisher_options mistaken = *options;
    if ((mutant_now == MUTANT_STRICT_IGNORED &&
         options->ordering == ORDERING_STRICT) ||
        (mutant_now == MUTANT_KEY_IGNORED && options->ordering == ORDERING_KEY))
        mistaken.ordering = ORDERING_NONE;
    if (mutant_now == MUTANT_AMBIGUOUS_RESENT)
        mistaken.guarantee = AT_LEAST_ONCE;
    if (mutant_now == MUTANT_POISON_IGNORED)
        mistaken.on_poison = POISON_DEAD_LETTER;
    return mistaken;
}

struct pipeline *__real_pipeline_new(const struct pipeline_view *view,
                                     uint64_t seed);
struct pipeline *__wrap_pipeline_new(const struct pipeline_view *view,
                                     uint64_t seed);
struct pipeline *__wrap_pipeline_new(const struct pipeline_view *view,
                                     uint64_t seed)
{
    struct pipeline_view mistaken = *view;
    mistaken.publisher.options = mistake(&view->publisher.options);
    return __real_pipeline_new(&mistaken, seed);
}

void __real_pipeline_update(struct pipeline *pipeline,
                            const struct publisher_options *options,
                            uint64_t now_ms);
void __wrap_pipeline_update(struct pipeline *pipeline,
                            const struct publisher_options *options,
                            uint64_t now_ms);
void __wrap_pipeline_update(struct pipeline *pipeline,
                            const struct publisher_options *options,
                            uint64_t now_ms)
{
    struct publisher_options mistaken = mistake(options);
    __real_pipeline_update(pipeline, &mistaken, now_ms);
}

bool __real_filter_match(const struct filter *filter, struct slice attributes,
                         struct slice payload);
bool __wrap_filter_match(const struct filter *filter, struct slice attributes,
                         struct slice payload);
bool __wrap_filter_match(const struct filter *filter, struct slice attributes,
                         struct slice payload)
{
    return mutant_now == MUTANT_FILTER_IGNORED ||
           __real_filter_match(filter, attributes, payload);
}

bool __real_bucket_take(struct bucket *bucket, uint64_t now_ms);
bool __wrap_bucket_take(struct bucket *bucket, uint64_t now_ms);
bool __wrap_bucket_take(struct bucket *bucket, uint64_t now_ms)
{
    return mutant_now == MUTANT_RATE_IGNORED ||
           __real_bucket_take(bucket, now_ms);
}

/* ---- What people do ---- */

void __real_pipeline_pause(struct pipeline *pipeline, bool paused);
void __wrap_pipeline_pause(struct pipeline *pipeline, bool paused);
void __wrap_pipeline_pause(struct pipeline *pipeline, bool paused)
{
    __real_pipeline_pause(pipeline,
                          paused && mutant_now != MUTANT_PAUSE_IGNORED);
}

void __real_pipeline_decided(struct pipeline *pipeline, uint64_t now_ms);
void __wrap_pipeline_decided(struct pipeline *pipeline, uint64_t now_ms);
void __wrap_pipeline_decided(struct pipeline *pipeline, uint64_t now_ms)
{
    if (mutant_now != MUTANT_DECISION_DROPPED)
        __real_pipeline_decided(pipeline, now_ms);
}

/* ---- Answers ---- */

void __real_pipeline_hold(struct pipeline *pipeline, uint64_t token,
                          uint64_t until_ms);
void __wrap_pipeline_hold(struct pipeline *pipeline, uint64_t token,
                          uint64_t until_ms);
void __wrap_pipeline_hold(struct pipeline *pipeline, uint64_t token,
                          uint64_t until_ms)
{
    if (mutant_now != MUTANT_RETRY_AFTER_IGNORED)
        __real_pipeline_hold(pipeline, token, until_ms);
}

void __real_command_outcomes_encode(struct encoder *out, uint64_t time_ms,
                                    const struct command_outcomes *outcomes);
void __wrap_command_outcomes_encode(struct encoder *out, uint64_t time_ms,
                                    const struct command_outcomes *outcomes);
void __wrap_command_outcomes_encode(struct encoder *out, uint64_t time_ms,
                                    const struct command_outcomes *outcomes)
{
    static struct outcome list[OUTCOMES_AT_ONCE];
    struct command_outcomes wrong = *outcomes;
    wrong.outcomes = list;
    for (uint32_t i = 0; i < outcomes->count; i++) {
        list[i] = outcomes->outcomes[i];
        if (mutant_now == MUTANT_OUTAGE_COUNTED && !list[i].held)
            list[i].uncounted = false;
        if (mutant_now == MUTANT_FAILURE_UNCOUNTED)
            list[i].uncounted |= list[i].state == DELIVERY_RETRYING;
    }
    __real_command_outcomes_encode(out, time_ms, &wrong);
}

/* ---- Orders ---- */

/* Behind a key something is parked, and what is opened in front of it does not
 * hold the key. */
void __real_order_opened(struct order *order, uint64_t key, uint64_t now_ms);
void __wrap_order_opened(struct order *order, uint64_t key, uint64_t now_ms);
void __wrap_order_opened(struct order *order, uint64_t key, uint64_t now_ms)
{
    const struct order_key *entry = order_find(order, key);
    bool parked = entry != NULL && entry->parked > 0;
    if (mutant_now != MUTANT_UNPARK_EARLY || !parked)
        __real_order_opened(order, key, now_ms);
}

/* ---- Schedules ---- */

void __real_command_release_encode(struct encoder *out, uint64_t time_ms,
                                   const struct command_release *release);
void __wrap_command_release_encode(struct encoder *out, uint64_t time_ms,
                                   const struct command_release *release);
void __wrap_command_release_encode(struct encoder *out, uint64_t time_ms,
                                   const struct command_release *release)
{
    struct command_release early = *release;
    uint64_t ahead_ms = mutant_now == MUTANT_RELEASE_EARLY ? WRONG_MS : 0;
    early.upto_ms += ahead_ms;
    __real_command_release_encode(out, time_ms + ahead_ms, &early);
}

uint32_t __real_releases_take(struct releases *releases, uint64_t now_ms);
uint32_t __wrap_releases_take(struct releases *releases, uint64_t now_ms);
uint32_t __wrap_releases_take(struct releases *releases, uint64_t now_ms)
{
    uint64_t behind_ms = mutant_now == MUTANT_RELEASE_LATE ? WRONG_MS : 0;
    return __real_releases_take(releases, now_ms - behind_ms);
}

/* ---- Counters ---- */

uint64_t __real_hot_backlog(const struct hot *hot, uint64_t topic_messages);
uint64_t __wrap_hot_backlog(const struct hot *hot, uint64_t topic_messages);
uint64_t __wrap_hot_backlog(const struct hot *hot, uint64_t topic_messages)
{
    uint64_t backlog = __real_hot_backlog(hot, topic_messages);
    return mutant_now == MUTANT_COUNTERS_DRIFT ? backlog + hot->discarded
                                               : backlog;
}
