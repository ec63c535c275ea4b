/* The naive model's deliveries: grants, orders, outcomes, takeovers. */
#include "naive.h"

#include "base/bounds.h"

/* ---- Delivery ---- */

bool naive_wants(const struct naive *naive, uint32_t publisher_id,
                 uint64_t position)
{
    const struct naive_publisher *publisher = &naive->publishers[publisher_id];
    return position >= 1 && position <= naive->sequence &&
           naive->at[position] != 0 &&
           naive->messages[naive->at[position]].topic_id ==
               publisher->topic_id &&
           position >= publisher->start &&
           publisher->cells[position].status != NAIVE_ABSENT;
}

uint32_t naive_count(const struct naive *naive, uint32_t publisher_id,
                     enum naive_status status)
{
    uint32_t count = 0;
    for (uint64_t p = 1; p <= naive->sequence; p++)
        count += naive_wants(naive, publisher_id, p) &&
                 naive->publishers[publisher_id].cells[p].status == status;
    return count;
}

/* ---- Orders ---- */

uint32_t naive_ordered(const struct naive *naive, uint32_t publisher_id,
                       enum naive_status status)
{
    uint32_t count = 0;
    for (uint64_t p = 1; p <= naive->sequence; p++)
        count += naive_wants(naive, publisher_id, p) &&
                 naive->publishers[publisher_id].cells[p].status == status &&
                 naive->publishers[publisher_id].cells[p].ordered;
    return count;
}

static bool strict_held(const struct naive *naive, uint32_t id)
{
    return naive_ordered(naive, id, NAIVE_WAITING) > 0 ||
           (naive->publishers[id].on_poison == POISON_BLOCK &&
            naive_ordered(naive, id, NAIVE_AMBIGUOUS) > 0);
}

struct blocked_key naive_blocked(const struct naive *naive,
                                 uint32_t publisher_id, uint64_t key)
{
    struct blocked_key row = {.key = key};
    for (uint64_t p = 1; p <= naive->sequence; p++) {
        const struct naive_cell *cell =
            &naive->publishers[publisher_id].cells[p];
        if (!naive_wants(naive, publisher_id, p))
            continue;
        bool parked = cell->status == NAIVE_PARKED &&
                      naive->messages[naive->at[p]].key == key;
        bool holds = cell->ordered && cell->key == key && key != 0;
        if (parked && row.parked++ == 0)
            row.first_parked = p;
        if (holds && (cell->status == NAIVE_WAITING ||
                      cell->status == NAIVE_AMBIGUOUS)) {
            row.waits += cell->status == NAIVE_WAITING;
            row.stuck += cell->status == NAIVE_AMBIGUOUS;
            if (row.head == 0)
                row.head = p;
        }
    }
    return row;
}

static bool key_waits(const struct naive *naive, uint32_t id,
                      const struct blocked_key *row)
{
    bool block = naive->publishers[id].on_poison == POISON_BLOCK ||
                 naive->twist == TWIST_POISON_IGNORED;
    return row->waits > 0 || (row->stuck > 0 && block);
}

bool naive_held(const struct naive *naive, uint32_t publisher_id, uint64_t key)
{
    struct blocked_key row = naive_blocked(naive, publisher_id, key);
    return key != 0 && (key_waits(naive, publisher_id, &row) || row.parked > 0);
}

static bool listed(const uint64_t *list, uint32_t count, uint64_t position)
{
    for (uint32_t i = 0; i < count; i++)
        if (list[i] == position)
            return true;
    return false;
}

static bool list_well_formed(const uint64_t *list, uint32_t count,
                             uint64_t from, uint64_t upto)
{
    for (uint32_t i = 0; i < count; i++)
        if (list[i] < from || list[i] > upto ||
            (i > 0 && list[i] <= list[i - 1]))
            return false;
    return true;
}

static bool grant_well_formed(const struct command_grant *grant)
{
    return grant->upto >= grant->from &&
           grant->open_count + grant->parked_count + grant->discarded_count <=
               grant->examined &&
           list_well_formed(grant->open, grant->open_count, grant->from,
                            grant->upto);
}

