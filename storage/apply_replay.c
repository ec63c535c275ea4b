/* Replays: settled deliveries are sent once more, step by step.
 *
 *     START --> RUNNING --steps--> walked --outcomes--> DONE
 *                   \--CANCEL--> CANCELLED
 *
 * A delivery that is replayed gives up its old outcome: it waits like any
 * retry, and is counted as such, until it has a new one. Its attempts stay. */
#include "storage/apply.h"
#include "storage/exception.h"
#include "storage/log_walk.h"
#include "storage/outcome.h"
#include "storage/position.h"

/* ---- Rows ---- */

/* The filter lives in the command's arena. ERR_NOT_FOUND. */
static int job_get(struct store *store, uint32_t id, struct replay *ret_job,
                   struct error *error)
{
    struct key key = key_of_u32(id);
    struct slice content;
    int rc = record_get(&store->transaction, DATABASE_REPLAY, key_slice(&key),
                        &content, error);
    if (rc != 0)
        return rc;
    rc = replay_row_decode(id, arena_copy(&store->arena, content), ret_job);
    return rc == 0 ? 0
                   : record_error(error, rc, DATABASE_REPLAY, key_slice(&key));
}

static int job_put(struct store *store, struct replay *job, struct error *error)
{
    struct key key = key_of_u32(job->id);
    if (job->state == REPLAY_RUNNING && job->cursor > job->upto &&
        job->done == job->matched)
        job->state = REPLAY_DONE;
    if (job->state != REPLAY_RUNNING && job->ended_ms == 0)
        job->ended_ms = store->global.clock_ms;
    replay_row_encode(machine_scratch(store), job);
    return record_put(&store->transaction, DATABASE_REPLAY, key_slice(&key),
                      encoder_slice(&store->scratch), error);
}

int replay_settled(struct store *store, uint32_t replay_id, struct error *error)
{
    struct replay job;
    if (replay_id == 0)
        return 0;
    int rc = job_get(store, replay_id, &job, error);
    if (rc == ERR_NOT_FOUND)
        return error_set(error, ERR_CORRUPT, "database replay lacks job %u",
                         replay_id);
    if (rc != 0)
        return rc;
    job.done++;
    return job_put(store, &job, error);
}

/* ---- Start, cancel ---- */

static bool can_be_wanted(enum delivery_state state)
{
    return state == DELIVERY_DELIVERED || state == DELIVERY_DEAD ||
           state == DELIVERY_AMBIGUOUS || state == DELIVERY_DISCARDED ||
           state == DELIVERY_FILTERED;
}

int apply_replay_start(struct store *store, const struct command *command,
                       struct command_result *result, struct error *error)
{
    struct command_replay_start start;
    int rc = command_replay_start_decode(command->body, &start);
    if (rc != 0)
        return apply_malformed(error, rc, "replay start");
    const struct publisher_state *publisher =
        machine_publisher(store, start.publisher_id);
    if (publisher == NULL) {
        result->code = ERR_NOT_FOUND;
        return 0;
    }
    if ((!start.any_state && !can_be_wanted(start.wanted)) ||
        store->global.next_replay_id > UINT32_MAX) {
        result->code = ERR_INVALID;
        return 0;
    }
    struct replay job = {
        .id = (uint32_t)store->global.next_replay_id++,
        .publisher_id = publisher->id,
        .from = start.from,
        .upto = start.upto,
        .any_state = start.any_state,
        .wanted = start.wanted,
        .filter = start.filter,
        .started_ms = store->global.clock_ms,
        .asked_by = command->author.who,
    };
    /* What is not examined yet comes by itself. */
    if (job.from < publisher->hot.start)
        job.from = publisher->hot.start;
    if (job.upto >= publisher->hot.next)
        job.upto = publisher->hot.next - 1;
    job.cursor = job.from;
    result->id = job.id;
    return job_put(store, &job, error);
}

int apply_replay_cancel(struct store *store, const struct command *command,
                        struct command_result *result, struct error *error)
{
    uint32_t id;
    struct replay job;
    int rc = command_replay_cancel_decode(command->body, &id);
    if (rc != 0)
        return apply_malformed(error, rc, "replay cancel");
    rc = job_get(store, id, &job, error);
    if (rc == ERR_NOT_FOUND) {
        result->code = ERR_NOT_FOUND;
        return 0;
    }
    result->id = id;
    if (rc != 0 || job.state != REPLAY_RUNNING)
        return rc;
    job.state = REPLAY_CANCELLED;
    result->count = 1;
    return job_put(store, &job, error);
}

int replays_cancel(struct store *store, uint32_t publisher_id,
                   struct error *error)
{
    int rc = 0;
    for (uint32_t id = 1; rc == 0 && id < store->global.next_replay_id; id++) {
        struct replay job;
        rc = job_get(store, id, &job, error);
        if (rc != 0 || job.publisher_id != publisher_id ||
            job.state != REPLAY_RUNNING)
            continue;
        job.state = REPLAY_CANCELLED;
        rc = job_put(store, &job, error);
    }
    return rc;
}

/* ---- Steps ---- */

/* The row that the delivery shall have, from what is known of it, and the
 * counter that it leaves; NULL: it is on its way, or not there. */
static int from_exception(struct store *store,
                          struct publisher_state *publisher, uint64_t position,
                          struct exception_row *row, uint64_t **ret_counter,
                          struct error *error)
{
    struct hot *hot = &publisher->hot;
    *ret_counter = row->state == DELIVERY_DELIVERED   ? &hot->delivered
                   : row->state == DELIVERY_DEAD      ? &hot->dead
                   : row->state == DELIVERY_AMBIGUOUS ? &hot->ambiguous
                   : row->state == DELIVERY_DISCARDED ? &hot->discarded
                                                      : NULL;
    if (*ret_counter == NULL)
        return 0;
    for (uint32_t i = 0; i < row->history.count; i++)
        row->history.attempts[i].response =
            arena_copy(&store->arena, row->history.attempts[i].response);
    int rc = exception_unindex(&store->transaction, publisher->id, position,
                               row, error);
    return rc == 0 ? order_free(store, publisher, position, row, error) : rc;
}

