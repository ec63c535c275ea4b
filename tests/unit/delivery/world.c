#include "world.h"

#include "base/memory.h"
#include "src/delivery/backoff.h"
#include "src/delivery/delivery_read.h"
#include "storage/query.h"
#include "tests/temporary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct proposal {
    struct proposal *next;
    uint64_t token; /* 0: the world's own. */
    struct encoder command;
};

struct pending {
    struct pending *next;
    bool is_read;
    struct delivery_read read;
    uint32_t publisher_id;
    uint64_t token;
    uint64_t position;
};

uint64_t world_random(struct world *world, uint64_t below)
{
    return random_next(&world->random) % below;
}

/* ---- The port ---- */

static bool port_ready(void *context)
{
    struct world *world = context;
    return world_random(world, 10) != 0;
}

/* In front of all that is on the way. */
static void put_first(struct world *world, struct slice command)
{
    struct proposal *proposal = memory_new_zeroed(1, sizeof *proposal);
    encoder_bytes(&proposal->command, command);
    proposal->next = world->proposals;
    if (world->proposals == NULL)
        world->proposals_last = &proposal->next;
    world->proposals = proposal;
}

static void append(struct world *world, struct slice command, uint64_t token)
{
    struct proposal *proposal = memory_new_zeroed(1, sizeof *proposal);
    proposal->token = token;
    encoder_bytes(&proposal->command, command);
    *world->proposals_last = proposal;
    world->proposals_last = &proposal->next;
}

static void port_propose(void *context, struct slice command, uint64_t token)
{
    append(context, command, token);
}

static struct pending *pending_add(struct world *world)
{
    struct pending *pending = memory_new_zeroed(1, sizeof *pending);
    pending->next = world->pending;
    world->pending = pending;
    return pending;
}

static void port_read(void *context, const struct delivery_read *read)
{
    struct pending *pending = pending_add(context);
    pending->is_read = true;
    pending->read = *read;
}

static void port_wake(void *context, uint64_t at_ms)
{
    struct world *world = context;
    world->wake_ms = at_ms;
}

static struct view *look(struct world *world)
{
    struct view *view = NULL;
    struct error error = {0};
    assert_int_equal(store_commit(world->store, &error), 0);
    assert_int_equal(view_begin(world->store, &view, &error), 0);
    return view;
}

/* Whether the log says that this position is open for this publisher. */
static bool is_open(struct world *world, uint32_t publisher_id,
                    uint64_t position)
{
    struct arena arena = {0};
    struct error error = {0};
    struct pipeline_view *views;
    uint32_t count;
    bool open = false;
    struct view *view = look(world);
    assert_int_equal(query_pipelines(view, publisher_id - 1, 1, &arena, &views,
                                     &count, &error),
                     0);
    if (count == 1 && views[0].publisher.id == publisher_id) {
        assert_true(views[0].open_count <= world->max_in_flight[publisher_id]);
        for (uint32_t i = 0; i < views[0].open_count; i++)
            open |= views[0].open[i].position == position;
    }
    view_end(view);
    arena_close(&arena);
    return open;
}

/* What the order says of a message that goes out for the first time: of all
 * that came before it (with the same key) nothing is left to do. */
static void check_order(struct world *world, uint32_t id, uint64_t position)
{
    enum ordering ordering = world->options[id].ordering;
    uint64_t key = world->messages[position].key;
    bool filtered = world->options[id].filter.length > 0;
    if (ordering == ORDERING_NONE || (ordering == ORDERING_KEY && key == 0) ||
        world->seen[id][position].redriven)
        return;
    for (uint64_t before = 1; before < position; before++) {
        const struct seen *seen = &world->seen[id][before];
        if (world->messages[before].topic != world->messages[position].topic ||
            (ordering == ORDERING_KEY && world->messages[before].key != key) ||
            (filtered && !world->messages[before].wanted) || seen->redriven ||
            before < world->start[id])
            continue;
        if (!seen->settled)
            fail_msg("publisher %u: %llu goes before %llu", id,
                     (unsigned long long)position, (unsigned long long)before);
    }
}

