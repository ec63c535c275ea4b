/* One step: a batch of messages is read in a view of the store, which is ended
 * before the index is written, so that a step that waits for the disk or for
 * its turn on a busy machine pins none of the store's pages. Rows are sorted
 * first: puts side by side cost a fraction of puts anywhere. */
#include "storage/index_inside.h"

#include "base/bounds.h"
#include "storage/command.h"
#include "storage/view.h"

#include <stdlib.h>

enum {
    /* Of one step: some milliseconds of work, and a few MiB of memory. */
    STEP_MESSAGES = 8192,
    STEP_BYTES = 4 * 1024 * 1024,
    STEP_ENTRIES = 64 * 1024,
};

struct topic_known {
    uint32_t id;
    struct term_fields fields;
};

struct batch {
    struct view *view;
    struct arena arena;         /* Topics and fields; ended with the step. */
    struct topic_known *topics; /* Ascending by id. */
    uint32_t topic_count;
    struct encoder field_lists; /* Rows to put: topic u32, list. */
    struct term_entry *entries;
    uint32_t count;
    uint32_t messages;
    size_t bytes;
    struct index_state state;
    bool useless; /* What is there must be thrown away. */
};

/* ---- Is it this store's, and does it have the fields ---- */

static int check_state(struct batch *batch, struct transaction *transaction,
                       struct error *error)
{
    struct cluster_identity identity;
    uint64_t applied = view_applied_index(batch->view);
    int rc = query_identity(batch->view, &identity, error);
    if (rc != 0)
        return rc;
    rc = index_state_get(transaction, &batch->state, error);
    batch->useless =
        rc == ERR_CORRUPT ||
        (rc == 0 && (batch->state.applied_index > applied ||
                     memcmp(batch->state.cluster_id, identity.cluster_id,
                            sizeof identity.cluster_id) != 0));
    memcpy(batch->state.cluster_id, identity.cluster_id,
           sizeof identity.cluster_id);
    return rc == ERR_NOT_FOUND || rc == ERR_CORRUPT ? 0 : rc;
}

static bool lists(struct slice list, struct slice pointer)
{
    struct slice text;
    while (text_list_next(&list, &text) == 0)
        if (slice_equal(text, pointer))
            return true;
    return false;
}

/* The topic's row follows its options. A topic without a row is younger than
 * all that is indexed; a field that is new to an older one, with messages,
 * makes all of the index anew. */
static int check_fields(struct batch *batch, struct transaction *transaction,
                        const struct topic *topic,
                        const struct term_fields *fields, struct error *error)
{
    struct key key = key_of_u32(topic->id);
    struct slice wanted = topic->options.indexed_fields;
    struct slice list = {0};
    bool lacks = false;
    int rc =
        record_get(transaction, INDEX_FIELD, key_slice(&key), &list, error);
    if (rc != 0 && rc != ERR_NOT_FOUND)
        return rc;
    if (rc == 0 && slice_equal(list, wanted))
        return 0;
    for (uint32_t i = 0; rc == 0 && i < fields->count; i++)
        lacks |= !lists(list, fields->fields[i].pointer);
    batch->useless |= lacks && topic->messages + topic->scheduled > 0;
    encoder_u32(&batch->field_lists, topic->id);
    encoder_string(&batch->field_lists, wanted);
    return 0;
}

static int know_topics(struct batch *batch, struct transaction *transaction,
                       struct error *error)
{
    uint32_t *ids;
    uint32_t count = 0;
    uint32_t after = 0;
    uint32_t capacity = 0;
    int rc = 0;
    do {
        rc = view_ids(batch->view, DATABASE_TOPIC, after, BOUND_LIST_LIMIT,
                      &batch->arena, &ids, &count, error);
        if (rc == 0 && count > 0) {
            capacity += count;
            batch->topics =
                memory_resize(batch->topics, capacity * sizeof *batch->topics);
        }
        for (uint32_t i = 0; rc == 0 && i < count; i++) {
            struct topic_known *known = &batch->topics[batch->topic_count];
            struct topic topic;
            rc = view_topic(batch->view, ids[i], &batch->arena, &topic, error);
            if (rc != 0)
                break;
            known->id = after = ids[i];
            term_fields_of(topic.options.indexed_fields, &batch->arena,
                           &known->fields);
            batch->topic_count++;
            rc =
                check_fields(batch, transaction, &topic, &known->fields, error);
        }
    } while (rc == 0 && count == BOUND_LIST_LIMIT);
    return rc;
}

