/* Terms of messages that have gone. A topic's oldest messages go first, as a
 * rule: below the first position in its log, the first that still waits for
 * its time, and the first of all that were scheduled and are kept, it has none
 * left. A run that ends there leads nowhere. */
#include "storage/index_inside.h"

#include "storage/view.h"

enum { SWEEP_RUNS = 2048 };

/* Below this id the topic has no message; UINT64_MAX: there is no topic. */
struct floor {
    uint32_t topic_id;
    uint64_t id;
};

static int first_number(struct view *view, enum database database,
                        struct key prefix, uint64_t *least, struct error *error)
{
    struct cursor cursor = {0};
    int rc = cursor_open(&view->transaction, database, &cursor, error);
    if (rc == 0)
        rc = cursor_seek(&cursor, key_slice(&prefix), error);
    if (rc == 0 && cursor_within(&cursor, key_slice(&prefix)) &&
        cursor.key.length == prefix.length + 8) {
        uint64_t number = get_key_u64(cursor.key.data + prefix.length);
        *least = number < *least ? number : *least;
    }
    cursor_close(&cursor);
    return rc == ERR_END ? 0 : rc;
}

static int floor_find(struct view *view, uint32_t topic_id,
                      struct floor *ret_floor, struct error *error)
{
    static const struct key no_prefix = {.length = 0};
    struct arena scratch = {0};
    struct topic topic;
    struct floor floor = {.topic_id = topic_id, .id = UINT64_MAX};
    int rc = view_topic(view, topic_id, &scratch, &topic, error);
    arena_close(&scratch);
    if (rc == 0)
        rc = first_number(view, DATABASE_LOG, key_of_u32(topic_id), &floor.id,
                          error);
    if (rc == 0)
        rc = first_number(view, DATABASE_SCHEDULED_ID, key_of_u32(topic_id),
                          &floor.id, error);
    if (rc == 0)
        rc = first_number(view, DATABASE_RELEASED, no_prefix, &floor.id, error);
    if (rc == 0 || rc == ERR_NOT_FOUND)
        *ret_floor = floor;
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* *ret_stale: nothing in it is there any more. */
static int check(struct view *view, const struct cursor *cursor,
                 struct floor *floor, bool *ret_stale, struct error *error)
{
    struct term_run run;
    int rc = cursor->key.length == 20
                 ? term_run_decode(get_key_u64(cursor->key.data + 12),
                                   cursor->content, &run)
                 : ERR_CORRUPT;
    if (rc != 0)
        return record_error(error, rc, INDEX_TERM, cursor->key);
    uint32_t topic_id = get_key_u32(cursor->key.data);
    if (topic_id != floor->topic_id)
        rc = floor_find(view, topic_id, floor, error);
    *ret_stale = rc == 0 && term_run_id(&run, run.count - 1) < floor->id;
    return rc;
}

static int sweep(struct index *index, struct view *view,
                 struct transaction *transaction, struct error *error)
{
    struct cursor cursor = {0};
    struct floor floor = {0};
    bool stale = false;
    int rc = cursor_open(transaction, INDEX_TERM, &cursor, error);
    if (rc == 0)
        rc = cursor_seek(&cursor, key_slice(&index->sweep_from), error);
    for (uint32_t i = 0; rc == 0 && i < SWEEP_RUNS; i++) {
        rc = check(view, &cursor, &floor, &stale, error);
        if (rc == 0 && stale)
            rc = cursor_delete(&cursor, error);
        if (rc == 0)
            rc = cursor_next(&cursor, error);
    }
    index->sweep_from.length = 0;
    if (rc == 0) {
        memcpy(index->sweep_from.bytes, cursor.key.data, cursor.key.length);
        index->sweep_from.length = cursor.key.length;
    }
    cursor_close(&cursor);
    return rc == ERR_END ? 0 : rc;
}

int index_sweep(struct index *index, struct store *store, struct error *error)
{
    struct transaction transaction = {0};
    struct index_state state;
    struct view *view = NULL;
    if (!atomic_load(&index->trusted))
        return 0;
    int rc = transaction_begin(index->environment, true, &transaction, error);
    if (rc == 0)
        rc = view_begin(store, &view, error);
    if (rc == 0)
        rc = index_state_get(&transaction, &state, error);
    /* A view that is older than what is indexed knows too few messages. */
    if (rc == 0 && state.applied_index <= view_applied_index(view))
        rc = sweep(index, view, &transaction, error);
    view_end(view);
    if (rc == 0)
        rc = transaction_commit(&transaction, error);
    transaction_abort(&transaction);
    if (rc == ERR_CORRUPT)
        index_damaged(index);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}
