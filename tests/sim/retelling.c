#include "retelling.h"

#include "../unit/storage/naive.h"

#include <stdio.h>
#include <stdlib.h>

enum { BATCH_MAX = 64 };

struct retelling {
    struct naive *naive;
    struct arena arena;
};

struct retelling *retelling_new(void)
{
    struct retelling *retelling = memory_new_zeroed(1, sizeof *retelling);
    retelling->naive = naive_new(TWIST_NONE);
    return retelling;
}

void retelling_free(struct retelling *retelling)
{
    if (retelling == NULL)
        return;
    naive_free(retelling->naive);
    arena_close(&retelling->arena);
    free(retelling);
}

static struct command_result tell_messages(struct retelling *retelling,
                                           const struct command *command,
                                           const struct command_result *result)
{
    struct message messages[BATCH_MAX];
    uint32_t count;
    struct slice records;
    if (result->code != 0 ||
        command_messages_decode(command->body, &count, &records) != 0 ||
        count > BATCH_MAX)
        return *result; /* Refused, or a replay: nothing happens. */
    for (uint32_t i = 0; i < count; i++)
        if (message_next(&records, &messages[i]) != 0)
            return *result;
    return naive_messages(retelling->naive, messages, count);
}

static struct command_result tell_publisher(struct retelling *retelling,
                                            const struct command *command)
{
    struct command_publisher_create create;
    struct command_result broken = {.code = ERR_CORRUPT};
    return command_publisher_create_decode(command->body, &create) != 0
               ? broken
               : naive_publisher_create(retelling->naive, &create);
}

static struct command_result tell_topic(struct retelling *retelling,
                                        const struct command *command)
{
    struct topic_options options;
    struct command_result broken = {.code = ERR_CORRUPT};
    char name[16];
    if (topic_options_decode(command->body, &options) != 0)
        return broken;
    snprintf(name, sizeof name, "%.*s", (int)options.name.length,
             (const char *)options.name.data);
    return naive_topic_create(retelling->naive, name);
}

static struct command_result tell_circuit(struct retelling *retelling,
                                          const struct command *command)
{
    struct command_circuit circuit;
    struct command_result broken = {.code = ERR_CORRUPT};
    return command_circuit_decode(command->body, &circuit) != 0
               ? broken
               : naive_circuit(retelling->naive, &circuit);
}

static struct command_result tell_delivery(struct retelling *retelling,
                                           const struct command *command)
{
    struct naive *naive = retelling->naive;
    struct arena *arena = &retelling->arena;
    struct command_result broken = {.code = ERR_CORRUPT};
    struct command_grant grant;
    struct command_unpark unpark;
    struct command_outcomes outcomes;
    struct command_positions list;
    if (command->type == COMMAND_GRANT)
        return command_grant_decode(command->body, arena, &grant) != 0
                   ? broken
                   : naive_grant(naive, &grant);
    if (command->type == COMMAND_UNPARK)
        return command_unpark_decode(command->body, arena, &unpark) != 0
                   ? broken
                   : naive_unpark(naive, &unpark);
    if (command->type == COMMAND_OUTCOMES)
        return command_outcomes_decode(command->body, arena, &outcomes) != 0
                   ? broken
                   : naive_outcomes(naive, &outcomes);
    if (command_positions_decode(command->body, arena, &list) != 0)
        return broken;
    return command->type == COMMAND_INTENT ? naive_intent(naive, &list)
                                           : naive_withdraw(naive, &list);
}

static struct command_result tell_edit(struct retelling *retelling,
                                       const struct command *command,
                                       const struct command_result *result)
{
    struct naive *naive = retelling->naive;
    struct command_publisher_update update;
    struct command_pause pause;
    uint32_t id;
    switch (command->type) {
    case COMMAND_TOPIC_CREATE:
        return tell_topic(retelling, command);
    case COMMAND_PUBLISHER_CREATE:
        return tell_publisher(retelling, command);
    case COMMAND_PUBLISHER_UPDATE:
        if (command_publisher_update_decode(command->body, &update) == 0)
            return naive_publisher_update(naive, &update);
        break;
    case COMMAND_PUBLISHER_DELETE:
        if (command_publisher_delete_decode(command->body, &id) == 0)
            return naive_publisher_delete(naive, id);
        break;
    case COMMAND_PUBLISHER_PAUSE:
        if (command_pause_decode(command->body, &pause) == 0)
            return naive_pause(naive, pause.publisher_id, pause.paused);
        break;
    default:
        break;
    }
    return *result;
}

static struct command_result tell_decision(struct retelling *retelling,
                                           const struct command *command)
{
    struct naive *naive = retelling->naive;
    struct command_decision decision;
    struct command_decision_step step;
    struct command_result broken = {.code = ERR_CORRUPT};
    bool discard = command->type == COMMAND_DISCARD ||
                   command->type == COMMAND_DISCARD_STEP;
    if (command->type == COMMAND_RETRY || command->type == COMMAND_DISCARD)
        return command_decision_decode(command->body, &decision) != 0
                   ? broken
                   : naive_decision(naive, discard, &decision);
    return command_decision_step_decode(command->body, &step) != 0
               ? broken
               : naive_decision_step(naive, discard, &step);
}

