#include "storage/outcome.h"

#include "storage/settlement.h"

#include <stdlib.h>

/* The run that the cursor stands on, when it is one of the publisher's. */
static int run_here(const struct cursor *cursor, uint32_t publisher_id,
                    struct outcome_run *ret_run, struct error *error)
{
    uint32_t owner;
    uint64_t first;
    int rc = key_read_position(cursor->key, &owner, &first);
    if (rc == 0 && owner != publisher_id)
        return ERR_NOT_FOUND;
    if (rc == 0)
        rc = outcome_run_decode(first, cursor->content, ret_run);
    if (rc != 0)
        return record_error(error, rc, DATABASE_OUT, cursor->key);
    return 0;
}

/* The run that begins closest at or before the position. */
static int run_before(struct cursor *cursor, uint32_t publisher_id,
                      uint64_t position, struct outcome_run *ret_run,
                      struct error *error)
{
    struct key key = key_of_position(publisher_id, position);
    int rc = cursor_seek_back(cursor, key_slice(&key), error);
    if (rc == ERR_END)
        return ERR_NOT_FOUND;
    return rc != 0 ? rc : run_here(cursor, publisher_id, ret_run, error);
}

static int run_to_join(struct transaction *transaction, uint32_t publisher_id,
                       uint64_t position, struct outcome_run *ret_run,
                       struct error *error)
{
    struct cursor cursor = {0};
    int rc = cursor_open(transaction, DATABASE_OUT, &cursor, error);
    if (rc != 0)
        return rc;
    rc = run_before(&cursor, publisher_id, position, ret_run, error);
    /* A second outcome would put another one's run away. */
    if (rc == 0 && outcome_run_find(ret_run, position) != NULL)
        rc = error_set(error, ERR_CORRUPT,
                       "position %llu of publisher %u was settled twice",
                       (unsigned long long)position, publisher_id);
    cursor_close(&cursor);
    if (rc == 0 && !outcome_run_takes(ret_run, position))
        rc = ERR_NOT_FOUND;
    if (rc == ERR_NOT_FOUND) {
        ret_run->first_position = position;
        ret_run->count = 0;
        rc = 0;
    }
    return rc;
}

static int run_write(struct transaction *transaction, struct encoder *scratch,
                     uint32_t publisher_id, const struct outcome_run *run,
                     struct error *error)
{
    struct key key = key_of_position(publisher_id, run->first_position);
    if (run->count == 0)
        return record_delete(transaction, DATABASE_OUT, key_slice(&key), error);
    scratch->length = 0;
    outcome_run_encode(scratch, run);
    return record_put(transaction, DATABASE_OUT, key_slice(&key),
                      encoder_slice(scratch), error);
}

static int by_position(const void *a, const void *b)
{
    uint64_t left = ((const struct settled *)a)->position;
    uint64_t right = ((const struct settled *)b)->position;
    return left < right ? -1 : left > right;
}

int outcome_put(struct transaction *transaction, struct encoder *scratch,
                uint32_t publisher_id, struct settled *items, uint32_t count,
                struct error *error)
{
    struct outcome_run run = {0};
    uint32_t i = 0;
    for (uint32_t k = 0; k < count; k++)
        settlements_note(transaction->settlements, publisher_id,
                         items[k].position, items[k].processed_ms);
    qsort(items, count, sizeof *items, by_position);
    while (i < count) {
        int rc = run_to_join(transaction, publisher_id, items[i].position, &run,
                             error);
        if (rc != 0)
            return rc;
        while (i < count && outcome_run_takes(&run, items[i].position))
            outcome_run_add(&run, &items[i++]);
        rc = run_write(transaction, scratch, publisher_id, &run, error);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* The run that holds the position. ERR_NOT_FOUND. */
static int run_of(struct transaction *transaction, uint32_t publisher_id,
                  uint64_t position, struct outcome_run *ret_run,
                  struct error *error)
{
    struct cursor cursor = {0};
    int rc = cursor_open(transaction, DATABASE_OUT, &cursor, error);
    if (rc != 0)
        return rc;
    rc = run_before(&cursor, publisher_id, position, ret_run, error);
    while (rc == 0 && outcome_run_find(ret_run, position) == NULL) {
        if (position - ret_run->first_position >= RUN_OUTCOMES_SPAN)
            rc = ERR_NOT_FOUND;
        else
            rc = cursor_previous(&cursor, error);
        if (rc == 0)
            rc = run_here(&cursor, publisher_id, ret_run, error);
    }
    cursor_close(&cursor);
    return rc == ERR_END ? ERR_NOT_FOUND : rc;
}

int outcome_find(struct transaction *transaction, uint32_t publisher_id,
                 uint64_t position, struct settled *ret_item,
                 struct error *error)
{
    struct outcome_run run = {0};
    int rc = run_of(transaction, publisher_id, position, &run, error);
    if (rc == 0)
        *ret_item = *outcome_run_find(&run, position);
    return rc;
}

/* A run is named by its first outcome, which has left it: the next one lends
 * its name. Else, when that one is settled again and finds the run full, its
 * own would be put in this one's place. */
static int run_rename(struct transaction *transaction, struct encoder *scratch,
                      uint32_t publisher_id, struct outcome_run *run,
                      struct error *error)
{
    struct key key = key_of_position(publisher_id, run->first_position);
    int rc = record_delete(transaction, DATABASE_OUT, key_slice(&key), error);
    if (rc != 0)
        return rc;
    run->first_position = run->items[0].position;
    return run_write(transaction, scratch, publisher_id, run, error);
}

/* A run is written once for all that leave it. */
int outcome_remove(struct transaction *transaction, struct encoder *scratch,
                   uint32_t publisher_id, const uint64_t *positions,
                   uint32_t count, struct error *error)
{
    struct outcome_run run = {0};
    for (uint32_t i = 0; i < count;) {
        int rc = run_of(transaction, publisher_id, positions[i], &run, error);
        if (rc == ERR_NOT_FOUND) {
            i++;
            continue;
        }
        while (i < count && outcome_run_remove(&run, positions[i]))
            i++;
        bool named =
            run.count == 0 || run.items[0].position == run.first_position;
        if (rc == 0 && named)
            rc = run_write(transaction, scratch, publisher_id, &run, error);
        else if (rc == 0)
            rc = run_rename(transaction, scratch, publisher_id, &run, error);
        if (rc != 0)
            return rc;
    }
    return 0;
}
