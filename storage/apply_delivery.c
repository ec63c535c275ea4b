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

static bool ascending_within(const uint64_t *positions, uint32_t count,
                             uint64_t from, uint64_t upto)
{
    for (uint32_t i = 0; i < count; i++) {
        if (positions[i] < from || positions[i] > upto)
            return false;
        from = positions[i] + 1;
    }
    return true;
}

/* No position is both opened and parked, and no key is opened behind a
 * position of it that is parked. */
static bool parked_well_formed(const struct command_grant *grant)
{
    for (uint32_t i = 0; i < grant->parked_count; i++) {
        if (grant->parked_keys[i] == 0)
            return false;
        for (uint32_t k = 0; k < grant->open_count; k++)
            if (grant->open[k] == grant->parked[i] ||
                (grant->open[k] > grant->parked[i] &&
                 grant->open_keys != NULL &&
                 grant->open_keys[k] == grant->parked_keys[i]))
                return false;
    }
    return true;
}

static bool has(const uint64_t *positions, uint32_t count, uint64_t position)
{
    for (uint32_t i = 0; i < count && positions[i] <= position; i++)
        if (positions[i] == position)
            return true;
    return false;
}

static bool discarded_well_formed(const struct command_grant *grant)
{
    for (uint32_t i = 0; i < grant->discarded_count; i++)
        if (has(grant->open, grant->open_count, grant->discarded[i]) ||
            has(grant->parked, grant->parked_count, grant->discarded[i]))
            return false;
    return ascending_within(grant->discarded, grant->discarded_count,
                            grant->from, grant->upto);
}

static bool grant_well_formed(const struct command_grant *grant)
{
    return grant->upto >= grant->from &&
           (uint64_t)grant->open_count + grant->parked_count +
                   grant->discarded_count <=
               grant->examined &&
           ascending_within(grant->open, grant->open_count, grant->from,
                            grant->upto) &&
           ascending_within(grant->parked, grant->parked_count, grant->from,
                            grant->upto) &&
           parked_well_formed(grant) && discarded_well_formed(grant);
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
    if (!grant_well_formed(grant) ||
        (grant->parked_count > 0 && publisher->ordering != ORDERING_KEY))
        return ERR_INVALID;
    if (grant->from != hot->next)
        return ERR_STALE;
    if (publisher->paused ||
        grant->open_count > BOUND_OPEN_POSITIONS - hot->open_count)
        return ERR_CONFLICT;
    if (publisher->ordering != ORDERING_KEY && hot->parked > 0)
        return ERR_CONFLICT;
    if (publisher->ordering == ORDERING_STRICT && grant->open_count > 0 &&
        order_holds_strict(publisher))
        return ERR_CONFLICT;
    return grant_adds_up(grant, &topic->row, hot) ? 0 : ERR_INVALID;
}

/* None of the keys to be opened is held. */
static int grant_check_keys(struct store *store,
                            const struct publisher_state *publisher,
                            const struct command_grant *grant, int *ret_code,
                            struct error *error)
{
    const struct hot *hot = &publisher->hot;
    if (publisher->ordering != ORDERING_KEY || grant->open_keys == NULL ||
        hot->ordered_waits + hot->ordered_stuck + hot->parked == 0)
        return 0;
    for (uint32_t i = 0; i < grant->open_count; i++) {
        struct blocked_row row;
        if (grant->open_keys[i] == 0)
            continue;
        int rc = blocked_get(&store->transaction, publisher->id,
                             grant->open_keys[i], &row, error);
        if (rc != 0 && rc != ERR_NOT_FOUND)
            return rc;
        if (blocked_holds(&row, publisher->on_poison)) {
            *ret_code = ERR_CONFLICT;
            return 0;
        }
    }
    return 0;
}

/* What was discarded before its turn has the only rows at or behind `next`:
 * they must be those that the proposer has seen. */
static int grant_check_discarded(struct store *store,
                                 const struct publisher_state *publisher,
                                 const struct command_grant *grant,
                                 int *ret_code, struct error *error)
{
    struct cursor cursor = {0};
    struct key from = key_of_position(publisher->id, grant->from);
    struct key prefix = key_of_u32(publisher->id);
    uint32_t count = 0;
    int rc = 0;
    if (publisher->hot.ahead > 0)
        rc = cursor_open(&store->transaction, DATABASE_EXCEPTION, &cursor,
                         error);
    if (rc == 0 && publisher->hot.ahead > 0)
        rc = cursor_seek(&cursor, key_slice(&from), error);
    while (rc == 0 && publisher->hot.ahead > 0 &&
           cursor_within(&cursor, key_slice(&prefix))) {
        uint32_t owner;
        uint64_t position;
        rc = key_read_position(cursor.key, &owner, &position);
        if (rc != 0)
            rc = record_error(error, rc, DATABASE_EXCEPTION, cursor.key);
        if (rc != 0 || position > grant->upto)
            break;
        if (count == grant->discarded_count ||
            grant->discarded[count] != position) {
            *ret_code = ERR_STALE;
            break;
        }
        count++;
        rc = cursor_next(&cursor, error);
    }
    cursor_close(&cursor);
    if (count != grant->discarded_count)
        *ret_code = ERR_STALE;
    return rc == ERR_END ? 0 : rc;
}

