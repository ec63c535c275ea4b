#include "clients.h"

#include "base/memory.h"
#include "operator.h"
#include "storage/idempotency.h"
#include "trace.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PATIENCE_MS = 700,
    FINALS = 2,
    ANSWER_OK = 0,
};

/* A request on its way to a node, or its answer on the way back. */
struct call {
    struct event event;
    struct client *client;
    uint32_t tries;
    int code;
    uint64_t id;
};

static void plan(struct client *client, void (*run)(struct event *event),
                 uint64_t delay_ms)
{
    struct call *call = memory_new_zeroed(1, sizeof *call);
    struct timeline *timeline = &client->world->timeline;
    call->event.run = run;
    call->client = client;
    call->tries = client->tries;
    timeline_add(timeline, &call->event, timeline->now_ms + delay_ms);
}

static void on_step(struct event *event);
static void on_patience(struct event *event);

static bool is_operator(const struct client *client)
{
    return client->number == CLIENTS_MAX;
}

/* ---- At the node ---- */

static void on_answer(struct event *event);

/* May be lost on the way. */
static void reply(struct client *client, uint32_t tries, int code, uint64_t id)
{
    struct world *world = client->world;
    struct dice *dice = &world->dice;
    if (!world->quiet && dice_chance(dice, 20))
        return;
    struct call *call = memory_new_zeroed(1, sizeof *call);
    call->event.run = on_answer;
    call->client = client;
    call->tries = tries;
    call->code = code;
    call->id = id;
    timeline_add(&world->timeline, &call->event,
                 world->timeline.now_ms + dice_between(dice, 1, 4));
}

static void on_done(void *context, uint64_t token, int code, uint64_t index,
                    const struct command_result *result)
{
    struct client *client = context;
    uint64_t id = 0;
    (void)index;
    if (code == 0) {
        code = result->code;
        id = result->id;
        if (code == ERR_EXISTS) {
            client->world->result->totals.replayed +=
                client->deed == DEED_PUBLISH;
            code = 0;
        }
        /* It may be gone, or decided already: that is an answer. */
        if (client->deed > DEED_PUBLISHER)
            code = 0;
    }
    reply(client, (uint32_t)token, code, id);
}

static void encode_messages(struct node *node, const struct client *client,
                            uint32_t topic_id, struct encoder *out)
{
    char key[16];
    struct idempotency request = {.route = IDEMPOTENT_MESSAGE};
    int length =
        snprintf(key, sizeof key, "k%lu", (unsigned long)client->token);
    request.key = slice_of((const uint8_t *)key, (size_t)length);
    idempotency_hash(request.key, request.request_hash);
    size_t begun = command_messages_begin_once(out, node_wall_ms(node),
                                               client->keyed ? &request : NULL,
                                               client->count);
    for (uint32_t i = 0; i < client->count; i++) {
        uint64_t token = client->token + i;
        likeness_encode(out, &node->world->chronicle->tokens[token].likeness,
                        topic_id, token);
    }
    command_end(out, begun);
}

static void encode(struct node *node, const struct client *client,
                   uint32_t topic_id, struct encoder *out)
{
    if (client->deed == DEED_PUBLISH)
        encode_messages(node, client, topic_id, out);
    else
        operator_encode(node, client, topic_id, out);
}

static void on_request(struct event *event)
{
    struct call *call = (struct call *)event;
    struct client *client = call->client;
    struct node *node = event->owner;
    char name[8];
    bool current = call->tries == client->tries && client->deed != DEED_NONE;
    uint32_t tries = call->tries;
    free(call);
    if (!current)
        return; /* The client has gone on: its connection is closed. */
    int code = proposer_check(node->proposer, 0);
    snprintf(name, sizeof name, "t%u", client->topic);
    const struct topic *topic =
        catalog_topic_named(node->catalog, slice_text(name));
    if (code == 0 && topic == NULL &&
        (client->deed == DEED_PUBLISH || client->deed == DEED_PUBLISHER))
        code = ERR_NOT_FOUND;
    if (code != 0) {
        reply(client, tries, code == ERR_NOT_FOUND ? code : ERR_UNAVAILABLE, 0);
        return;
    }
    encode(node, client, topic == NULL ? 0 : topic->id,
           proposer_begin(node->proposer));
    proposer_end(node->proposer, on_done, client, tries);
}

/* ---- At the client ---- */

