/* Messages. A command only gives out ids and positions; the bytes stay where
 * they are, in the entry, and are copied once, at the entry's end, into runs
 * that all its commands share. */
#include "storage/apply.h"
#include "storage/idempotency.h"

/* Arrays that an unusually large entry has blown up are not kept. */
enum { KEPT_CAPACITY = 16 * 1024 };

/* ---- Gathering ---- */

static void gather(struct gathered *gathered, struct topic_state *topic,
                   struct slice record, uint64_t received_ms)
{
    if (gathered->count == gathered->capacity) {
        size_t capacity = gathered->count == 0 ? 256 : 2 * gathered->count;
        gathered->pieces = memory_resize(gathered->pieces,
                                         capacity * sizeof(struct body_piece));
        gathered->topics = memory_resize(
            gathered->topics, capacity * sizeof(struct topic_state *));
        gathered->capacity = capacity;
    }
    gathered->topics[gathered->count] = topic;
    gathered->pieces[gathered->count++] =
        (struct body_piece){.record = record, .received_ms = received_ms};
}

static void gathered_reset(struct gathered *gathered)
{
    gathered->count = 0;
    if (gathered->capacity <= KEPT_CAPACITY)
        return;
    free(gathered->pieces);
    free(gathered->topics);
    *gathered = (struct gathered){0};
}

/* Reads and gathers all messages of the command. *ret_code tells whether it
 * can be carried out. */
static int gather_all(struct store *store, struct slice records, uint32_t count,
                      int *ret_code, struct error *error)
{
    *ret_code = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct message message = {0};
        const uint8_t *begin = records.data;
        int rc = message_next(&records, &message);
        if (rc != 0)
            return apply_malformed(error, rc == ERR_END ? ERR_CORRUPT : rc,
                                   "messages");
        struct topic_state *topic = machine_topic(store, message.topic_id);
        if (topic == NULL)
            *ret_code = ERR_NOT_FOUND;
        /* Scheduling is a promise; it is not given before it can be kept. */
        else if (message.schedule_ms != 0 && *ret_code == 0)
            *ret_code = ERR_NOT_BUILT;
        gather(&store->gathered, topic,
               slice_of(begin, (size_t)(records.data - begin)),
               store->global.clock_ms);
    }
    return records.length == 0
               ? 0
               : apply_malformed(error, ERR_CORRUPT, "messages");
}

/* ---- Ids and positions ---- */

static void fresh_add(struct topic_state *topic, struct log_pair pair)
{
    if (topic->fresh_count == topic->fresh_capacity) {
        topic->fresh_capacity =
            topic->fresh_capacity == 0 ? 64 : 2 * topic->fresh_capacity;
        topic->fresh = memory_resize(topic->fresh, topic->fresh_capacity *
                                                       sizeof *topic->fresh);
    }
    topic->fresh[topic->fresh_count++] = pair;
}

static void fresh_reset(struct topic_state *topic)
{
    topic->fresh_count = 0;
    if (topic->fresh_capacity <= KEPT_CAPACITY)
        return;
    free(topic->fresh);
    topic->fresh = NULL;
    topic->fresh_capacity = 0;
}

/* A message takes its place in the order at once: its position is its id. */
static void allot(struct store *store, struct topic_state *topic)
{
    uint64_t id = store->global.next_message_id++;
    fresh_add(topic, (struct log_pair){.position = id, .id = id});
    topic->row.messages++;
    if (topic->row.first_position == 0)
        topic->row.first_position = id;
    topic->row.last_position = id;
    machine_touch_topic(store, topic);
}

static int take(struct store *store, const struct command *command,
                struct command_result *result, struct error *error)
{
    uint32_t count;
    struct slice records;
    struct gathered *gathered = &store->gathered;
    size_t before = gathered->count;
    int rc = command_messages_decode(command->body, &count, &records);
    if (rc != 0)
        return apply_malformed(error, rc, "messages");
    rc = gather_all(store, records, count, &result->code, error);
    if (rc != 0)
        return rc;
    if (result->code != 0) {
        gathered->count = before;
        return 0;
    }
    result->count = count;
    if (count > 0) {
        result->id = store->global.next_message_id;
        result->position = result->id;
    }
    for (size_t i = before; i < gathered->count; i++)
        allot(store, gathered->topics[i]);
    return 0;
}

/* A replay is known by its key: its messages are not even looked at. */
static int take_once(struct store *store, const struct command *command,
                     struct command_result *result, struct error *error)
{
    struct idempotency request;
    int rc = idempotency_decode(command->idempotency, &request);
    if (rc != 0)
        return apply_malformed(error, rc, "messages");
    rc = idempotency_check(store, &request, result, error);
    if (rc == 0 && result->code == 0)
        rc = take(store, command, result, error);
    if (rc == 0 && result->code == 0)
        rc = idempotency_remember(store, &request, result, error);
    return rc;
}

int apply_messages(struct store *store, const struct command *command,
                   struct command_result *result, struct error *error)
{
    return (command->flags & COMMAND_KEYED) != 0
               ? take_once(store, command, result, error)
               : take(store, command, result, error);
}

/* ---- Writing ---- */

static int log_put(struct store *store, struct topic_state *topic,
                   struct error *error)
{
    const struct log_pair *pairs = topic->fresh;
    uint32_t left = topic->fresh_count;
    while (left > 0) {
        uint32_t fit = log_run_fit(pairs, left);
        struct key key = key_of_position(topic->id, pairs[0].position);
        log_run_encode(machine_scratch(store), pairs, fit);
        int rc =
            record_insert(&store->transaction, DATABASE_LOG, key_slice(&key),
                          encoder_slice(&store->scratch), error);
        if (rc != 0)
            return rc;
        pairs += fit;
        left -= fit;
    }
    fresh_reset(topic);
    return 0;
}

int apply_gathered(struct store *store, struct error *error)
{
    struct gathered *gathered = &store->gathered;
    if (gathered->count == 0)
        return 0;
    uint64_t first_id = store->global.next_message_id - gathered->count;
    int rc = body_put(&store->transaction, first_id, gathered->pieces,
                      gathered->count, error);
    for (size_t i = 0; rc == 0 && i < store->dirty_topics.count; i++)
        rc = log_put(store, store->dirty_topics.objects[i], error);
    gathered_reset(gathered);
    return rc;
}
