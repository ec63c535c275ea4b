#include "catalog.h"

#include "base/bounds.h"
#include "base/memory.h"
#include "base/table.h"

#include <assert.h>
#include <search.h>
#include <stdlib.h>

struct topic_entry {
    struct topic topic; /* First: names are found through it. */
    struct arena texts;
};

struct publisher_entry {
    struct catalog_publisher publisher;
    struct arena texts;
    struct arena pause; /* By whom and why; changes more often. */
};

struct catalog {
    struct table topics;
    struct table publishers;
    void *names; /* A search tree of topic entries by name. */
    struct cluster_identity identity;
    uint64_t applied_index;
};

static int compare_names(const void *left, const void *right)
{
    struct slice a = ((const struct topic *)left)->options.name;
    struct slice b = ((const struct topic *)right)->options.name;
    if (a.length != b.length)
        return a.length < b.length ? -1 : 1;
    return a.length == 0 ? 0 : memcmp(a.data, b.data, a.length);
}

struct catalog *catalog_new(void)
{
    return memory_new_zeroed(1, sizeof(struct catalog));
}

static void topic_entry_free(struct topic_entry *entry)
{
    arena_close(&entry->texts);
    free(entry);
}

static void publisher_entry_free(struct publisher_entry *entry)
{
    arena_close(&entry->texts);
    arena_close(&entry->pause);
    free(entry);
}

void catalog_free(struct catalog *catalog)
{
    if (catalog == NULL)
        return;
    struct topic_entry *topic;
    for (uint32_t id = 0;
         (topic = table_next(&catalog->topics, &id)) != NULL;) {
        tdelete(topic, &catalog->names, compare_names);
        topic_entry_free(topic);
    }
    struct publisher_entry *publisher;
    for (uint32_t id = 0;
         (publisher = table_next(&catalog->publishers, &id)) != NULL;)
        publisher_entry_free(publisher);
    table_close(&catalog->topics);
    table_close(&catalog->publishers);
    free(catalog);
}

/* The new texts are there before the old ones go: they may be the same. */
static void keep_topic_options(struct topic_entry *entry,
                               const struct topic_options *options)
{
    struct arena texts = {0};
    struct topic_options kept = *options;
    kept.name = arena_copy(&texts, options->name);
    kept.origin_host = arena_copy(&texts, options->origin_host);
    kept.indexed_fields = arena_copy(&texts, options->indexed_fields);
    arena_close(&entry->texts);
    entry->texts = texts;
    entry->topic.options = kept;
}

static void add_topic(struct catalog *catalog, const struct topic *topic)
{
    struct topic_entry *entry = memory_new_zeroed(1, sizeof *entry);
    entry->topic = *topic;
    entry->topic.publishers = 0; /* Counted as they are added. */
    keep_topic_options(entry, &topic->options);
    table_set(&catalog->topics, topic->id, entry);
    void *found = tsearch(entry, &catalog->names, compare_names);
    assert(found != NULL && *(void **)found == entry);
    (void)found;
}

static void set_pause(struct publisher_entry *entry, bool paused,
                      struct slice reason, struct slice who, uint64_t since_ms)
{
    struct publisher *publisher = &entry->publisher.publisher;
    arena_close(&entry->pause);
    publisher->paused = paused;
    publisher->paused_ms = paused ? since_ms : 0;
    publisher->pause_reason = arena_copy(&entry->pause, reason);
    publisher->paused_by =
        paused ? arena_copy(&entry->pause, who) : slice_of(NULL, 0);
}

static void keep_options(struct publisher_entry *entry,
                         const struct publisher_options *options)
{
    struct arena texts = {0};
    struct publisher_options kept = *options;
    publisher_options_copy(&kept, &texts);
    arena_close(&entry->texts);
    entry->texts = texts;
    entry->publisher.publisher.options = kept;
}

static void add_publisher(struct catalog *catalog,
                          const struct publisher *publisher, uint64_t start)
{
    struct topic_entry *topic =
        table_get(&catalog->topics, publisher->topic_id);
    assert(topic != NULL);
    struct publisher_entry *entry = memory_new_zeroed(1, sizeof *entry);
    struct publisher *kept = &entry->publisher.publisher;
    *kept = *publisher;
    kept->topic = topic->topic.options.name;
    keep_options(entry, &publisher->options);
    entry->publisher.start = start;
    set_pause(entry, publisher->paused, publisher->pause_reason,
              publisher->paused_by, publisher->paused_ms);
    table_set(&catalog->publishers, publisher->id, entry);
    topic->topic.publishers++;
}

static int load_topics(struct catalog *catalog, struct view *view,
                       struct error *error)
{
    struct arena arena = {0};
    uint32_t after = 0;
    uint32_t count = 0;
    int rc;
    do {
        struct topic *topics;
        rc = query_topics(view, after, BOUND_LIST_LIMIT, &arena, &topics,
                          &count, error);
        for (uint32_t i = 0; rc == 0 && i < count; i++) {
            add_topic(catalog, &topics[i]);
            after = topics[i].id;
        }
        arena_close(&arena);
    } while (rc == 0 && count == BOUND_LIST_LIMIT);
    return rc;
}

