#include "operator.h"

#include "world.h"

#include <assert.h>
#include <stdio.h>

enum {
    PUBLISHERS_FIRST = 3,
    PUBLISHERS = 6,
    UPDATES_MAX = 12, /* Of all publishers; fewer than VERSIONS_MAX. */
};
static_assert((int)WISHES_MAX > (int)PUBLISHERS, "each has its wishes");
static_assert((int)UPDATES_MAX < (int)VERSIONS_MAX,
              "all versions are remembered");

/* ---- What to do ---- */

static bool is_there(const struct world *world, uint32_t id)
{
    return id <= world->chronicle->publisher_count &&
           world->chronicle->publishers[id].exists;
}

/* A publisher that waits for a person; 0: none does. */
static uint32_t one_paused(const struct world *world)
{
    const struct chronicle *chronicle = world->chronicle;
    for (uint32_t id = 1; id <= chronicle->publisher_count; id++)
        if (is_there(world, id) && chronicle->publishers[id].paused)
            return id;
    return 0;
}

static uint32_t one_ambiguous(const struct world *world)
{
    const struct chronicle *chronicle = world->chronicle;
    for (uint32_t id = 1; id <= chronicle->publisher_count; id++)
        for (uint64_t p = 1; p <= chronicle->position; p++)
            if (chronicle_has(chronicle, id, p) &&
                chronicle_told(chronicle, id, p).state == TOLD_AMBIGUOUS)
                return id;
    return 0;
}

/* Topics and the first publishers, which everybody needs. */
static bool begin_first(struct client *client)
{
    struct world *world = client->world;
    struct clients *clients = &world->clients;
    if (clients->topics_made < OPERATOR_TOPICS) {
        client->deed = DEED_TOPIC;
        client->topic = ++clients->topics_made;
        return true;
    }
    if (clients->publishers_made >= PUBLISHERS_FIRST &&
        (clients->publishers_made >= PUBLISHERS || world->quiet ||
         !dice_chance(&world->dice, 60)))
        return false;
    client->deed = DEED_PUBLISHER;
    client->publisher = ++clients->publishers_made;
    client->topic = 1 + client->publisher % OPERATOR_TOPICS;
    clients->wishes[client->publisher] = wish_draw(&world->dice);
    return true;
}

/* All that would never end by itself. */
static bool begin_last(struct client *client)
{
    struct world *world = client->world;
    uint32_t paused = one_paused(world);
    uint32_t ambiguous = one_ambiguous(world);
    if (paused != 0) {
        client->deed = DEED_RESUME;
        client->publisher = paused;
    } else if (ambiguous != 0) {
        client->deed =
            dice_chance(&world->dice, 700) ? DEED_RETRY_ALL : DEED_DISCARD_ALL;
        client->publisher = ambiguous;
        client->state = DELIVERY_AMBIGUOUS;
    }
    return paused + ambiguous != 0;
}

static void begin_update(struct client *client)
{
    struct world *world = client->world;
    struct clients *clients = &world->clients;
    struct wish *wish = &clients->wishes[client->publisher];
    if (clients->updates == UPDATES_MAX)
        return;
    clients->updates++;
    *wish = wish_change(&world->dice, wish);
    client->deed = DEED_UPDATE;
}

static void begin_decision(struct client *client)
{
    static const enum delivery_state states[] = {
        DELIVERY_RETRYING, DELIVERY_DEAD, DELIVERY_AMBIGUOUS,
        DELIVERY_DISCARDED};
    struct dice *dice = &client->world->dice;
    uint64_t last = client->world->chronicle->position;
    if (last == 0)
        return;
    client->message = dice_between(dice, 1, last);
    client->state = states[dice_below(dice, 4)];
    if (dice_chance(dice, 150))
        client->publisher = 0;
    client->deed = dice_chance(dice, 650) ? DEED_RETRY : DEED_DISCARD;
    if (client->publisher != 0 && dice_chance(dice, 400))
        client->deed =
            dice_chance(dice, 800) || client->state == DELIVERY_DISCARDED
                ? DEED_RETRY_ALL
                : DEED_DISCARD_ALL;
}

static void begin_replay(struct client *client)
{
    static const enum delivery_state states[] = {
        DELIVERY_AMBIGUOUS, DELIVERY_DEAD, DELIVERY_DISCARDED,
        DELIVERY_DELIVERED, DELIVERY_FILTERED};
    struct world *world = client->world;
    client->replay = retelling_running_replay(world->chronicle->retelling);
    client->state = states[dice_below(&world->dice, 5)];
    client->message = dice_below(&world->dice, 40);
    client->deed = client->replay != 0 && dice_chance(&world->dice, 500)
                       ? DEED_CANCEL
                       : DEED_REPLAY;
}

