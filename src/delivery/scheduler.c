#include "scheduler_inside.h"

#include "base/bounds.h"
#include "base/memory.h"
#include "breaker.h"

#include <assert.h>
#include <stdlib.h>

#define LINE_FUNCTIONS(name, link, flag)                                       \
    static void name##_push(struct line *line, struct member *member)          \
    {                                                                          \
        if (member->flag)                                                      \
            return;                                                            \
        member->flag = true;                                                   \
        member->link = NULL;                                                   \
        *line->last = member;                                                  \
        line->last = &member->link;                                            \
    }                                                                          \
    static struct member *name##_pop(struct line *line)                        \
    {                                                                          \
        struct member *member = line->first;                                   \
        if (member != NULL) {                                                  \
            line->first = member->link;                                        \
            if (line->first == NULL)                                           \
                line->last = &line->first;                                     \
            member->flag = false;                                              \
        }                                                                      \
        return member;                                                         \
    }                                                                          \
    static void name##_remove(struct line *line, struct member *member)        \
    {                                                                          \
        if (!member->flag)                                                     \
            return;                                                            \
        struct member **place = &line->first;                                  \
        while (*place != member)                                               \
            place = &(*place)->link;                                           \
        *place = member->link;                                                 \
        if (member->link == NULL)                                              \
            line->last = place;                                                \
        member->flag = false;                                                  \
    }

LINE_FUNCTIONS(ready, next_ready, is_ready)
LINE_FUNCTIONS(hungry, next_hungry, is_hungry)
LINE_FUNCTIONS(starved, next_starved, is_starved)

static struct line *starved_line(struct scheduler *scheduler,
                                 const struct member *member)
{
    return member->starved_proven ? &scheduler->starved_proven
                                  : &scheduler->starved;
}

static void starve(struct scheduler *scheduler, struct member *member)
{
    if (!member->is_starved)
        member->starved_proven = member->proven;
    starved_push(starved_line(scheduler, member), member);
}

/* A place is free: the first of each line may try. */
static void feed_starved(struct scheduler *scheduler)
{
    struct member *proven = starved_pop(&scheduler->starved_proven);
    struct member *other = starved_pop(&scheduler->starved);
    if (proven != NULL)
        ready_push(&scheduler->ready, proven);
    if (other != NULL)
        ready_push(&scheduler->ready, other);
}

void scheduler_ready(struct scheduler *scheduler, struct member *member)
{
    ready_push(&scheduler->ready, member);
}

static void line_init(struct line *line)
{
    line->first = NULL;
    line->last = &line->first;
}

struct scheduler *scheduler_new(const struct scheduler_port *port,
                                uint32_t sends_max, uint64_t seed)
{
    struct scheduler *scheduler = memory_new_zeroed(1, sizeof *scheduler);
    scheduler->port = *port;
    scheduler->sends_max = sends_max;
    scheduler->seed = seed;
    recent_init(&scheduler->recent, BOUND_RECENT_BYTES);
    line_init(&scheduler->ready);
    line_init(&scheduler->starved);
    line_init(&scheduler->starved_proven);
    return scheduler;
}

static void member_free(struct member *member)
{
    pipeline_free(member->pipeline);
    free(member);
}

static void lane_free(struct scheduler *scheduler, struct topic_lane *lane)
{
    recent_forget(&scheduler->recent, &lane->recent);
    free((void *)lane->name.data);
    free(lane);
}

void scheduler_free(struct scheduler *scheduler)
{
    if (scheduler == NULL)
        return;
    struct member *member;
    for (uint32_t id = 0;
         (member = table_next(&scheduler->members, &id)) != NULL;)
        member_free(member);
    struct topic_lane *lane;
    for (uint32_t id = 0; (lane = table_next(&scheduler->lanes, &id)) != NULL;)
        lane_free(scheduler, lane);
    table_close(&scheduler->members);
    table_close(&scheduler->lanes);
    recent_close(&scheduler->recent);
    agenda_close(&scheduler->agenda);
    releases_close(&scheduler->releases);
    encoder_close(&scheduler->command);
    free(scheduler);
}

/* ---- Topics and publishers ---- */

