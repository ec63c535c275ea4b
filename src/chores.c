#include "chores.h"

#include "base/bounds.h"
#include "base/clock.h"
#include "base/memory.h"
#include "storage/filter.h"

#include <stdlib.h>

enum {
    PURGE_ROWS = 500,
    REPLAY_MESSAGES = 512,
    TOPICS_A_LOOK = 64,
    PURGE_PAUSE_MS = 20,
    REPLAY_PAUSE_MS = 5,
    EXPIRE_PAUSE_MS = 20,
    EXPIRE_IDLE_MS = 5000,
};

/* ---- What was deleted ---- */

static int look_purge(struct chore_look *look, struct view *view,
                      struct error *error)
{
    struct arena *arena = &look->job.arena;
    uint32_t *ids;
    uint32_t count;
    int rc = query_purges(view, 1, arena, &ids, &count, error);
    if (rc == 0 && count > 0)
        command_purge_encode(&look->step, clock_wall_ms(), ids[0], PURGE_ROWS);
    if (rc != 0 || count > 0)
        return rc;
    rc = query_topic_purges(view, 1, arena, &ids, &count, error);
    if (rc == 0 && count > 0)
        command_topic_purge_encode(&look->step, clock_wall_ms(), ids[0],
                                   PURGE_ROWS);
    return rc;
}

/* ---- Replays ---- */

/* Those among what was found that its filter wants, as a step. */
static int replay_step(struct chore_look *look, const struct replay *replay,
                       const struct feed_item *items, uint32_t count,
                       uint64_t upto, struct error *error)
{
    struct filter *filter = NULL;
    struct filter_error fault;
    uint64_t *positions =
        arena_take(&look->job.arena, count * sizeof *positions);
    struct command_replay_step step = {.replay_id = replay->id,
                                       .from = replay->cursor,
                                       .upto = upto,
                                       .positions = positions};
    if (replay->filter.length > 0 &&
        filter_compile(replay->filter, &filter, &fault) != 0)
        return error_set(error, ERR_CORRUPT, "the filter of replay %u: %s",
                         replay->id, fault.text);
    for (uint32_t i = 0; i < count; i++)
        if (filter_match(filter, items[i].message.attributes,
                         items[i].message.payload))
            positions[step.count++] = items[i].position;
    filter_unref(filter);
    command_replay_step_encode(&look->step, clock_wall_ms(), &step);
    return 0;
}

/* Running jobs take turns. */
static int look_replay(struct chore_look *look, struct view *view,
                       struct error *error)
{
    struct arena *arena = &look->job.arena;
    struct replay *replay;
    struct feed_item *items;
    uint32_t count;
    uint64_t upto;
    int rc = query_replays(view, true, look->place.id, 1, arena, &replay,
                           &count, error);
    if (rc == 0 && count == 0 && look->place.id != 0)
        rc = query_replays(view, true, 0, 1, arena, &replay, &count, error);
    if (rc != 0 || count == 0)
        return rc;
    look->place.id = replay->id;
    rc = query_replay_feed(view, replay, replay->cursor, REPLAY_MESSAGES,
                           BOUND_FEED_BYTES, arena, &items, &count, &upto,
                           error);
    return rc == 0 ? replay_step(look, replay, items, count, upto, error) : rc;
}

/* ---- Retention ---- */

static uint64_t cutoff_of(const struct chores_settings *settings,
                          const struct topic *topic)
{
    uint64_t seconds = topic->options.retention_seconds != 0
                           ? topic->options.retention_seconds
                           : settings->retention_seconds;
    uint64_t now_ms = clock_wall_ms();
    return seconds < now_ms / 1000 ? now_ms - seconds * 1000 : 0;
}

/* One stretch of a topic; a step when some of it has expired. */
static int look_topic(struct chore_look *look, struct view *view,
                      const struct topic *topic, struct error *error)
{
    uint64_t cutoff_ms = cutoff_of(look->settings, topic);
    uint64_t from = look->place.position;
    uint64_t upto, next;
    uint32_t count;
    int rc = query_expirable(view, topic->id, from, cutoff_ms, &look->job.arena,
                             &upto, &count, &next, error);
    if (rc != 0)
        return rc;
    if (count > 0) {
        struct command_expire expire = {.topic_id = topic->id,
                                        .from = from,
                                        .upto = upto,
                                        .cutoff_ms = cutoff_ms};
        command_expire_encode(&look->step, clock_wall_ms(), &expire);
    }
    look->place.position = next;
    if (next == 0)
        look->place.id = topic->id; /* Done with this one. */
    return 0;
}

/* `place`: the topics up to this id are done, and the next one up to this
 * position. */
static int look_expire(struct chore_look *look, struct view *view,
                       struct error *error)
{
    struct topic *topics;
    uint32_t count;
    int rc = query_topics(view, look->place.id, TOPICS_A_LOOK, &look->job.arena,
                          &topics, &count, error);
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        rc = look_topic(look, view, &topics[i], error);
        if (look->step.length > 0 || look->place.position != 0)
            break;
    }
    look->more = count > 0;
    return rc;
}

/* ---- All of them ---- */

enum chore_number { PURGE, REPLAY, EXPIRE, CHORES };

static const struct chore_kind kinds[CHORES] = {
    [PURGE] = {"purge", look_purge, PURGE_PAUSE_MS, 0},
    [REPLAY] = {"replay", look_replay, REPLAY_PAUSE_MS, 0},
    [EXPIRE] = {"retention", look_expire, EXPIRE_PAUSE_MS, EXPIRE_IDLE_MS},
};

struct chores {
    struct chores_settings settings;
    struct chore *all[CHORES];
    bool leading;
    bool clock_distrusted;
    unsigned open;
    void (*closed)(void *context);
    void *closed_context;
};

struct chores *chores_new(const struct chore_parts *parts,
                          const struct chores_settings *settings)
{
    struct chores *chores = memory_new_zeroed(1, sizeof *chores);
    chores->settings = *settings;
    for (unsigned i = 0; i < CHORES; i++)
        chores->all[i] = chore_new(&kinds[i], parts, &chores->settings);
    chores->open = CHORES;
    return chores;
}

void chores_lead(struct chores *chores)
{
    chores->leading = true;
    for (unsigned i = 0; i < CHORES; i++)
        if (i != EXPIRE || !chores->clock_distrusted)
            chore_wake(chores->all[i]);
}

void chores_stop(struct chores *chores)
{
    chores->leading = false;
    for (unsigned i = 0; i < CHORES; i++)
        chore_stop(chores->all[i]);
}

void chores_trust_clock(struct chores *chores, bool trusted)
{
    chores->clock_distrusted = !trusted;
    if (trusted && chores->leading)
        chore_wake(chores->all[EXPIRE]);
    else
        chore_stop(chores->all[EXPIRE]);
}

void chores_applied(struct chores *chores, const struct command *command)
{
    if (command->type == COMMAND_PUBLISHER_DELETE ||
        command->type == COMMAND_TOPIC_DELETE)
        chore_wake(chores->all[PURGE]);
    else if (command->type == COMMAND_REPLAY_START)
        chore_wake(chores->all[REPLAY]);
}

static void on_closed(void *context)
{
    struct chores *chores = context;
    if (--chores->open > 0)
        return;
    void (*closed)(void *) = chores->closed;
    void *closed_context = chores->closed_context;
    free(chores);
    closed(closed_context);
}

void chores_close(struct chores *chores, void (*closed)(void *context),
                  void *context)
{
    chores->closed = closed;
    chores->closed_context = context;
    for (unsigned i = 0; i < CHORES; i++)
        chore_close(chores->all[i], on_closed, chores);
}