static void check_holds(struct world *world, uint32_t id, uint64_t position)
{
    const struct publisher_options *options = &world->options[id];
    struct pipeline_statistics now = world_statistics(world, id);
    assert_true(world->now_ms >= world->held_until_ms[id]);
    if (now.circuit.state == CIRCUIT_OPEN)
        assert_int_equal(world->open[id], 0);
    if (options->filter.length > 0)
        assert_true(world->messages[position].wanted);
    if (options->rate_limit_per_second == 0)
        return;
    uint32_t within = 1;
    for (uint32_t i = 0; i < WORLD_SENT && i < world->sent_count[id]; i++)
        within += world->sent_ms[id][i] + 1000 > world->now_ms;
    assert_true(within <= options->rate_limit_per_second +
                              options->rate_limit_per_second / 20 + 1);
    world->sent_ms[id][world->sent_count[id]++ % WORLD_SENT] = world->now_ms;
}

static void port_send(void *context, const struct delivery_send *send)
{
    struct world *world = context;
    uint32_t id = send->publisher_id;
    uint64_t position = send->letter->position;
    struct seen *seen = &world->seen[id][position];
    /* A proof that the log allows it costs a commit: taken by chance. */
    if (world_random(world, 8) == 0)
        assert_true(world->gone[id] || is_open(world, id, position));
    if (seen->undecided || seen->doubtful)
        assert_true(send->doubt);
    assert_true(send->attempt >= 1);
    check_order(world, id, position);
    check_holds(world, id, position);
    seen->undecided = true;
    seen->sends++;
    world->sends++;
    world->marked += send->doubt;
    world->open[id]++;
    assert_true(world->open[id] <= world->max_in_flight[id]);
    struct pending *pending = pending_add(world);
    pending->publisher_id = id;
    pending->token = send->token;
    pending->position = position;
}

static void new_scheduler(struct world *world)
{
    struct scheduler_port port = {.context = world,
                                  .ready = port_ready,
                                  .propose = port_propose,
                                  .read = port_read,
                                  .send = port_send,
                                  .wake = port_wake};
    world->scheduler = scheduler_new(&port, world->sends_max, world->random);
    world->wake_ms = 0;
    memset(world->open, 0, sizeof world->open);
    struct arena arena = {0};
    struct error error = {0};
    struct view *view = look(world);
    struct topic *topics;
    struct pipeline_view *views;
    uint32_t count;
    assert_int_equal(
        query_topics(view, 0, 1000, &arena, &topics, &count, &error), 0);
    for (uint32_t i = 0; i < count; i++)
        scheduler_add_topic(world->scheduler, topics[i].id,
                            topics[i].options.name, topics[i].last_position);
    assert_int_equal(
        query_pipelines(view, 0, 1000, &arena, &views, &count, &error), 0);
    for (uint32_t i = 0; i < count; i++)
        scheduler_add(world->scheduler, &views[i]);
    view_end(view);
    arena_close(&arena);
}

/* ---- The log ---- */

/* An outcome in the log decides what was sent; so does its publisher's end. */
static void note_outcomes(struct world *world, const struct command *command)
{
    struct arena arena = {0};
    struct command_outcomes outcomes;
    if (command->type != COMMAND_OUTCOMES)
        return;
    assert_int_equal(command_outcomes_decode(command->body, &arena, &outcomes),
                     0);
    for (uint32_t i = 0; i < outcomes.count; i++) {
        struct seen *seen =
            &world->seen[outcomes.publisher_id][outcomes.outcomes[i].position];
        seen->undecided = false;
        seen->settled = outcomes.outcomes[i].state != DELIVERY_RETRYING;
    }
    arena_close(&arena);
}

/* Each message takes its position at its time, within a second. */
static void note_release(struct world *world,
                         const struct command_result *result)
{
    if (result->count == 0)
        return;
    for (uint32_t i = 0; i < result->count; i++) {
        uint64_t position = result->position + i;
        uint64_t due_ms = world->due_ms[world->released++];
        assert_in_range(world->now_ms, due_ms, due_ms + world->late_ms_max);
        world->messages[position].topic = (uint32_t)result->id;
        world->position_last = position;
    }
    scheduler_released(world->scheduler, (uint32_t)result->id,
                       world->position_last);
}

