/* Lists of messages, newest first.
 *
 * Where messages are found depends on what is asked: in the topic's log, by
 * key in `kidx`, by state in `exs`, or, when no topic is given, by id in `msg`.
 * Each is a stream of numbers that fall; scheduled messages, which have no
 * position yet, are a stream of ids beside it. The streams are merged, and each
 * message is looked at: what its deliveries are is derived, and most of a wide
 * question's looks may be in vain, so that a page ends after so many. */
#include "storage/blocked.h"
#include "storage/body.h"
#include "storage/command.h"
#include "storage/position.h"
#include "storage/query.h"
#include "storage/view.h"

/* ---- Streams ---- */

enum stream_kind { STREAM_INDEX, STREAM_LOG, STREAM_BODIES, STREAM_OPEN };

/* Numbers below the one before. */
struct stream {
    enum stream_kind kind;
    struct cursor cursor;
    struct key prefix;
    bool by_id;      /* Its numbers are ids, not positions. */
    uint64_t number; /* 0: at the end. */
    uint64_t id;     /* 0: to be looked up by position. */
};

/* The last key of an index below the prefix and `before`. */
static int index_step(struct stream *stream, uint64_t before,
                      struct error *error)
{
    struct key key = stream->prefix;
    struct slice prefix = key_slice(&stream->prefix);
    key_u64(&key, before - 1);
    int rc = cursor_seek_back(&stream->cursor, key_slice(&key), error);
    if (rc == 0 && !cursor_within(&stream->cursor, prefix))
        return ERR_END;
    if (rc == 0 && stream->cursor.key.length != prefix.length + 8)
        return record_error(error, ERR_CORRUPT, stream->cursor.database,
                            stream->cursor.key);
    if (rc == 0)
        stream->number = get_key_u64(stream->cursor.key.data + prefix.length);
    if (rc == 0 && stream->by_id)
        stream->id = stream->number;
    return rc;
}

/* The last pair below `before`, of the run that begins there or earlier. */
static int log_step(struct stream *stream, uint64_t before, struct error *error)
{
    struct log_run run;
    int rc = index_step(stream, before, error);
    if (rc != 0)
        return rc;
    rc = log_run_decode(stream->number, stream->cursor.content, &run);
    if (rc != 0)
        return record_error(error, rc, DATABASE_LOG, stream->cursor.key);
    struct log_pair pair = log_run_pair(&run, log_run_find(&run, before) - 1);
    stream->number = pair.position;
    stream->id = pair.id;
    return 0;
}

static int bodies_step(struct stream *stream, uint64_t before,
                       struct error *error)
{
    struct message_run run;
    int rc = index_step(stream, before, error);
    while (rc == 0) {
        uint64_t first = stream->number;
        rc = message_run_decode(stream->cursor.content, &run);
        if (rc != 0)
            return record_error(error, rc, DATABASE_MESSAGE,
                                stream->cursor.key);
        uint64_t end = first + run.count < before ? first + run.count : before;
        /* What was removed from a run left an empty place. */
        while (end > first &&
               message_run_record(&run, (uint32_t)(end - 1 - first)).length ==
                   0)
            end--;
        if (end > first) {
            stream->number = end - 1;
            stream->id = end - 1;
            return 0;
        }
        if (first == 0)
            return ERR_END;
        before = first;
        rc = index_step(stream, before, error);
    }
    return rc;
}

static int open_step(struct stream *stream, const struct hot *hot,
                     uint64_t before)
{
    for (uint32_t i = hot->open_count; i > 0; i--)
        if (hot->open[i - 1].position < before) {
            stream->number = hot->open[i - 1].position;
            return 0;
        }
    return ERR_END;
}

static int stream_step(struct stream *stream, const struct hot *hot,
                       uint64_t before, struct error *error)
{
    int rc = ERR_END;
    stream->number = 0;
    stream->id = 0;
    if (before > 1) {
        switch (stream->kind) {
        case STREAM_INDEX:
            rc = index_step(stream, before, error);
            break;
        case STREAM_LOG:
            rc = log_step(stream, before, error);
            break;
        case STREAM_BODIES:
            rc = bodies_step(stream, before, error);
            break;
        case STREAM_OPEN:
            rc = open_step(stream, hot, before);
            break;
        }
    }
    if (rc == ERR_END) {
        stream->number = 0;
        return 0;
    }
    return rc;
}

/* ---- A list ---- */

enum { STREAMS_MAX = 2 };

struct list {
    struct view *view;
    const struct message_query *query;
    uint32_t topic_id;
    struct hot hot; /* The publisher's. */
    struct stream streams[STREAMS_MAX];
    uint32_t stream_count;
    uint64_t floor; /* Nothing below it can match. */
};