static int topic_order(const void *key, const void *element)
{
    uint32_t id = *(const uint32_t *)key;
    uint32_t other = ((const struct topic_known *)element)->id;
    return id < other ? -1 : id > other;
}

/* ---- Reading messages ---- */

static bool batch_full(const struct batch *batch)
{
    return batch->messages >= STEP_MESSAGES || batch->bytes >= STEP_BYTES ||
           batch->count + TERM_ENTRIES_MAX > STEP_ENTRIES;
}

/* Messages of deleted topics lead nowhere. */
static void take_message(struct batch *batch, const struct message *message)
{
    struct arena scratch = {0};
    const struct topic_known *topic =
        batch->topic_count == 0
            ? NULL
            : bsearch(&message->topic_id, batch->topics, batch->topic_count,
                      sizeof *batch->topics, topic_order);
    if (topic != NULL)
        batch->count += term_entries(message, &topic->fields, &scratch,
                                     batch->entries + batch->count);
    arena_close(&scratch);
    batch->messages++;
    batch->bytes += message->payload.length;
    batch->state.upto = message->id;
}

static int take_run(struct batch *batch, const struct cursor *cursor,
                    struct error *error)
{
    struct message_run run;
    int rc = cursor->key.length == 8 ? message_run_decode(cursor->content, &run)
                                     : ERR_CORRUPT;
    uint64_t first = rc == 0 ? get_key_u64(cursor->key.data) : 0;
    for (uint32_t i = 0; rc == 0 && i < run.count && !batch_full(batch); i++) {
        struct slice record = message_run_record(&run, i);
        struct message message;
        if (record.length == 0 || first + i <= batch->state.upto)
            continue;
        rc = message_next(&record, &message);
        if (rc != 0)
            break;
        message.id = first + i;
        take_message(batch, &message);
    }
    return rc == 0 ? 0 : record_error(error, rc, DATABASE_MESSAGE, cursor->key);
}

/* From the run that may hold the next message on. *ret_more: the batch was
 * full before the end. */
static int read_messages(struct batch *batch, bool *ret_more,
                         struct error *error)
{
    struct cursor cursor = {0};
    struct key key = key_of_u64(batch->state.upto + 1);
    *ret_more = false;
    int rc = cursor_open(&batch->view->transaction, DATABASE_MESSAGE, &cursor,
                         error);
    if (rc == 0)
        rc = cursor_seek_back(&cursor, key_slice(&key), error);
    if (rc == ERR_END)
        rc = cursor_seek(&cursor, key_slice(&key), error);
    while (rc == 0 && !batch_full(batch)) {
        rc = take_run(batch, &cursor, error);
        if (rc == 0 && !batch_full(batch))
            rc = cursor_next(&cursor, error);
    }
    *ret_more = rc == 0 && batch_full(batch);
    cursor_close(&cursor);
    return rc == ERR_END ? 0 : rc;
}

/* ---- Writing ---- */

static int entry_order(const void *a, const void *b)
{
    const struct term_entry *left = a;
    const struct term_entry *right = b;
    if (left->topic_id != right->topic_id)
        return left->topic_id < right->topic_id ? -1 : 1;
    if (left->hash != right->hash)
        return left->hash < right->hash ? -1 : 1;
    return left->id < right->id ? -1 : left->id > right->id;
}

/* What one message has twice counts once. */
static uint32_t sort_entries(struct term_entry *entries, uint32_t count)
{
    uint32_t kept = 0;
    qsort(entries, count, sizeof *entries, entry_order);
    for (uint32_t i = 0; i < count; i++)
        if (kept == 0 || entry_order(&entries[kept - 1], &entries[i]) != 0)
            entries[kept++] = entries[i];
    return kept;
}