static void tell_scheduler(struct world *world, const struct command *command,
                           const struct command_result *result)
{
    struct command_pause pause;
    uint32_t id;
    if (result->code != 0)
        return;
    if (command->type == COMMAND_MESSAGES) {
        uint32_t count;
        struct slice records;
        struct message message;
        assert_int_equal(
            command_messages_decode(command->body, &count, &records), 0);
        for (uint32_t i = 0; i < count; i++) {
            assert_int_equal(message_next(&records, &message), 0);
            message.id = result->id + i;
            message.received_ms = result->time_ms;
            world->position_last = result->id + i;
            if (message_is_later(&message))
                scheduler_scheduled(world->scheduler, message.topic_id,
                                    message.schedule_ms);
            else
                scheduler_published(world->scheduler, message.topic_id,
                                    result->id + i, &message);
        }
    } else if (command->type == COMMAND_RELEASE) {
        note_release(world, result);
    } else if (command->type == COMMAND_PUBLISHER_PAUSE) {
        assert_int_equal(command_pause_decode(command->body, &pause), 0);
        scheduler_pause(world->scheduler, pause.publisher_id, pause.paused);
    } else if (command->type == COMMAND_PUBLISHER_UPDATE) {
        struct command_publisher_update update;
        assert_int_equal(
            command_publisher_update_decode(command->body, &update), 0);
        scheduler_update(world->scheduler, update.publisher_id, &update.options,
                         world->now_ms);
    } else if (command->type == COMMAND_RETRY ||
               command->type == COMMAND_DISCARD) {
        struct command_decision decision;
        assert_int_equal(command_decision_decode(command->body, &decision), 0);
        scheduler_decided(world->scheduler, decision.publisher_id,
                          world->now_ms);
    } else if (command->type == COMMAND_PUBLISHER_DELETE) {
        assert_int_equal(command_publisher_delete_decode(command->body, &id),
                         0);
        scheduler_remove(world->scheduler, id);
        world->gone[id] = true;
        world->open[id] = 0;
    }
}

static struct command_result apply_all(struct world *world, bool tell)
{
    struct encoder entry = {0};
    struct proposal *proposals = world->proposals;
    struct command_result last = {0};
    world->proposals = NULL;
    world->proposals_last = &world->proposals;
    if (proposals == NULL)
        return last;
    for (struct proposal *p = proposals; p != NULL; p = p->next)
        encoder_bytes(&entry, encoder_slice(&p->command));
    struct arena arena = {0};
    struct error error = {0};
    struct command_result *results;
    uint32_t count;
    int rc = store_apply(world->store, ++world->index, encoder_slice(&entry),
                         &arena, &results, &count, &error);
    if (rc != 0)
        fail_msg("apply: %s", error.text);
    struct slice rest = encoder_slice(&entry);
    for (uint32_t i = 0; i < count; i++) {
        struct command command;
        assert_int_equal(command_next(&rest, &command), 0);
        if (results[i].code == 0)
            note_outcomes(world, &command);
        if (tell)
            tell_scheduler(world, &command, &results[i]);
        struct proposal *proposal = proposals;
        proposals = proposals->next;
        if (tell && proposal->token != 0)
            scheduler_applied(world->scheduler, proposal->token, &results[i],
                              world->now_ms);
        encoder_close(&proposal->command);
        free(proposal);
        last = results[i];
    }
    arena_close(&arena);
    encoder_close(&entry);
    return last;
}

void world_apply(struct world *world)
{
    apply_all(world, true);
}

/* ---- What comes back ---- */

static void finish_read(struct world *world, struct pending *pending)
{
    struct arena arena = {0};
    struct error error = {0};
    struct feed_item *items = NULL;
    uint32_t count = 0;
    uint64_t next_due_ms = 0;
    int rc = 0;
    struct view *view = look(world);
    if (world_random(world, 20) == 0)
        rc = ERR_BUSY;
    else
        rc = delivery_read_run(&pending->read, view, &arena, &items, &count,
                               &next_due_ms, &error);
    view_end(view);
    if (rc != 0 && rc != ERR_BUSY && rc != ERR_NOT_FOUND)
        fail_msg("read %d: %s", pending->read.kind, error.text);
    scheduler_supplied(world->scheduler, &pending->read, rc, items, count,
                       next_due_ms, world->now_ms);
    arena_close(&arena);
}

