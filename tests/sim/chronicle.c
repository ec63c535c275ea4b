#include "chronicle.h"

#include "base/memory.h"
#include "trace.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

struct chronicle *chronicle_new(void)
{
    struct chronicle *chronicle = memory_new_zeroed(1, sizeof *chronicle);
    chronicle->retelling = retelling_new();
    chronicle->tracks =
        memory_new_zeroed(PUBLISHERS_MAX + 1, sizeof *chronicle->tracks);
    return chronicle;
}

void chronicle_free(struct chronicle *chronicle)
{
    retelling_free(chronicle->retelling);
    free(chronicle->entries);
    free(chronicle->tracks);
    free(chronicle);
}

struct chronicle_entry *chronicle_entry(struct chronicle *chronicle,
                                        uint64_t index)
{
    if (index >= chronicle->capacity) {
        uint64_t capacity = (index + 128) * 2;
        chronicle->entries = memory_resize(
            chronicle->entries, capacity * sizeof *chronicle->entries);
        memset(chronicle->entries + chronicle->capacity, 0,
               (capacity - chronicle->capacity) * sizeof *chronicle->entries);
        chronicle->capacity = capacity;
    }
    return &chronicle->entries[index];
}

/* ---- Payloads ---- */

size_t payload_of_token(uint64_t token, char *payload, size_t size)
{
    return (size_t)snprintf(payload, size, "{\"v\":%lu}", (unsigned long)token);
}

uint64_t token_of_payload(struct slice payload)
{
    uint64_t token = 0;
    for (size_t i = 0; i < payload.length; i++)
        if (payload.data[i] >= '0' && payload.data[i] <= '9')
            token = token * 10 + (payload.data[i] - '0');
    return token;
}

/* ---- Commands ---- */

static struct track *track_of(struct chronicle *chronicle,
                              uint32_t publisher_id, uint64_t position)
{
    return &chronicle->tracks[publisher_id][position];
}

static void tell_messages(struct world *world, const struct command *command,
                          const struct command_result *result)
{
    struct chronicle *chronicle = world->chronicle;
    uint32_t count;
    struct slice records;
    struct message message;
    if (command_messages_decode(command->body, &count, &records) != 0)
        return;
    for (uint32_t i = 0; i < count && message_next(&records, &message) == 0;
         i++) {
        uint64_t position = result->position + i;
        uint64_t token = token_of_payload(message.payload);
        struct chronicle_token *known = &chronicle->tokens[token];
        if (position != chronicle->position + 1 || position > POSITIONS_MAX) {
            oracle_violate(world, "position %lu after %lu",
                           (unsigned long)position,
                           (unsigned long)chronicle->position);
            return;
        }
        chronicle->position = position;
        chronicle->topic_of[position] = message.topic_id;
        chronicle->token_at[position] = token;
        if (known->stored++ > 0 && known->keyed)
            oracle_violate(world, "token %lu has a key and is stored twice",
                           (unsigned long)token);
        known->id = result->id + i;
        world->result->totals.messages++;
    }
}

static void tell_publisher(struct world *world, const struct command *command,
                           const struct command_result *result)
{
    struct chronicle *chronicle = world->chronicle;
    struct command_publisher_create create;
    if (command_publisher_create_decode(command->body, &create) != 0)
        return;
    chronicle->publisher_count = (uint32_t)result->id;
    chronicle->publishers[result->id] = (struct chronicle_publisher){
        .exists = true,
        .paused = create.paused,
        .topic_id = create.topic_id,
        .max_in_flight = create.options.max_in_flight,
        .start = result->position,
    };
}

static void open_track(struct world *world, uint32_t publisher_id,
                       uint64_t position, uint64_t index)
{
    struct chronicle_publisher *publisher =
        &world->chronicle->publishers[publisher_id];
    struct track *track = track_of(world->chronicle, publisher_id, position);
    if (track->open || track->settled)
        oracle_violate(world, "publisher %u: position %lu is opened again",
                       publisher_id, (unsigned long)position);
    track->open = true;
    track->opened_index = index;
    trace(world, TRACE_GRANT, publisher_id, position, index, 0);
    if (++publisher->open > publisher->max_in_flight)
        oracle_violate(world, "publisher %u: %u positions are open",
                       publisher_id, publisher->open);
}

static void close_track(struct world *world, uint32_t publisher_id,
                        uint64_t position)
{
    struct track *track = track_of(world->chronicle, publisher_id, position);
    if (track->open)
        world->chronicle->publishers[publisher_id].open--;
    track->open = false;
}

static void tell_grant(struct world *world, const struct command *command,
                       uint64_t index, struct arena *arena)
{
    struct command_grant grant;
    struct command_positions list;
    if (command->type == COMMAND_GRANT &&
        command_grant_decode(command->body, arena, &grant) == 0) {
        for (uint32_t i = 0; i < grant.open_count; i++)
            open_track(world, grant.publisher_id, grant.open[i], index);
    } else if (command_positions_decode(command->body, arena, &list) == 0) {
        for (uint32_t i = 0; i < list.count; i++) {
            if (command->type == COMMAND_INTENT)
                open_track(world, list.publisher_id, list.positions[i], index);
            else
                close_track(world, list.publisher_id, list.positions[i]);
        }
    }
}

