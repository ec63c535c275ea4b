/* Messages. A command only gives out ids and positions; the bytes stay where
 * they are, in the entry, and are copied once, at the entry's end, into runs
 * that all its commands share. */
#include "storage/apply.h"
#include "storage/idempotency.h"

/* Arrays that an unusually large entry has blown up are not kept. */
enum { KEPT_CAPACITY = 16 * 1024 };

/* ---- Gathering ---- */

static void gather(struct gathered *gathered, const struct message *message,
                   struct slice record, uint64_t received_ms)
{
    if (gathered->count == gathered->capacity) {
        size_t capacity = gathered->count == 0 ? 256 : 2 * gathered->count;
        gathered->pieces = memory_resize(gathered->pieces,
                                         capacity * sizeof(struct body_piece));
        gathered->notes = memory_resize(
            gathered->notes, capacity * sizeof(struct gathered_note));
        gathered->capacity = capacity;
    }
    gathered->notes[gathered->count] =
        (struct gathered_note){.topic_id = message->topic_id,
                               .key = key_hash(message->key),
                               .schedule_ms = message->schedule_ms};
    gathered->pieces[gathered->count++] =
        (struct body_piece){.record = record, .received_ms = received_ms};
}

static void gathered_reset(struct gathered *gathered)
{
    gathered->count = 0;
    if (gathered->capacity <= KEPT_CAPACITY)
        return;
    free(gathered->pieces);
    free(gathered->notes);
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
        if (machine_topic(store, message.topic_id) == NULL)
            *ret_code = ERR_NOT_FOUND;
        gather(&store->gathered, &message,
               slice_of(begin, (size_t)(records.data - begin)),
               store->global.clock_ms);
    }
    return records.length == 0
               ? 0
               : apply_malformed(error, ERR_CORRUPT, "messages");
}

/* Whether no topic of these messages has a limit that they would exceed. A
 * command is of one topic, so that all its bytes count. */
static bool topics_have_room(struct store *store, size_t first, size_t bytes)
{
    const struct gathered *gathered = &store->gathered;
    uint32_t seen = 0;
    for (size_t i = first; i < gathered->count; i++) {
        uint32_t id = gathered->notes[i].topic_id;
        const struct topic_state *topic =
            id == seen ? NULL : machine_topic(store, id);
        if (topic != NULL && topic->bytes_max != 0 &&
            topic->row.bytes + bytes > topic->bytes_max)
            return false;
        seen = id;
    }
    return true;
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

void topic_place(struct store *store, struct topic_state *topic,
                 struct log_pair pair)
{
    fresh_add(topic, pair);
    topic->row.messages++;
    if (topic->row.first_position == 0)
        topic->row.first_position = pair.position;
    topic->row.last_position = pair.position;
    machine_touch_topic(store, topic);
}

/* A message takes its place in the order at once, and its position is its id,
 * unless it is scheduled for later. */
static void allot(struct store *store, struct gathered_note *note,
                  const struct body_piece *piece)
{
    struct topic_state *topic = machine_topic(store, note->topic_id);
    note->id = store->global.next_message_id++;
    topic->row.bytes += piece->record.length;
    if (note->schedule_ms > store->global.clock_ms) {
        topic->row.scheduled++;
        machine_touch_topic(store, topic);
        return;
    }
    note->position = note->id;
    topic_place(store, topic,
                (struct log_pair){.position = note->id, .id = note->id});
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
    size_t bytes = records.length;
    rc = gather_all(store, records, count, &result->code, error);
    if (rc != 0)
        return rc;
    if (result->code == 0 && !topics_have_room(store, before, bytes))
        result->code = ERR_NO_SPACE;
    if (result->code != 0) {
        gathered->count = before;
        return 0;
    }
    result->count = count;
    for (size_t i = before; i < gathered->count; i++)
        allot(store, &gathered->notes[i], &gathered->pieces[i]);
    if (count > 0) {
        result->id = gathered->notes[before].id;
        result->position = gathered->notes[before].position;
    }
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

/* Ids follow each other, except where a release took some in between. */
static int bodies_put(struct store *store, struct error *error)
{
    struct gathered *gathered = &store->gathered;
    size_t begin = 0;
    int rc = 0;
    while (rc == 0 && begin < gathered->count) {
        uint64_t first_id = gathered->notes[begin].id;
        size_t end = begin + 1;
        while (end < gathered->count &&
               gathered->notes[end].id == first_id + (end - begin))
            end++;
        rc = body_put(&store->transaction, first_id, gathered->pieces + begin,
                      end - begin, error);
        begin = end;
    }
    return rc;
}

static int by_key(const void *a, const void *b)
{
    const struct gathered_note *left = a;
    const struct gathered_note *right = b;
    if (left->topic_id != right->topic_id)
        return left->topic_id < right->topic_id ? -1 : 1;
    if (left->key != right->key)
        return left->key < right->key ? -1 : 1;
    return left->id < right->id ? -1 : left->id > right->id;
}

static int index_put(struct store *store, enum database database,
                     struct key key, struct error *error)
{
    return record_insert(&store->transaction, database, key_slice(&key),
                         slice_of(NULL, 0), error);
}

/* Sorted, so that LMDB finds each place near the one before. */
static int indexes_put(struct store *store, struct error *error)
{
    struct gathered *gathered = &store->gathered;
    int rc = 0;
    if (gathered->count > 1)
        qsort(gathered->notes, gathered->count, sizeof *gathered->notes,
              by_key);
    for (size_t i = 0; rc == 0 && i < gathered->count; i++) {
        const struct gathered_note *note = &gathered->notes[i];
        if (note->position != 0 && note->key != 0)
            rc = index_put(
                store, DATABASE_KEY_INDEX,
                key_of_key_index(note->topic_id, note->key, note->position),
                error);
        if (note->position != 0)
            continue;
        rc = index_put(
            store, DATABASE_SCHEDULE,
            key_of_schedule(note->topic_id, note->schedule_ms, note->id),
            error);
        if (rc == 0)
            rc = index_put(store, DATABASE_SCHEDULED_ID,
                           key_of_position(note->topic_id, note->id), error);
    }
    return rc;
}

int apply_gathered(struct store *store, struct error *error)
{
    int rc = bodies_put(store, error);
    for (size_t i = 0; rc == 0 && i < store->dirty_topics.count; i++)
        rc = log_put(store, store->dirty_topics.objects[i], error);
    if (rc == 0)
        rc = indexes_put(store, error);
    gathered_reset(&store->gathered);
    return rc;
}
