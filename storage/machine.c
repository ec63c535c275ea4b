/* Memory is loaded once, at open; from then on LMDB is written and memory is
 * read. A flush goes from the messages to the counters that speak of them, but
 * nobody can see a part of it. */
#include "storage/machine.h"

#include "storage/apply.h"
#include "storage/command.h"

#include <assert.h>

/* ---- Objects ---- */

void machine_set_options(struct topic_state *topic, struct slice options)
{
    struct topic_options decoded;
    topic->bytes_max = topic_options_decode(options, &decoded) == 0
                           ? decoded.max_backlog_bytes
                           : 0;
    uint8_t *copy = memory_new(options.length);
    memcpy(copy, options.data, options.length);
    free((void *)topic->row.options.data);
    topic->row.options = slice_of(copy, options.length);
}

struct topic_state *machine_add_topic(struct store *store, uint32_t id,
                                      const struct topic_row *row)
{
    struct topic_state *topic = memory_new_zeroed(1, sizeof *topic);
    topic->id = id;
    topic->row = *row;
    topic->row.options = slice_of(NULL, 0);
    machine_set_options(topic, row->options);
    table_set(&store->topics, id, topic);
    return topic;
}

static void topic_free(struct topic_state *topic)
{
    if (topic == NULL)
        return;
    free((void *)topic->row.options.data);
    free(topic->fresh);
    free(topic);
}

struct publisher_state *machine_add_publisher(struct store *store, uint32_t id)
{
    struct publisher_state *publisher = memory_new_zeroed(1, sizeof *publisher);
    publisher->id = id;
    table_set(&store->publishers, id, publisher);
    return publisher;
}

static void publisher_free(struct publisher_state *publisher)
{
    if (publisher == NULL)
        return;
    hot_close(&publisher->hot);
    free(publisher);
}

void machine_know_options(struct publisher_state *publisher,
                          const struct publisher_options *options)
{
    publisher->guarantee = options->guarantee;
    publisher->ordering = options->ordering;
    publisher->on_poison = options->on_poison;
}

static void dirty_remove(struct dirty_list *list, const void *object)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->objects[i] == object) {
            list->objects[i] = list->objects[--list->count];
            return;
        }
}

void machine_drop_publisher(struct store *store,
                            struct publisher_state *publisher)
{
    if (publisher->dirty)
        dirty_remove(&store->dirty_publishers, publisher);
    table_set(&store->publishers, publisher->id, NULL);
    publisher_free(publisher);
}

void machine_drop_topic(struct store *store, struct topic_state *topic)
{
    if (topic->dirty)
        dirty_remove(&store->dirty_topics, topic);
    table_set(&store->topics, topic->id, NULL);
    topic_free(topic);
}

void machine_close(struct store *store)
{
    for (uint32_t id = 0; id < store->topics.capacity; id++)
        topic_free(machine_topic(store, id));
    for (uint32_t id = 0; id < store->publishers.capacity; id++)
        publisher_free(machine_publisher(store, id));
    table_close(&store->topics);
    table_close(&store->publishers);
    free(store->dirty_topics.objects);
    free(store->dirty_publishers.objects);
    free(store->gathered.pieces);
    free(store->gathered.notes);
    encoder_close(&store->scratch);
    arena_close(&store->arena);
}

/* ---- Dirty ones ---- */

static void dirty_add(struct dirty_list *list, void *object)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 64 : 2 * list->capacity;
        list->objects = memory_resize(list->objects,
                                      list->capacity * sizeof *list->objects);
    }
    list->objects[list->count++] = object;
}

void machine_touch_topic(struct store *store, struct topic_state *topic)
{
    if (!topic->dirty)
        dirty_add(&store->dirty_topics, topic);
    topic->dirty = true;
}

void machine_touch_publisher(struct store *store,
                             struct publisher_state *publisher)
{
    if (!publisher->dirty)
        dirty_add(&store->dirty_publishers, publisher);
    publisher->dirty = true;
}

struct encoder *machine_scratch(struct store *store)
{
    store->scratch.length = 0;
    return &store->scratch;
}

static int put_scratch(struct store *store, enum database database,
                       struct key key, struct error *error)
{
    return record_put(&store->transaction, database, key_slice(&key),
                      encoder_slice(&store->scratch), error);
}

int machine_put_hot(struct store *store,
                    const struct publisher_state *publisher,
                    struct error *error)
{
    hot_encode(machine_scratch(store), &publisher->hot);
    return put_scratch(store, DATABASE_HOT, key_of_u32(publisher->id), error);
}

int machine_put_topic(struct store *store, const struct topic_state *topic,
                      struct error *error)
{
    topic_row_encode(machine_scratch(store), &topic->row);
    return put_scratch(store, DATABASE_TOPIC, key_of_u32(topic->id), error);
}

static_assert(sizeof(struct global_row) == 16 + 6 * 8 + 2 * 4,
              "no padding: rows are compared as bytes");

