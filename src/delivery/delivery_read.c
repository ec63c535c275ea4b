#include "delivery_read.h"

#include "base/bounds.h"
#include "base/memory.h"

/* ---- Through a filter ---- */

/* What passes, and what must be counted, in order. */
struct passed {
    struct delivery_read *read;
    struct arena *arena;
    struct feed_item *items; /* Room for as many as may be read. */
    struct feed_mark *marks;
    uint32_t count;
    uint32_t capacity;
    uint32_t wanted;
    size_t bytes;
};

static struct message message_copy(struct arena *arena,
                                   const struct message *message)
{
    struct message copy = *message;
    struct slice *texts[] = {&copy.key, &copy.traceparent, &copy.origin,
                             &copy.attributes, &copy.payload};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = arena_copy(arena, *texts[i]);
    return copy;
}

static void count_only(struct passed *passed, uint64_t position)
{
    if (passed->count == 0 || passed->marks[passed->count - 1].examined == 0) {
        passed->items[passed->count] = (struct feed_item){.position = position};
        passed->marks[passed->count++] = (struct feed_mark){.examined = 1};
        return;
    }
    passed->items[passed->count - 1].position = position;
    passed->marks[passed->count - 1].examined++;
}

static void pass(struct passed *passed, const struct feed_item *item)
{
    bool wanted = item->discarded ||
                  filter_match(passed->read->filter, item->message.attributes,
                               item->message.payload);
    if (!wanted && !(passed->read->keyed && item->key != 0)) {
        count_only(passed, item->position);
        return;
    }
    passed->items[passed->count] = *item;
    if (!item->discarded)
        passed->items[passed->count].message =
            message_copy(passed->arena, &item->message);
    passed->marks[passed->count++] =
        (struct feed_mark){.examined = 0, .unwanted = !wanted};
    passed->wanted += wanted && !item->discarded;
    passed->bytes += item->message.payload.length;
}

static bool is_enough(const struct passed *passed)
{
    return passed->wanted >= passed->read->count ||
           passed->count == passed->capacity ||
           passed->bytes >= BOUND_FEED_BYTES;
}

/* Reads on until enough passed, or so much was examined that the view has
 * been open for long enough. */
static int feed_filtered(struct delivery_read *read, struct view *view,
                         struct passed *passed, struct error *error)
{
    struct arena scratch = {0};
    uint64_t from = read->from;
    uint32_t examined = 0;
    int rc = 0;
    while (rc == 0 && !is_enough(passed) &&
           examined + BOUND_FEED_MESSAGES <= BOUND_READ_RECORDS) {
        struct feed_item *items;
        uint32_t count = 0;
        rc = query_ahead(view, read->publisher_id, from, BOUND_FEED_MESSAGES,
                         BOUND_FEED_BYTES, &scratch, &items, &count, error);
        if (rc != 0 || count == 0)
            break;
        for (uint32_t i = 0; i < count && !is_enough(passed); i++) {
            pass(passed, &items[i]);
            from = items[i].position + 1;
        }
        examined += count;
        arena_close(&scratch);
    }
    arena_close(&scratch);
    return rc;
}

static int read_feed(struct delivery_read *read, struct view *view,
                     struct arena *arena, struct feed_item **ret_items,
                     uint32_t *ret_count, struct error *error)
{
    if (read->filter == NULL)
        return query_ahead(view, read->publisher_id, read->from, read->count,
                           BOUND_FEED_BYTES, arena, ret_items, ret_count,
                           error);
    struct passed passed = {
        .read = read,
        .arena = arena,
        /* A stretch between each two messages, and some discarded ones. */
        .capacity = 2 * read->count + BOUND_FEED_MESSAGES};
    passed.items = arena_take(arena, passed.capacity * sizeof *passed.items);
    passed.marks = arena_take(arena, passed.capacity * sizeof *passed.marks);
    int rc = feed_filtered(read, view, &passed, error);
    *ret_items = passed.items;
    *ret_count = passed.count;
    read->marks = passed.marks;
    return rc;
}

/* ---- Parked ---- */

/* All of a key's parked messages are told, wanted or not: they are counted
 * one by one. */
static int read_parked(struct delivery_read *read, struct view *view,
                       struct arena *arena, struct feed_item **ret_items,
                       uint32_t *ret_count, struct error *error)
{
    struct blocked_key first = {.key = read->key};
    int rc = 0;
    if (read->key == 0)
        rc = query_first_blocked(view, read->publisher_id, &first, error);
    if (rc == ERR_NOT_FOUND) {
        *ret_count = 0;
        return 0;
    }
    read->found_key = first.key;
    if (rc == 0)
        rc = query_parked(view, read->publisher_id, first.key, read->from,
                          read->count, BOUND_FEED_BYTES, arena, ret_items,
                          ret_count, error);
    if (rc != 0)
        return rc;
    struct feed_mark *marks = arena_take(arena, *ret_count * sizeof *marks);
    for (uint32_t i = 0; i < *ret_count; i++) {
        const struct message *message = &(*ret_items)[i].message;
        marks[i] = (struct feed_mark){
            .unwanted = !filter_match(read->filter, message->attributes,
                                      message->payload)};
    }
    read->marks = marks;
    return 0;
}

/* ---- All ---- */

int delivery_read_run(struct delivery_read *read, struct view *view,
                      struct arena *arena, struct feed_item **ret_items,
                      uint32_t *ret_count, uint64_t *ret_next_due_ms,
                      struct error *error)
{
    switch (read->kind) {
    case DELIVERY_FEED:
        return read_feed(read, view, arena, ret_items, ret_count, error);
    case DELIVERY_DUE:
        return query_due(view, read->publisher_id, read->due_ms, read->count,
                         BOUND_FEED_BYTES, arena, ret_items, ret_count,
                         ret_next_due_ms, error);
    case DELIVERY_LOAD:
        return query_open(view, read->publisher_id, 0, BOUND_OPEN_POSITIONS,
                          arena, ret_items, ret_count, error);
    case DELIVERY_VIEW:
        return query_pipeline(view, read->publisher_id, arena, &read->view,
                              error);
    case DELIVERY_KEYS:
        return query_blocked(view, read->publisher_id, read->from, read->count,
                             arena, (struct blocked_key **)&read->keys,
                             &read->key_count, error);
    case DELIVERY_SCHEDULES:
        return query_schedules(view, (uint32_t)read->from, read->count, arena,
                               (struct schedule **)&read->schedules,
                               &read->schedule_count, error);
    case DELIVERY_PARKED:
        return read_parked(read, view, arena, ret_items, ret_count, error);
    }
    return error_set(error, ERR_INVALID, "no such read");
}