static struct command_result tell_replay(struct retelling *retelling,
                                         const struct command *command)
{
    struct naive *naive = retelling->naive;
    struct command_replay_start start;
    struct command_replay_step step;
    struct command_result broken = {.code = ERR_CORRUPT};
    uint32_t id;
    if (command->type == COMMAND_REPLAY_START)
        return command_replay_start_decode(command->body, &start) != 0
                   ? broken
                   : naive_replay_start(naive, &start);
    if (command->type == COMMAND_REPLAY_STEP)
        return command_replay_step_decode(command->body, &retelling->arena,
                                          &step) != 0
                   ? broken
                   : naive_replay_step(naive, &step);
    return command_replay_cancel_decode(command->body, &id) != 0
               ? broken
               : naive_replay_cancel(naive, id);
}

static struct command_result tell_release(struct retelling *retelling,
                                          const struct command *command)
{
    struct command_release release;
    struct command_result broken = {.code = ERR_CORRUPT};
    return command_release_decode(command->body, &release) != 0
               ? broken
               : naive_release(retelling->naive, &release);
}

static struct command_result tell(struct retelling *retelling,
                                  const struct command *command,
                                  const struct command_result *result)
{
    uint32_t id;
    switch (command->type) {
    case COMMAND_CIRCUIT:
        return tell_circuit(retelling, command);
    case COMMAND_MESSAGES:
        return tell_messages(retelling, command, result);
    case COMMAND_RELEASE:
        return tell_release(retelling, command);
    case COMMAND_GRANT:
    case COMMAND_UNPARK:
    case COMMAND_OUTCOMES:
    case COMMAND_INTENT:
    case COMMAND_WITHDRAW:
        return tell_delivery(retelling, command);
    case COMMAND_TAKEOVER:
        if (command_takeover_decode(command->body, &id) == 0)
            return naive_takeover(retelling->naive, id);
        break;
    case COMMAND_RETRY:
    case COMMAND_DISCARD:
    case COMMAND_RETRY_STEP:
    case COMMAND_DISCARD_STEP:
        return tell_decision(retelling, command);
    case COMMAND_REPLAY_START:
    case COMMAND_REPLAY_STEP:
    case COMMAND_REPLAY_CANCEL:
        return tell_replay(retelling, command);
    default:
        return tell_edit(retelling, command, result);
    }
    return *result;
}

bool retelling_tell(struct retelling *retelling, const struct command *command,
                    const struct command_result *result)
{
    naive_tick(retelling->naive, command->time_ms);
    struct command_result mine = tell(retelling, command, result);
    arena_close(&retelling->arena);
    if (mine.code != result->code)
        return false;
    /* Of a circuit, a purge and their like nobody reads more than the code. */
    bool counts = command->type == COMMAND_MESSAGES ||
                  command->type == COMMAND_RELEASE ||
                  command->type >= COMMAND_GRANT;
    return result->code != 0 || !counts ||
           (mine.id == result->id && mine.position == result->position &&
            mine.count == result->count);
}

/* ---- What it knows ---- */

struct told retelling_delivery(const struct retelling *retelling,
                               uint32_t publisher_id, uint64_t position)
{
    static const enum told_state states[NAIVE_STATUSES] = {
        [NAIVE_UNSEEN] = TOLD_UNSEEN,       [NAIVE_OPEN] = TOLD_OPEN,
        [NAIVE_WAITING] = TOLD_WAITING,     [NAIVE_DEAD] = TOLD_DEAD,
        [NAIVE_AMBIGUOUS] = TOLD_AMBIGUOUS, [NAIVE_DELIVERED] = TOLD_DELIVERED,
        [NAIVE_FILTERED] = TOLD_FILTERED,   [NAIVE_PARKED] = TOLD_PARKED,
        [NAIVE_DISCARDED] = TOLD_DISCARDED, [NAIVE_ABSENT] = TOLD_FILTERED,
    };
    const struct naive_publisher *publisher =
        &retelling->naive->publishers[publisher_id];
    struct told told = {.state = TOLD_UNSEEN};
    if (!publisher->exists || publisher->cells == NULL)
        return told;
    const struct naive_cell *cell = &publisher->cells[position];
    told.state = states[cell->status];
    told.ordered = cell->ordered;
    told.doubt = cell->doubt;
    told.used = cell->attempts - cell->budget_from;
    told.holds = cell->holds;
    told.replay_id = cell->replay_id;
    told.due_ms = cell->due_ms;
    return told;
}

uint64_t retelling_id_at(const struct retelling *retelling, uint64_t position)
{
    return retelling->naive->at[position];
}

uint64_t retelling_scheduled(const struct retelling *retelling,
                             uint64_t due_by_ms)
{
    const struct naive *naive = retelling->naive;
    for (uint64_t id = 1; id <= naive->sequence; id++)
        if (naive->messages[id].topic_id != 0 &&
            naive->messages[id].position == 0 &&
            naive->messages[id].schedule_ms <= due_by_ms)
            return id;
    return 0;
}

uint32_t retelling_running_replay(const struct retelling *retelling)
{
    const struct naive *naive = retelling->naive;
    for (uint32_t id = 1; id <= naive->replay_count; id++)
        if (naive->replays[id].state == REPLAY_RUNNING)
            return id;
    return 0;
}

bool retelling_equals(struct retelling *retelling, struct view *view,
                      uint64_t *random, char *words, size_t size)
{
    bool equal = naive_equals(retelling->naive, view, &retelling->arena, true,
                              random, words, size);
    arena_close(&retelling->arena);
    return equal;
}

uint32_t retelling_replay_publisher(const struct retelling *retelling,
                                    uint32_t replay_id)
{
    return retelling->naive->replays[replay_id].publisher_id;
}