static void try_now(struct client *client)
{
    struct world *world = client->world;
    struct dice *dice = &world->dice;
    struct node *node = &world->nodes[dice_below(dice, world->count)];
    /* Mostly whom the others name as the leader. */
    for (unsigned i = 0; i < world->count && dice_chance(dice, 800); i++)
        if (world->nodes[i].up && world->nodes[i].leading_term != 0)
            node = &world->nodes[i];
    client->tries++;
    client->waiting = true;
    trace(world, TRACE_REQUEST, client->number, node->id, client->token,
          client->tries);
    plan(client, on_patience, PATIENCE_MS);
    if (!node->up || (!world->quiet && dice_chance(dice, 20)))
        return;
    struct call *call = memory_new_zeroed(1, sizeof *call);
    call->event.run = on_request;
    call->client = client;
    call->tries = client->tries;
    node_plan(node, &call->event, dice_between(dice, 1, 4));
}

static void finish(struct client *client, uint64_t id)
{
    struct world *world = client->world;
    if (client->deed == DEED_PUBLISH) {
        oracle_acknowledged(world, client->token, client->count, id);
        client->finals += world->quiet;
    }
    client->deed = DEED_NONE;
    client->uncertain = false;
}

/* Tries again, or lets it be. */
static void go_on(struct client *client, int code)
{
    struct world *world = client->world;
    bool unknown = code == ERR_UNKNOWN_OUTCOME;
    client->waiting = false;
    if (unknown) {
        client->uncertain = true;
        world->result->totals.unknown++;
    }
    if (unknown && client->deed == DEED_PUBLISH && !client->keyed &&
        dice_chance(&world->dice, 500)) {
        client->deed = DEED_NONE;
        client->uncertain = false;
    }
    plan(client, on_step, dice_between(&world->dice, 5, 120));
}

static void on_patience(struct event *event)
{
    struct call *call = (struct call *)event;
    struct client *client = call->client;
    bool current = client->waiting && call->tries == client->tries;
    free(call);
    if (current)
        go_on(client, ERR_UNKNOWN_OUTCOME);
}

static void on_answer(struct event *event)
{
    struct call *call = (struct call *)event;
    struct client *client = call->client;
    bool current = client->waiting && call->tries == client->tries;
    int code = call->code;
    uint64_t id = call->id;
    free(call);
    if (!current)
        return;
    trace(client->world, TRACE_ANSWER, client->number, (uint64_t)(uint32_t)code,
          id, 0);
    if (code == ANSWER_OK) {
        finish(client, id);
        go_on(client, 0);
    } else {
        go_on(client, code);
    }
}

static bool begin_publish(struct client *client)
{
    struct world *world = client->world;
    struct dice *dice = &world->dice;
    struct clients *clients = &world->clients;
    if ((world->quiet && client->finals >= FINALS) ||
        clients->next_token + BATCH_COUNT_MAX >= TOKENS_MAX)
        return false;
    client->deed = DEED_PUBLISH;
    client->topic = (uint32_t)dice_between(dice, 1, OPERATOR_TOPICS);
    client->count = dice_chance(dice, 700)
                        ? 1
                        : (uint32_t)dice_between(dice, 2, BATCH_COUNT_MAX);
    client->keyed = dice_chance(dice, 600);
    client->token = clients->next_token;
    clients->next_token += client->count;
    for (uint32_t i = 0; i < client->count; i++) {
        struct chronicle_token *token =
            &world->chronicle->tokens[client->token + i];
        token->keyed = client->keyed;
        token->topic_id = client->topic;
        token->likeness = likeness_draw(dice, WALL_MS + world->timeline.now_ms);
    }
    return true;
}

static void on_step(struct event *event)
{
    struct call *call = (struct call *)event;
    struct client *client = call->client;
    struct world *world = client->world;
    free(call);
    if (client->waiting)
        return;
    bool busy = client->deed != DEED_NONE;
    if (!busy && !world->clients.still)
        busy = is_operator(client) ? operator_begin(client)
                                   : begin_publish(client);
    if (busy)
        try_now(client);
    else
        plan(client, on_step, dice_between(&world->dice, 20, 200));
}

/* ---- All ---- */

void clients_start(struct world *world)
{
    struct clients *clients = &world->clients;
    clients->next_token = 1;
    clients->count = (uint32_t)dice_between(&world->dice, 1, CLIENTS_MAX);
    for (uint32_t i = 0; i <= CLIENTS_MAX; i++) {
        struct client *client = &clients->clients[i];
        client->world = world;
        client->number = i;
        if (i < clients->count || i == CLIENTS_MAX)
            plan(client, on_step, dice_between(&world->dice, 100, 600));
    }
}

bool clients_are_done(const struct world *world, char *words, size_t size)
{
    const struct clients *clients = &world->clients;
    for (uint32_t i = 0; i < clients->count; i++)
        if (clients->clients[i].deed != DEED_NONE ||
            clients->clients[i].finals < FINALS) {
            snprintf(words, size, "client %u is not served", i);
            return false;
        }
    if (clients->clients[CLIENTS_MAX].deed != DEED_NONE) {
        snprintf(words, size, "the operator is not served");
        return false;
    }
    return operator_is_done(world, words, size);
}
