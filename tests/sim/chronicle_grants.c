/* What becomes open, by the filter and the order at its time.
 *
 * The state of each delivery is the naive model's; here stands what that does
 * not judge. Where options changed while a command was on its way, it may go
 * by the old ones or by the new ones: by those that its leader had applied when
 * it was proposed, or by those that hold where it stands in the log. */
#include "chronicle_inside.h"
#include "trace.h"

/* ---- Terms ---- */

const struct terms *chronicle_terms(const struct chronicle_publisher *publisher,
                                    uint64_t index)
{
    uint32_t at = publisher->version_count - 1;
    while (at > 0 && publisher->versions[at].index > index)
        at--;
    return &publisher->versions[at];
}

static const struct terms *newest(const struct chronicle_publisher *publisher)
{
    return chronicle_terms(publisher, UINT64_MAX);
}

/* ---- Tracks ---- */

bool chronicle_has(const struct chronicle *chronicle, uint32_t publisher_id,
                   uint64_t position)
{
    const struct chronicle_publisher *publisher =
        &chronicle->publishers[publisher_id];
    return publisher->exists && position >= publisher->start &&
           position <= chronicle->position &&
           chronicle->topic_of[position] == publisher->topic_id;
}

struct told chronicle_told(const struct chronicle *chronicle,
                           uint32_t publisher_id, uint64_t position)
{
    return retelling_delivery(chronicle->retelling, publisher_id, position);
}

static uint8_t key_at(struct world *world, uint64_t position)
{
    return chronicle_likeness(world->chronicle, position)->key;
}

/* ---- Orders ---- */

/* Whether what lies at `before` must be settled before what lies at `position`
 * is opened under this order. */
static bool holds_up(struct world *world, uint32_t id, uint64_t before,
                     uint64_t position, enum ordering order, bool block)
{
    const struct track *track = track_of(world, id, before);
    struct told told = chronicle_told(world->chronicle, id, before);
    bool mine = order == ORDERING_STRICT ||
                key_at(world, before) == key_at(world, position);
    if (!mine)
        return false;
    if (told.state == TOLD_PARKED)
        return true;
    if (track->order != order)
        return false;
    return told.state == TOLD_OPEN || told.state == TOLD_WAITING ||
           (told.state == TOLD_AMBIGUOUS && block);
}

static void check_order(struct world *world, uint32_t id, uint64_t position,
                        const struct terms *then, const struct terms *now)
{
    bool block =
        then->on_poison == POISON_BLOCK && now->on_poison == POISON_BLOCK;
    struct track *track = track_of(world, id, position);
    track->order =
        then->ordering == now->ordering ? now->ordering : ORDERING_NONE;
    if (track->order == ORDERING_KEY && key_at(world, position) == 0)
        track->order = ORDERING_NONE;
    if (track->order == ORDERING_NONE)
        return;
    for (uint64_t p = world->chronicle->publishers[id].start; p < position; p++)
        if (chronicle_has(world->chronicle, id, p) &&
            holds_up(world, id, p, position, track->order, block)) {
            oracle_violate(world,
                           "publisher %u: position %lu is opened before %lu, "
                           "which comes first in the order, is settled",
                           id, (unsigned long)position, (unsigned long)p);
            return;
        }
}

/* ---- Opening ---- */

static void open_track(struct world *world, uint32_t publisher_id,
                       uint64_t position, uint64_t index)
{
    struct chronicle_publisher *publisher =
        &world->chronicle->publishers[publisher_id];
    struct track *track = track_of(world, publisher_id, position);
    if (track->open)
        oracle_violate(world, "publisher %u: position %lu is opened again",
                       publisher_id, (unsigned long)position);
    if (publisher->paused)
        oracle_violate(world, "publisher %u: position %lu is opened in a pause",
                       publisher_id, (unsigned long)position);
    track->open = true;
    track->parked = false;
    track->opened_index = index;
    trace(world, TRACE_GRANT, publisher_id, position, index, 0);
    if (++publisher->open > newest(publisher)->max_in_flight)
        oracle_violate(world, "publisher %u: %u positions are open",
                       publisher_id, publisher->open);
}

void chronicle_close_track(struct world *world, uint32_t publisher_id,
                           uint64_t position)
{
    struct track *track = track_of(world, publisher_id, position);
    if (track->open)
        world->chronicle->publishers[publisher_id].open--;
    track->open = false;
}

