/* What the log says of publishers and their deliveries, and what must follow
 * from it: filters and orders at the time of a grant, budgets of attempts,
 * what an outage may cost.
 *
 * The state of each delivery is the naive model's; here stands what that does
 * not judge. Where options changed while a command was on its way, it may go
 * by the old ones or by the new ones: by those that its leader had applied when
 * it was proposed, or by those that hold where it stands in the log. */
#include "chronicle.h"

#include "src/delivery/breaker.h"
#include "trace.h"
#include "world.h"

enum { HOLDS_IN_A_ROW = 10 };

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

static void add_terms(struct world *world,
                      struct chronicle_publisher *publisher, uint64_t index,
                      const struct publisher_options *options)
{
    if (publisher->version_count == VERSIONS_MAX) {
        oracle_violate(world, "a publisher has changed too often");
        return;
    }
    publisher->versions[publisher->version_count++] = (struct terms){
        .index = index,
        .kinds = filter_kinds(options->filter),
        .ordering = options->ordering,
        .on_poison = options->on_poison,
        .guarantee = options->guarantee,
        .max_in_flight = options->max_in_flight,
        .max_attempts = options->max_attempts,
        .rate = options->rate_limit_per_second,
        .expire_ms = options->expire_after_seconds * 1000ul,
    };
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

static struct track *track_of(struct world *world, uint32_t publisher_id,
                              uint64_t position)
{
    return &world->chronicle->tracks[publisher_id][position];
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

static void close_track(struct world *world, uint32_t publisher_id,
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

static void tell_grant(struct world *world, const struct command *command,
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

static void tell_unpark(struct world *world, const struct command *command,
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
static void tell_positions(struct world *world, const struct command *command,
                           uint64_t index, struct arena *arena)
{
    struct command_positions list;
    if (command_positions_decode(command->body, arena, &list) != 0)
        return;
    for (uint32_t i = 0; i < list.count; i++) {
        struct told told = chronicle_told(world->chronicle, list.publisher_id,
                                          list.positions[i]);
        if (command->type == COMMAND_WITHDRAW)
            close_track(world, list.publisher_id, list.positions[i]);
        else if (told.state == TOLD_OPEN)
            open_track(world, list.publisher_id, list.positions[i], index);
    }
}

/* ---- Outcomes ---- */

static bool ever(const struct chronicle_publisher *publisher,
                 bool (*holds)(const struct terms *terms, uint64_t value),
                 uint64_t value)
{
    for (uint32_t i = 0; i < publisher->version_count; i++)
        if (holds(&publisher->versions[i], value))
            return true;
    return false;
}

static bool allows_attempts(const struct terms *terms, uint64_t used)
{
    return terms->max_attempts <= used;
}

static bool expires_by(const struct terms *terms, uint64_t age_ms)
{
    return terms->expire_ms != 0 && terms->expire_ms <= age_ms;
}

static bool gives_up(const struct terms *terms, uint64_t value)
{
    (void)value;
    return terms->on_poison != POISON_BLOCK;
}

/* Dead only when its attempts are spent, or its time is over. */
static void check_dead(struct world *world, uint32_t id,
                       const struct outcome *outcome)
{
    const struct chronicle *chronicle = world->chronicle;
    const struct chronicle_publisher *publisher = &chronicle->publishers[id];
    uint64_t position = outcome->position;
    struct told told = chronicle_told(chronicle, id, position);
    uint64_t since =
        chronicle->received_ms[retelling_id_at(chronicle->retelling, position)];
    if (chronicle_likeness(chronicle, position)->schedule_ms > since)
        since = chronicle_likeness(chronicle, position)->schedule_ms;
    uint64_t at_ms = outcome->attempt.started_ms;
    bool expired = outcome->attempt.class == ATTEMPT_EXPIRED;
    world->result->totals.dead++;
    if (expired && (told.replay_id != 0 || at_ms < since ||
                    !ever(publisher, expires_by, at_ms - since)))
        oracle_violate(world, "publisher %u: position %lu expires early", id,
                       (unsigned long)position);
    if (!expired && !ever(publisher, allows_attempts, told.used))
        oracle_violate(world,
                       "publisher %u: position %lu is dead after %u attempts",
                       id, (unsigned long)position, told.used);
    if (!expired && told.ordered && !ever(publisher, gives_up, 0) &&
        track_of(world, id, position)->order != ORDERING_NONE)
        oracle_violate(world,
                       "publisher %u: position %lu is given up where it blocks",
                       id, (unsigned long)position);
}

/* The backlog burns no attempts in an outage: of failures in a row that got no
 * answer at most five count. */
static void check_count(struct world *world, uint32_t id,
                        const struct outcome *outcome)
{
    struct chronicle_publisher *publisher = &world->chronicle->publishers[id];
    bool answered = outcome->attempt.status != 0;
    if (outcome->uncounted && answered && !outcome->held)
        oracle_violate(world,
                       "publisher %u: position %lu got an answer, and its "
                       "attempt does not count",
                       id, (unsigned long)outcome->position);
    if (outcome->state == DELIVERY_DELIVERED) {
        publisher->unanswered = 0;
        publisher->answered = false;
    } else if (answered || !breaker_is_outage(outcome->attempt.class)) {
        publisher->answered |= outcome->attempt.class != ATTEMPT_EXPIRED;
    } else if (!outcome->uncounted &&
               ++publisher->unanswered > BREAKER_FAILURES &&
               !publisher->answered) {
        oracle_violate(world, "publisher %u: %u attempts of an outage count",
                       id, publisher->unanswered);
    }
}

static void tell_outcome(struct world *world, uint32_t id,
                         const struct outcome *outcome)
{
    struct track *track = track_of(world, id, outcome->position);
    struct told told = chronicle_told(world->chronicle, id, outcome->position);
    if (!track->open)
        return; /* Somebody else has decided it. */
    if (outcome->state == DELIVERY_DELIVERED && track->taken == 0)
        oracle_violate(world,
                       "publisher %u: position %lu counts as delivered, and "
                       "was not",
                       id, (unsigned long)outcome->position);
    if (told.holds > HOLDS_IN_A_ROW)
        oracle_violate(world, "publisher %u: position %lu is held %u times", id,
                       (unsigned long)outcome->position, told.holds);
    if (outcome->state == DELIVERY_DEAD)
        check_dead(world, id, outcome);
    check_count(world, id, outcome);
    close_track(world, id, outcome->position);
    track->undecided = false;
    world->result->totals.deliveries += outcome->state == DELIVERY_DELIVERED;
    world->result->totals.ambiguous += outcome->state == DELIVERY_AMBIGUOUS;
    world->result->totals.uncounted += outcome->uncounted;
}

static void tell_outcomes(struct world *world, const struct command *command,
                          struct arena *arena)
{
    struct command_outcomes outcomes;
    if (command_outcomes_decode(command->body, arena, &outcomes) != 0)
        return;
    for (uint32_t i = 0; i < outcomes.count; i++)
        tell_outcome(world, outcomes.publisher_id, &outcomes.outcomes[i]);
}

/* ---- Publishers ---- */

static void tell_create(struct world *world, const struct command *command,
                        const struct command_result *result, uint64_t index)
{
    struct chronicle *chronicle = world->chronicle;
    struct command_publisher_create create;
    if (command_publisher_create_decode(command->body, &create) != 0)
        return;
    struct chronicle_publisher *publisher = &chronicle->publishers[result->id];
    chronicle->publisher_count = (uint32_t)result->id;
    *publisher = (struct chronicle_publisher){
        .exists = true,
        .paused = create.paused,
        .topic_id = create.topic_id,
        .start = result->position,
    };
    add_terms(world, publisher, index, &create.options);
}

/* Another target begins with a clean slate. */
static void tell_update(struct world *world, const struct command *command,
                        uint64_t index)
{
    struct command_publisher_update update;
    if (command_publisher_update_decode(command->body, &update) != 0)
        return;
    struct chronicle_publisher *publisher =
        &world->chronicle->publishers[update.publisher_id];
    add_terms(world, publisher, index, &update.options);
    publisher->unanswered = 0;
    publisher->answered = false;
    publisher->held_until_ms = 0;
    world->result->totals.updates++;
}

static void tell_pause(struct world *world, const struct command *command,
                       uint64_t index)
{
    struct command_pause pause;
    if (command_pause_decode(command->body, &pause) != 0)
        return;
    struct chronicle_publisher *publisher =
        &world->chronicle->publishers[pause.publisher_id];
    publisher->paused = pause.paused;
    publisher->stopped_index = index;
}

static void tell_delete(struct world *world, const struct command *command,
                        uint64_t index)
{
    uint32_t id;
    if (command_publisher_delete_decode(command->body, &id) != 0)
        return;
    world->chronicle->publishers[id].exists = false;
    world->chronicle->publishers[id].stopped_index = index;
}

static void tell_circuit(struct world *world, const struct command *command,
                         const struct entry *entry)
{
    struct command_circuit circuit;
    if (command_circuit_decode(command->body, &circuit) != 0)
        return;
    struct chronicle_publisher *publisher =
        &world->chronicle->publishers[circuit.publisher_id];
    publisher->held_until_ms = circuit.throttled_until_ms;
    publisher->held_term = entry->term;
    world->result->totals.circuits += circuit.circuit.state == CIRCUIT_OPEN;
}

/* ---- Decisions ---- */

/* What is to be sent once more may reach its receiver once more. */
static void send_again(struct world *world, uint32_t id, uint64_t position)
{
    if (!chronicle_has(world->chronicle, id, position))
        return;
    struct told told = chronicle_told(world->chronicle, id, position);
    if (told.state != TOLD_WAITING || told.used != 0)
        return;
    struct track *track = track_of(world, id, position);
    track->reached = 0;
    if (!told.ordered)
        track->order = ORDERING_NONE;
    world->result->totals.decided++;
}

/* Its position is one of all: the model knows it by its id. */
static void tell_retry(struct world *world, const struct command *command)
{
    struct chronicle *chronicle = world->chronicle;
    struct command_decision decision;
    if (command_decision_decode(command->body, &decision) != 0)
        return;
    for (uint64_t p = 1; p <= chronicle->position; p++) {
        if (retelling_id_at(chronicle->retelling, p) != decision.message_id)
            continue;
        for (uint32_t id = 1; id <= chronicle->publisher_count; id++)
            if (decision.publisher_id == 0 || decision.publisher_id == id)
                send_again(world, id, p);
    }
}

static void tell_retry_step(struct world *world, const struct command *command)
{
    struct command_decision_step step;
    if (command_decision_step_decode(command->body, &step) != 0)
        return;
    for (uint64_t p = step.from;
         p <= step.upto && p <= world->chronicle->position; p++)
        send_again(world, step.publisher_id, p);
}

static void tell_replay_step(struct world *world, const struct command *command,
                             struct arena *arena)
{
    struct command_replay_step step;
    if (command_replay_step_decode(command->body, arena, &step) != 0)
        return;
    uint32_t id =
        retelling_replay_publisher(world->chronicle->retelling, step.replay_id);
    for (uint32_t i = 0; i < step.count; i++)
        send_again(world, id, step.positions[i]);
    world->result->totals.replay_steps++;
}

/* ---- All ---- */

void chronicle_tell_delivery(struct world *world, const struct command *command,
                             const struct command_result *result,
                             const struct entry *entry, struct arena *arena)
{
    switch (command->type) {
    case COMMAND_PUBLISHER_CREATE:
        tell_create(world, command, result, entry->index);
        break;
    case COMMAND_PUBLISHER_UPDATE:
        tell_update(world, command, entry->index);
        break;
    case COMMAND_PUBLISHER_DELETE:
        tell_delete(world, command, entry->index);
        break;
    case COMMAND_PUBLISHER_PAUSE:
        tell_pause(world, command, entry->index);
        break;
    case COMMAND_CIRCUIT:
        tell_circuit(world, command, entry);
        break;
    case COMMAND_GRANT:
        tell_grant(world, command, entry, arena);
        break;
    case COMMAND_UNPARK:
        tell_unpark(world, command, entry, arena);
        break;
    case COMMAND_INTENT:
    case COMMAND_WITHDRAW:
        tell_positions(world, command, entry->index, arena);
        break;
    case COMMAND_OUTCOMES:
        tell_outcomes(world, command, arena);
        break;
    case COMMAND_RETRY:
        tell_retry(world, command);
        break;
    case COMMAND_RETRY_STEP:
        tell_retry_step(world, command);
        break;
    case COMMAND_REPLAY_STEP:
        tell_replay_step(world, command, arena);
        break;
    default:
        break;
    }
}
