#include "chronicle.h"

#include "base/memory.h"
#include "chronicle_inside.h"
#include "trace.h"

#include <stdlib.h>

struct chronicle *chronicle_new(void)
{
    struct chronicle *chronicle = memory_new_zeroed(1, sizeof *chronicle);
    chronicle->retelling = retelling_new();
    chronicle->tracks =
        memory_new_zeroed(PUBLISHERS_MAX + 1, sizeof *chronicle->tracks);
    chronicle->drafts =
        memory_new_zeroed(PUBLISHERS_MAX + 1, sizeof *chronicle->drafts);
    return chronicle;
}

void chronicle_free(struct chronicle *chronicle)
{
    retelling_free(chronicle->retelling);
    free(chronicle->entries);
    free(chronicle->tracks);
    free(chronicle->drafts);
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

/* ---- Messages ---- */

/* A message takes the next position. */
static void take_position(struct world *world, uint64_t id, uint64_t position,
                          uint32_t topic_id)
{
    struct chronicle *chronicle = world->chronicle;
    chronicle->position = position;
    chronicle->topic_of[position] = topic_id;
    chronicle->token_at[position] = chronicle->token_of[id];
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
        uint64_t id = result->id + i;
        uint64_t token = token_of_payload(message.payload);
        struct chronicle_token *known = &chronicle->tokens[token];
        if (id != chronicle->position + 1 || id > POSITIONS_MAX) {
            oracle_violate(world, "id %lu after %lu", (unsigned long)id,
                           (unsigned long)chronicle->position);
            return;
        }
        chronicle->position = id;
        chronicle->token_of[id] = token;
        chronicle->received_ms[id] = result->time_ms;
        if (message.schedule_ms <= result->time_ms)
            take_position(world, id, id, message.topic_id);
        if (known->stored++ > 0 && known->keyed)
            oracle_violate(world, "token %lu has a key and is stored twice",
                           (unsigned long)token);
        known->id = id;
        world->result->totals.messages++;
    }
}

/* What the naive model says of who stands where is what all stores must say. */
static void tell_release(struct world *world,
                         const struct command_result *result)
{
    struct chronicle *chronicle = world->chronicle;
    for (uint32_t i = 0; i < result->count; i++) {
        uint64_t position = result->position + i;
        uint64_t id = retelling_id_at(chronicle->retelling, position);
        if (position != chronicle->position + 1 || position > POSITIONS_MAX) {
            oracle_violate(world, "position %lu after %lu",
                           (unsigned long)position,
                           (unsigned long)chronicle->position);
            return;
        }
        take_position(world, id, position, (uint32_t)result->id);
        oracle_released(world, position);
    }
}

const struct likeness *chronicle_likeness(const struct chronicle *chronicle,
                                          uint64_t position)
{
    return &chronicle->tokens[chronicle->token_at[position]].likeness;
}

/* ---- Commands ---- */

static void tell_takeover(struct world *world, uint64_t term, uint64_t index)
{
    struct chronicle *chronicle = world->chronicle;
    uint64_t found = 0;
    uint64_t fresh = 0;
    for (uint32_t id = 1; id <= chronicle->publisher_count; id++) {
        struct chronicle_publisher *publisher = &chronicle->publishers[id];
        publisher->unanswered = 0;
        publisher->answered = false;
        for (uint64_t p = 1; publisher->exists && p <= chronicle->position;
             p++) {
            struct track *track = &chronicle->tracks[id][p];
            track->doubtful |= track->undecided;
            if (!track->open)
                continue;
            found++;
            fresh += !track->taken_over;
            track->taken_over = true;
            track->open = chronicle_told(chronicle, id, p).state == TOLD_OPEN;
            publisher->open -= !track->open;
        }
    }
    /* What was in doubt already may have stayed so, unread. A leader whose
     * first try to give leadership away failed begins anew in its term: what it
     * had open then is in doubt, though its next try may have begun. */
    bool own = term == chronicle->drained_term;
    if (fresh > 0 && !own && chronicle->drained_term != 0 &&
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

static void tell(struct world *world, const struct command *command,
                 const struct command_result *result, const struct entry *entry,
                 struct arena *arena)
{
    trace(world, TRACE_COMMAND, entry->index, command->type,
          (uint64_t)(uint32_t)result->code, result->id);
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
    case COMMAND_RELEASE:
        tell_release(world, result);
        break;
    case COMMAND_TAKEOVER:
        tell_takeover(world, entry->term, entry->index);
        break;
    default:
        chronicle_tell_delivery(world, command, result, entry, arena);
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
