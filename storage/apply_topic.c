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