static int list_add(struct list *list, enum stream_kind kind,
                    enum database database, struct key prefix, bool by_id,
                    struct error *error)
{
    struct stream *stream = &list->streams[list->stream_count++];
    *stream = (struct stream){.kind = kind, .prefix = prefix, .by_id = by_id};
    if (kind == STREAM_OPEN)
        return 0;
    return cursor_open(&list->view->transaction, database, &stream->cursor,
                       error);
}

static bool has_index(enum delivery_state state)
{
    return state == DELIVERY_RETRYING || state == DELIVERY_DEAD ||
           state == DELIVERY_AMBIGUOUS || state == DELIVERY_DISCARDED;
}

static int list_add_state(struct list *list, struct error *error)
{
    const struct message_query *query = list->query;
    struct key prefix = key_of_u32(query->publisher_id);
    key_u8(&prefix, (uint8_t)query->state);
    int rc = list_add(list, STREAM_INDEX, DATABASE_EXCEPTION_STATE, prefix,
                      false, error);
    /* A retry that is open is not indexed. */
    if (rc == 0 && query->state == DELIVERY_RETRYING)
        rc = list_add(list, STREAM_OPEN, DATABASE_HOT, prefix, false, error);
    return rc;
}

static int list_open(struct list *list, struct error *error)
{
    const struct message_query *query = list->query;
    bool scheduled = query->any_state || query->state == DELIVERY_SCHEDULED;
    bool placed = query->any_state || query->state != DELIVERY_SCHEDULED;
    int rc = 0;
    if (list->topic_id == 0)
        return list_add(list, STREAM_BODIES, DATABASE_MESSAGE,
                        (struct key){.length = 0}, true, error);
    if (placed && query->key.length > 0)
        rc = list_add(list, STREAM_INDEX, DATABASE_KEY_INDEX,
                      key_of_position(list->topic_id, key_hash(query->key)),
                      false, error);
    else if (placed && query->publisher_id != 0 && !query->any_state &&
             has_index(query->state))
        rc = list_add_state(list, error);
    else if (placed)
        rc = list_add(list, STREAM_LOG, DATABASE_LOG,
                      key_of_u32(list->topic_id), false, error);
    if (rc == 0 && scheduled)
        rc = list_add(list, STREAM_INDEX, DATABASE_SCHEDULED_ID,
                      key_of_u32(list->topic_id), true, error);
    return rc;
}

static void list_close(struct list *list)
{
    for (uint32_t i = 0; i < list->stream_count; i++)
        cursor_close(&list->streams[i].cursor);
    hot_close(&list->hot);
}

