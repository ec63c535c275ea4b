/* What must hold on the wire: who may send what, and when. */
#include "oracle.h"

#include "trace.h"
#include "world.h"

enum {
    LATE_MS = 1000,   /* So late a scheduled message may be (contract). */
    HEALED_MS = 8000, /* So long a cluster may take to deliver again. */
};

/* ---- Pauses, Retry-After, rates ---- */

/* What the log says, as far as this node has applied it. */
static void check_may_begin(struct node *node, uint32_t id)
{
    struct world *world = node->world;
    const struct chronicle_publisher *publisher =
        &world->chronicle->publishers[id];
    uint64_t seen = catalog_applied_index(node->catalog);
    if (!publisher->exists && publisher->stopped_index <= seen)
        oracle_violate(world, "node %u sends to publisher %u, which is deleted",
                       node->id, id);
    if (publisher->exists && publisher->paused &&
        publisher->stopped_index <= seen)
        oracle_violate(world, "node %u sends to publisher %u in a pause",
                       node->id, id);
    /* Its own holds a leader knows better. */
    if (publisher->held_term < node->leading_term &&
        publisher->held_until_ms > node_wall_ms(node))
        oracle_violate(world,
                       "node %u sends to publisher %u, which is held by "
                       "Retry-After",
                       node->id, id);
}

static struct wire *wire_of(struct node *node, const struct delivery_send *send)
{
    struct world *world = node->world;
    struct wire *wire = &world->oracle.wires[send->publisher_id];
    uint64_t life = node->boot * SIM_NODES + node->number + 1;
    const struct terms *terms =
        chronicle_terms(&world->chronicle->publishers[send->publisher_id],
                        catalog_applied_index(node->catalog));
    if (wire->life != life || wire->reign != send->reign ||
        wire->terms != terms)
        *wire =
            (struct wire){.life = life, .reign = send->reign, .terms = terms};
    return wire;
}

/* In no stretch of time more than the rate, and a twentieth of a second's. */
static void check_rate(struct world *world, struct wire *wire, uint32_t id,
                       uint64_t now_ms)
{
    uint64_t rate = wire->terms->rate;
    uint64_t burst = rate / 20 == 0 ? 1 : rate / 20;
    wire->begun_ms[wire->count++ % WIRE_KEPT] = now_ms;
    if (rate == 0)
        return;
    for (uint64_t i = wire->count > WIRE_KEPT ? wire->count - WIRE_KEPT : 0;
         i < wire->count; i++) {
        uint64_t passed_ms = now_ms - wire->begun_ms[i % WIRE_KEPT];
        uint64_t sent = wire->count - i;
        if (sent > burst && (sent - burst) * 1000 > passed_ms * rate)
            oracle_violate(world,
                           "publisher %u gets %lu requests in %lu ms, at a "
                           "rate of %lu",
                           id, (unsigned long)sent, (unsigned long)passed_ms,
                           (unsigned long)rate);
    }
}

void oracle_begins(struct node *node, const struct delivery_send *send)
{
    struct wire *wire = wire_of(node, send);
    uint64_t now_ms = node_wall_ms(node);
    check_may_begin(node, send->publisher_id);
    check_rate(node->world, wire, send->publisher_id, now_ms);
    if (now_ms < wire->held_until_ms)
        oracle_violate(node->world,
                       "publisher %u asked to be left alone until %lu",
                       send->publisher_id, (unsigned long)wire->held_until_ms);
}

void oracle_held(struct node *node, const struct delivery_send *send,
                 uint64_t until_ms)
{
    struct wire *wire = wire_of(node, send);
    if (send->reign == node->reign && until_ms > wire->held_until_ms)
        wire->held_until_ms = until_ms;
    node->world->result->totals.held++;
}

/* ---- Requests ---- */

static void check_leader(struct node *node, uint32_t id, uint64_t position)
{
    struct world *world = node->world;
    const struct chronicle *chronicle = world->chronicle;
    if (node->leading_term < world->oracle.elected_term)
        oracle_violate(world,
                       "node %u sends publisher %u position %lu in term %lu, "
                       "when another was elected in term %lu",
                       node->id, id, (unsigned long)position,
                       (unsigned long)node->leading_term,
                       (unsigned long)world->oracle.elected_term);
    if (chronicle->takeover_term != node->leading_term ||
        catalog_applied_index(node->catalog) < chronicle->takeover_index)
        oracle_violate(world, "node %u sends before its takeover is applied",
                       node->id);
}

