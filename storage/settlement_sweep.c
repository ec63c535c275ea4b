/* Runs of `done` go when nothing that they say is true any more.
 *
 * After something was removed, a part of the runs is looked at with the commit,
 * from the oldest on and round again: more entries than rows have gone, so that
 * `done` shrinks no slower than what it leads to. An entry of a
 * message that goes by the rule of its topic is known to be gone without a
 * look at its row. */
#include "storage/apply.h"
#include "storage/exception.h"
#include "storage/outcome.h"

enum { SWEEP_ENTRIES_MIN = 64 };

/* *ret_true: the delivery was last settled at that time. */
static int item_check(struct store *store, const struct settlement *item,
                      bool *ret_true, struct error *error)
{
    const struct publisher_state *publisher =
        machine_publisher(store, item->publisher_id);
    struct exception_row row;
    struct settled settled;
    *ret_true = false;
    if (publisher == NULL)
        return 0;
    const struct topic_state *topic = machine_topic(store, publisher->topic_id);
    if (topic == NULL || topic->row.first_position == 0 ||
        item->position < topic->row.first_position)
        return 0;
    int rc = exception_get(&store->transaction, publisher->id, item->position,
                           &row, error);
    if (rc == 0) {
        *ret_true = row.state != DELIVERY_RETRYING && row.since_ms == item->ms;
        return 0;
    }
    if (rc == ERR_NOT_FOUND)
        rc = outcome_find(&store->transaction, publisher->id, item->position,
                          &settled, error);
    if (rc == 0)
        *ret_true = settled.processed_ms == item->ms;
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* Up to the first entry that is true. */
static int run_check(struct store *store, const struct cursor *cursor,
                     uint64_t *budget, bool *ret_true, struct error *error)
{
    struct settlement_run run;
    int rc = settlement_run_decode(cursor->key, cursor->content, &run);
    if (rc != 0)
        return record_error(error, rc, DATABASE_SETTLED, cursor->key);
    *ret_true = false;
    for (uint32_t i = 0; rc == 0 && !*ret_true && i < run.count; i++) {
        struct settlement item = settlement_run_at(&run, i);
        rc = item_check(store, &item, ret_true, error);
        *budget -= *budget > 0 ? 1 : 0;
    }
    return rc;
}

int settlements_sweep(struct store *store, struct error *error)
{
    struct cursor cursor = {0};
    uint64_t budget = 2 * store->removed + SWEEP_ENTRIES_MIN;
    bool is_true = false;
    if (store->removed == 0)
        return 0;
    store->removed = 0;
    int rc = cursor_open(&store->transaction, DATABASE_SETTLED, &cursor, error);
    if (rc == 0)
        rc = cursor_seek(&cursor, key_slice(&store->sweep_from), error);
    while (rc == 0 && budget > 0) {
        rc = run_check(store, &cursor, &budget, &is_true, error);
        if (rc == 0 && !is_true)
            rc = cursor_delete(&cursor, error);
        if (rc == 0)
            rc = cursor_next(&cursor, error);
    }
    store->sweep_from.length = 0;
    if (rc == 0) {
        memcpy(store->sweep_from.bytes, cursor.key.data, cursor.key.length);
        store->sweep_from.length = cursor.key.length;
    }
    cursor_close(&cursor);
    return rc == ERR_END ? 0 : rc;
}
