/* Runs lie on no grid: each probe takes the run that begins at or before the
 * middle, and goes on beside it. */
#include "storage/search_time.h"

#include "storage/command.h"

/* Of the run that the cursor stands on: its first id, how many places, and
 * which of them holds the first message at or after `ms` (count: none). */
struct probe {
    uint64_t first_id;
    uint32_t count;
    uint32_t found;
    uint64_t last_ms; /* Of the last message before that; 0: none. */
};

static int probe_run(const struct cursor *cursor, uint64_t below, uint64_t ms,
                     struct probe *ret_probe, struct error *error)
{
    struct message_run run;
    struct probe probe = {.found = UINT32_MAX};
    int rc = cursor->key.length == 8 ? message_run_decode(cursor->content, &run)
                                     : ERR_CORRUPT;
    if (rc != 0)
        return record_error(error, rc, DATABASE_MESSAGE, cursor->key);
    probe.first_id = get_key_u64(cursor->key.data);
    probe.count = run.count;
    for (uint32_t i = 0; i < run.count && probe.found == UINT32_MAX; i++) {
        struct slice record = message_run_record(&run, i);
        struct message message;
        if (record.length == 0 || probe.first_id + i >= below)
            continue; /* Removed, or not asked for. */
        if (message_next(&record, &message) != 0)
            return record_error(error, ERR_CORRUPT, DATABASE_MESSAGE,
                                cursor->key);
        if (message.received_ms >= ms)
            probe.found = i;
        else
            probe.last_ms = message.received_ms;
    }
    if (probe.found == UINT32_MAX)
        probe.found = run.count;
    *ret_probe = probe;
    return 0;
}

static int probe_at(struct cursor *cursor, uint64_t id, uint64_t below,
                    uint64_t ms, struct probe *ret_probe, struct error *error)
{
    struct key key = key_of_u64(id);
    int rc = cursor_seek_back(cursor, key_slice(&key), error);
    return rc == 0 ? probe_run(cursor, below, ms, ret_probe, error) : rc;
}

/* Runs that begin in [low, high) are left to look at; *best is the first
 * message at or after `ms` behind them. */
static int narrow(struct cursor *cursor, uint64_t ms, uint64_t *low,
                  uint64_t *high, uint64_t *best, struct error *error)
{
    struct probe probe;
    uint64_t middle = *low + (*high - *low) / 2;
    int rc = probe_at(cursor, middle, UINT64_MAX, ms, &probe, error);
    if (rc == ERR_END) { /* Nothing begins so early. */
        *low = middle + 1;
        return 0;
    }
    if (rc != 0)
        return rc;
    uint64_t end = probe.first_id + probe.count;
    if (probe.found == probe.count) {
        *low = end > middle ? end : middle + 1;
        return 0;
    }
    *best = probe.first_id + probe.found;
    *high = probe.last_ms != 0 ? *low : probe.first_id;
    return 0;
}

int search_id_from(struct view *view, uint64_t ms, uint64_t *ret_id,
                   struct error *error)
{
    struct cursor cursor = {0};
    uint64_t best = UINT64_MAX;
    uint64_t low = 1;
    uint64_t high = UINT64_MAX;
    int rc = cursor_open(&view->transaction, DATABASE_MESSAGE, &cursor, error);
    if (rc == 0)
        rc = cursor_seek_back(
            &cursor, key_slice(&(struct key){.bytes = {0xff}, .length = 1}),
            error);
    if (rc == 0 && cursor.key.length == 8)
        high = get_key_u64(cursor.key.data) + 1;
    while (rc == 0 && low < high)
        rc = narrow(&cursor, ms, &low, &high, &best, error);
    cursor_close(&cursor);
    *ret_id = best;
    return rc == ERR_END ? 0 : rc;
}

int search_time_at(struct view *view, uint64_t id, uint64_t *ret_ms,
                   struct error *error)
{
    struct cursor cursor = {0};
    struct probe probe = {0};
    *ret_ms = 0;
    if (id <= 1)
        return 0;
    int rc = cursor_open(&view->transaction, DATABASE_MESSAGE, &cursor, error);
    if (rc == 0)
        rc = probe_at(&cursor, id - 1, id, UINT64_MAX, &probe, error);
    cursor_close(&cursor);
    *ret_ms = probe.last_ms;
    return rc == ERR_END ? 0 : rc;
}
