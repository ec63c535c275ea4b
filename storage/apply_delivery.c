/* Who may be sent what, and when: grants, intents, withdrawals, takeovers.
 *
 *     not examined --grant--> open --outcome--> out, or exc
 *          |                  |  ^
 *          +--grant--> filtered  |
 *                             |  +--intent--- retrying
 *                             +----withdraw---> retrying, due at once
 */
#include "storage/apply.h"
#include "storage/exception.h"

/* ---- Grant ---- */

static bool grant_well_formed(const struct command_grant *grant)
{
    if (grant->upto < grant->from || grant->open_count > grant->examined)
        return false;
    uint64_t least = grant->from;
    for (uint32_t i = 0; i < grant->open_count; i++) {
        if (grant->open[i] < least || grant->open[i] > grant->upto)
            return false;
        least = grant->open[i] + 1;
    }
    return true;
}

/* The proposer has counted the positions; a count that cannot be would spoil
 * the backlog for good. */
static bool grant_adds_up(const struct command_grant *grant,
                          const struct topic_row *topic, const struct hot *hot)
{
    uint64_t left = hot_entered(hot, topic->messages) - hot->passed;
    if (grant->upto == topic->last_position)
        return grant->examined == left;
    return grant->upto < topic->last_position && grant->examined < left;
}

static int grant_check(const struct store *store,
                       const struct command_grant *grant)
{
    const struct publisher_state *publisher =
        machine_publisher(store, grant->publisher_id);
    if (publisher == NULL)
        return ERR_STALE;
    const struct hot *hot = &publisher->hot;
    const struct topic_state *topic = machine_topic(store, publisher->topic_id);
    if (!grant_well_formed(grant))
        return ERR_INVALID;
    if (grant->from != hot->next)
        return ERR_STALE;
    if (publisher->paused ||
        grant->open_count > BOUND_OPEN_POSITIONS - hot->open_count)
        return ERR_CONFLICT;
    return grant_adds_up(grant, &topic->row, hot) ? 0 : ERR_INVALID;
}

int apply_grant(struct store *store, const struct command *command,
                struct command_result *result, struct error *error)
{
    struct command_grant grant;
    int rc = command_grant_decode(command->body, &store->arena, &grant);
    if (rc != 0)
        return apply_malformed(error, rc, "grant");
    result->code = grant_check(store, &grant);
    if (result->code != 0)
        return 0;
    struct publisher_state *publisher =
        machine_publisher(store, grant.publisher_id);
    struct hot *hot = &publisher->hot;
    for (uint32_t i = 0; i < grant.open_count; i++)
        hot_open(hot, (struct open_position){.position = grant.open[i],
                                             .attempt = 1});
    hot->next = grant.upto + 1;
    hot->passed += grant.examined;
    hot->filtered += grant.examined - grant.open_count;
    machine_touch_publisher(store, publisher);
    result->id = publisher->id;
    result->count = grant.open_count;
    return 0;
}

/* ---- Intent ---- */

/* Positions that do not wait for a retry are left alone. */
static int intend(struct store *store, struct publisher_state *publisher,
                  uint64_t position, uint32_t *count, struct error *error)
{
    struct exception_row row;
    if (hot_find(&publisher->hot, position) != NULL)
        return 0;
    int rc = exception_get(&store->transaction, publisher->id, position, &row,
                           error);
    if (rc == ERR_NOT_FOUND || (rc == 0 && row.state != DELIVERY_RETRYING))
        return 0;
    if (rc == 0)
        rc = exception_open(&store->transaction, publisher->id, position, &row,
                            error);
    if (rc != 0)
        return rc;
    hot_open(&publisher->hot,
             (struct open_position){.position = position,
                                    .attempt = row.attempts + 1,
                                    .doubt = row.doubt});
    publisher->hot.retrying--;
    (*count)++;
    return 0;
}

int apply_intent(struct store *store, const struct command *command,
                 struct command_result *result, struct error *error)
{
    struct command_positions intent;
    int rc = command_positions_decode(command->body, &store->arena, &intent);
    if (rc != 0)
        return apply_malformed(error, rc, "intent");
    struct publisher_state *publisher =
        machine_publisher(store, intent.publisher_id);
    if (publisher == NULL) {
        result->code = ERR_NOT_FOUND;
        return 0;
    }
    if (publisher->paused ||
        intent.count > BOUND_OPEN_POSITIONS - publisher->hot.open_count) {
        result->code = ERR_CONFLICT;
        return 0;
    }
    for (uint32_t i = 0; rc == 0 && i < intent.count; i++)
        rc = intend(store, publisher, intent.positions[i], &result->count,
                    error);
    result->id = publisher->id;
    if (result->count > 0)
        machine_touch_publisher(store, publisher);
    return rc;
}