static struct attempt answer(struct world *world, const struct pending *pending)
{
    static const struct attempt good = {.class = ATTEMPT_OK, .status = 200};
    enum receiver receiver = world->receivers[pending->publisher_id];
    if (world->fail && receiver == RECEIVER_GOOD)
        receiver = RECEIVER_FLAKY;
    switch (receiver) {
    case RECEIVER_GOOD:
        return good;
    case RECEIVER_FLAKY:
        return world_random(world, 3) != 0
                   ? good
                   : (struct attempt){.class = ATTEMPT_HTTP_5XX,
                                      .status = 503,
                                      .response = slice_text("not now")};
    case RECEIVER_DOWN:
        return (struct attempt){.class = ATTEMPT_CONNECT,
                                .response = slice_text("refused")};
    case RECEIVER_PICKY:
        return pending->position % 7 != 0
                   ? good
                   : (struct attempt){.class = ATTEMPT_HTTP_5XX, .status = 500};
    case RECEIVER_BUSY:
        return (struct attempt){.class = ATTEMPT_HTTP_4XX, .status = 429};
    case RECEIVER_GONE:
        return (struct attempt){.class = ATTEMPT_HTTP_4XX, .status = 410};
    case RECEIVER_SILENT:
    case RECEIVER_HANGS:
        break;
    }
    return (struct attempt){.class = ATTEMPT_TIMEOUT};
}

static void finish_send(struct world *world, struct pending *pending)
{
    uint32_t id = pending->publisher_id;
    struct attempt attempt = answer(world, pending);
    attempt.started_ms = world->now_ms;
    struct seen *seen = &world->seen[id][pending->position];
    seen->delivered += attempt.class == ATTEMPT_OK;
    if (world->open[id] > 0)
        world->open[id]--;
    if (attempt.status == 429) {
        scheduler_held(world->scheduler, id, pending->token,
                       world->now_ms + 2000);
        world->held_until_ms[id] = world->now_ms + 2000;
    }
    scheduler_answered(world->scheduler, id, pending->token, &attempt,
                       world->now_ms);
}

static bool hangs(const struct world *world, const struct pending *pending)
{
    return !pending->is_read &&
           world->receivers[pending->publisher_id] == RECEIVER_HANGS;
}

bool world_finish_one(struct world *world)
{
    uint32_t count = 0;
    for (struct pending *p = world->pending; p != NULL; p = p->next)
        count += !hangs(world, p);
    if (count == 0)
        return false;
    struct pending **place = &world->pending;
    for (uint64_t skip = world_random(world, count);
         skip > 0 || hangs(world, *place); place = &(*place)->next)
        skip -= !hangs(world, *place);
    struct pending *pending = *place;
    *place = pending->next;
    if (pending->is_read)
        finish_read(world, pending);
    else
        finish_send(world, pending);
    free(pending);
    return true;
}

static void drop_pending(struct world *world)
{
    while (world->pending != NULL) {
        struct pending *pending = world->pending;
        world->pending = pending->next;
        if (pending->is_read)
            scheduler_forget_read(&pending->read);
        free(pending);
    }
}

void world_wait(struct world *world, uint64_t ms)
{
    world->now_ms += ms;
}

void world_run(struct world *world)
{
    scheduler_run(world->scheduler, world->now_ms);
}

/* Whether what is undecided now arrived will never be known: it and whatever
 * follows it must be marked. */
static void note_doubt(struct world *world)
{
    for (uint32_t id = 1; id <= world->publishers; id++) {
        for (uint64_t position = 1; position < WORLD_MESSAGES; position++)
            world->seen[id][position].doubtful |=
                world->seen[id][position].undecided;
    }
}

void world_crash(struct world *world)
{
    scheduler_free(world->scheduler);
    drop_pending(world); /* Receivers may have got them: they stay undecided. */
    if (world_random(world, 2) == 0) {
        apply_all(world, false);
    } else {
        while (world->proposals != NULL) {
            struct proposal *proposal = world->proposals;
            world->proposals = proposal->next;
            encoder_close(&proposal->command);
            free(proposal);
        }
        world->proposals_last = &world->proposals;
    }
    note_doubt(world);
    /* A receiver's wish that was not in the log yet is forgotten. */
    memset(world->held_until_ms, 0, sizeof world->held_until_ms);
    struct encoder command = {0};
    command_takeover_encode(&command, world->now_ms, 1);
    append(world, encoder_slice(&command), 0);
    encoder_close(&command);
    apply_all(world, false);
    new_scheduler(world);
}

void world_settle(struct world *world)
{
    world->fail = false;
    for (int quiet = 0; quiet < 3;) {
        world_run(world);
        bool busy = world->proposals != NULL;
        world_apply(world);
        while (world_finish_one(world))
            busy = true;
        if (!busy && world->wake_ms != 0) {
            busy = true;
            if (world->wake_ms > world->now_ms)
                world->now_ms = world->wake_ms;
        }
        quiet = busy ? 0 : quiet + 1;
    }
}

