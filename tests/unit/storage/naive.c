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

struct command_result naive_answer(const struct naive *naive, int code)
{
    return (struct command_result){.code = code, .time_ms = naive->clock_ms};
}

struct naive_publisher *naive_find(struct naive *naive, uint32_t id)
{
    if (id == 0 || id > naive->publisher_count || !naive->publishers[id].exists)
        return NULL;
    return &naive->publishers[id];
}

struct naive_topic *naive_topic(struct naive *naive, uint32_t id)
{
    if (id == 0 || id > naive->topic_count || !naive->topics[id].exists)
        return NULL;
    return &naive->topics[id];
}

/* ---- Publishers ---- */

static bool target_taken(struct naive *naive, uint32_t topic_id,
                         struct slice target)
{
    for (uint32_t id = 1; id <= naive->publisher_count; id++) {
        const struct naive_publisher *other = naive_find(naive, id);
        if (other != NULL && other->topic_id == topic_id &&
            slice_is(target, other->target))
            return true;
    }
    return false;
}

static void take_options(struct naive_publisher *publisher,
                         const struct publisher_options *options,
                         uint64_t now_ms)
{
    publisher->guarantee = options->guarantee;
    publisher->ordering = options->ordering;
    publisher->on_poison = options->on_poison;
    publisher->updated_ms = now_ms;
    memset(publisher->target, 0, sizeof publisher->target);
    memcpy(publisher->target, options->target.data, options->target.length);
}

struct command_result
naive_publisher_create(struct naive *naive,
                       const struct command_publisher_create *create)
{
    struct command_result result = naive_answer(naive, 0);
    uint32_t topic_id = create->topic_id;
    if (naive_topic(naive, topic_id) == NULL)
        return naive_answer(naive, ERR_NOT_FOUND);
    if (target_taken(naive, topic_id, create->options.target))
        return naive_answer(naive, ERR_EXISTS);
    result.id = ++naive->publisher_count;
    struct naive_publisher *publisher = &naive->publishers[result.id];
    *publisher = (struct naive_publisher){
        .exists = true, .topic_id = topic_id, .paused = create->paused};
    take_options(publisher, &create->options, naive->clock_ms);
    publisher->cells =
        memory_new_zeroed(NAIVE_MESSAGES + 1, sizeof *publisher->cells);
    uint64_t first = naive_first_position(naive, topic_id);
    publisher->start = create->from_now || first == 0
                           ? naive_last_position(naive, topic_id) + 1
                           : first;
    publisher->next = publisher->start;
    for (uint64_t p = publisher->start; p <= naive->sequence; p++)
        if (naive->at[p] != 0 && naive->messages[naive->at[p]].gone)
            publisher->cells[p].status = NAIVE_ABSENT;
    result.position = publisher->start;
    return result;
}

struct command_result
naive_publisher_update(struct naive *naive,
                       const struct command_publisher_update *update)
{
    struct naive_publisher *publisher = naive_find(naive, update->publisher_id);
    struct command_result result = naive_answer(naive, 0);
    if (publisher == NULL)
        return naive_answer(naive, ERR_NOT_FOUND);
    result.id = update->publisher_id;
    bool moves = !slice_is(update->options.target, publisher->target);
    if (moves &&
        target_taken(naive, publisher->topic_id, update->options.target)) {
        result.code = ERR_EXISTS;
        return result;
    }
    if (moves && naive->twist != TWIST_CIRCUIT_SURVIVES_MOVE) {
        publisher->circuit = CIRCUIT_CLOSED;
        publisher->next_probe_ms = 0;
        publisher->throttled_until_ms = 0;
    }
    take_options(publisher, &update->options, naive->clock_ms);
    return result;
}

struct command_result naive_publisher_delete(struct naive *naive, uint32_t id)
{
    struct naive_publisher *publisher = naive_find(naive, id);
    struct command_result result = naive_answer(naive, 0);
    if (publisher == NULL)
        return naive_answer(naive, ERR_NOT_FOUND);
    cells_free(publisher);
    publisher->exists = false;
    publisher->purging = true;
    for (uint32_t r = 1; r <= naive->replay_count; r++)
        if (naive->replays[r].publisher_id == id &&
            naive->replays[r].state == REPLAY_RUNNING &&
            naive->twist != TWIST_REPLAY_OUTLIVES) {
            naive->replays[r].state = REPLAY_CANCELLED;
            naive->replays[r].ended_ms = naive->clock_ms;
        }
    result.id = id;
    return result;
}

struct command_result naive_pause(struct naive *naive, uint32_t id, bool paused)
{
    struct naive_publisher *publisher = naive_find(naive, id);
    struct command_result result = naive_answer(naive, 0);
    if (publisher == NULL)
        return naive_answer(naive, ERR_NOT_FOUND);
    publisher->paused = paused;
    result.id = id;
    return result;
}

struct command_result naive_circuit(struct naive *naive,
                                    const struct command_circuit *circuit)
{
    struct naive_publisher *publisher =
        naive_find(naive, circuit->publisher_id);
    struct command_result result = naive_answer(naive, 0);
    if (publisher == NULL)
        return naive_answer(naive, ERR_NOT_FOUND);
    uint64_t latest = naive->clock_ms + 3600 * 1000;
    publisher->circuit = circuit->circuit.state;
    publisher->next_probe_ms = circuit->circuit.next_probe_ms;
    publisher->throttled_until_ms = circuit->throttled_until_ms < latest
                                        ? circuit->throttled_until_ms
                                        : latest;
    result.id = circuit->publisher_id;
    return result;
}

/* ---- Requests under a key ---- */

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
                                          const struct message *messages,
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
                naive_answer(naive, same ? ERR_EXISTS : ERR_CONFLICT);
            replay.id = same ? key->id : 0;
            replay.count = same ? key->count : 0;
            return replay;
        }
    }
    if (free_key == NULL)
        return naive_answer(naive, ERR_BUSY);
    struct command_result result = naive_messages(naive, messages, count);
    if (result.code == 0 || naive->twist == TWIST_FAILURE_REMEMBERED)
        key_fill(naive, free_key, request, &result);
    return result;
}
