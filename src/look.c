#include "look.h"

#include "base/bounds.h"
#include "storage/command.h"
#include "storage/filter.h"

enum {
    PURGE_ROWS = 500,
    REPLAY_MESSAGES = 512,
    TOPICS_A_LOOK = 64,
};

/* ---- What was deleted ---- */

int look_purge(struct look *look, struct view *view, struct arena *arena,
               struct error *error)
{
    uint32_t *ids;
    uint32_t count;
    int rc = query_purges(view, 1, arena, &ids, &count, error);
    if (rc == 0 && count > 0)
        command_purge_encode(&look->step, look->now_ms, ids[0], PURGE_ROWS);
    if (rc != 0 || count > 0)
        return rc;
    rc = query_topic_purges(view, 1, arena, &ids, &count, error);
    if (rc == 0 && count > 0)
        command_topic_purge_encode(&look->step, look->now_ms, ids[0],
                                   PURGE_ROWS);
    return rc;
}

/* ---- Replays ---- */

/* Those among what was found that its filter wants, as a step. */
static int replay_step(struct look *look, const struct replay *replay,
                       const struct feed_item *items, uint32_t count,
                       uint64_t upto, struct arena *arena, struct error *error)
{
    struct filter *filter = NULL;
    struct filter_error fault;
    uint64_t *positions = arena_take(arena, count * sizeof *positions);
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
    command_replay_step_encode(&look->step, look->now_ms, &step);
    return 0;
}

/* Running jobs take turns. */
int look_replay(struct look *look, struct view *view, struct arena *arena,
                struct error *error)
{
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
    return rc == 0 ? replay_step(look, replay, items, count, upto, arena, error)
                   : rc;
}

/* ---- Retention ---- */

static uint64_t cutoff_of(const struct look *look, const struct topic *topic)
{
    uint64_t seconds = topic->options.retention_seconds != 0
                           ? topic->options.retention_seconds
                           : look->retention_seconds;
    return seconds < look->now_ms / 1000 ? look->now_ms - seconds * 1000 : 0;
}

/* One stretch of a topic; a step when some of it has expired. */
static int look_topic(struct look *look, struct view *view,
                      const struct topic *topic, struct arena *arena,
                      struct error *error)
{
    uint64_t cutoff_ms = cutoff_of(look, topic);
    uint64_t from = look->place.position;
    uint64_t upto, next;
    uint32_t count;
    int rc = query_expirable(view, topic->id, from, cutoff_ms, arena, &upto,
                             &count, &next, error);
    if (rc != 0)
        return rc;
    if (count > 0) {
        struct command_expire expire = {.topic_id = topic->id,
                                        .from = from,
                                        .upto = upto,
                                        .cutoff_ms = cutoff_ms};
        command_expire_encode(&look->step, look->now_ms, &expire);
    }
    look->place.position = next;
    if (next == 0)
        look->place.id = topic->id; /* Done with this one. */
    return 0;
}

/* `place`: the topics up to this id are done, and the next one up to this
 * position. */
int look_expire(struct look *look, struct view *view, struct arena *arena,
                struct error *error)
{
    struct topic *topics;
    uint32_t count;
    int rc = query_topics(view, look->place.id, TOPICS_A_LOOK, arena, &topics,
                          &count, error);
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        rc = look_topic(look, view, &topics[i], arena, error);
        if (look->step.length > 0 || look->place.position != 0)
            break;
    }
    look->more = count > 0;
    return rc;
}