static int load_publishers(struct catalog *catalog, struct view *view,
                           struct error *error)
{
    struct arena arena = {0};
    uint32_t after = 0;
    uint32_t count = 0;
    int rc;
    do {
        struct publisher_view *views;
        rc = query_publishers(view, 0, after, BOUND_LIST_LIMIT, &arena, &views,
                              &count, error);
        for (uint32_t i = 0; rc == 0 && i < count; i++) {
            add_publisher(catalog, &views[i].publisher, 0);
            after = views[i].publisher.id;
        }
        arena_close(&arena);
    } while (rc == 0 && count == BOUND_LIST_LIMIT);
    return rc;
}

int catalog_load(struct catalog *catalog, struct view *view,
                 struct error *error)
{
    catalog->applied_index = view_applied_index(view);
    int rc = query_identity(view, &catalog->identity, error);
    if (rc == 0)
        rc = load_topics(catalog, view, error);
    if (rc == 0)
        rc = load_publishers(catalog, view, error);
    return rc;
}

/* ---- Applied commands ---- */

static void apply_topic(struct catalog *catalog, const struct command *command,
                        const struct command_result *result)
{
    struct topic topic = {.id = (uint32_t)result->id,
                          .created_ms = result->time_ms};
    if (topic_options_decode(command->body, &topic.options) == 0)
        add_topic(catalog, &topic);
}

static void apply_publisher(struct catalog *catalog,
                            const struct command *command,
                            const struct command_result *result)
{
    struct command_publisher_create create;
    if (command_publisher_create_decode(command->body, &create) != 0)
        return;
    struct publisher publisher = {
        .id = (uint32_t)result->id,
        .topic_id = create.topic_id,
        .options = create.options,
        .created_ms = result->time_ms,
        .updated_ms = result->time_ms,
        .paused = create.paused,
        .paused_by = command->author.who,
        .paused_ms = result->time_ms,
        .pause_reason = slice_text(create.paused ? "created inactive" : NULL),
    };
    add_publisher(catalog, &publisher, result->position);
}

static void drop_publisher(struct catalog *catalog, uint32_t id)
{
    struct publisher_entry *entry = table_get(&catalog->publishers, id);
    if (entry == NULL)
        return;
    struct topic_entry *topic =
        table_get(&catalog->topics, entry->publisher.publisher.topic_id);
    topic->topic.publishers--;
    table_set(&catalog->publishers, id, NULL);
    publisher_entry_free(entry);
}

static void apply_delete(struct catalog *catalog, const struct command *command)
{
    uint32_t id;
    if (command_publisher_delete_decode(command->body, &id) == 0)
        drop_publisher(catalog, id);
}

/* As apply does it: a rotation moves the stored secret aside. */
static void apply_update(struct catalog *catalog, const struct command *command,
                         const struct command_result *result)
{
    struct command_publisher_update update;
    if (command_publisher_update_decode(command->body, &update) != 0)
        return;
    struct publisher_entry *entry =
        table_get(&catalog->publishers, update.publisher_id);
    if (entry == NULL)
        return;
    if (update.rotate) {
        struct slice old = entry->publisher.publisher.options.secret;
        update.options.previous_secret = old;
        update.options.previous_secret_until_ms =
            old.length > 0 ? result->time_ms + SECRET_OVERLAP_MS : 0;
    }
    keep_options(entry, &update.options);
    entry->publisher.publisher.updated_ms = result->time_ms;
}

static void apply_topic_update(struct catalog *catalog,
                               const struct command *command)
{
    struct command_topic_update update;
    if (command_topic_update_decode(command->body, &update) != 0)
        return;
    struct topic_entry *entry = table_get(&catalog->topics, update.topic_id);
    if (entry == NULL)
        return;
    /* Names are found, and publishers point to it, by the name's bytes. */
    tdelete(entry, &catalog->names, compare_names);
    keep_topic_options(entry, &update.options);
    tsearch(entry, &catalog->names, compare_names);
    struct publisher_entry *publisher;
    for (uint32_t id = 0;
         (publisher = table_next(&catalog->publishers, &id)) != NULL;) {
        if (publisher->publisher.publisher.topic_id == update.topic_id)
            publisher->publisher.publisher.topic = entry->topic.options.name;
    }
}

static void apply_topic_delete(struct catalog *catalog,
                               const struct command *command)
{
    struct command_topic_delete deletion;
    if (command_topic_delete_decode(command->body, &deletion) != 0)
        return;
    struct topic_entry *entry = table_get(&catalog->topics, deletion.topic_id);
    if (entry == NULL)
        return;
    struct publisher_entry *publisher;
    for (uint32_t id = 0;
         (publisher = table_next(&catalog->publishers, &id)) != NULL;) {
        if (publisher->publisher.publisher.topic_id == deletion.topic_id)
            drop_publisher(catalog, id);
    }
    tdelete(entry, &catalog->names, compare_names);
    table_set(&catalog->topics, deletion.topic_id, NULL);
    topic_entry_free(entry);
}

