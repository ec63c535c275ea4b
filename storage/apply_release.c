/* Scheduled messages take their places when they are due. */
#include "storage/apply.h"

struct due {
    uint64_t due_ms;
    uint64_t id;
};

/* Reads what is due first, then changes: the rows that lead to it go. */
static int due_collect(struct store *store, uint32_t topic_id, uint64_t upto_ms,
                       struct due *list, uint32_t count_max,
                       uint32_t *ret_count, struct error *error)
{
    struct cursor cursor = {0};
    struct key prefix = key_of_u32(topic_id);
    uint32_t count = 0;
    int rc =
        cursor_open(&store->transaction, DATABASE_SCHEDULE, &cursor, error);
    if (rc == 0)
        rc = cursor_seek(&cursor, key_slice(&prefix), error);
    while (rc == 0 && count < count_max &&
           cursor_within(&cursor, key_slice(&prefix))) {
        struct due *due = &list[count];
        rc = key_read_due(cursor.key, &due->due_ms, &due->id);
        if (rc != 0)
            rc = record_error(error, rc, DATABASE_SCHEDULE, cursor.key);
        if (rc != 0 || due->due_ms > upto_ms)
            break;
        count++;
        rc = cursor_next(&cursor, error);
    }
    cursor_close(&cursor);
    *ret_count = count;
    return rc == ERR_END ? 0 : rc;
}

static int key_of_message(struct store *store, uint64_t id, uint64_t *ret_key,
                          struct error *error)
{
    struct body_reader reader = {0};
    struct message message;
    int rc = body_reader_open(&store->transaction, &reader, error);
    if (rc == 0)
        rc = body_get(&reader, id, &message, NULL, error);
    if (rc == 0)
        *ret_key = key_hash(message.key);
    else if (rc == ERR_NOT_FOUND)
        rc = error_set(error, ERR_CORRUPT, "database msg lacks message %llu",
                       (unsigned long long)id);
    body_reader_close(&reader);
    return rc;
}

static int release_one(struct store *store, struct topic_state *topic,
                       const struct due *due, struct error *error)
{
    struct transaction *transaction = &store->transaction;
    struct key schedule = key_of_schedule(topic->id, due->due_ms, due->id);
    struct key id = key_of_u64(due->id);
    uint64_t hash = 0;
    uint64_t position = store->global.next_message_id++;
    int rc = key_of_message(store, due->id, &hash, error);
    if (rc == 0)
        rc = record_delete(transaction, DATABASE_SCHEDULE, key_slice(&schedule),
                           error);
    schedule = key_of_position(topic->id, due->id);
    if (rc == 0)
        rc = record_delete(transaction, DATABASE_SCHEDULED_ID,
                           key_slice(&schedule), error);
    if (rc != 0)
        return rc;
    number_row_encode(machine_scratch(store), position);
    rc = record_insert(transaction, DATABASE_RELEASED, key_slice(&id),
                       encoder_slice(&store->scratch), error);
    struct key index = key_of_key_index(topic->id, hash, position);
    if (rc == 0 && hash != 0)
        rc = record_insert(transaction, DATABASE_KEY_INDEX, key_slice(&index),
                           slice_of(NULL, 0), error);
    topic_place(store, topic,
                (struct log_pair){.position = position, .id = due->id});
    topic->row.scheduled--;
    return rc;
}

int apply_release(struct store *store, const struct command *command,
                  struct command_result *result, struct error *error)
{
    struct command_release release;
    struct due list[RELEASE_MAX];
    uint32_t count = 0;
    int rc = command_release_decode(command->body, &release);
    if (rc != 0)
        return apply_malformed(error, rc, "release");
    struct topic_state *topic = machine_topic(store, release.topic_id);
    if (topic == NULL) {
        result->code = ERR_NOT_FOUND;
        return 0;
    }
    if (release.upto_ms > store->global.clock_ms)
        release.upto_ms = store->global.clock_ms;
    if (release.count_max > RELEASE_MAX)
        release.count_max = RELEASE_MAX;
    /* What this entry has scheduled may be due by now. */
    rc = apply_gathered(store, error);
    if (rc == 0)
        rc = due_collect(store, topic->id, release.upto_ms, list,
                         release.count_max, &count, error);
    result->id = topic->id;
    result->count = count;
    result->position = count > 0 ? store->global.next_message_id : 0;
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        rc = release_one(store, topic, &list[i], error);
    return rc;
}