/* ---- Withdraw, takeover ---- */

/* The open position's row as it was before: attempts are kept there from the
 * second one on. */
static int row_of_open(struct store *store, uint32_t publisher_id,
                       const struct open_position *open,
                       struct exception_row *ret_row, struct error *error)
{
    *ret_row = (struct exception_row){0};
    int rc = ERR_NOT_FOUND;
    if (open->attempt > 1)
        rc = exception_get(&store->transaction, publisher_id, open->position,
                           ret_row, error);
    if (rc != 0 && rc != ERR_NOT_FOUND)
        return rc;
    ret_row->doubt = open->doubt;
    ret_row->since_ms = store->global.clock_ms;
    ret_row->due_ms = 0;
    return 0;
}

static int withdraw(struct store *store, struct publisher_state *publisher,
                    struct open_position *open, struct error *error)
{
    struct exception_row row;
    int rc = row_of_open(store, publisher->id, open, &row, error);
    if (rc != 0)
        return rc;
    row.state = DELIVERY_RETRYING;
    row.attempts = open->attempt - 1;
    row.due_ms = store->global.clock_ms;
    rc = exception_put(&store->transaction, machine_scratch(store),
                       publisher->id, open->position, &row, error);
    hot_shut(&publisher->hot, open);
    publisher->hot.retrying++;
    return rc;
}

int apply_withdraw(struct store *store, const struct command *command,
                   struct command_result *result, struct error *error)
{
    struct command_positions back;
    int rc = command_positions_decode(command->body, &store->arena, &back);
    if (rc != 0)
        return apply_malformed(error, rc, "withdraw");
    struct publisher_state *publisher =
        machine_publisher(store, back.publisher_id);
    if (publisher == NULL) {
        result->code = ERR_NOT_FOUND;
        return 0;
    }
    for (uint32_t i = 0; rc == 0 && i < back.count; i++) {
        struct open_position *open =
            hot_find(&publisher->hot, back.positions[i]);
        if (open == NULL)
            continue;
        rc = withdraw(store, publisher, open, error);
        result->count++;
    }
    result->id = publisher->id;
    if (result->count > 0)
        machine_touch_publisher(store, publisher);
    return rc;
}

static int park_ambiguous(struct store *store,
                          struct publisher_state *publisher,
                          const struct open_position *open, struct error *error)
{
    struct exception_row row;
    int rc = row_of_open(store, publisher->id, open, &row, error);
    if (rc != 0)
        return rc;
    row.state = DELIVERY_AMBIGUOUS;
    row.doubt = true;
    row.attempts = open->attempt;
    return exception_put(&store->transaction, machine_scratch(store),
                         publisher->id, open->position, &row, error);
}

/* What the old leader had open may have been sent or not: once more then and
 * marked, or never again before a person has decided. */
static int take_over(struct store *store, struct publisher_state *publisher,
                     struct error *error)
{
    struct hot *hot = &publisher->hot;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < hot->open_count; i++) {
        if (publisher->guarantee == AT_MOST_ONCE) {
            rc = park_ambiguous(store, publisher, &hot->open[i], error);
        } else {
            hot->open[i].doubt = true;
            hot->open[i].attempt++;
        }
    }
    if (publisher->guarantee == AT_MOST_ONCE) {
        hot->ambiguous += hot->open_count;
        hot->open_count = 0;
    }
    machine_touch_publisher(store, publisher);
    return rc;
}

int apply_takeover(struct store *store, const struct command *command,
                   struct command_result *result, struct error *error)
{
    uint32_t node_id;
    int rc = command_takeover_decode(command->body, &node_id);
    if (rc != 0)
        return apply_malformed(error, rc, "takeover");
    result->id = node_id;
    for (uint32_t id = 0; rc == 0 && id < store->publishers.capacity; id++) {
        struct publisher_state *publisher = machine_publisher(store, id);
        if (publisher == NULL || publisher->hot.open_count == 0)
            continue;
        result->count += publisher->hot.open_count;
        rc = take_over(store, publisher, error);
    }
    return rc;
}