void chronicle_proposed(struct chronicle *chronicle, const struct node *node,
                        const struct command *command)
{
    struct arena arena = {0};
    struct command_grant grant;
    struct command_unpark unpark;
    uint64_t from = 0;
    uint32_t id = 0;
    if (command->type == COMMAND_GRANT &&
        command_grant_decode(command->body, &arena, &grant) == 0) {
        id = grant.publisher_id;
        from = grant.from;
    } else if (command->type == COMMAND_UNPARK &&
               command_unpark_decode(command->body, &arena, &unpark) == 0) {
        id = unpark.publisher_id;
        from = unpark.from;
    }
    arena_close(&arena);
    if (from > POSITIONS_MAX)
        return; /* Behind the last one there can be. */
    struct draft *draft = &chronicle->drafts[id][from];
    if (node->leading_term >= draft->term)
        *draft = (struct draft){.term = node->leading_term,
                                .seen = catalog_applied_index(node->catalog)};
}

/* One position that was walked over: who wants it, and what became of it. */
static void check_walked(struct world *world, uint32_t id, uint64_t position,
                         const struct terms *then, uint64_t index)
{
    const struct chronicle *chronicle = world->chronicle;
    const struct terms *now = newest(&chronicle->publishers[id]);
    enum told_state state = chronicle_told(chronicle, id, position).state;
    bool wanted =
        (then->kinds >> chronicle_likeness(chronicle, position)->kind & 1u) !=
        0;
    if (state == TOLD_FILTERED && wanted)
        oracle_violate(world, "publisher %u: position %lu is left out", id,
                       (unsigned long)position);
    if (state == TOLD_OPEN && !wanted)
        oracle_violate(world,
                       "publisher %u: position %lu is granted, and the filter "
                       "does not want it",
                       id, (unsigned long)position);
    world->result->totals.filtered += state == TOLD_FILTERED;
    if (state != TOLD_OPEN)
        return;
    open_track(world, id, position, index);
    check_order(world, id, position, then, now);
}

static const struct terms *terms_of_draft(struct world *world, uint32_t id,
                                          uint64_t from,
                                          const struct entry *entry)
{
    const struct draft *draft = &world->chronicle->drafts[id][from];
    if (draft->term != entry->term)
        oracle_violate(world,
                       "publisher %u: what is walked from %lu on in term %lu "
                       "was not proposed",
                       id, (unsigned long)from, (unsigned long)entry->term);
    return chronicle_terms(&world->chronicle->publishers[id], draft->seen);
}

void chronicle_tell_grant(struct world *world, const struct command *command,
                          const struct entry *entry, struct arena *arena)
{
    struct command_grant grant;
    if (command_grant_decode(command->body, arena, &grant) != 0)
        return;
    uint32_t id = grant.publisher_id;
    const struct terms *then = terms_of_draft(world, id, grant.from, entry);
    for (uint64_t p = grant.from; p <= grant.upto; p++)
        if (chronicle_has(world->chronicle, id, p))
            check_walked(world, id, p, then, entry->index);
    for (uint32_t i = 0; i < grant.parked_count; i++)
        track_of(world, id, grant.parked[i])->parked = true;
    world->result->totals.parked += grant.parked_count;
}

void chronicle_tell_unpark(struct world *world, const struct command *command,
                           const struct entry *entry, struct arena *arena)
{
    struct command_unpark unpark;
    if (command_unpark_decode(command->body, arena, &unpark) != 0)
        return;
    uint32_t id = unpark.publisher_id;
    const struct terms *then = terms_of_draft(world, id, unpark.from, entry);
    uint8_t key = key_at(world, unpark.from);
    for (uint64_t p = unpark.from; p <= unpark.upto; p++) {
        if (!track_of(world, id, p)->parked || key_at(world, p) != key)
            continue;
        track_of(world, id, p)->parked = false;
        check_walked(world, id, p, then, entry->index);
    }
}

/* Retries become open, or what is open goes back. */
void chronicle_tell_positions(struct world *world,
                              const struct command *command, uint64_t index,
                              struct arena *arena)
{
    struct command_positions list;
    if (command_positions_decode(command->body, arena, &list) != 0)
        return;
    for (uint32_t i = 0; i < list.count; i++) {
        struct told told = chronicle_told(world->chronicle, list.publisher_id,
                                          list.positions[i]);
        if (command->type == COMMAND_WITHDRAW)
            chronicle_close_track(world, list.publisher_id, list.positions[i]);
        else if (told.state == TOLD_OPEN)
            open_track(world, list.publisher_id, list.positions[i], index);
    }
}