static void begin_any(struct client *client)
{
    struct world *world = client->world;
    struct dice *dice = &world->dice;
    uint32_t id = (uint32_t)dice_between(dice, 1, PUBLISHERS);
    client->publisher = id;
    if (!is_there(world, id))
        return;
    uint64_t choice = dice_below(dice, 1000);
    if (world->chronicle->publishers[id].paused && choice < 300)
        client->deed = DEED_RESUME;
    else if (choice < 40)
        client->deed = DEED_PAUSE;
    else if (choice < 46)
        client->deed = DEED_DELETE;
    else if (choice < 90)
        begin_update(client);
    else if (choice < 180)
        begin_decision(client);
    else if (choice < 210)
        begin_replay(client);
}

bool operator_begin(struct client *client)
{
    if (!begin_first(client)) {
        if (!client->world->quiet)
            begin_any(client);
        else
            begin_last(client);
    }
    return client->deed != DEED_NONE;
}

bool operator_is_done(const struct world *world, char *words, size_t size)
{
    uint32_t paused = one_paused(world);
    uint32_t ambiguous = one_ambiguous(world);
    if (paused != 0)
        snprintf(words, size, "publisher %u is paused", paused);
    else if (ambiguous != 0)
        snprintf(words, size, "something is ambiguous at publisher %u",
                 ambiguous);
    return paused + ambiguous == 0;
}

/* ---- How it is said ---- */

static void encode_topic(struct node *node, const struct client *client,
                         struct encoder *out)
{
    char name[8];
    snprintf(name, sizeof name, "t%u", client->topic);
    const struct topic_options topic = {.name = slice_text(name),
                                        .origin_host = slice_text("h")};
    command_topic_create_encode(out, node_wall_ms(node), &topic);
}

static void encode_publisher(struct node *node, const struct client *client,
                             uint32_t topic_id, struct encoder *out)
{
    char target[24];
    const struct wish *wish = &node->world->clients.wishes[client->publisher];
    struct publisher_options options =
        wish_options(wish, client->publisher, target);
    const struct command_publisher_create create = {
        .topic_id = topic_id,
        .from_now = client->publisher > PUBLISHERS_FIRST + 1,
        .options = options};
    const struct command_publisher_update update = {
        .publisher_id = client->publisher, .options = options};
    if (client->deed == DEED_PUBLISHER)
        command_publisher_create_encode(out, node_wall_ms(node), &create);
    else
        command_publisher_update_encode(out, node_wall_ms(node), &update);
}

static void encode_decision(struct node *node, const struct client *client,
                            struct encoder *out)
{
    const struct command_decision one = {.message_id = client->message,
                                         .publisher_id = client->publisher};
    const struct command_decision_step all = {.publisher_id = client->publisher,
                                              .state = client->state,
                                              .upto = UINT64_MAX,
                                              .rows_max = DECISION_ROWS_MAX};
    if (client->deed == DEED_RETRY || client->deed == DEED_DISCARD)
        command_decision_encode(
            out, client->deed == DEED_RETRY ? COMMAND_RETRY : COMMAND_DISCARD,
            node_wall_ms(node), &one);
    else
        command_decision_step_encode(out,
                                     client->deed == DEED_RETRY_ALL
                                         ? COMMAND_RETRY_STEP
                                         : COMMAND_DISCARD_STEP,
                                     node_wall_ms(node), &all);
}

static void encode_replay(struct node *node, const struct client *client,
                          struct encoder *out)
{
    const struct command_replay_start start = {.publisher_id =
                                                   client->publisher,
                                               .from = client->message,
                                               .upto = UINT64_MAX,
                                               .wanted = client->state};
    command_replay_start_encode(out, node_wall_ms(node), &start);
}

void operator_encode(struct node *node, const struct client *client,
                     uint32_t topic_id, struct encoder *out)
{
    bool pauses = client->deed == DEED_PAUSE;
    const struct command_pause pause = {.publisher_id = client->publisher,
                                        .paused = pauses,
                                        .reason =
                                            slice_text(pauses ? "test" : "")};
    switch (client->deed) {
    case DEED_NONE:
    case DEED_PUBLISH:
        break;
    case DEED_TOPIC:
        encode_topic(node, client, out);
        break;
    case DEED_PUBLISHER:
    case DEED_UPDATE:
        encode_publisher(node, client, topic_id, out);
        break;
    case DEED_PAUSE:
    case DEED_RESUME:
        command_pause_encode(out, node_wall_ms(node), &pause);
        break;
    case DEED_DELETE:
        command_publisher_delete_encode(out, node_wall_ms(node),
                                        client->publisher);
        break;
    case DEED_RETRY:
    case DEED_DISCARD:
    case DEED_RETRY_ALL:
    case DEED_DISCARD_ALL:
        encode_decision(node, client, out);
        break;
    case DEED_REPLAY:
        encode_replay(node, client, out);
        break;
    case DEED_CANCEL:
        command_replay_cancel_encode(out, node_wall_ms(node), client->replay);
        break;
    }
}