void oracle_sends(struct node *node, const struct delivery_send *send)
{
    struct world *world = node->world;
    struct chronicle *chronicle = world->chronicle;
    uint32_t id = send->publisher_id;
    uint64_t position = send->letter->position;
    const struct chronicle_publisher *publisher = &chronicle->publishers[id];
    struct track *track = &chronicle->tracks[id][position];
    trace(world, TRACE_SEND, node->id, id, position, send->doubt);
    check_leader(node, id, position);
    if (publisher->exists && !track->open)
        oracle_violate(world, "publisher %u: position %lu is sent and not open",
                       id, (unsigned long)position);
    if (track->opened_index > catalog_applied_index(node->catalog))
        oracle_violate(world,
                       "publisher %u: position %lu is sent before its "
                       "grant is applied",
                       id, (unsigned long)position);
    if ((track->undecided || track->doubtful) && !send->doubt)
        oracle_violate(world,
                       "publisher %u: position %lu is sent again, "
                       "unmarked",
                       id, (unsigned long)position);
    if (publisher->exists &&
        send->doubt != chronicle_told(chronicle, id, position).doubt)
        oracle_violate(world,
                       "publisher %u: position %lu is sent %s, the log "
                       "says otherwise",
                       id, (unsigned long)position,
                       send->doubt ? "marked" : "unmarked");
    track->doubtful |= track->undecided;
    track->undecided = true;
    track->sent++;
    world->result->totals.attempts++;
    world->result->totals.marked += send->doubt;
}

void oracle_taken(struct world *world, uint32_t publisher_id, uint64_t position,
                  bool marked)
{
    struct track *track = &world->chronicle->tracks[publisher_id][position];
    trace(world, TRACE_TAKEN, publisher_id, position, ++track->taken, marked);
    world->result->totals.duplicates += track->taken > 1 && marked;
}

void oracle_reaches(struct world *world, uint32_t publisher_id,
                    uint64_t position)
{
    const struct chronicle_publisher *publisher =
        &world->chronicle->publishers[publisher_id];
    struct track *track = &world->chronicle->tracks[publisher_id][position];
    if (++track->reached > 1 && publisher->exists &&
        publisher->versions[0].guarantee == AT_MOST_ONCE)
        oracle_violate(world,
                       "publisher %u: position %lu reaches its receiver once "
                       "more, and nobody has decided so",
                       publisher_id, (unsigned long)position);
}

/* ---- Schedules ---- */

/* The clock that goes ahead of all others. */
static uint64_t latest_wall_ms(const struct world *world)
{
    uint64_t latest = 0;
    for (unsigned i = 0; i < world->count; i++)
        if (node_wall_ms(&world->nodes[i]) > latest)
            latest = node_wall_ms(&world->nodes[i]);
    return latest;
}

void oracle_released(struct world *world, uint64_t position)
{
    uint64_t due_ms =
        chronicle_likeness(world->chronicle, position)->schedule_ms;
    world->result->totals.released++;
    if (due_ms > latest_wall_ms(world))
        oracle_violate(world, "position %lu is released %lu ms early",
                       (unsigned long)position,
                       (unsigned long)(due_ms - latest_wall_ms(world)));
}

/* By the clock that is behind all others, and one round of the log later. */
void oracle_look_at_schedules(struct world *world)
{
    uint64_t now_ms = world->timeline.now_ms;
    uint64_t earliest = UINT64_MAX;
    for (unsigned i = 0; i < world->count; i++)
        if (node_wall_ms(&world->nodes[i]) < earliest)
            earliest = node_wall_ms(&world->nodes[i]);
    if (now_ms < world->quiet_ms + HEALED_MS)
        return;
    uint64_t id =
        retelling_scheduled(world->chronicle->retelling, earliest - LATE_MS);
    if (id != 0)
        oracle_violate(world, "message %lu is overdue", (unsigned long)id);
}