void scheduler_add_topic(struct scheduler *scheduler, uint32_t id,
                         struct slice name, uint64_t last_position)
{
    assert(table_get(&scheduler->lanes, id) == NULL);
    struct topic_lane *lane = memory_new_zeroed(1, sizeof *lane);
    uint8_t *copy = memory_new(name.length);
    if (name.length > 0)
        memcpy(copy, name.data, name.length);
    lane->id = id;
    lane->name = slice_of(copy, name.length);
    lane->last_position = last_position;
    line_init(&lane->hungry);
    table_set(&scheduler->lanes, id, lane);
}

/* What is new is kept in memory for as long as somebody reads along. */
static void note_reads(struct member *member)
{
    bool reads = !member->paused && !pipeline_is_cut_off(member->pipeline);
    if (reads && !member->reads)
        member->lane->readers++;
    if (!reads && member->reads)
        member->lane->readers--;
    member->reads = reads;
}

void scheduler_add(struct scheduler *scheduler,
                   const struct pipeline_view *view)
{
    struct topic_lane *lane =
        table_get(&scheduler->lanes, view->publisher.topic_id);
    assert(lane != NULL);
    assert(table_get(&scheduler->members, view->publisher.id) == NULL);
    struct member *member = memory_new_zeroed(1, sizeof *member);
    member->pipeline = pipeline_new(view, scheduler->seed);
    member->lane = lane;
    member->paused = view->publisher.paused;
    member->next_of_topic = lane->members;
    lane->members = member;
    if (!member->paused)
        scheduler->active++;
    note_reads(member);
    pipeline_published(member->pipeline, lane->last_position);
    if (scheduler->draining)
        pipeline_drain(member->pipeline);
    pipeline_trust_clock(member->pipeline, !scheduler->clock_distrusted);
    table_set(&scheduler->members, view->publisher.id, member);
    ready_push(&scheduler->ready, member);
}

void scheduler_remove(struct scheduler *scheduler, uint32_t publisher_id)
{
    struct member *member = table_get(&scheduler->members, publisher_id);
    if (member == NULL)
        return;
    struct topic_lane *lane = member->lane;
    if (!member->paused)
        scheduler->active--;
    if (member->reads)
        lane->readers--;
    ready_remove(&scheduler->ready, member);
    hungry_remove(&lane->hungry, member);
    starved_remove(starved_line(scheduler, member), member);
    agenda_set(&scheduler->agenda, &member->agenda, 0);
    struct member **place = &lane->members;
    while (*place != member)
        place = &(*place)->next_of_topic;
    *place = member->next_of_topic;
    table_set(&scheduler->members, publisher_id, NULL);
    /* Requests under way end by themselves; nobody waits for them. */
    scheduler->sends -= member->sends;
    member_free(member);
}

void scheduler_pause(struct scheduler *scheduler, uint32_t publisher_id,
                     bool paused)
{
    struct member *member = table_get(&scheduler->members, publisher_id);
    if (member == NULL || member->paused == paused)
        return;
    member->paused = paused;
    if (paused)
        scheduler->active--;
    else
        scheduler->active++;
    note_reads(member);
    if (!paused)
        pipeline_published(member->pipeline, member->lane->last_position);
    pipeline_pause(member->pipeline, paused);
    ready_push(&scheduler->ready, member);
}

void scheduler_update(struct scheduler *scheduler, uint32_t publisher_id,
                      const struct publisher_options *options, uint64_t now_ms)
{
    struct member *member = table_get(&scheduler->members, publisher_id);
    if (member == NULL)
        return;
    pipeline_update(member->pipeline, options, now_ms);
    ready_push(&scheduler->ready, member);
}

static void decided(struct scheduler *scheduler, struct member *member,
                    uint64_t now_ms)
{
    pipeline_decided(member->pipeline, now_ms);
    ready_push(&scheduler->ready, member);
}

void scheduler_decided(struct scheduler *scheduler, uint32_t publisher_id,
                       uint64_t now_ms)
{
    struct member *member = table_get(&scheduler->members, publisher_id);
    if (member != NULL)
        decided(scheduler, member, now_ms);
    if (publisher_id != 0)
        return;
    for (uint32_t id = 0;
         (member = table_next(&scheduler->members, &id)) != NULL;)
        decided(scheduler, member, now_ms);
}