/* ---- Commands of the world's own ---- */

static struct command_result command_now(struct world *world,
                                         struct encoder *command)
{
    if (world->overtakes)
        put_first(world, encoder_slice(command));
    else
        append(world, encoder_slice(command), 0);
    encoder_close(command);
    return apply_all(world, true);
}

uint32_t world_topic(struct world *world)
{
    char name[16];
    snprintf(name, sizeof name, "t%u", ++world->topics);
    struct topic_options options = {.name = slice_text(name),
                                    .origin_host = slice_text("h")};
    struct encoder command = {0};
    command_topic_create_encode(&command, world->now_ms, &options);
    struct command_result result = command_now(world, &command);
    assert_int_equal(result.code, 0);
    scheduler_add_topic(world->scheduler, (uint32_t)result.id, options.name, 0);
    return (uint32_t)result.id;
}

static struct publisher_options options_of(struct world *world,
                                           const struct publisher_options *from)
{
    struct publisher_options options = *from;
    char target[32];
    snprintf(target, sizeof target, "http://r/%u", world->publishers + 1);
    if (options.target.length == 0)
        options.target = arena_copy(&world->texts, slice_text(target));
    options.type = PUBLISHER_HTTP;
    options.timeout_seconds = 1;
    options.retry_seconds =
        options.retry_seconds == 0 ? 1 : options.retry_seconds;
    options.retry_seconds_max =
        options.retry_seconds_max == 0 ? 4 : options.retry_seconds_max;
    options.chunk_size = 100;
    options.max_in_flight =
        options.max_in_flight == 0 ? 4 : options.max_in_flight;
    options.max_attempts =
        options.max_attempts == 0 ? 1000000 : options.max_attempts;
    return options;
}

uint32_t world_publisher_with(struct world *world, uint32_t topic_id,
                              const struct publisher_options *options)
{
    struct command_publisher_create create = {
        .topic_id = topic_id, .options = options_of(world, options)};
    struct encoder command = {0};
    command_publisher_create_encode(&command, world->now_ms, &create);
    struct command_result result = command_now(world, &command);
    assert_int_equal(result.code, 0);
    struct pipeline_view view = {.publisher = {.id = (uint32_t)result.id,
                                               .topic_id = topic_id,
                                               .options = create.options},
                                 .next = result.position};
    world->publishers = (uint32_t)result.id;
    assert_true(world->publishers < WORLD_PUBLISHERS);
    world->max_in_flight[result.id] = create.options.max_in_flight;
    world->options[result.id] = create.options;
    world->start[result.id] = result.position;
    scheduler_add(world->scheduler, &view);
    return (uint32_t)result.id;
}

uint32_t world_publisher(struct world *world, uint32_t topic_id,
                         uint32_t max_in_flight, uint32_t max_attempts)
{
    struct publisher_options options = {.max_in_flight = max_in_flight,
                                        .max_attempts = max_attempts};
    return world_publisher_with(world, topic_id, &options);
}

void world_update(struct world *world, uint32_t publisher_id,
                  const struct publisher_options *options)
{
    struct command_publisher_update update = {
        .publisher_id = publisher_id, .options = options_of(world, options)};
    struct encoder command = {0};
    command_publisher_update_encode(&command, world->now_ms, &update);
    assert_int_equal(command_now(world, &command).code, 0);
    world->options[publisher_id] = update.options;
    world->max_in_flight[publisher_id] = update.options.max_in_flight;
}

void world_decide(struct world *world, enum command_type type,
                  uint32_t publisher_id, uint64_t position)
{
    struct command_decision decision = {.message_id = position,
                                        .publisher_id = publisher_id};
    struct encoder command = {0};
    command_decision_encode(&command, type, world->now_ms, &decision);
    if (command_now(world, &command).code == 0)
        world->seen[publisher_id][position].redriven = true;
}

struct pipeline_statistics world_statistics(struct world *world,
                                            uint32_t publisher_id)
{
    struct pipeline_statistics statistics = {0};
    scheduler_statistics_of(world->scheduler, publisher_id, world->now_ms,
                            &statistics);
    return statistics;
}

