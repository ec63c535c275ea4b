/* Publishers come, pause and go. */
#include "storage/apply.h"

enum { PAUSE_REASON_MAX = 255 };

/* ---- Create ---- */

/* What the store itself relies on; the door checks the rest. */
static bool options_valid(const struct publisher_options *options)
{
    return options->target.length > 0 &&
           options->target.length <= BOUND_TARGET &&
           options->description.length <= BOUND_DESCRIPTION;
}

static int triple_taken(struct store *store, struct key triple, bool *ret_taken,
                        struct error *error)
{
    struct slice content;
    int rc = record_get(&store->transaction, DATABASE_TRIPLE,
                        key_slice(&triple), &content, error);
    *ret_taken = rc == 0;
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* Behind the last message, or at the oldest one that is still kept. */
static void hot_begin(struct hot *hot, const struct topic_row *topic,
                      bool from_now)
{
    bool empty = topic->first_position == 0;
    if (from_now || empty) {
        hot->start = topic->last_position + 1;
        hot->start_count = topic->messages;
    } else {
        hot->start = topic->first_position;
        hot->start_count = topic->gone;
    }
    hot->next = hot->start;
}

static int publisher_insert(struct store *store,
                            const struct publisher_state *publisher,
                            const struct publisher_row *row, struct key triple,
                            struct error *error)
{
    struct transaction *transaction = &store->transaction;
    struct key key = key_of_u32(publisher->id);
    struct key pair = key_of_pair(publisher->topic_id, publisher->id);
    publisher_row_encode(machine_scratch(store), row);
    int rc = record_insert(transaction, DATABASE_PUBLISHER, key_slice(&key),
                           encoder_slice(&store->scratch), error);
    if (rc == 0)
        rc = record_insert(transaction, DATABASE_TOPIC_PUBLISHER,
                           key_slice(&pair), slice_of(NULL, 0), error);
    if (rc != 0)
        return rc;
    id_row_encode(machine_scratch(store), publisher->id);
    rc = record_insert(transaction, DATABASE_TRIPLE, key_slice(&triple),
                       encoder_slice(&store->scratch), error);
    return rc == 0 ? machine_put_hot(store, publisher, error) : rc;
}

static int create(struct store *store,
                  const struct command_publisher_create *create,
                  struct topic_state *topic, struct key triple,
                  struct slice who, struct command_result *result,
                  struct error *error)
{
    struct publisher_row row = {
        .topic_id = topic->id,
        .created_ms = store->global.clock_ms,
        .updated_ms = store->global.clock_ms,
        .paused = create->paused,
        .pause_reason = slice_text(create->paused ? "created inactive" : ""),
        .paused_ms = create->paused ? store->global.clock_ms : 0,
        .paused_by = create->paused ? who : slice_of(NULL, 0),
        .options = create->options,
    };
    struct publisher_state *publisher =
        machine_add_publisher(store, store->global.next_publisher_id++);
    publisher->topic_id = topic->id;
    publisher->paused = create->paused;
    machine_know_options(publisher, &create->options);
    hot_begin(&publisher->hot, &topic->row, create->from_now);
    topic->row.publishers++;
    machine_touch_topic(store, topic);
    result->id = publisher->id;
    result->position = publisher->hot.start;
    return publisher_insert(store, publisher, &row, triple, error);
}

int apply_publisher_create(struct store *store, const struct command *command,
                           struct command_result *result, struct error *error)
{
    struct command_publisher_create decoded;
    bool taken;
    int rc = command_publisher_create_decode(command->body, &decoded);
    if (rc != 0)
        return apply_malformed(error, rc, "publisher create");
    struct topic_state *topic = machine_topic(store, decoded.topic_id);
    if (topic == NULL) {
        result->code = ERR_NOT_FOUND;
        return 0;
    }
    if (!options_valid(&decoded.options) ||
        store->global.next_publisher_id == UINT32_MAX) {
        result->code = ERR_INVALID;
        return 0;
    }
    struct key triple =
        key_of_triple(topic->id, decoded.options.type, decoded.options.target);
    rc = triple_taken(store, triple, &taken, error);
    if (rc != 0)
        return rc;
    if (taken) {
        result->code = ERR_EXISTS;
        return 0;
    }
    return create(store, &decoded, topic, triple, command->author.who, result,
                  error);
}

/* ---- Pause ---- */

/* The row outlasts the store's next put: its bytes are copied to the arena. */
static int row_get(struct store *store, uint32_t id,
                   struct publisher_row *ret_row, struct error *error)
{
    struct key key = key_of_u32(id);
    struct slice content;
    int rc = record_get(&store->transaction, DATABASE_PUBLISHER,
                        key_slice(&key), &content, error);
    if (rc == ERR_NOT_FOUND)
        return error_set(error, ERR_CORRUPT, "database pub lacks publisher %u",
                         id);
    if (rc != 0)
        return rc;
    rc = publisher_row_decode(arena_copy(&store->arena, content), ret_row);
    return rc == 0
               ? 0
               : record_error(error, rc, DATABASE_PUBLISHER, key_slice(&key));
}

static int row_put(struct store *store, uint32_t id,
                   const struct publisher_row *row, struct error *error)
{
    struct key key = key_of_u32(id);
    publisher_row_encode(machine_scratch(store), row);
    return record_put(&store->transaction, DATABASE_PUBLISHER, key_slice(&key),
                      encoder_slice(&store->scratch), error);
}

/* Since when it pauses stays when only the reason changes. */
static void row_pause(struct publisher_row *row,
                      const struct command_pause *pause, struct slice who,
                      uint64_t now_ms)
{
    if (!pause->paused)
        row->paused_ms = 0;
    else if (!row->paused)
        row->paused_ms = now_ms;
    row->paused = pause->paused;
    row->paused_by = pause->paused ? who : slice_of(NULL, 0);
    row->pause_reason = pause->paused ? pause->reason : slice_of(NULL, 0);
}

int apply_publisher_pause(struct store *store, const struct command *command,
                          struct command_result *result, struct error *error)
{
    struct command_pause pause;
    struct publisher_row row = {0};
    int rc = command_pause_decode(command->body, &pause);
    if (rc != 0)
        return apply_malformed(error, rc, "pause");
    struct publisher_state *publisher =
        machine_publisher(store, pause.publisher_id);
    if (publisher == NULL || pause.reason.length > PAUSE_REASON_MAX) {
        result->code = publisher == NULL ? ERR_NOT_FOUND : ERR_INVALID;
        return 0;
    }
    rc = row_get(store, publisher->id, &row, error);
    if (rc != 0)
        return rc;
    result->id = publisher->id;
    publisher->paused = pause.paused;
    row_pause(&row, &pause, command->author.who, store->global.clock_ms);
    return row_put(store, publisher->id, &row, error);
}

/* ---- Update ---- */

static int triple_move(struct store *store, uint32_t id, struct key from,
                       struct key to, struct error *error)
{
    int rc = record_delete(&store->transaction, DATABASE_TRIPLE,
                           key_slice(&from), error);
    if (rc != 0)
        return rc;
    id_row_encode(machine_scratch(store), id);
    return record_insert(&store->transaction, DATABASE_TRIPLE, key_slice(&to),
                         encoder_slice(&store->scratch), error);
}

/* The old secret signs a while longer, so that receivers can be changed one
 * after the other. */
static void secret_rotate(struct publisher_options *options,
                          const struct publisher_options *stored,
                          uint64_t now_ms)
{
    options->previous_secret = stored->secret;
    options->previous_secret_until_ms =
        stored->secret.length > 0 ? now_ms + SECRET_OVERLAP_MS : 0;
}

/* What is known of an outage is known of the old target. */
static void circuit_forget(struct hot *hot)
{
    struct circuit closed = {.state = CIRCUIT_CLOSED};
    hot_set_circuit(hot, &closed);
    hot->throttled_until_ms = 0;
}

static int update(struct store *store, struct publisher_state *publisher,
                  struct command_publisher_update *update,
                  struct publisher_row *row, struct command_result *result,
                  struct error *error)
{
    bool taken = false;
    struct key from = key_of_triple(publisher->topic_id, row->options.type,
                                    row->options.target);
    struct key to = key_of_triple(publisher->topic_id, update->options.type,
                                  update->options.target);
    bool moves = !slice_equal(update->options.target, row->options.target);
    int rc = moves ? triple_taken(store, to, &taken, error) : 0;
    if (rc == 0 && taken)
        result->code = ERR_EXISTS;
    if (rc != 0 || taken)
        return rc;
    if (update->rotate)
        secret_rotate(&update->options, &row->options, store->global.clock_ms);
    if (moves) {
        circuit_forget(&publisher->hot);
        machine_touch_publisher(store, publisher);
        rc = triple_move(store, publisher->id, from, to, error);
    }
    row->options = update->options;
    row->updated_ms = store->global.clock_ms;
    machine_know_options(publisher, &row->options);
    return rc == 0 ? row_put(store, publisher->id, row, error) : rc;
}

int apply_publisher_update(struct store *store, const struct command *command,
                           struct command_result *result, struct error *error)
{
    struct command_publisher_update decoded;
    struct publisher_row row = {0};
    int rc = command_publisher_update_decode(command->body, &decoded);
    if (rc != 0)
        return apply_malformed(error, rc, "publisher update");
    struct publisher_state *publisher =
        machine_publisher(store, decoded.publisher_id);
    if (publisher == NULL) {
        result->code = ERR_NOT_FOUND;
        return 0;
    }
    rc = row_get(store, publisher->id, &row, error);
    if (rc != 0)
        return rc;
    if (!options_valid(&decoded.options) ||
        decoded.options.type != row.options.type) {
        result->code = ERR_INVALID;
        return 0;
    }
    result->id = publisher->id;
    return update(store, publisher, &decoded, &row, result, error);
}

/* ---- Circuit ---- */

int apply_circuit(struct store *store, const struct command *command,
                  struct command_result *result, struct error *error)
{
    struct command_circuit circuit;
    int rc = command_circuit_decode(command->body, &circuit);
    if (rc != 0)
        return apply_malformed(error, rc, "circuit");
    struct publisher_state *publisher =
        machine_publisher(store, circuit.publisher_id);
    if (publisher == NULL) {
        result->code = ERR_NOT_FOUND;
        return 0;
    }
    uint64_t latest = store->global.clock_ms + THROTTLE_MS_MAX;
    hot_set_circuit(&publisher->hot, &circuit.circuit);
    publisher->hot.throttled_until_ms = circuit.throttled_until_ms < latest
                                            ? circuit.throttled_until_ms
                                            : latest;
    machine_touch_publisher(store, publisher);
    result->id = publisher->id;
    return 0;
}

/* ---- Delete ---- */

/* The publisher is gone at once and its triple is free; its rows by position,
 * of which there may be millions, are left to purge steps. */
static int publisher_remove(struct store *store, uint32_t id, uint32_t topic_id,
                            const struct publisher_options *options,
                            struct error *error)
{
    struct transaction *transaction = &store->transaction;
    struct key key = key_of_u32(id);
    struct key pair = key_of_pair(topic_id, id);
    struct key triple = key_of_triple(topic_id, options->type, options->target);
    int rc =
        record_delete(transaction, DATABASE_PUBLISHER, key_slice(&key), error);
    if (rc == 0)
        rc = record_delete(transaction, DATABASE_HOT, key_slice(&key), error);
    if (rc == 0)
        rc = record_delete(transaction, DATABASE_TOPIC_PUBLISHER,
                           key_slice(&pair), error);
    if (rc == 0)
        rc = record_delete(transaction, DATABASE_TRIPLE, key_slice(&triple),
                           error);
    if (rc == 0)
        rc = record_insert(transaction, DATABASE_PURGE, key_slice(&key),
                           slice_of(NULL, 0), error);
    return rc;
}

int publisher_drop(struct store *store, struct publisher_state *publisher,
                   struct error *error)
{
    struct publisher_row row = {0};
    uint32_t id = publisher->id;
    int rc = row_get(store, id, &row, error);
    if (rc != 0)
        return rc;
    struct topic_state *topic = machine_topic(store, publisher->topic_id);
    topic->row.publishers--;
    machine_touch_topic(store, topic);
    machine_drop_publisher(store, publisher);
    rc = publisher_remove(store, id, topic->id, &row.options, error);
    return rc == 0 ? replays_cancel(store, id, error) : rc;
}

int apply_publisher_delete(struct store *store, const struct command *command,
                           struct command_result *result, struct error *error)
{
    uint32_t id;
    int rc = command_publisher_delete_decode(command->body, &id);
    if (rc != 0)
        return apply_malformed(error, rc, "publisher delete");
    struct publisher_state *publisher = machine_publisher(store, id);
    if (publisher == NULL) {
        result->code = ERR_NOT_FOUND;
        return 0;
    }
    result->id = id;
    return publisher_drop(store, publisher, error);
}
