#include "naive.h"

#include "base/bounds.h"

#include <stdio.h>
#include <stdlib.h>

struct naive *naive_new(enum naive_twist twist)
{
    struct naive *naive = memory_new_zeroed(1, sizeof *naive);
    naive->twist = twist;
    return naive;
}

static void cells_free(struct naive_publisher *publisher)
{
    for (uint32_t i = 0; publisher->cells != NULL && i <= NAIVE_MESSAGES; i++)
        free(publisher->cells[i].tries);
    free(publisher->cells);
    publisher->cells = NULL;
}

void naive_free(struct naive *naive)
{
    for (uint32_t id = 1; id <= naive->publisher_count; id++)
        cells_free(&naive->publishers[id]);
    free(naive);
}

void naive_tick(struct naive *naive, uint64_t time_ms)
{
    if (time_ms > naive->clock_ms)
        naive->clock_ms = time_ms;
}

static struct command_result answer(const struct naive *naive, int code)
{
    return (struct command_result){.code = code, .time_ms = naive->clock_ms};
}

static struct naive_publisher *find(struct naive *naive, uint32_t id)
{
    if (id == 0 || id > naive->publisher_count || !naive->publishers[id].exists)
        return NULL;
    return &naive->publishers[id];
}

/* ---- Topics, publishers, messages ---- */

struct command_result naive_topic_create(struct naive *naive, const char *name)
{
    struct command_result result = answer(naive, 0);
    for (uint32_t id = 1; id <= naive->topic_count; id++)
        if (strcmp(naive->topic_names[id], name) == 0)
            result.code = ERR_EXISTS;
    if (result.code == 0) {
        result.id = ++naive->topic_count;
        snprintf(naive->topic_names[result.id], 8, "%s", name);
    }
    return result;
}

static uint64_t first_message(const struct naive *naive, uint32_t topic_id)
{
    for (uint64_t id = 1; id <= naive->message_count; id++)
        if (naive->message_topic[id] == topic_id)
            return id;
    return 0;
}

static uint64_t last_message(const struct naive *naive, uint32_t topic_id)
{
    for (uint64_t id = naive->message_count; id > 0; id--)
        if (naive->message_topic[id] == topic_id)
            return id;
    return 0;
}

struct command_result naive_publisher_create(struct naive *naive,
                                             uint32_t topic_id,
                                             const char *target, bool from_now,
                                             bool paused,
                                             enum guarantee guarantee)
{
    struct command_result result = answer(naive, 0);
    if (topic_id == 0 || topic_id > naive->topic_count)
        return answer(naive, ERR_NOT_FOUND);
    for (uint32_t id = 1; id <= naive->publisher_count; id++) {
        const struct naive_publisher *other = find(naive, id);
        if (other != NULL && other->topic_id == topic_id &&
            strcmp(other->target, target) == 0)
            return answer(naive, ERR_EXISTS);
    }
    result.id = ++naive->publisher_count;
    struct naive_publisher *publisher = &naive->publishers[result.id];
    *publisher = (struct naive_publisher){.exists = true,
                                          .topic_id = topic_id,
                                          .guarantee = guarantee,
                                          .paused = paused};
    snprintf(publisher->target, sizeof publisher->target, "%s", target);
    publisher->cells =
        memory_new_zeroed(NAIVE_MESSAGES + 1, sizeof *publisher->cells);
    uint64_t first = first_message(naive, topic_id);
    publisher->start =
        from_now || first == 0 ? last_message(naive, topic_id) + 1 : first;
    publisher->next = publisher->start;
    result.position = publisher->start;
    return result;
}

struct command_result naive_publisher_delete(struct naive *naive, uint32_t id)
{
    struct naive_publisher *publisher = find(naive, id);
    struct command_result result = answer(naive, 0);
    if (publisher == NULL)
        return answer(naive, ERR_NOT_FOUND);
    cells_free(publisher);
    publisher->exists = false;
    publisher->purging = true;
    result.id = id;
    return result;
}