static void publish(struct world *world, uint32_t topic_id, uint32_t count,
                    bool keyed)
{
    struct encoder command = {0};
    uint64_t first = world->position_last + 1;
    assert_true(first + count < WORLD_MESSAGES);
    size_t begun = command_messages_begin(&command, world->now_ms, count);
    for (uint32_t i = 0; i < count; i++) {
        struct encoder attributes = {0};
        char key[8] = "";
        bool wanted = world_random(world, 3) == 0;
        if (keyed && world_random(world, 8) != 0)
            snprintf(key, sizeof key, "k%llu",
                     (unsigned long long)world_random(world, 5));
        attribute_encode(&attributes, slice_text("kind"),
                         slice_text(wanted ? "a" : "b"));
        struct message message = {.topic_id = topic_id,
                                  .key = slice_text(key),
                                  .attributes = encoder_slice(&attributes),
                                  .payload = slice_text("{\"a\":1}")};
        message_encode(&command, &message);
        world->messages[first + i].key = key_hash(message.key);
        world->messages[first + i].topic = topic_id;
        world->messages[first + i].wanted = wanted;
        encoder_close(&attributes);
    }
    command_end(&command, begun);
    command_now(world, &command);
    assert_int_equal(world->position_last, first + count - 1);
}

void world_schedule(struct world *world, uint32_t topic_id, uint64_t due_ms)
{
    struct encoder command = {0};
    size_t begun = command_messages_begin(&command, world->now_ms, 1);
    struct message message = {.topic_id = topic_id,
                              .schedule_ms = due_ms,
                              .payload = slice_text("1")};
    message_encode(&command, &message);
    command_end(&command, begun);
    command_now(world, &command);
    uint32_t place = world->scheduled++;
    assert_true(world->scheduled <= WORLD_SCHEDULED);
    for (; place > world->released && world->due_ms[place - 1] > due_ms;
         place--)
        world->due_ms[place] = world->due_ms[place - 1];
    world->due_ms[place] = due_ms;
}

void world_publish(struct world *world, uint32_t topic_id, uint32_t count)
{
    publish(world, topic_id, count, false);
}

void world_publish_keyed(struct world *world, uint32_t topic_id, uint32_t count)
{
    publish(world, topic_id, count, true);
}

void world_pause(struct world *world, uint32_t publisher_id, bool paused)
{
    struct command_pause pause = {.publisher_id = publisher_id,
                                  .paused = paused,
                                  .reason = slice_text(paused ? "test" : "")};
    struct encoder command = {0};
    command_pause_encode(&command, world->now_ms, &pause);
    append(world, encoder_slice(&command), 0);
    encoder_close(&command);
}

void world_delete(struct world *world, uint32_t publisher_id)
{
    struct encoder command = {0};
    command_publisher_delete_encode(&command, world->now_ms, publisher_id);
    append(world, encoder_slice(&command), 0);
    encoder_close(&command);
}

struct publisher_view world_look(struct world *world, uint32_t publisher_id,
                                 struct arena *arena)
{
    struct publisher_view found;
    struct error error = {0};
    struct view *view = look(world);
    assert_int_equal(query_publisher(view, publisher_id, arena, &found, &error),
                     0);
    view_end(view);
    return found;
}

/* ---- Life ---- */

void world_open(struct world *world, uint64_t seed)
{
    world_open_with(world, seed, 1000);
}

void world_open_with(struct world *world, uint64_t seed, uint32_t sends_max)
{
    struct error error = {0};
    struct store_options options = {.map_bytes = 1u << 28};
    *world = (struct world){
        .sends_max = sends_max, .random = seed * 2 + 1, .now_ms = 1000000};
    world->proposals_last = &world->proposals;
    world->seen = memory_new_zeroed(WORLD_PUBLISHERS, sizeof *world->seen);
    assert_true(temporary_directory(world->directory, sizeof world->directory));
    int rc = store_open(world->directory, &options, &world->store, &error);
    if (rc != 0)
        fail_msg("open: %s", error.text);
    for (int i = 0; i < 10; i++)
        random_next(&world->random);
    new_scheduler(world);
}

void world_close(struct world *world)
{
    char command[128];
    scheduler_free(world->scheduler);
    drop_pending(world);
    apply_all(world, false);
    store_close(world->store);
    arena_close(&world->texts);
    free(world->seen);
    snprintf(command, sizeof command, "rm -r %s", world->directory);
    assert_int_equal(system(command), 0);
}
