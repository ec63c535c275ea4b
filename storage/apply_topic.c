/* The cluster's identity, and topics. */
#include "storage/apply.h"

/* The first one counts: a second leader may not have seen the first one's
 * when it proposed its own. */
int apply_init(struct store *store, const struct command *command,
               struct command_result *result, struct error *error)
{
    struct command_init init;
    int rc = command_init_decode(command->body, &init);
    if (rc != 0)
        return apply_malformed(error, rc, "init");
    if (init.id_space == 0) {
        result->code = ERR_INVALID;
        return 0;
    }
    if (store->global.id_space != 0)
        return 0;
    memcpy(store->global.cluster_id, init.cluster_id, sizeof init.cluster_id);
    store->global.id_space = init.id_space;
    return 0;
}

static int name_taken(struct store *store, struct slice name, bool *ret_taken,
                      struct error *error)
{
    struct slice content;
    int rc = record_get(&store->transaction, DATABASE_TOPIC_NAME, name,
                        &content, error);
    *ret_taken = rc == 0;
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static int topic_insert(struct store *store, uint32_t id, struct slice name,
                        const struct topic_row *row, struct error *error)
{
    const struct topic_state *topic = machine_add_topic(store, id, row);
    int rc = machine_put_topic(store, topic, error);
    if (rc != 0)
        return rc;
    id_row_encode(machine_scratch(store), id);
    return record_insert(&store->transaction, DATABASE_TOPIC_NAME, name,
                         encoder_slice(&store->scratch), error);
}

int apply_topic_create(struct store *store, const struct command *command,
                       struct command_result *result, struct error *error)
{
    struct topic_options options;
    bool taken;
    int rc = topic_options_decode(command->body, &options);
    if (rc != 0)
        return apply_malformed(error, rc, "topic create");
    /* The name is a key. */
    if (options.name.length == 0 || options.name.length > BOUND_TOPIC_NAME ||
        store->global.next_topic_id == UINT32_MAX) {
        result->code = ERR_INVALID;
        return 0;
    }
    rc = name_taken(store, options.name, &taken, error);
    if (rc != 0)
        return rc;
    if (taken) {
        result->code = ERR_EXISTS;
        return 0;
    }
    struct topic_row row = {
        .created_ms = store->global.clock_ms,
        .options = command->body,
    };
    uint32_t id = store->global.next_topic_id++;
    result->id = id;
    return topic_insert(store, id, options.name, &row, error);
}

/* ---- Update ---- */

int apply_topic_update(struct store *store, const struct command *command,
                       struct command_result *result, struct error *error)
{
    struct command_topic_update update;
    struct topic_options stored;
    int rc = command_topic_update_decode(command->body, &update);
    if (rc != 0)
        return apply_malformed(error, rc, "topic update");
    struct topic_state *topic = machine_topic(store, update.topic_id);
    if (topic == NULL) {
        result->code = ERR_NOT_FOUND;
        return 0;
    }
    rc = topic_options_decode(topic->row.options, &stored);
    if (rc != 0)
        return error_set(error, rc, "options of topic %u", topic->id);
    result->id = topic->id;
    if (!slice_equal(stored.name, update.options.name)) {
        result->code = ERR_INVALID;
        return 0;
    }
    topic_options_encode(machine_scratch(store), &update.options);
    machine_set_options(topic, encoder_slice(&store->scratch));
    machine_touch_topic(store, topic);
    return 0;
}

/* ---- Delete ---- */

static int publishers_drop(struct store *store, uint32_t topic_id,
                           struct error *error)
{
    int rc = 0;
    for (uint32_t id = 0; rc == 0 && id < store->publishers.capacity; id++) {
        struct publisher_state *publisher = machine_publisher(store, id);
        if (publisher != NULL && publisher->topic_id == topic_id)
            rc = publisher_drop(store, publisher, error);
    }
    return rc;
}

/* What the entry has published so far is written first, so that the purge
 * finds it. */
static int topic_drop(struct store *store, struct topic_state *topic,
                      struct error *error)
{
    struct transaction *transaction = &store->transaction;
    struct topic_options options;
    struct key key = key_of_u32(topic->id);
    int rc = apply_gathered(store, error);
    if (rc == 0)
        rc = publishers_drop(store, topic->id, error);
    if (rc == 0 && topic_options_decode(topic->row.options, &options) != 0)
        rc = error_set(error, ERR_CORRUPT, "options of topic %u", topic->id);
    if (rc == 0)
        rc = record_delete(transaction, DATABASE_TOPIC_NAME, options.name,
                           error);
    if (rc == 0)
        rc = record_delete(transaction, DATABASE_TOPIC, key_slice(&key), error);
    if (rc == 0)
        rc = record_insert(transaction, DATABASE_TOPIC_PURGE, key_slice(&key),
                           slice_of(NULL, 0), error);
    machine_drop_topic(store, topic);
    return rc;
}

int apply_topic_delete(struct store *store, const struct command *command,
                       struct command_result *result, struct error *error)
{
    struct command_topic_delete deletion;
    int rc = command_topic_delete_decode(command->body, &deletion);
    if (rc != 0)
        return apply_malformed(error, rc, "topic delete");
    struct topic_state *topic = machine_topic(store, deletion.topic_id);
    if (topic == NULL) {
        result->code = ERR_NOT_FOUND;
        return 0;
    }
    if (!deletion.force &&
        (topic->row.publishers > 0 || topic->row.scheduled > 0)) {
        result->code = ERR_CONFLICT;
        return 0;
    }
    result->id = topic->id;
    result->count = topic->row.publishers;
    return topic_drop(store, topic, error);
}