static int grant_code_order(struct naive *naive,
                            const struct command_grant *grant)
{
    uint32_t id = grant->publisher_id;
    struct naive_publisher *publisher = naive_find(naive, id);
    bool keyed = publisher->ordering == ORDERING_KEY;
    if (!keyed && naive_count(naive, id, NAIVE_PARKED) > 0 &&
        naive->twist != TWIST_PARKED_OVERTAKEN)
        return ERR_CONFLICT;
    if (publisher->ordering == ORDERING_STRICT && grant->open_count > 0 &&
        strict_held(naive, id) && naive->twist != TWIST_STRICT_IGNORED)
        return ERR_CONFLICT;
    return 0;
}

/* What is discarded there must be what the grant says. */
static bool discarded_agree(struct naive *naive,
                            const struct command_grant *grant)
{
    if (naive->twist == TWIST_DISCARD_UNSEEN_BY_GRANT)
        return true;
    for (uint64_t p = grant->from; p <= grant->upto; p++)
        if ((naive_cell_in(naive, grant->publisher_id, p, NAIVE_DISCARDED) !=
             NULL) != listed(grant->discarded, grant->discarded_count, p))
            return false;
    return true;
}

/* ERR_INVALID for what no honest leader would propose. */
static int grant_code(struct naive *naive, const struct command_grant *grant)
{
    uint32_t id = grant->publisher_id;
    struct naive_publisher *publisher = naive_find(naive, id);
    uint32_t there = 0;
    if (publisher == NULL)
        return ERR_STALE;
    if (!grant_well_formed(grant) ||
        (grant->parked_count > 0 && publisher->ordering != ORDERING_KEY))
        return ERR_INVALID;
    if (grant->from != publisher->next &&
        naive->twist != TWIST_STALE_GRANT_TAKEN)
        return ERR_STALE;
    if (publisher->paused ||
        naive_count(naive, id, NAIVE_OPEN) + grant->open_count >
            BOUND_OPEN_POSITIONS)
        return ERR_CONFLICT;
    int code = grant_code_order(naive, grant);
    if (code != 0)
        return code;
    for (uint64_t p = grant->from; p <= grant->upto; p++)
        there += naive_wants(naive, id, p);
    if (grant->upto > naive_last_position(naive, publisher->topic_id) ||
        there != grant->examined)
        return ERR_INVALID;
    for (uint32_t i = 0; i < grant->open_count; i++)
        if (publisher->ordering == ORDERING_KEY && grant->open_keys != NULL &&
            naive->twist != TWIST_HELD_KEY_OPENED &&
            naive_held(naive, id, grant->open_keys[i]))
            return ERR_CONFLICT;
    return discarded_agree(naive, grant) ? 0 : ERR_STALE;
}

static void cell_open(const struct naive_publisher *publisher,
                      uint64_t position, uint64_t key)
{
    struct naive_cell *cell = &publisher->cells[position];
    cell->status = NAIVE_OPEN;
    cell->attempts = 1;
    cell->ordered = publisher->ordering == ORDERING_STRICT ||
                    (publisher->ordering == ORDERING_KEY && key != 0);
    cell->key = cell->ordered ? key : 0;
}

struct command_result naive_grant(struct naive *naive,
                                  const struct command_grant *grant)
{
    struct command_result result =
        naive_answer(naive, grant_code(naive, grant));
    if (result.code != 0)
        return result;
    uint32_t id = grant->publisher_id;
    struct naive_publisher *publisher = naive_find(naive, id);
    for (uint64_t p = grant->from; p <= grant->upto; p++)
        if (naive_wants(naive, id, p) &&
            !listed(grant->discarded, grant->discarded_count, p))
            publisher->cells[p].status = NAIVE_FILTERED;
    for (uint32_t i = 0; i < grant->open_count; i++)
        cell_open(publisher, grant->open[i],
                  grant->open_keys == NULL ? 0 : grant->open_keys[i]);
    for (uint32_t i = 0; i < grant->parked_count; i++)
        publisher->cells[grant->parked[i]].status = NAIVE_PARKED;
    publisher->next = grant->upto + 1;
    result.id = id;
    result.count = grant->open_count;
    return result;
}