/* Its publishers went before it, or go with it. */
void scheduler_remove_topic(struct scheduler *scheduler, uint32_t topic_id)
{
    struct topic_lane *lane = table_get(&scheduler->lanes, topic_id);
    if (lane == NULL)
        return;
    while (lane->members != NULL)
        scheduler_remove(scheduler, pipeline_id(lane->members->pipeline));
    table_set(&scheduler->lanes, topic_id, NULL);
    releases_forget(&scheduler->releases, topic_id);
    lane_free(scheduler, lane);
}

/* ---- Events ---- */

void scheduler_published(struct scheduler *scheduler, uint32_t topic_id,
                         uint64_t position, const struct message *message)
{
    struct topic_lane *lane = table_get(&scheduler->lanes, topic_id);
    if (lane == NULL)
        return;
    lane->last_position = position;
    struct letter *letter =
        lane->readers > 0 ? letter_new(position, message) : NULL;
    if (letter != NULL)
        recent_add(&scheduler->recent, &lane->recent, letter);
    else
        recent_forget(&scheduler->recent, &lane->recent);
    struct member *member;
    while ((member = hungry_pop(&lane->hungry)) != NULL)
        ready_push(&scheduler->ready, member);
}

void scheduler_released(struct scheduler *scheduler, uint32_t topic_id,
                        uint64_t last_position)
{
    struct topic_lane *lane = table_get(&scheduler->lanes, topic_id);
    if (lane == NULL)
        return;
    lane->last_position = last_position;
    recent_forget(&scheduler->recent, &lane->recent);
    struct member *member;
    while ((member = hungry_pop(&lane->hungry)) != NULL)
        ready_push(&scheduler->ready, member);
}

/* A proposal's token: publisher, command (4 bits), batch (28 bits). */
static uint64_t proposal_token(uint32_t publisher_id,
                               enum pipeline_command command, uint32_t batch)
{
    return (uint64_t)publisher_id << 32 | (uint64_t)command << 28 | batch;
}

void scheduler_applied(struct scheduler *scheduler, uint64_t token,
                       const struct command_result *result, uint64_t now_ms)
{
    if (token >> 32 == RELEASE_TOKENS) {
        schedules_look(scheduler, (uint32_t)token);
        return;
    }
    struct member *member =
        table_get(&scheduler->members, (uint32_t)(token >> 32));
    if (member == NULL)
        return;
    pipeline_applied(member->pipeline,
                     (enum pipeline_command)((token >> 28) & 15u),
                     (uint32_t)token % PIPELINE_BATCHES, result->code,
                     result->count, now_ms);
    ready_push(&scheduler->ready, member);
}

void scheduler_held(struct scheduler *scheduler, uint32_t publisher_id,
                    uint64_t token, uint64_t until_ms)
{
    struct member *member = table_get(&scheduler->members, publisher_id);
    if (member != NULL)
        pipeline_hold(member->pipeline, token, until_ms);
}

enum trouble_news scheduler_answered(struct scheduler *scheduler,
                                     uint32_t publisher_id, uint64_t token,
                                     const struct attempt *attempt,
                                     uint64_t now_ms)
{
    if (attempt->class == ATTEMPT_OK)
        scheduler->statistics.succeeded++;
    else
        scheduler->statistics.failed++;
    struct member *member = table_get(&scheduler->members, publisher_id);
    if (member == NULL)
        return TROUBLE_NO_NEWS;
    assert(member->sends > 0);
    member->sends--;
    scheduler->sends--;
    pipeline_answered(member->pipeline, token, attempt, now_ms);
    ready_push(&scheduler->ready, member);
    member->proven = !breaker_is_outage(attempt->class);
    feed_starved(scheduler);
    return trouble_note(&member->trouble, attempt, now_ms);
}

/* ---- Running ---- */

static void propose(struct scheduler *scheduler, struct member *member,
                    enum pipeline_command command, uint32_t batch)
{
    scheduler->port.propose(
        scheduler->port.context, encoder_slice(&scheduler->command),
        proposal_token(pipeline_id(member->pipeline), command, batch));
    scheduler->command.length = 0;
}

