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
    struct command_outcomes outcomes;
    struct command_positions list;
    if (command->type == COMMAND_GRANT)
        return command_grant_decode(command->body, arena, &grant) != 0
                   ? broken
                   : naive_grant(naive, &grant);
    if (command->type == COMMAND_OUTCOMES)
        return command_outcomes_decode(command->body, arena, &outcomes) != 0
                   ? broken
                   : naive_outcomes(naive, &outcomes);
    if (command_positions_decode(command->body, arena, &list) != 0)
        return broken;
    return command->type == COMMAND_INTENT ? naive_intent(naive, &list)
                                           : naive_withdraw(naive, &list);
}

static struct command_result tell(struct retelling *retelling,
                                  const struct command *command,
                                  const struct command_result *result)
{
    struct naive *naive = retelling->naive;
    struct command_pause pause;
    uint32_t id;
    switch (command->type) {
    case COMMAND_TOPIC_CREATE:
        return tell_topic(retelling, command);
    case COMMAND_PUBLISHER_CREATE:
        return tell_publisher(retelling, command);
    case COMMAND_PUBLISHER_DELETE:
        if (command_publisher_delete_decode(command->body, &id) == 0)
            return naive_publisher_delete(naive, id);
        break;
    case COMMAND_PUBLISHER_PAUSE:
        if (command_pause_decode(command->body, &pause) == 0)
            return naive_pause(naive, pause.publisher_id, pause.paused);
        break;
    case COMMAND_CIRCUIT:
        return tell_circuit(retelling, command);
    case COMMAND_MESSAGES:
        return tell_messages(retelling, command, result);
    case COMMAND_GRANT:
    case COMMAND_OUTCOMES:
    case COMMAND_INTENT:
    case COMMAND_WITHDRAW:
        return tell_delivery(retelling, command);
    case COMMAND_TAKEOVER:
        if (command_takeover_decode(command->body, &id) == 0)
            return naive_takeover(naive, id);
        break;
    default:
        break;
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
    return result->code != 0 || command->type != COMMAND_MESSAGES ||
           (mine.id == result->id && mine.position == result->position &&
            mine.count == result->count);
}

bool retelling_equals(struct retelling *retelling, struct view *view,
                      uint64_t *random, char *words, size_t size)
{
    bool equal = naive_equals(retelling->naive, view, &retelling->arena, true,
                              random, words, size);
    arena_close(&retelling->arena);
    return equal;
}
