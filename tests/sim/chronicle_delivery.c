/* What comes of deliveries, and what people do with them and with publishers:
 * budgets of attempts, and what an outage may cost. */
#include "chronicle_inside.h"
#include "src/delivery/breaker.h"

enum { HOLDS_IN_A_ROW = 10 };

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
 * answer at most five count. What is ambiguous is not tried again. */
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
    } else if (!outcome->uncounted && outcome->state != DELIVERY_AMBIGUOUS &&
               ++publisher->unanswered > BREAKER_FAILURES &&
               !publisher->answered) {
        oracle_violate(world, "publisher %u: %d attempts of an outage count",
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
    chronicle_close_track(world, id, outcome->position);
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
    publisher->unanswered = -(int32_t)publisher->open;
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
        chronicle_tell_grant(world, command, entry, arena);
        break;
    case COMMAND_UNPARK:
        chronicle_tell_unpark(world, command, entry, arena);
        break;
    case COMMAND_INTENT:
    case COMMAND_WITHDRAW:
        chronicle_tell_positions(world, command, entry->index, arena);
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