/* The parked positions of the key, or of all (0), from `from` on. */
static uint64_t next_parked(const struct naive *naive, uint32_t id,
                            uint64_t key, uint64_t from)
{
    for (uint64_t p = from; p <= naive->sequence; p++)
        if (naive_wants(naive, id, p) &&
            naive->publishers[id].cells[p].status == NAIVE_PARKED &&
            (key == 0 || naive->messages[naive->at[p]].key == key))
            return p;
    return 0;
}

static int unpark_code(struct naive *naive, const struct command_unpark *unpark)
{
    uint32_t id = unpark->publisher_id;
    struct naive_publisher *publisher = naive_find(naive, id);
    if (publisher == NULL)
        return ERR_STALE;
    struct blocked_key row = naive_blocked(naive, id, unpark->key);
    if (row.parked == 0 || unpark->from != row.first_parked)
        return ERR_STALE;
    if (unpark->upto < unpark->from || unpark->upto >= publisher->next ||
        unpark->examined == 0 || unpark->examined > row.parked ||
        unpark->open_count > unpark->examined)
        return ERR_INVALID;
    if (publisher->paused ||
        naive_count(naive, id, NAIVE_OPEN) + unpark->open_count >
            BOUND_OPEN_POSITIONS)
        return ERR_CONFLICT;
    if (publisher->ordering == ORDERING_KEY && key_waits(naive, id, &row))
        return ERR_CONFLICT;
    if (publisher->ordering == ORDERING_STRICT &&
        (strict_held(naive, id) ||
         next_parked(naive, id, 0, 1) != unpark->from ||
         unpark->examined > 1) &&
        naive->twist != TWIST_UNPARK_OUT_OF_ORDER)
        return ERR_CONFLICT;
    uint64_t last = 0;
    uint64_t p = unpark->from;
    uint32_t opened = 0;
    for (uint32_t i = 0; i < unpark->examined; i++, p = last + 1) {
        last = next_parked(naive, id, unpark->key, p);
        if (last == 0)
            return ERR_STALE;
        opened += listed(unpark->open, unpark->open_count, last);
    }
    return last == unpark->upto && opened == unpark->open_count ? 0 : ERR_STALE;
}

struct command_result naive_unpark(struct naive *naive,
                                   const struct command_unpark *unpark)
{
    struct command_result result =
        naive_answer(naive, unpark_code(naive, unpark));
    if (result.code != 0)
        return result;
    uint32_t id = unpark->publisher_id;
    struct naive_publisher *publisher = naive_find(naive, id);
    for (uint64_t p = unpark->from;
         (p = next_parked(naive, id, unpark->key, p)) != 0 && p <= unpark->upto;
         p++)
        publisher->cells[p].status = NAIVE_FILTERED;
    for (uint32_t i = 0; i < unpark->open_count; i++)
        cell_open(publisher, unpark->open[i], unpark->key);
    result.id = id;
    result.count = unpark->open_count;
    return result;
}

/* ---- Outcomes ---- */

struct naive_cell *naive_cell_in(struct naive *naive, uint32_t publisher_id,
                                 uint64_t position, enum naive_status status)
{
    if (!naive_wants(naive, publisher_id, position))
        return NULL;
    struct naive_cell *cell = &naive->publishers[publisher_id].cells[position];
    return cell->status == status ? cell : NULL;
}

static void try_add(struct naive_cell *cell, const struct attempt *attempt)
{
    if (cell->tries == NULL)
        cell->tries = memory_new(NAIVE_TRIES * sizeof *cell->tries);
    assert_true(cell->try_count < NAIVE_TRIES);
    cell->tries[cell->try_count++] = (struct naive_try){
        .number = cell->attempts,
        .class = attempt->class,
        .status = attempt->status,
        .maybe_duplicate = attempt->maybe_duplicate || cell->doubt,
        .response_length = (uint32_t)attempt->response.length,
    };
}

static enum naive_status status_of(enum delivery_state state)
{
    switch (state) {
    case DELIVERY_DELIVERED:
        return NAIVE_DELIVERED;
    case DELIVERY_RETRYING:
        return NAIVE_WAITING;
    case DELIVERY_DEAD:
        return NAIVE_DEAD;
    default:
        return NAIVE_AMBIGUOUS;
    }
}

