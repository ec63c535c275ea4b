/* The naive model's topics and messages: publishing, schedules, retention. */
#include "naive.h"

#include <stdio.h>

struct command_result naive_topic_create(struct naive *naive, const char *name)
{
    struct command_result result = naive_answer(naive, 0);
    for (uint32_t id = 1; id <= naive->topic_count; id++)
        if (naive_topic(naive, id) != NULL &&
            strcmp(naive->topics[id].name, name) == 0)
            result.code = ERR_EXISTS;
    if (result.code == 0) {
        result.id = ++naive->topic_count;
        naive->topics[result.id] = (struct naive_topic){.exists = true};
        snprintf(naive->topics[result.id].name, 8, "%s", name);
    }
    return result;
}

struct command_result
naive_topic_update(struct naive *naive,
                   const struct command_topic_update *update)
{
    struct naive_topic *topic = naive_topic(naive, update->topic_id);
    struct command_result result = naive_answer(naive, 0);
    if (topic == NULL)
        return naive_answer(naive, ERR_NOT_FOUND);
    result.id = update->topic_id;
    if (!slice_is(update->options.name, topic->name))
        result.code = ERR_INVALID;
    else
        topic->retention_seconds = update->options.retention_seconds;
    return result;
}

static uint32_t waiting_in(const struct naive *naive, uint32_t topic_id)
{
    uint32_t count = 0;
    for (uint64_t id = 1; id <= naive->sequence; id++)
        count += naive->messages[id].topic_id == topic_id &&
                 naive->messages[id].position == 0;
    return count;
}

struct command_result
naive_topic_delete(struct naive *naive,
                   const struct command_topic_delete *deletion)
{
    struct naive_topic *topic = naive_topic(naive, deletion->topic_id);
    struct command_result result = naive_answer(naive, 0);
    if (topic == NULL)
        return naive_answer(naive, ERR_NOT_FOUND);
    for (uint32_t id = 1; id <= naive->publisher_count; id++)
        result.count += naive->publishers[id].exists &&
                        naive->publishers[id].topic_id == deletion->topic_id;
    if (!deletion->force &&
        (result.count > 0 || waiting_in(naive, deletion->topic_id) > 0))
        return naive_answer(naive, ERR_CONFLICT);
    for (uint32_t id = 1; id <= naive->publisher_count; id++)
        if (naive->publishers[id].exists &&
            naive->publishers[id].topic_id == deletion->topic_id)
            naive_publisher_delete(naive, id);
    for (uint64_t id = 1; id <= naive->sequence; id++)
        if (naive->messages[id].topic_id == deletion->topic_id)
            naive->messages[id].gone = true;
    topic->exists = false;
    result.id = deletion->topic_id;
    return result;
}

/* ---- Positions ---- */

uint64_t naive_first_position(const struct naive *naive, uint32_t topic_id)
{
    for (uint64_t p = 1; p <= naive->sequence; p++)
        if (naive->at[p] != 0 &&
            naive->messages[naive->at[p]].topic_id == topic_id &&
            !naive->messages[naive->at[p]].gone)
            return p;
    return 0;
}

uint64_t naive_last_position(const struct naive *naive, uint32_t topic_id)
{
    for (uint64_t p = naive->sequence; p > 0; p--)
        if (naive->at[p] != 0 &&
            naive->messages[naive->at[p]].topic_id == topic_id)
            return p;
    return 0;
}

/* ---- Publishing ---- */

struct command_result naive_messages(struct naive *naive,
                                     const struct message *messages,
                                     uint32_t count)
{
    struct command_result result = naive_answer(naive, 0);
    for (uint32_t i = 0; i < count; i++)
        if (naive_topic(naive, messages[i].topic_id) == NULL)
            return naive_answer(naive, ERR_NOT_FOUND);
    result.count = count;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t id = ++naive->sequence;
        struct naive_message *message = &naive->messages[id];
        *message = (struct naive_message){
            .topic_id = messages[i].topic_id,
            .received_ms = naive->clock_ms,
            .schedule_ms = messages[i].schedule_ms,
            .key = key_hash(messages[i].key),
            .size = message_encoded_size(&messages[i]),
        };
        naive->topics[message->topic_id].bytes += message->size;
        if (message->schedule_ms <= naive->clock_ms ||
            naive->twist == TWIST_SCHEDULED_AT_ONCE) {
            message->position = id;
            naive->at[id] = id;
        }
        if (i == 0) {
            result.id = id;
            result.position = message->position;
        }
    }
    return result;
}