static struct exception_row row_of_settled(const struct settled *item)
{
    struct exception_row row = {.attempts = item->attempts,
                                .doubt = item->maybe_duplicate};
    struct attempt attempt = settled_attempt(item);
    history_add(&row.history, &attempt);
    return row;
}

/* No row at all: filtered, if there is such a message and it is not parked. */
static int from_nothing(struct store *store, struct publisher_state *publisher,
                        uint64_t position, uint64_t **ret_counter,
                        struct error *error)
{
    struct log_walk walk = {0};
    struct log_pair pair = {0};
    struct message_place place;
    bool parked = false;
    int rc = log_walk_open(&store->transaction, publisher->topic_id, position,
                           &walk, error);
    if (rc == 0)
        rc = log_walk_next(&walk, &pair, error);
    log_walk_close(&walk);
    if (rc == ERR_END || (rc == 0 && pair.position != position))
        return 0;
    if (rc == 0 && publisher->hot.parked > 0) {
        rc = message_place(&store->transaction, pair.id, &place, error);
        if (rc == 0)
            rc = parked_is(&store->transaction, &publisher->hot, publisher->id,
                           place.key, position, &parked, error);
    }
    if (rc == 0 && !parked)
        *ret_counter = &publisher->hot.filtered;
    return rc;
}

static int leave_outcome(struct store *store, struct publisher_state *publisher,
                         uint64_t position, struct exception_row *ret_row,
                         uint64_t **ret_counter, struct error *error)
{
    struct settled item;
    int rc = exception_get(&store->transaction, publisher->id, position,
                           ret_row, error);
    bool recorded = rc == 0;
    *ret_counter = NULL;
    if (recorded)
        rc = from_exception(store, publisher, position, ret_row, ret_counter,
                            error);
    if ((rc != 0 && rc != ERR_NOT_FOUND) ||
        (recorded && *ret_counter != &publisher->hot.delivered))
        return rc;
    rc = outcome_find(&store->transaction, publisher->id, position, &item,
                      error);
    if (rc == ERR_NOT_FOUND) {
        *ret_row = (struct exception_row){0};
        return from_nothing(store, publisher, position, ret_counter, error);
    }
    if (rc != 0)
        return rc;
    if (!recorded)
        *ret_row = row_of_settled(&item);
    *ret_counter = &publisher->hot.delivered;
    return outcome_remove(&store->transaction, machine_scratch(store),
                          publisher->id, &position, 1, error);
}

static int again(struct store *store, struct publisher_state *publisher,
                 uint64_t position, uint32_t replay_id, bool *ret_matched,
                 struct error *error)
{
    struct hot *hot = &publisher->hot;
    struct exception_row row;
    uint64_t *counter;
    *ret_matched = false;
    if (position < hot->start || position >= hot->next ||
        hot_find(hot, position) != NULL)
        return 0;
    int rc = leave_outcome(store, publisher, position, &row, &counter, error);
    if (rc != 0 || counter == NULL)
        return rc;
    (*counter)--;
    hot->retrying++;
    machine_touch_publisher(store, publisher);
    row.state = DELIVERY_RETRYING;
    row.ordered = false;
    row.key = 0;
    row.budget_from = row.attempts;
    row.holds = 0;
    row.replay_id = replay_id;
    row.since_ms = store->global.clock_ms;
    row.due_ms = store->global.clock_ms;
    *ret_matched = true;
    return exception_put(&store->transaction, machine_scratch(store),
                         publisher->id, position, &row, error);
}

static bool step_well_formed(const struct command_replay_step *step,
                             const struct replay *job)
{
    uint64_t least = step->from;
    if (step->upto < step->from || step->upto > job->upto)
        return false;
    for (uint32_t i = 0; i < step->count; i++) {
        if (step->positions[i] < least || step->positions[i] > step->upto)
            return false;
        least = step->positions[i] + 1;
    }
    return step->count <= DECISION_ROWS_MAX;
}

int apply_replay_step(struct store *store, const struct command *command,
                      struct command_result *result, struct error *error)
{
    struct command_replay_step step;
    struct replay job;
    int rc = command_replay_step_decode(command->body, &store->arena, &step);
    if (rc != 0)
        return apply_malformed(error, rc, "replay step");
    rc = job_get(store, step.replay_id, &job, error);
    if (rc != 0 && rc != ERR_NOT_FOUND)
        return rc;
    if (rc == ERR_NOT_FOUND || job.state != REPLAY_RUNNING ||
        step.from != job.cursor)
        result->code = rc == ERR_NOT_FOUND ? rc : ERR_STALE;
    else if (!step_well_formed(&step, &job))
        result->code = ERR_INVALID;
    if (result->code != 0)
        return 0;
    struct publisher_state *publisher =
        machine_publisher(store, job.publisher_id);
    result->id = job.id;
    if (publisher == NULL)
        job.state = REPLAY_CANCELLED;
    for (uint32_t i = 0; publisher != NULL && i < step.count; i++) {
        bool matched;
        rc =
            again(store, publisher, step.positions[i], job.id, &matched, error);
        if (rc != 0)
            return rc;
        result->count += matched;
    }
    job.matched += result->count;
    job.cursor = step.upto + 1;
    result->position = job.cursor <= job.upto ? job.cursor : 0;
    return job_put(store, &job, error);
}