/* Where a publisher's deliveries in the state may lie. */
static int list_narrow(struct list *list, uint64_t *before, struct error *error)
{
    const struct message_query *query = list->query;
    const struct hot *hot = &list->hot;
    uint64_t key;
    uint64_t parked;
    list->floor = hot->start;
    if (query->any_state)
        return 0;
    if ((query->state == DELIVERY_DELIVERED ||
         query->state == DELIVERY_FILTERED) &&
        *before > hot->next)
        *before = hot->next;
    if (query->state != DELIVERY_PENDING)
        return 0;
    list->floor = hot->next;
    if (hot->open_count > 0 && hot->open[0].position < list->floor)
        list->floor = hot->open[0].position;
    if (hot->parked == 0)
        return 0;
    int rc = blocked_first(&list->view->transaction, query->publisher_id, &key,
                           &parked, error);
    if (rc == 0 && parked < list->floor)
        list->floor = parked;
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* ---- Looking ---- */

static bool is_asked(const struct message_query *query,
                     const struct message_view *message)
{
    if (query->key.length > 0 && !slice_equal(query->key, message->message.key))
        return false;
    if (query->publisher_id == 0 && query->any_state)
        return true;
    if (!query->any_state && query->state == DELIVERY_SCHEDULED)
        return message->position == 0;
    for (uint32_t i = 0; i < message->delivery_count; i++) {
        const struct delivery *delivery = &message->deliveries[i];
        if ((query->publisher_id == 0 ||
             delivery->publisher_id == query->publisher_id) &&
            (query->any_state || delivery->state == query->state))
            return true;
    }
    return false;
}

/* ERR_NOT_FOUND: its topic was deleted. */
static int look(struct list *list, uint64_t id, struct arena *arena,
                struct message_view *ret_message, struct error *error)
{
    uint64_t position;
    int rc = view_message(list->view, id, arena, &ret_message->message, error);
    if (rc == 0)
        rc = position_of(&list->view->transaction, &ret_message->message,
                         &position, error);
    if (rc == 0)
        rc = view_deliveries(list->view, position, arena, ret_message, error);
    return rc;
}

static int id_at(struct list *list, uint64_t position, uint64_t *ret_id,
                 struct error *error)
{
    struct log_walk walk = {0};
    struct log_pair pair = {0};
    int rc = log_walk_open(&list->view->transaction, list->topic_id, position,
                           &walk, error);
    if (rc == 0)
        rc = log_walk_next(&walk, &pair, error);
    log_walk_close(&walk);
    if (rc == ERR_END || (rc == 0 && pair.position != position))
        return error_set(error, ERR_CORRUPT, "database log lacks position %llu",
                         (unsigned long long)position);
    *ret_id = pair.id;
    return rc;
}

/* The stream with the highest number; NULL: all have ended. */
static struct stream *list_next(struct list *list)
{
    struct stream *next = NULL;
    for (uint32_t i = 0; i < list->stream_count; i++)
        if (list->streams[i].number > (next == NULL ? 0 : next->number))
            next = &list->streams[i];
    return next;
}

/* What does not match is looked at in memory of its own. *ret_looks: how many
 * deliveries that took. */
static int list_take(struct list *list, struct stream *stream,
                     struct arena *arena, struct message_page *page,
                     uint32_t *looks, size_t *bytes, struct error *error)
{
    struct arena scratch = {0};
    struct message_view message;
    int rc = 0;
    if (stream->id == 0)
        rc = id_at(list, stream->number, &stream->id, error);
    if (rc == 0)
        rc = look(list, stream->id, &scratch, &message, error);
    bool asked = rc == 0 && is_asked(list->query, &message);
    *looks += rc == 0 ? 1 + message.delivery_count : 1;
    arena_close(&scratch);
    if (asked) {
        rc = look(list, stream->id, arena, &page->messages[page->count], error);
        *bytes += page->messages[page->count].message.payload.length;
        page->count++;
    }
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static int list_fill(struct list *list, uint64_t before, struct arena *arena,
                     struct message_page *page, struct error *error)
{
    struct stream *stream;
    uint32_t looks = 0;
    size_t bytes = 0;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < list->stream_count; i++)
        rc = stream_step(&list->streams[i], &list->hot, before, error);
    while (rc == 0 && (stream = list_next(list)) != NULL) {
        uint64_t number = stream->number;
        if (!stream->by_id && number < list->floor) {
            stream->number = 0;
            continue;
        }
        if (page->count == list->query->limit || looks >= BOUND_READ_RECORDS ||
            bytes >= BOUND_FEED_BYTES) {
            page->next = number + 1;
            break;
        }
        rc = list_take(list, stream, arena, page, &looks, &bytes, error);
        if (rc == 0)
            rc = stream_step(stream, &list->hot, number, error);
    }
    return rc;
}

static int list_subject(struct list *list, struct arena *arena,
                        struct error *error)
{
    const struct message_query *query = list->query;
    struct publisher publisher;
    struct topic topic;
    list->topic_id = query->topic_id;
    if (query->publisher_id != 0) {
        int rc = view_publisher(list->view, query->publisher_id, arena,
                                &publisher, error);
        if (rc == 0 && query->topic_id != 0 &&
            publisher.topic_id != query->topic_id)
            rc = ERR_NOT_FOUND;
        if (rc == ERR_NOT_FOUND)
            return error_set(error, rc, "publisher %u: %s", query->publisher_id,
                             error_text(rc));
        if (rc != 0)
            return rc;
        list->topic_id = publisher.topic_id;
        return view_hot(list->view, query->publisher_id, &list->hot, error);
    }
    if (query->topic_id != 0)
        return query_topic(list->view, query->topic_id, arena, &topic, error);
    return query->key.length == 0
               ? 0
               : error_set(error, ERR_INVALID, "a key needs a topic");
}

int query_messages(struct view *view, const struct message_query *query,
                   struct arena *arena, struct message_page *ret_page,
                   struct error *error)
{
    struct list list = {.view = view, .query = query};
    uint64_t before = query->before == 0 ? UINT64_MAX : query->before;
    *ret_page = (struct message_page){
        .messages =
            arena_take(arena, query->limit * sizeof *ret_page->messages)};
    int rc = list_subject(&list, arena, error);
    if (rc == 0 && query->publisher_id != 0)
        rc = list_narrow(&list, &before, error);
    if (rc == 0)
        rc = list_open(&list, error);
    if (rc == 0)
        rc = list_fill(&list, before, arena, ret_page, error);
    list_close(&list);
    return rc;
}