static int flush_global(struct store *store, struct error *error)
{
    if (memcmp(&store->global, &store->global_written, sizeof store->global) ==
        0)
        return 0;
    global_row_encode(machine_scratch(store), &store->global);
    int rc =
        record_put(&store->transaction, DATABASE_GLOBAL, slice_text(GLOBAL_KEY),
                   encoder_slice(&store->scratch), error);
    if (rc == 0)
        store->global_written = store->global;
    return rc;
}

int machine_flush(struct store *store, struct error *error)
{
    int rc = apply_gathered(store, error);
    for (size_t i = 0; rc == 0 && i < store->dirty_topics.count; i++) {
        struct topic_state *topic = store->dirty_topics.objects[i];
        topic->dirty = false;
        rc = machine_put_topic(store, topic, error);
    }
    for (size_t i = 0; rc == 0 && i < store->dirty_publishers.count; i++) {
        struct publisher_state *publisher = store->dirty_publishers.objects[i];
        publisher->dirty = false;
        rc = machine_put_hot(store, publisher, error);
    }
    store->dirty_topics.count = 0;
    store->dirty_publishers.count = 0;
    return rc == 0 ? flush_global(store, error) : rc;
}

/* ---- Loading ---- */

static int load_topic(struct store *store, const struct cursor *at)
{
    uint32_t id;
    struct topic_row row;
    struct topic_options options;
    int rc = key_read_u32(at->key, &id);
    if (rc == 0)
        rc = topic_row_decode(at->content, &row);
    if (rc == 0)
        rc = topic_options_decode(row.options, &options);
    if (rc == 0 && id >= store->global.next_topic_id)
        rc = ERR_CORRUPT;
    if (rc == 0)
        machine_add_topic(store, id, &row);
    return rc;
}

static int load_publisher(struct store *store, const struct cursor *at)
{
    uint32_t id;
    struct publisher_row row;
    int rc = key_read_u32(at->key, &id);
    if (rc == 0)
        rc = publisher_row_decode(at->content, &row);
    if (rc == 0 && (id >= store->global.next_publisher_id ||
                    machine_topic(store, row.topic_id) == NULL))
        rc = ERR_CORRUPT;
    if (rc != 0)
        return rc;
    struct publisher_state *publisher = machine_add_publisher(store, id);
    publisher->topic_id = row.topic_id;
    publisher->paused = row.paused;
    machine_know_options(publisher, &row.options);
    return 0;
}

static int load_hot(struct store *store, const struct cursor *at)
{
    uint32_t id;
    int rc = key_read_u32(at->key, &id);
    if (rc != 0)
        return rc;
    struct publisher_state *publisher = machine_publisher(store, id);
    return publisher == NULL ? ERR_CORRUPT
                             : hot_decode(at->content, &publisher->hot);
}

static int load_each(struct store *store, enum database database,
                     int (*load)(struct store *store, const struct cursor *at),
                     struct error *error)
{
    struct cursor cursor = {0};
    int rc = cursor_open(&store->transaction, database, &cursor, error);
    if (rc == 0)
        rc = cursor_seek(&cursor, slice_of(NULL, 0), error);
    while (rc == 0) {
        rc = load(store, &cursor);
        if (rc != 0)
            rc = record_error(error, rc, database, cursor.key);
        else
            rc = cursor_next(&cursor, error);
    }
    cursor_close(&cursor);
    return rc == ERR_END ? 0 : rc;
}

static int load_global(struct store *store, struct error *error)
{
    struct slice key = slice_text(GLOBAL_KEY);
    struct slice content;
    int rc =
        record_get(&store->transaction, DATABASE_GLOBAL, key, &content, error);
    if (rc == ERR_NOT_FOUND)
        return error_set(error, ERR_CORRUPT, "database global is empty");
    if (rc == 0) {
        rc = global_row_decode(content, &store->global);
        if (rc != 0)
            rc = record_error(error, rc, DATABASE_GLOBAL, key);
    }
    store->global_written = store->global;
    return rc;
}

/* Each publisher starts at some position, so that a start of 0 tells that its
 * `hot` row is missing. */
static int check_hot(const struct store *store, struct error *error)
{
    for (uint32_t id = 0; id < store->publishers.capacity; id++) {
        const struct publisher_state *publisher = machine_publisher(store, id);
        if (publisher != NULL && publisher->hot.start == 0)
            return error_set(error, ERR_CORRUPT,
                             "database hot lacks publisher %u", id);
    }
    return 0;
}

int machine_load(struct store *store, struct error *error)
{
    int rc = load_global(store, error);
    if (rc == 0)
        rc = load_each(store, DATABASE_TOPIC, load_topic, error);
    if (rc == 0)
        rc = load_each(store, DATABASE_PUBLISHER, load_publisher, error);
    if (rc == 0)
        rc = load_each(store, DATABASE_HOT, load_hot, error);
    return rc == 0 ? check_hot(store, error) : rc;
}
