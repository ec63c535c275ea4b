/* What came of open positions. Successes go to the runs of `out`, all of a
 * command together; everything else, and whatever took more than one attempt,
 * has a row in `exc` with its attempts. */
#include "storage/apply.h"
#include "storage/exception.h"
#include "storage/outcome.h"

/* The attempt as it counts: number and doubt are the store's knowledge. */
static struct attempt attempt_of(const struct outcome *outcome,
                                 const struct open_position *open)
{
    struct attempt attempt = outcome->attempt;
    attempt.number = open->attempt;
    attempt.maybe_duplicate |= open->doubt;
    return attempt;
}

/* What was held, or never sent, has used up no attempt. */
static bool counts(const struct outcome *outcome)
{
    return !outcome->uncounted || outcome->state == DELIVERY_DELIVERED ||
           outcome->state == DELIVERY_AMBIGUOUS;
}

static int exception_record(struct store *store,
                            struct publisher_state *publisher,
                            const struct outcome *outcome,
                            const struct open_position *open,
                            const struct attempt *attempt, struct error *error)
{
    struct exception_row row;
    int rc = row_of_open(store, publisher->id, open, &row, error);
    if (rc != 0)
        return rc;
    history_add(&row.history, attempt);
    row.state = outcome->state;
    row.doubt |= outcome->state == DELIVERY_AMBIGUOUS;
    row.attempts = open->attempt - (counts(outcome) ? 0 : 1);
    row.holds = outcome->held ? row.holds + 1 : 0;
    if (outcome->state == DELIVERY_RETRYING)
        row.due_ms = outcome->next_attempt_ms;
    rc = exception_put(&store->transaction, machine_scratch(store),
                       publisher->id, open->position, &row, error);
    if (rc == 0)
        rc = order_hold(store, publisher, open->position, &row, error);
    if (rc == 0 && outcome->state != DELIVERY_RETRYING)
        rc = replay_settled(store, row.replay_id, error);
    return rc;
}

static struct settled settled_of(const struct attempt *attempt,
                                 uint64_t position, uint64_t now_ms)
{
    return (struct settled){
        .position = position,
        .state = DELIVERY_DELIVERED,
        .attempts = attempt->number,
        .class = attempt->class,
        .status = attempt->status,
        .maybe_duplicate = attempt->maybe_duplicate,
        .started_ms = attempt->started_ms,
        .duration_ms = attempt->duration_ms,
        .processed_ms = now_ms,
    };
}

static void count_outcome(struct hot *hot, enum delivery_state state,
                          const struct attempt *attempt, uint64_t now_ms)
{
    if (state == DELIVERY_DELIVERED) {
        hot->delivered++;
        hot->last_delivered_ms = now_ms;
        return;
    }
    if (state == DELIVERY_RETRYING)
        hot->retrying++;
    else if (state == DELIVERY_DEAD)
        hot->dead++;
    else
        hot->ambiguous++;
    hot_set_error(hot, now_ms, attempt);
}

static int settle(struct store *store, struct publisher_state *publisher,
                  const struct outcome *outcome, struct open_position *open,
                  uint32_t *settled_count, struct error *error)
{
    struct attempt attempt = attempt_of(outcome, open);
    uint64_t now_ms = store->global.clock_ms;
    int rc = 0;
    if (outcome->state == DELIVERY_DELIVERED)
        store->settled[(*settled_count)++] =
            settled_of(&attempt, open->position, now_ms);
    if (outcome->state != DELIVERY_DELIVERED || open->attempt > 1 ||
        open->recorded)
        rc = exception_record(store, publisher, outcome, open, &attempt, error);
    count_outcome(&publisher->hot, outcome->state, &attempt, now_ms);
    hot_shut(&publisher->hot, open);
    return rc;
}

int apply_outcomes(struct store *store, const struct command *command,
                   struct command_result *result, struct error *error)
{
    struct command_outcomes outcomes;
    uint32_t settled_count = 0;
    int rc = command_outcomes_decode(command->body, &store->arena, &outcomes);
    if (rc != 0)
        return apply_malformed(error, rc, "outcomes");
    struct publisher_state *publisher =
        machine_publisher(store, outcomes.publisher_id);
    if (publisher == NULL) {
        result->code = ERR_NOT_FOUND;
        return 0;
    }
    for (uint32_t i = 0; rc == 0 && i < outcomes.count; i++) {
        const struct outcome *outcome = &outcomes.outcomes[i];
        struct open_position *open =
            hot_find(&publisher->hot, outcome->position);
        if (open == NULL)
            continue;
        rc = settle(store, publisher, outcome, open, &settled_count, error);
        result->count++;
    }
    result->id = publisher->id;
    if (result->count > 0)
        machine_touch_publisher(store, publisher);
    if (rc == 0 && settled_count > 0)
        rc = outcome_put(&store->transaction, machine_scratch(store),
                         publisher->id, store->settled, settled_count, error);
    return rc;
}