static void propose_positions(struct scheduler *scheduler,
                              struct member *member, enum command_type type,
                              enum pipeline_command command, uint32_t batch,
                              const uint64_t *positions, uint32_t count,
                              uint64_t now_ms)
{
    if (count == 0)
        return;
    struct command_positions body = {.publisher_id =
                                         pipeline_id(member->pipeline),
                                     .count = count,
                                     .positions = positions};
    command_positions_encode(&scheduler->command, type, now_ms, &body);
    propose(scheduler, member, command, batch);
}

/* Nobody waits for these: they go under a number that no command has. */
static void tell(struct scheduler *scheduler, struct member *member,
                 const struct pipeline_effects *effects, uint64_t now_ms)
{
    if (effects->circuit != NULL) {
        command_circuit_encode(&scheduler->command, now_ms, effects->circuit);
        propose(scheduler, member, PIPELINE_TOLD, 0);
    }
    if (effects->pause_reason != NULL) {
        struct command_pause pause = {
            .publisher_id = pipeline_id(member->pipeline),
            .paused = true,
            .reason = slice_text(effects->pause_reason)};
        command_pause_encode(&scheduler->command, now_ms, &pause);
        propose(scheduler, member, PIPELINE_TOLD, 0);
    }
}

static void propose_all(struct scheduler *scheduler, struct member *member,
                        const struct pipeline_effects *effects, uint64_t now_ms)
{
    uint32_t id = pipeline_id(member->pipeline);
    if (effects->outcome_count > 0) {
        struct command_outcomes body = {.publisher_id = id,
                                        .count = effects->outcome_count,
                                        .outcomes = effects->outcomes};
        for (uint32_t i = 0; i < body.count; i++)
            scheduler->statistics.dead +=
                body.outcomes[i].state == DELIVERY_DEAD;
        command_outcomes_encode(&scheduler->command, now_ms, &body);
        propose(scheduler, member, PIPELINE_OUTCOMES, effects->outcome_batch);
    }
    propose_positions(scheduler, member, COMMAND_WITHDRAW, PIPELINE_WITHDRAW,
                      effects->withdraw_batch, effects->withdraw,
                      effects->withdraw_count, now_ms);
    propose_positions(scheduler, member, COMMAND_INTENT, PIPELINE_INTENT,
                      effects->intent_batch, effects->intent,
                      effects->intent_count, now_ms);
    for (uint32_t i = 0; i < effects->unpark_count; i++) {
        command_unpark_encode(&scheduler->command, now_ms,
                              &effects->unparks[i]);
        propose(scheduler, member, PIPELINE_UNPARK, effects->unpark_batches[i]);
    }
    if (effects->grant.examined > 0) {
        command_grant_encode(&scheduler->command, now_ms, &effects->grant);
        propose(scheduler, member, PIPELINE_GRANT, effects->grant_batch);
    }
    tell(scheduler, member, effects, now_ms);
}

/* Below half of the common bound everybody may use their whole window; above
 * it, an equal share, and one at least.
 *
 * Targets that hang keep their places for as long as a request may take, and
 * there may be more of them than places. So those that did not answer last time
 * use their whole window only below an eighth, one place each above it, and
 * none of the last quarter. */
static bool may_send(const struct scheduler *scheduler,
                     const struct member *member)
{
    uint32_t most = scheduler->sends_max;
    uint32_t used = scheduler->sends;
    if (!member->proven)
        return used < most / 8 ||
               (member->sends == 0 && used < most - most / 4);
    if (used < most / 2 || (member->sends == 0 && used < most))
        return true;
    return used < most && member->sends < most / (2 * (scheduler->active + 1));
}

/* An own request under way wakes a member by its answer; one that has none
 * must be woken by others'. */
static bool must_be_fed(const struct member *member)
{
    return member->proven || member->sends == 0;
}