struct command_result naive_pause(struct naive *naive, uint32_t id, bool paused)
{
    struct naive_publisher *publisher = find(naive, id);
    struct command_result result = answer(naive, 0);
    if (publisher == NULL)
        return answer(naive, ERR_NOT_FOUND);
    publisher->paused = paused;
    result.id = id;
    return result;
}

struct command_result naive_messages(struct naive *naive,
                                     const uint32_t *topic_ids, uint32_t count)
{
    struct command_result result = answer(naive, 0);
    for (uint32_t i = 0; i < count; i++)
        if (topic_ids[i] == 0 || topic_ids[i] > naive->topic_count)
            return answer(naive, ERR_NOT_FOUND);
    result.count = count;
    result.id = count > 0 ? naive->message_count + 1 : 0;
    result.position = result.id;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t id = ++naive->message_count;
        naive->message_topic[id] = topic_ids[i];
        naive->message_received_ms[id] = naive->clock_ms;
    }
    return result;
}

static bool key_counts(const struct naive *naive, const struct naive_key *key)
{
    return key->until_ms > naive->clock_ms ||
           (naive->twist == TWIST_KEY_NEVER_EXPIRES && key->until_ms != 0);
}

static bool key_fits(const struct naive *naive, const struct naive_key *key,
                     const struct idempotency *request)
{
    return key->route == request->route && slice_is(request->key, key->key) &&
           (key->scope == request->scope ||
            naive->twist == TWIST_KEY_WITHOUT_SCOPE);
}

static void key_fill(struct naive *naive, struct naive_key *key,
                     const struct idempotency *request,
                     const struct command_result *result)
{
    *key = (struct naive_key){
        .until_ms = naive->clock_ms + 24 * 3600 * 1000,
        .scope = request->scope,
        .route = request->route,
        .id = result->id,
        .count = result->count,
    };
    memcpy(key->key, request->key.data, request->key.length);
    memcpy(key->request_hash, request->request_hash, sizeof key->request_hash);
}

struct command_result naive_messages_once(struct naive *naive,
                                          const struct idempotency *request,
                                          const uint32_t *topic_ids,
                                          uint32_t count)
{
    struct naive_key *free_key = NULL;
    for (uint32_t i = 0; i < NAIVE_KEYS; i++) {
        struct naive_key *key = &naive->keys[i];
        if (!key_counts(naive, key)) {
            free_key = key;
        } else if (key_fits(naive, key, request)) {
            bool same = memcmp(key->request_hash, request->request_hash,
                               sizeof key->request_hash) == 0;
            struct command_result replay =
                answer(naive, same ? ERR_EXISTS : ERR_CONFLICT);
            replay.id = same ? key->id : 0;
            replay.count = same ? key->count : 0;
            return replay;
        }
    }
    if (free_key == NULL)
        return answer(naive, ERR_BUSY);
    struct command_result result = naive_messages(naive, topic_ids, count);
    if (result.code == 0 || naive->twist == TWIST_FAILURE_REMEMBERED)
        key_fill(naive, free_key, request, &result);
    return result;
}

/* ---- Delivery ---- */

bool naive_wants(const struct naive *naive, uint32_t publisher_id,
                 uint64_t position)
{
    const struct naive_publisher *publisher = &naive->publishers[publisher_id];
    return position >= 1 && position <= naive->message_count &&
           naive->message_topic[position] == publisher->topic_id &&
           position >= publisher->start;
}

uint32_t naive_count(const struct naive *naive, uint32_t publisher_id,
                     enum naive_status status)
{
    uint32_t count = 0;
    for (uint64_t p = 1; p <= naive->message_count; p++)
        count += naive_wants(naive, publisher_id, p) &&
                 naive->publishers[publisher_id].cells[p].status == status;
    return count;
}