/* The one that is due first, by then. 0: none. */
static uint64_t first_due(const struct naive *naive, uint32_t topic_id,
                          uint64_t upto_ms)
{
    uint64_t first = 0;
    for (uint64_t id = 1; id <= naive->sequence; id++) {
        const struct naive_message *message = &naive->messages[id];
        if (message->topic_id == topic_id && message->position == 0 &&
            message->schedule_ms <= upto_ms &&
            (first == 0 ||
             message->schedule_ms < naive->messages[first].schedule_ms))
            first = id;
    }
    return first;
}

struct command_result naive_release(struct naive *naive,
                                    const struct command_release *release)
{
    struct command_result result = naive_answer(naive, 0);
    uint64_t upto_ms = release->upto_ms;
    uint64_t id;
    if (naive_topic(naive, release->topic_id) == NULL)
        return naive_answer(naive, ERR_NOT_FOUND);
    if (upto_ms > naive->clock_ms && naive->twist != TWIST_RELEASED_EARLY)
        upto_ms = naive->clock_ms;
    result.id = release->topic_id;
    while (result.count < release->count_max &&
           (id = first_due(naive, release->topic_id, upto_ms)) != 0) {
        uint64_t position = ++naive->sequence;
        naive->messages[id].position = position;
        naive->at[position] = id;
        if (result.count++ == 0)
            result.position = position;
    }
    return result;
}

/* ---- Retention ---- */

static bool nobody_needs(const struct naive *naive, uint64_t position,
                         uint32_t topic_id, uint64_t cutoff_ms)
{
    for (uint32_t id = 1; id <= naive->publisher_count; id++) {
        const struct naive_publisher *publisher = &naive->publishers[id];
        if (!publisher->exists || publisher->topic_id != topic_id ||
            position < publisher->start)
            continue;
        const struct naive_cell *cell = &publisher->cells[position];
        bool settled =
            cell->status == NAIVE_DELIVERED ||
            cell->status == NAIVE_DISCARDED ||
            (cell->status == NAIVE_DEAD && naive->twist == TWIST_DEAD_EXPIRES);
        bool done = (settled && cell->since_ms <= cutoff_ms &&
                     position < publisher->next) ||
                    cell->status == NAIVE_FILTERED ||
                    (cell->status == NAIVE_PARKED &&
                     naive->twist == TWIST_PARKED_EXPIRES);
        if (!done)
            return false;
    }
    return true;
}

struct command_result naive_expire(struct naive *naive,
                                   const struct command_expire *expire)
{
    struct naive_topic *topic = naive_topic(naive, expire->topic_id);
    struct command_result result = naive_answer(naive, 0);
    uint32_t each = 1;
    uint32_t looked = 0;
    if (topic == NULL)
        return naive_answer(naive, ERR_NOT_FOUND);
    if (expire->cutoff_ms > naive->clock_ms ||
        (naive->clock_ms - expire->cutoff_ms) / 1000 < topic->retention_seconds)
        return naive_answer(naive, ERR_INVALID);
    result.id = expire->topic_id;
    for (uint32_t id = 1; id <= naive->publisher_count; id++)
        each += naive->publishers[id].exists &&
                naive->publishers[id].topic_id == expire->topic_id;
    for (uint64_t p = expire->from; p <= naive->sequence; p++) {
        struct naive_message *message = &naive->messages[naive->at[p]];
        if (naive->at[p] == 0 || message->topic_id != expire->topic_id ||
            message->gone)
            continue;
        if (p > expire->upto)
            break;
        if (looked == EXPIRE_MAX || (looked > 0 && looked * each > 10000)) {
            result.position = p;
            break;
        }
        if (message->received_ms > expire->cutoff_ms ||
            message->schedule_ms > expire->cutoff_ms)
            break;
        looked++;
        if (!nobody_needs(naive, p, expire->topic_id, expire->cutoff_ms))
            continue;
        message->gone = true;
        result.count++;
        if (naive->twist != TWIST_BYTES_STAY)
            topic->bytes -= message->size;
    }
    return result;
}
