/* What the leader's chores ask for: schedules, retention, replays. */
#include "storage/expiry.h"
#include "storage/query.h"
#include "storage/view.h"

#include "storage/command.h"

/* ---- Schedules ---- */

/* When the topic's first scheduled message is due; 0: none is. */
static int first_schedule(struct view *view, uint32_t topic_id,
                          uint64_t *ret_due_ms, struct error *error)
{
    struct cursor cursor = {0};
    struct key prefix = key_of_u32(topic_id);
    uint64_t id;
    *ret_due_ms = 0;
    int rc = cursor_open(&view->transaction, DATABASE_SCHEDULE, &cursor, error);
    if (rc == 0)
        rc = cursor_seek(&cursor, key_slice(&prefix), error);
    if (rc == 0 && cursor_within(&cursor, key_slice(&prefix)) &&
        key_read_due(cursor.key, ret_due_ms, &id) != 0)
        rc = record_error(error, ERR_CORRUPT, DATABASE_SCHEDULE, cursor.key);
    cursor_close(&cursor);
    return rc == ERR_END ? 0 : rc;
}

/* From topic to topic: the first row of each, and then a seek behind all of
 * its rows. */
int query_schedules(struct view *view, uint32_t after_id, uint32_t limit,
                    struct arena *arena, struct schedule **ret_schedules,
                    uint32_t *ret_count, struct error *error)
{
    struct schedule *schedules = arena_take(arena, limit * sizeof *schedules);
    struct cursor cursor = {0};
    uint32_t count = 0;
    int rc = cursor_open(&view->transaction, DATABASE_SCHEDULE, &cursor, error);
    while (rc == 0 && count < limit && after_id < UINT32_MAX) {
        struct key from = key_of_u32(after_id + 1);
        rc = cursor_seek(&cursor, key_slice(&from), error);
        if (rc != 0)
            break;
        if (cursor.key.length < sizeof(uint32_t)) {
            rc =
                record_error(error, ERR_CORRUPT, DATABASE_SCHEDULE, cursor.key);
            break;
        }
        after_id = get_key_u32(cursor.key.data);
        struct schedule *schedule = &schedules[count];
        schedule->topic_id = after_id;
        rc = first_schedule(view, after_id, &schedule->first_due_ms, error);
        struct topic topic;
        if (rc == 0)
            rc = view_topic(view, after_id, arena, &topic, error);
        if (rc == 0)
            count++;
        if (rc == ERR_NOT_FOUND) /* It is being purged. */
            rc = 0;
    }
    cursor_close(&cursor);
    if (rc != 0 && rc != ERR_END)
        return rc;
    *ret_schedules = schedules;
    *ret_count = count;
    return 0;
}

/* ---- Retention ---- */

static int publishers_load(struct view *view, const struct topic *topic,
                           struct arena *arena,
                           struct expiry_publisher **ret_publishers,
                           uint32_t *ret_count, struct error *error)
{
    uint32_t *ids;
    uint32_t count;
    int rc = view_topic_publishers(view, topic->id, 0, topic->publishers, arena,
                                   &ids, &count, error);
    if (rc != 0)
        return rc;
    struct expiry_publisher *list = arena_take(arena, count * sizeof *list);
    struct hot *hots = arena_take(arena, count * sizeof *hots);
    memset(hots, 0, count * sizeof *hots);
    *ret_publishers = list;
    *ret_count = count;
    for (uint32_t i = 0; i < count; i++)
        list[i] = (struct expiry_publisher){.id = ids[i], .hot = &hots[i]};
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        rc = view_hot(view, ids[i], &hots[i], error);
    return rc;
}

int query_expirable(struct view *view, uint32_t topic_id, uint64_t from,
                    uint64_t cutoff_ms, struct arena *arena, uint64_t *ret_upto,
                    uint32_t *ret_count, uint64_t *ret_next,
                    struct error *error)
{
    struct topic topic;
    struct expiry_publisher *publishers = NULL;
    uint32_t count = 0;
    int rc = query_topic(view, topic_id, arena, &topic, error);
    if (rc != 0)
        return rc;
    rc = publishers_load(view, &topic, arena, &publishers, &count, error);
    struct expiry expiry = {
        .topic_id = topic_id,
        .from = from,
        .upto = UINT64_MAX,
        .cutoff_ms = cutoff_ms,
        .publishers = publishers,
        .publisher_count = count,
        .expired = arena_take(arena, (EXPIRE_MAX + 1) * sizeof(struct expired)),
    };
    if (rc == 0)
        rc = expiry_look(&view->transaction, &expiry, error);
    for (uint32_t i = 0; i < count; i++)
        hot_close(publishers[i].hot);
    if (rc != 0)
        return rc;
    *ret_upto = expiry.looked_upto;
    *ret_count = expiry.count;
    *ret_next = expiry.next;
    return 0;
}

/* ---- Replays ---- */

static int replay_take(const struct cursor *at, struct arena *arena,
                       struct replay *ret_replay, struct error *error)
{
    uint32_t id;
    int rc = key_read_u32(at->key, &id);
    if (rc == 0)
        rc = replay_row_decode(id, at->content, ret_replay);
    if (rc != 0)
        return record_error(error, rc, DATABASE_REPLAY, at->key);
    ret_replay->filter = arena_copy(arena, ret_replay->filter);
    ret_replay->asked_by = arena_copy(arena, ret_replay->asked_by);
    return 0;
}