static void send_ready(struct scheduler *scheduler, struct member *member,
                       uint64_t now_ms)
{
    struct dispatch dispatch;
    for (;;) {
        if (!may_send(scheduler, member)) {
            if (must_be_fed(member))
                starve(scheduler, member);
            return;
        }
        if (!pipeline_dispatch(member->pipeline, now_ms, &dispatch))
            return;
        struct delivery_send send = {
            .publisher_id = pipeline_id(member->pipeline),
            .token = dispatch.token,
            .options = pipeline_options(member->pipeline),
            .topic = member->lane->name,
            .letter = dispatch.letter,
            .attempt = dispatch.attempt,
            .replay_id = dispatch.replay_id,
            .doubt = dispatch.doubt,
        };
        scheduler->statistics.doubtful += dispatch.doubt;
        member->sends++;
        scheduler->sends++;
        scheduler->port.send(scheduler->port.context, &send);
    }
}

static void step(struct scheduler *scheduler, struct member *member,
                 uint64_t now_ms)
{
    struct pipeline_effects effects;
    bool again;
    pipeline_published(member->pipeline, member->lane->last_position);
    do {
        pipeline_step(member->pipeline, now_ms, &effects);
        propose_all(scheduler, member, &effects, now_ms);
        again = scheduler_start_reads(scheduler, member, &effects, now_ms);
    } while (again);
    note_reads(member);
    agenda_set(&scheduler->agenda, &member->agenda, effects.wake_ms);
    if (!member->paused && pipeline_is_hungry(member->pipeline))
        hungry_push(&member->lane->hungry, member);
    send_ready(scheduler, member, now_ms);
}

static void tell_wake(struct scheduler *scheduler)
{
    uint64_t at_ms = agenda_first_ms(&scheduler->agenda);
    uint64_t release_ms = schedules_wake_ms(scheduler);
    if (release_ms != 0 && (at_ms == 0 || release_ms < at_ms))
        at_ms = release_ms;
    if (at_ms == scheduler->woken_ms)
        return;
    scheduler->woken_ms = at_ms;
    scheduler->port.wake(scheduler->port.context, at_ms);
}

#define MEMBER_OF(item)                                                        \
    ((struct member *)((char *)(item)-offsetof(struct member, agenda)))

void scheduler_run(struct scheduler *scheduler, uint64_t now_ms)
{
    struct agenda_item *item;
    while ((item = agenda_take(&scheduler->agenda, now_ms)) != NULL) {
        if (item != &scheduler->retry)
            ready_push(&scheduler->ready, MEMBER_OF(item));
    }
    schedules_release(scheduler, now_ms);
    while (scheduler->ready.first != NULL) {
        if (!scheduler->port.ready(scheduler->port.context)) {
            agenda_set(&scheduler->agenda, &scheduler->retry,
                       now_ms + SCHEDULER_NOT_READY_MS);
            break;
        }
        step(scheduler, ready_pop(&scheduler->ready), now_ms);
    }
    tell_wake(scheduler);
}

void scheduler_drain(struct scheduler *scheduler)
{
    scheduler->draining = true;
    struct member *member;
    for (uint32_t id = 0;
         (member = table_next(&scheduler->members, &id)) != NULL;) {
        pipeline_drain(member->pipeline);
        ready_push(&scheduler->ready, member);
    }
}

void scheduler_trust_clock(struct scheduler *scheduler, bool trusted)
{
    struct member *member;
    scheduler->clock_distrusted = !trusted;
    for (uint32_t id = 0;
         (member = table_next(&scheduler->members, &id)) != NULL;) {
        pipeline_trust_clock(member->pipeline, trusted);
        ready_push(&scheduler->ready, member);
    }
}

bool scheduler_is_drained(const struct scheduler *scheduler)
{
    struct member *member;
    for (uint32_t id = 0;
         (member = table_next(&scheduler->members, &id)) != NULL;) {
        if (!pipeline_is_drained(member->pipeline))
            return false;
    }
    return true;
}

bool scheduler_statistics_of(const struct scheduler *scheduler,
                             uint32_t publisher_id, uint64_t now_ms,
                             struct pipeline_statistics *ret_statistics)
{
    struct member *member = table_get(&scheduler->members, publisher_id);
    if (member == NULL)
        return false;
    *ret_statistics = pipeline_statistics(member->pipeline, now_ms);
    return true;
}

struct scheduler_statistics
scheduler_statistics(const struct scheduler *scheduler)
{
    struct scheduler_statistics statistics = scheduler->statistics;
    statistics.sends_in_flight = scheduler->sends;
    statistics.recent_bytes = scheduler->recent.bytes;
    return statistics;
}