static int grant_carry_out(struct store *store,
                           struct publisher_state *publisher,
                           const struct command_grant *grant,
                           struct error *error)
{
    struct hot *hot = &publisher->hot;
    int rc = 0;
    for (uint32_t i = 0; i < grant->open_count; i++) {
        uint64_t key = grant->open_keys == NULL ? 0 : grant->open_keys[i];
        bool ordered = publisher->ordering == ORDERING_STRICT ||
                       (publisher->ordering == ORDERING_KEY && key != 0);
        hot_open(hot, (struct open_position){.position = grant->open[i],
                                             .attempt = 1,
                                             .ordered = ordered,
                                             .key = ordered ? key : 0});
    }
    for (uint32_t i = 0; rc == 0 && i < grant->parked_count; i++)
        rc = order_park(store, publisher, grant->parked_keys[i],
                        grant->parked[i], error);
    hot->next = grant->upto + 1;
    hot->passed += grant->examined;
    hot->ahead -= grant->discarded_count;
    hot->filtered += grant->examined - grant->open_count - grant->parked_count -
                     grant->discarded_count;
    machine_touch_publisher(store, publisher);
    return rc;
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
    rc = grant_check_keys(store, publisher, &grant, &result->code, error);
    if (rc == 0 && result->code == 0)
        rc = grant_check_discarded(store, publisher, &grant, &result->code,
                                   error);
    if (rc != 0 || result->code != 0)
        return rc;
    result->id = publisher->id;
    result->count = grant.open_count;
    rc = grant_carry_out(store, publisher, &grant, error);
    /* Whatever lies below `next` can be found in LMDB, at any time. */
    if (rc == 0 && store->gathered.count > 0 &&
        grant.upto >= store->gathered.notes[0].id)
        rc = apply_gathered(store, error);
    return rc;
}

/* ---- Intent ---- */

/* Positions that do not wait for a retry are left alone. */
static int intend(struct store *store, struct publisher_state *publisher,
                  uint64_t position, uint32_t *count, struct error *error)
{
    struct exception_row row;
    bool kept = false;
    if (hot_find(&publisher->hot, position) != NULL)
        return 0;
    int rc = exception_get(&store->transaction, publisher->id, position, &row,
                           error);
    if (rc == ERR_NOT_FOUND || (rc == 0 && row.state != DELIVERY_RETRYING))
        return 0;
    if (rc == 0)
        rc = exception_open(&store->transaction, publisher->id, position, &row,
                            &kept, error);
    if (rc == 0)
        rc = order_free(store, publisher, position, &row, error);
    if (rc != 0)
        return rc;
    hot_open(&publisher->hot,
             (struct open_position){.position = position,
                                    .attempt = row.attempts + 1,
                                    .doubt = row.doubt,
                                    .ordered = row.ordered,
                                    .recorded = kept,
                                    .key = row.key});
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

int row_of_open(struct store *store, uint32_t publisher_id,
                const struct open_position *open, struct exception_row *ret_row,
                struct error *error)
{
    *ret_row = (struct exception_row){0};
    int rc = 0;
    if (open->recorded)
        rc = exception_get(&store->transaction, publisher_id, open->position,
                           ret_row, error);
    if (rc == ERR_NOT_FOUND)
        return error_set(error, ERR_CORRUPT,
                         "database exc lacks position %llu of publisher %u",
                         (unsigned long long)open->position, publisher_id);
    ret_row->doubt = open->doubt;
    ret_row->ordered = open->ordered;
    ret_row->key = open->key;
    ret_row->since_ms = store->global.clock_ms;
    ret_row->due_ms = 0;
    return rc;
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
    if (rc == 0)
        rc = order_hold(store, publisher, open->position, &row, error);
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
    rc = exception_put(&store->transaction, machine_scratch(store),
                       publisher->id, open->position, &row, error);
    if (rc == 0)
        rc = order_hold(store, publisher, open->position, &row, error);
    return rc == 0 ? replay_settled(store, row.replay_id, error) : rc;
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