static int put_entries(struct index *index, struct transaction *transaction,
                       const struct term_entry *entries, uint32_t count,
                       struct error *error)
{
    int rc = 0;
    while (rc == 0 && count > 0) {
        uint32_t fit = term_run_fit(entries, count);
        struct key key = term_key(entries->topic_id, entries->hash);
        key_u64(&key, entries->id);
        term_run_encode(&index->scratch, entries, fit);
        rc = record_insert(transaction, INDEX_TERM, key_slice(&key),
                           encoder_slice(&index->scratch), error);
        entries += fit;
        count -= fit;
    }
    return rc;
}

static int put_fields(struct transaction *transaction, struct slice lists_put,
                      struct error *error)
{
    struct decoder in = decoder_of(lists_put);
    int rc = 0;
    while (rc == 0 && decoder_left(&in) > 0) {
        struct key key = key_of_u32(decoder_u32(&in));
        rc = record_put(transaction, INDEX_FIELD, key_slice(&key),
                        decoder_string(&in), error);
    }
    return rc;
}

static int clear_all(struct transaction *transaction, struct error *error)
{
    int rc = 0;
    for (int i = INDEX_DATABASE_FIRST; rc == 0 && i < INDEX_DATABASE_END; i++)
        rc = record_clear(transaction, (enum database)i, error);
    return rc;
}

static int write_batch(struct index *index, struct batch *batch,
                       struct error *error)
{
    struct transaction transaction;
    int rc = transaction_begin(index->environment, true, &transaction, error);
    if (rc != 0)
        return rc;
    if (batch->useless) {
        rc = clear_all(&transaction, error);
        batch->state.upto = 0;
        batch->count = 0;
    }
    batch->count = sort_entries(batch->entries, batch->count);
    if (rc == 0)
        rc = put_entries(index, &transaction, batch->entries, batch->count,
                         error);
    if (rc == 0)
        rc =
            put_fields(&transaction, encoder_slice(&batch->field_lists), error);
    if (rc == 0)
        rc = index_state_put(index, &transaction, &batch->state, error);
    if (rc == 0)
        rc = transaction_commit(&transaction, error);
    transaction_abort(&transaction);
    return rc;
}

/* ---- The step ---- */

static int look(struct index *index, struct batch *batch, bool *ret_more,
                struct error *error)
{
    struct transaction transaction;
    int rc = transaction_begin(index->environment, false, &transaction, error);
    if (rc != 0)
        return rc;
    rc = check_state(batch, &transaction, error);
    if (rc == 0 && !batch->useless)
        rc = know_topics(batch, &transaction, error);
    transaction_abort(&transaction);
    batch->useless |= atomic_load(&index->damaged);
    *ret_more = batch->useless;
    if (rc == 0 && !batch->useless)
        rc = read_messages(batch, ret_more, error);
    batch->state.applied_index = view_applied_index(batch->view);
    return rc;
}

static void batch_close(struct batch *batch)
{
    view_end(batch->view);
    arena_close(&batch->arena);
    encoder_close(&batch->field_lists);
    free(batch->topics);
    free(batch->entries);
}

int index_step(struct index *index, struct store *store, bool *ret_more,
               struct error *error)
{
    struct batch batch = {.entries =
                              memory_new(STEP_ENTRIES * sizeof *batch.entries)};
    *ret_more = false;
    int rc = view_begin(store, &batch.view, error);
    if (rc == 0)
        rc = look(index, &batch, ret_more, error);
    view_end(batch.view);
    batch.view = NULL;
    if (rc == 0 &&
        (batch.useless || batch.field_lists.length > 0 || batch.messages > 0))
        rc = write_batch(index, &batch, error);
    if (rc == ERR_CORRUPT)
        index_damaged(index);
    if (rc == 0) {
        if (batch.useless)
            atomic_store(&index->damaged, false);
        atomic_store(&index->upto, batch.state.upto);
        atomic_store(&index->trusted, true);
    }
    batch_close(&batch);
    return rc;
}