/* An outcome in the log decides what was sent. */
static void tell_outcomes(struct world *world, const struct command *command,
                          struct arena *arena)
{
    struct command_outcomes outcomes;
    if (command_outcomes_decode(command->body, arena, &outcomes) != 0)
        return;
    for (uint32_t i = 0; i < outcomes.count; i++) {
        const struct outcome *outcome = &outcomes.outcomes[i];
        struct track *track = track_of(world->chronicle, outcomes.publisher_id,
                                       outcome->position);
        if (outcome->state == DELIVERY_DELIVERED && track->taken == 0)
            oracle_violate(world,
                           "publisher %u: position %lu counts as delivered, "
                           "and was not",
                           outcomes.publisher_id,
                           (unsigned long)outcome->position);
        close_track(world, outcomes.publisher_id, outcome->position);
        track->undecided = false;
        track->settled = outcome->state != DELIVERY_RETRYING;
        world->result->totals.deliveries +=
            outcome->state == DELIVERY_DELIVERED;
    }
}

static void tell_takeover(struct world *world, uint64_t term, uint64_t index)
{
    struct chronicle *chronicle = world->chronicle;
    uint64_t found = 0;
    uint64_t fresh = 0;
    for (uint32_t id = 1; id <= chronicle->publisher_count; id++) {
        if (!chronicle->publishers[id].exists)
            continue;
        for (uint64_t p = 1; p <= chronicle->position; p++) {
            struct track *track = track_of(chronicle, id, p);
            track->doubtful |= track->undecided;
            if (!track->open)
                continue;
            found++;
            fresh += !track->doubt;
            track->doubt = true;
        }
    }
    /* What was in doubt already may have stayed so, unread. */
    if (fresh > 0 && chronicle->drained_term != 0 &&
        chronicle->takeover_term == chronicle->drained_term)
        oracle_violate(world,
                       "%lu positions are open after a handover that had "
                       "drained",
                       (unsigned long)fresh);
    chronicle->drained_term = 0;
    chronicle->takeover_term = term;
    chronicle->takeover_index = index;
    world->result->totals.takeovers++;
    world->result->totals.doubted += found;
}

static void tell_delete(struct chronicle *chronicle,
                        const struct command *command)
{
    uint32_t id;
    if (command_publisher_delete_decode(command->body, &id) == 0)
        chronicle->publishers[id].exists = false;
}

static void tell_pause(struct chronicle *chronicle,
                       const struct command *command)
{
    struct command_pause pause;
    if (command_pause_decode(command->body, &pause) == 0)
        chronicle->publishers[pause.publisher_id].paused = pause.paused;
}

static void tell(struct world *world, const struct command *command,
                 const struct command_result *result, const struct entry *entry,
                 struct arena *arena)
{
    if (!retelling_tell(world->chronicle->retelling, command, result))
        oracle_violate(world,
                       "entry %lu: command %u ends otherwise in the "
                       "naive model than with %d",
                       (unsigned long)entry->index, command->type,
                       result->code);
    if (result->code != 0)
        return;
    switch (command->type) {
    case COMMAND_TOPIC_CREATE:
        world->chronicle->topic_count = (uint32_t)result->id;
        break;
    case COMMAND_MESSAGES:
        tell_messages(world, command, result);
        break;
    case COMMAND_PUBLISHER_CREATE:
        tell_publisher(world, command, result);
        break;
    case COMMAND_PUBLISHER_DELETE:
        tell_delete(world->chronicle, command);
        break;
    case COMMAND_PUBLISHER_PAUSE:
        tell_pause(world->chronicle, command);
        break;
    case COMMAND_GRANT:
    case COMMAND_INTENT:
    case COMMAND_WITHDRAW:
        tell_grant(world, command, entry->index, arena);
        break;
    case COMMAND_OUTCOMES:
        tell_outcomes(world, command, arena);
        break;
    case COMMAND_TAKEOVER:
        tell_takeover(world, entry->term, entry->index);
        break;
    default:
        break;
    }
}

/* ---- Entries ---- */

static uint64_t hash_results(const struct command_result *results,
                             uint32_t count)
{
    uint64_t hash = 1;
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t values[] = {(uint64_t)(uint32_t)results[i].code,
                                   results[i].count, results[i].id,
                                   results[i].position, results[i].time_ms};
        for (unsigned v = 0; v < 5; v++)
            hash = (hash ^ values[v]) * 0x9e3779b97f4a7c15u ^ hash >> 31;
    }
    return hash;
}

void chronicle_applied(struct chronicle *chronicle, struct node *node,
                       const struct entry *entry,
                       const struct command_result *results, uint32_t count)
{
    struct world *world = node->world;
    struct chronicle_entry *known = chronicle_entry(chronicle, entry->index);
    uint64_t hash = hash_results(results, count);
    struct state_hash state = store_state_hash(node->store);
    if (known->results != 0) {
        if (known->results != hash)
            oracle_violate(world, "node %u: entry %lu has other results",
                           node->id, (unsigned long)entry->index);
        if (known->hash.low != state.low || known->hash.high != state.high)
            oracle_violate(world, "node %u: another state behind entry %lu",
                           node->id, (unsigned long)entry->index);
        return;
    }
    if (entry->index <= chronicle->index)
        oracle_violate(world, "node %u applies entry %lu late", node->id,
                       (unsigned long)entry->index);
    known->results = hash;
    known->hash = state;
    chronicle->index = entry->index;
    struct slice rest = entry->payload;
    struct arena arena = {0};
    struct command command;
    for (uint32_t i = 0; i < count && command_next(&rest, &command) == 0; i++)
        tell(world, &command, &results[i], entry, &arena);
    arena_close(&arena);
}