int query_replay(struct view *view, uint32_t id, struct arena *arena,
                 struct replay *ret, struct error *error)
{
    struct key key = key_of_u32(id);
    struct slice content;
    int rc = record_get(&view->transaction, DATABASE_REPLAY, key_slice(&key),
                        &content, error);
    if (rc == ERR_NOT_FOUND)
        return error_set(error, rc, "replay %u: %s", id, error_text(rc));
    struct cursor at = {.key = key_slice(&key), .content = content};
    return rc == 0 ? replay_take(&at, arena, ret, error) : rc;
}

int query_replays(struct view *view, bool running, uint32_t after_id,
                  uint32_t limit, struct arena *arena, struct replay **ret,
                  uint32_t *ret_count, struct error *error)
{
    struct replay *list = arena_take(arena, limit * sizeof *list);
    struct cursor cursor = {0};
    struct key from = key_of_u32(after_id + 1);
    uint32_t count = 0;
    int rc = after_id == UINT32_MAX ? ERR_END : 0;
    if (rc == 0)
        rc = cursor_open(&view->transaction, DATABASE_REPLAY, &cursor, error);
    if (rc == 0)
        rc = cursor_seek(&cursor, key_slice(&from), error);
    while (rc == 0 && count < limit) {
        struct replay *replay = &list[count];
        rc = replay_take(&cursor, arena, replay, error);
        if (rc == 0 && (!running || (replay->state == REPLAY_RUNNING &&
                                     replay->cursor <= replay->upto)))
            count++;
        if (rc == 0)
            rc = cursor_next(&cursor, error);
    }
    cursor_close(&cursor);
    if (rc != 0 && rc != ERR_END)
        return rc;
    *ret = list;
    *ret_count = count;
    return 0;
}

static bool wanted(const struct replay *replay, const struct delivery *delivery)
{
    switch (delivery->state) {
    case DELIVERY_DELIVERED:
    case DELIVERY_DEAD:
    case DELIVERY_AMBIGUOUS:
    case DELIVERY_DISCARDED:
    case DELIVERY_FILTERED:
        return !delivery->open &&
               (replay->any_state || delivery->state == replay->wanted);
    case DELIVERY_SCHEDULED:
    case DELIVERY_PENDING:
    case DELIVERY_RETRYING:
        break;
    }
    return false;
}

/* What the walk does with one position. */
static int replay_look(struct view *view, struct hot *hot,
                       const struct replay *replay, struct log_pair pair,
                       struct arena *arena, struct feed_item *item,
                       bool *ret_wanted, struct error *error)
{
    struct message message;
    struct delivery delivery = {.publisher_id = replay->publisher_id};
    int rc = view_message(view, pair.id, NULL, &message, error);
    if (rc == ERR_NOT_FOUND)
        rc = error_set(error, ERR_CORRUPT, "database msg lacks message %llu",
                       (unsigned long long)pair.id);
    uint64_t key = rc == 0 ? key_hash(message.key) : 0;
    if (rc == 0)
        rc =
            view_derive(view, hot, pair.position, key, arena, &delivery, error);
    *ret_wanted = rc == 0 && wanted(replay, &delivery);
    if (!*ret_wanted)
        return rc;
    *item = (struct feed_item){.position = pair.position,
                               .attempts = delivery.attempts,
                               .doubt = delivery.maybe_duplicate,
                               .key = key};
    return view_message(view, pair.id, arena, &item->message, error);
}

int query_replay_feed(struct view *view, const struct replay *replay,
                      uint64_t from, uint32_t count_max, size_t bytes_max,
                      struct arena *arena, struct feed_item **ret_items,
                      uint32_t *ret_count, uint64_t *ret_upto,
                      struct error *error)
{
    struct feed_item *items = arena_take(arena, count_max * sizeof *items);
    struct publisher publisher;
    struct hot hot = {0};
    struct log_walk walk = {0};
    struct log_pair pair;
    uint32_t count = 0;
    size_t bytes = 0;
    *ret_upto = replay->upto;
    int rc =
        view_publisher(view, replay->publisher_id, arena, &publisher, error);
    if (rc == ERR_NOT_FOUND)
        return error_set(error, rc, "publisher %u: %s", replay->publisher_id,
                         error_text(rc));
    if (rc == 0)
        rc = view_hot(view, replay->publisher_id, &hot, error);
    if (rc == 0 && from < hot.start)
        from = hot.start; /* A replay that is only tried may begin before. */
    if (rc == 0)
        rc = log_walk_open(&view->transaction, publisher.topic_id, from, &walk,
                           error);
    for (uint32_t looks = 0; rc == 0; looks++) {
        bool want;
        rc = log_walk_next(&walk, &pair, error);
        if (rc != 0 || pair.position > replay->upto)
            break;
        if (count == count_max || (count > 0 && bytes >= bytes_max) ||
            looks == BOUND_READ_RECORDS) {
            *ret_upto = pair.position - 1;
            break;
        }
        rc = replay_look(view, &hot, replay, pair, arena, &items[count], &want,
                         error);
        if (rc == 0 && want)
            bytes += items[count++].message.payload.length;
    }
    log_walk_close(&walk);
    hot_close(&hot);
    if (rc != 0 && rc != ERR_END)
        return rc;
    *ret_items = items;
    *ret_count = count;
    return 0;
}
