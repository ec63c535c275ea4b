/* What must hold once all faults are over. */
#include "oracle.h"

#include "base/memory.h"
#include "storage/query.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

enum { PAGE = 500, PAGE_BYTES = 1 << 20 };

/* ---- Settled ---- */

/* Delivered, or settled otherwise and not left for somebody to decide. */
static bool is_settled(const struct track *track, struct told told)
{
    switch (told.state) {
    case TOLD_DELIVERED:
        return track->taken > 0;
    case TOLD_FILTERED:
    case TOLD_DEAD:
    case TOLD_DISCARDED:
        return true;
    default:
        return false;
    }
}

static bool all_settled(const struct world *world, char *words, size_t size)
{
    const struct chronicle *chronicle = world->chronicle;
    for (uint32_t id = 1; id <= chronicle->publisher_count; id++)
        for (uint64_t p = 1; p <= chronicle->position; p++) {
            const struct track *track = &chronicle->tracks[id][p];
            struct told told = chronicle_told(chronicle, id, p);
            if (!chronicle_has(chronicle, id, p) || is_settled(track, told))
                continue;
            snprintf(words, size,
                     "publisher %u: position %lu is not settled (state %d, "
                     "open %u, sent %u, taken %u)",
                     id, (unsigned long)p, told.state, track->open, track->sent,
                     track->taken);
            return false;
        }
    return true;
}

bool oracle_is_settled(struct world *world, char *words, size_t size)
{
    const struct chronicle *chronicle = world->chronicle;
    if (!clients_are_done(world, words, size))
        return false;
    for (unsigned i = 0; i < world->count; i++) {
        const struct node *node = &world->nodes[i];
        if (node->gone)
            continue;
        if (node->store == NULL ||
            store_applied_index(node->store) < chronicle->index) {
            snprintf(words, size, "node %u is behind entry %lu", node->id,
                     (unsigned long)chronicle->index);
            return false;
        }
    }
    uint64_t scheduled = retelling_scheduled(chronicle->retelling, UINT64_MAX);
    uint32_t replay = retelling_running_replay(chronicle->retelling);
    if (scheduled != 0)
        snprintf(words, size, "message %lu has no position yet",
                 (unsigned long)scheduled);
    else if (replay != 0)
        snprintf(words, size, "replay %u is not done", replay);
    return scheduled == 0 && replay == 0 && all_settled(world, words, size);
}

static void tell_unsettled(const struct chronicle *chronicle, uint32_t id)
{
    const struct terms *terms =
        chronicle_terms(&chronicle->publishers[id], UINT64_MAX);
    printf("publisher %u, ordering %d, on_poison %d:", id, terms->ordering,
           terms->on_poison);
    for (uint64_t p = 1; p <= chronicle->position; p++) {
        struct told told = chronicle_told(chronicle, id, p);
        if (!chronicle_has(chronicle, id, p) ||
            is_settled(&chronicle->tracks[id][p], told))
            continue;
        printf(" %lu state %d%s key %u replay %u;", (unsigned long)p,
               told.state, told.ordered ? " ordered" : "",
               chronicle_likeness(chronicle, p)->key, told.replay_id);
    }
    printf("\n");
}

void oracle_gave_up(struct world *world, const char *words)
{
    oracle_violate(world, "no progress: %s", words);
    for (uint32_t id = 1;
         world->options.trace && id <= world->chronicle->publisher_count; id++)
        tell_unsettled(world->chronicle, id);
}

/* ---- What each store holds ---- */

void oracle_compare(struct node *node)
{
    struct world *world = node->world;
    struct error error = {0};
    struct view *view = NULL;
    char words[200];
    if (world_is_red(world) ||
        store_applied_index(node->store) != world->chronicle->index)
        return;
    world->result->totals.comparisons++;
    if (view_begin(node->store, &view, &error) != 0)
        oracle_violate(world, "node %u: %s", node->id, error.text);
    else if (!retelling_equals(world->chronicle->retelling, view,
                               &world->dice.state, words, sizeof words))
        oracle_violate(world, "node %u: %s", node->id, words);
    view_end(view);
}

/* Notes where each token stands in this store. */
static void read_topic(struct node *node, struct view *view, uint32_t topic_id,
                       uint32_t *found)
{
    struct world *world = node->world;
    struct error error = {0};
    uint64_t from = 1;
    uint32_t count = PAGE;
    while (count == PAGE && !world_is_red(world)) {
        struct arena arena = {0};
        struct feed_item *items;
        if (query_feed(view, topic_id, from, PAGE, PAGE_BYTES, &arena, &items,
                       &count, &error) != 0) {
            oracle_violate(world, "node %u: %s", node->id, error.text);
            count = 0;
        }
        for (uint32_t i = 0; i < count; i++) {
            uint64_t token = token_of_payload(items[i].message.payload);
            if (token >= TOKENS_MAX ||
                world->chronicle->token_at[items[i].position] != token)
                oracle_violate(world,
                               "node %u: position %lu holds something "
                               "else",
                               node->id, (unsigned long)items[i].position);
            else
                found[token]++;
            from = items[i].position + 1;
        }
        arena_close(&arena);
    }
}

static void check_store(struct node *node)
{
    struct world *world = node->world;
    struct chronicle *chronicle = world->chronicle;
    struct error error = {0};
    struct view *view = NULL;
    uint32_t *found = memory_new_zeroed(TOKENS_MAX, sizeof *found);
    node_store_settle(node);
    if (view_begin(node->store, &view, &error) != 0)
        oracle_violate(world, "node %u: %s", node->id, error.text);
    for (uint32_t id = 1; id <= chronicle->topic_count; id++)
        read_topic(node, view, id, found);
    view_end(view);
    for (uint64_t token = 0; token < TOKENS_MAX; token++) {
        const struct chronicle_token *known = &chronicle->tokens[token];
        if (known->acknowledged && found[token] == 0)
            oracle_violate(world,
                           "node %u has lost token %lu, which was "
                           "acknowledged",
                           node->id, (unsigned long)token);
        if (found[token] != known->stored)
            oracle_violate(world, "node %u has token %lu %u times, not %u",
                           node->id, (unsigned long)token, found[token],
                           known->stored);
    }
    free(found);
    oracle_compare(node);
}

void oracle_end(struct world *world)
{
    for (unsigned i = 0; i < world->count && !world_is_red(world); i++)
        if (!world->nodes[i].gone)
            check_store(&world->nodes[i]);
}