struct command_result naive_outcomes(struct naive *naive,
                                     const struct command_outcomes *outcomes)
{
    struct naive_publisher *publisher =
        naive_find(naive, outcomes->publisher_id);
    struct command_result result = naive_answer(naive, 0);
    if (publisher == NULL)
        return naive_answer(naive, ERR_NOT_FOUND);
    result.id = outcomes->publisher_id;
    for (uint32_t i = 0; i < outcomes->count; i++) {
        const struct outcome *outcome = &outcomes->outcomes[i];
        struct naive_cell *cell = naive_cell_in(naive, outcomes->publisher_id,
                                                outcome->position, NAIVE_OPEN);
        if (cell == NULL)
            continue;
        result.count++;
        try_add(cell, &outcome->attempt);
        if (outcome->uncounted &&
            (outcome->state == DELIVERY_RETRYING ||
             outcome->state == DELIVERY_DEAD) &&
            naive->twist != TWIST_UNCOUNTED_COUNTS)
            cell->attempts--;
        cell->holds = outcome->held ? cell->holds + 1 : 0;
        if (!outcome->held && naive->twist == TWIST_HOLDS_NEVER_END)
            cell->holds = 7;
        cell->status = status_of(outcome->state);
        if (cell->status != NAIVE_WAITING)
            naive_settled(naive, cell->replay_id);
        cell->since_ms = naive->clock_ms;
        cell->due_ms = outcome->next_attempt_ms;
        if (cell->status == NAIVE_AMBIGUOUS)
            cell->doubt = true;
        if (cell->status == NAIVE_DELIVERED)
            publisher->last_delivered_ms = naive->clock_ms;
        else
            publisher->last_error_ms = naive->clock_ms;
    }
    return result;
}

struct command_result naive_intent(struct naive *naive,
                                   const struct command_positions *positions)
{
    uint32_t id = positions->publisher_id;
    struct naive_publisher *publisher = naive_find(naive, id);
    struct command_result result = naive_answer(naive, 0);
    if (publisher == NULL)
        return naive_answer(naive, ERR_NOT_FOUND);
    if (publisher->paused ||
        naive_count(naive, id, NAIVE_OPEN) + positions->count >
            BOUND_OPEN_POSITIONS)
        return naive_answer(naive, ERR_CONFLICT);
    result.id = id;
    for (uint32_t i = 0; i < positions->count; i++) {
        struct naive_cell *cell =
            naive_cell_in(naive, id, positions->positions[i], NAIVE_WAITING);
        if (cell == NULL)
            continue;
        cell->status = NAIVE_OPEN;
        cell->attempts++;
        result.count++;
    }
    return result;
}

struct command_result naive_withdraw(struct naive *naive,
                                     const struct command_positions *positions)
{
    uint32_t id = positions->publisher_id;
    struct command_result result = naive_answer(naive, 0);
    if (naive_find(naive, id) == NULL)
        return naive_answer(naive, ERR_NOT_FOUND);
    result.id = id;
    for (uint32_t i = 0; i < positions->count; i++) {
        struct naive_cell *cell =
            naive_cell_in(naive, id, positions->positions[i], NAIVE_OPEN);
        if (cell == NULL)
            continue;
        cell->status = NAIVE_WAITING;
        if (naive->twist != TWIST_WITHDRAW_COUNTS)
            cell->attempts--;
        cell->due_ms = naive->clock_ms;
        cell->since_ms = naive->clock_ms;
        result.count++;
    }
    return result;
}

struct command_result naive_takeover(struct naive *naive, uint32_t node_id)
{
    struct command_result result = naive_answer(naive, 0);
    result.id = node_id;
    for (uint32_t id = 1; id <= naive->publisher_count; id++) {
        struct naive_publisher *publisher = naive_find(naive, id);
        for (uint64_t p = 1; publisher != NULL && p <= naive->sequence; p++) {
            struct naive_cell *cell = naive_cell_in(naive, id, p, NAIVE_OPEN);
            if (cell == NULL)
                continue;
            result.count++;
            cell->doubt = naive->twist != TWIST_TAKEOVER_WITHOUT_DOUBT;
            if (publisher->guarantee == AT_LEAST_ONCE) {
                cell->attempts++;
            } else {
                cell->status = NAIVE_AMBIGUOUS;
                cell->since_ms = naive->clock_ms;
                naive_settled(naive, cell->replay_id);
            }
        }
    }
    return result;
}