static void apply_release(struct catalog *catalog,
                          const struct command_result *result)
{
    struct topic_entry *entry =
        table_get(&catalog->topics, (uint32_t)result->id);
    if (entry == NULL || result->count == 0)
        return;
    entry->topic.messages += result->count;
    entry->topic.scheduled -= result->count;
    entry->topic.last_position = result->position + result->count - 1;
}

static void apply_pause(struct catalog *catalog, const struct command *command,
                        const struct command_result *result)
{
    struct command_pause pause;
    if (command_pause_decode(command->body, &pause) != 0)
        return;
    struct publisher_entry *entry =
        table_get(&catalog->publishers, pause.publisher_id);
    if (entry == NULL)
        return;
    const struct publisher *publisher = &entry->publisher.publisher;
    set_pause(entry, pause.paused, pause.reason, command->author.who,
              publisher->paused ? publisher->paused_ms : result->time_ms);
}

/* All messages of one command are of one topic. A message's position is its
 * id, unless it is scheduled for later. */
static void apply_messages(struct catalog *catalog,
                           const struct command *command,
                           const struct command_result *result)
{
    uint32_t count;
    struct slice records;
    struct message message;
    if (command_messages_decode(command->body, &count, &records) != 0)
        return;
    for (uint32_t i = 0; i < count && message_next(&records, &message) == 0;
         i++) {
        struct topic_entry *entry =
            table_get(&catalog->topics, message.topic_id);
        if (entry == NULL)
            return;
        if (message.schedule_ms > result->time_ms) {
            entry->topic.scheduled++;
            continue;
        }
        entry->topic.messages++;
        entry->topic.last_position = result->id + i;
    }
}

void catalog_apply(struct catalog *catalog, const struct command *command,
                   const struct command_result *result)
{
    if (result->code != 0)
        return;
    switch (command->type) {
    case COMMAND_INIT: {
        struct command_init init;
        if (catalog->identity.id_space != 0 ||
            command_init_decode(command->body, &init) != 0)
            break;
        memcpy(catalog->identity.cluster_id, init.cluster_id,
               sizeof init.cluster_id);
        catalog->identity.id_space = init.id_space;
        break;
    }
    case COMMAND_TOPIC_CREATE:
        apply_topic(catalog, command, result);
        break;
    case COMMAND_PUBLISHER_CREATE:
        apply_publisher(catalog, command, result);
        break;
    case COMMAND_PUBLISHER_DELETE:
        apply_delete(catalog, command);
        break;
    case COMMAND_PUBLISHER_PAUSE:
        apply_pause(catalog, command, result);
        break;
    case COMMAND_PUBLISHER_UPDATE:
        apply_update(catalog, command, result);
        break;
    case COMMAND_TOPIC_UPDATE:
        apply_topic_update(catalog, command);
        break;
    case COMMAND_TOPIC_DELETE:
        apply_topic_delete(catalog, command);
        break;
    case COMMAND_MESSAGES:
        apply_messages(catalog, command, result);
        break;
    case COMMAND_RELEASE:
        apply_release(catalog, result);
        break;
    default:
        break;
    }
}

/* ---- Looking up ---- */

uint64_t catalog_applied_index(const struct catalog *catalog)
{
    return catalog->applied_index;
}

void catalog_set_applied_index(struct catalog *catalog, uint64_t index)
{
    catalog->applied_index = index;
}

const struct topic *catalog_topic_named(const struct catalog *catalog,
                                        struct slice name)
{
    struct topic key = {.options.name = name};
    void *found = tfind(&key, &catalog->names, compare_names);
    return found == NULL ? NULL : *(const struct topic *const *)found;
}

const struct topic *catalog_topic(const struct catalog *catalog, uint32_t id)
{
    return table_get(&catalog->topics, id);
}

const struct catalog_publisher *catalog_publisher(const struct catalog *catalog,
                                                  uint32_t id)
{
    return table_get(&catalog->publishers, id);
}

const struct topic *catalog_next_topic(const struct catalog *catalog,
                                       uint32_t *id)
{
    return table_next(&catalog->topics, id);
}

const struct catalog_publisher *
catalog_next_publisher(const struct catalog *catalog, uint32_t *id)
{
    return table_next(&catalog->publishers, id);
}

uint32_t catalog_topics(const struct catalog *catalog)
{
    return catalog->topics.count;
}

uint32_t catalog_publishers(const struct catalog *catalog)
{
    return catalog->publishers.count;
}

const struct cluster_identity *catalog_identity(const struct catalog *catalog)
{
    return &catalog->identity;
}