/* ERR_INVALID for what no honest leader would propose. */
static int grant_code(struct naive *naive, const struct command_grant *grant)
{
    struct naive_publisher *publisher = find(naive, grant->publisher_id);
    uint32_t there = 0;
    if (publisher == NULL)
        return ERR_STALE;
    if (grant->upto < grant->from || grant->open_count > grant->examined)
        return ERR_INVALID;
    for (uint32_t i = 0; i < grant->open_count; i++)
        if (grant->open[i] < grant->from || grant->open[i] > grant->upto ||
            (i > 0 && grant->open[i] <= grant->open[i - 1]))
            return ERR_INVALID;
    if (grant->from != publisher->next &&
        naive->twist != TWIST_STALE_GRANT_TAKEN)
        return ERR_STALE;
    if (publisher->paused)
        return ERR_CONFLICT;
    if (naive_count(naive, grant->publisher_id, NAIVE_OPEN) +
            grant->open_count >
        BOUND_OPEN_POSITIONS)
        return ERR_CONFLICT;
    for (uint64_t p = grant->from; p <= grant->upto; p++)
        there += naive_wants(naive, grant->publisher_id, p);
    if (grant->upto > last_message(naive, publisher->topic_id) ||
        there != grant->examined)
        return ERR_INVALID;
    return 0;
}

struct command_result naive_grant(struct naive *naive,
                                  const struct command_grant *grant)
{
    struct command_result result = answer(naive, grant_code(naive, grant));
    if (result.code != 0)
        return result;
    struct naive_publisher *publisher = find(naive, grant->publisher_id);
    for (uint64_t p = grant->from; p <= grant->upto; p++)
        if (naive_wants(naive, grant->publisher_id, p))
            publisher->cells[p].status = NAIVE_FILTERED;
    for (uint32_t i = 0; i < grant->open_count; i++) {
        publisher->cells[grant->open[i]].status = NAIVE_OPEN;
        publisher->cells[grant->open[i]].attempts = 1;
    }
    publisher->next = grant->upto + 1;
    result.id = grant->publisher_id;
    result.count = grant->open_count;
    return result;
}

static struct naive_cell *cell_in(struct naive *naive, uint32_t publisher_id,
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
    struct naive_publisher *publisher = find(naive, outcomes->publisher_id);
    struct command_result result = answer(naive, 0);
    if (publisher == NULL)
        return answer(naive, ERR_NOT_FOUND);
    result.id = outcomes->publisher_id;
    for (uint32_t i = 0; i < outcomes->count; i++) {
        const struct outcome *outcome = &outcomes->outcomes[i];
        struct naive_cell *cell = cell_in(naive, outcomes->publisher_id,
                                          outcome->position, NAIVE_OPEN);
        if (cell == NULL)
            continue;
        result.count++;
        try_add(cell, &outcome->attempt);
        cell->status = status_of(outcome->state);
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
    struct naive_publisher *publisher = find(naive, id);
    struct command_result result = answer(naive, 0);
    if (publisher == NULL)
        return answer(naive, ERR_NOT_FOUND);
    if (publisher->paused ||
        naive_count(naive, id, NAIVE_OPEN) + positions->count >
            BOUND_OPEN_POSITIONS)
        return answer(naive, ERR_CONFLICT);
    result.id = id;
    for (uint32_t i = 0; i < positions->count; i++) {
        struct naive_cell *cell =
            cell_in(naive, id, positions->positions[i], NAIVE_WAITING);
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
    struct command_result result = answer(naive, 0);
    if (find(naive, id) == NULL)
        return answer(naive, ERR_NOT_FOUND);
    result.id = id;
    for (uint32_t i = 0; i < positions->count; i++) {
        struct naive_cell *cell =
            cell_in(naive, id, positions->positions[i], NAIVE_OPEN);
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
    struct command_result result = answer(naive, 0);
    result.id = node_id;
    for (uint32_t id = 1; id <= naive->publisher_count; id++) {
        struct naive_publisher *publisher = find(naive, id);
        for (uint64_t p = 1; publisher != NULL && p <= naive->message_count;
             p++) {
            struct naive_cell *cell = cell_in(naive, id, p, NAIVE_OPEN);
            if (cell == NULL)
                continue;
            result.count++;
            cell->doubt = naive->twist != TWIST_TAKEOVER_WITHOUT_DOUBT;
            if (publisher->guarantee == AT_LEAST_ONCE) {
                cell->attempts++;
            } else {
                cell->status = NAIVE_AMBIGUOUS;
                cell->since_ms = naive->clock_ms;
            }
        }
    }
    return result;
}
