#include "receivers.h"

#include "base/memory.h"
#include "trace.h"
#include "world.h"

#include <stdlib.h>

enum {
    TIMEOUT_MS = 1000,
    STATUS_OK = 200,
    STATUS_GONE = 410,
    STATUS_AWAY = 503,
    PATIENCE_MS_MOST = 1500,
    POISON = 17, /* One message of so many. */
};

/* From the sender's side; the letter is kept until it has gone out. */
struct request {
    struct event event;
    struct delivery_send send;
    uint64_t position;
    uint64_t started_ms;
    struct attempt attempt;
    uint64_t patience_ms; /* Retry-After; 0: none. */
};

static void drop(struct event *event)
{
    letter_unref(((struct request *)event)->send.letter);
}

static void on_answer(struct event *event)
{
    struct request *request = (struct request *)event;
    struct node *node = event->owner;
    if (request->attempt.class != ATTEMPT_OK)
        trace(node->world, TRACE_FAILED, request->send.publisher_id,
              request->position, request->attempt.class, 0);
    node->requests--;
    if (node->world->options.mutant == MUTANT_OLD_ANSWERS)
        request->send.reign = node->reign;
    if (request->patience_ms > 0) {
        uint64_t until_ms = node_wall_ms(node) + request->patience_ms;
        oracle_held(node, &request->send, until_ms);
        leadership_held(node->leadership, request->send.reign,
                        request->send.publisher_id, request->send.token,
                        until_ms);
    }
    leadership_answered(node->leadership, request->send.reign,
                        request->send.publisher_id, request->send.token,
                        &request->attempt, node_wall_ms(node));
    event_drop(event);
}

static void answer(struct request *request, enum attempt_class class,
                   uint16_t status, uint64_t delay_ms)
{
    request->attempt = (struct attempt){
        .class = class, .status = status, .started_ms = request->started_ms};
    request->event.run = on_answer;
    node_plan(request->event.owner, &request->event, delay_ms);
}

/* A receiver takes it, now or in a while; nobody waits for this event. */
struct taking {
    struct event event;
    struct world *world;
    uint32_t publisher_id;
    uint64_t position;
    bool marked;
};

static void on_taking(struct event *event)
{
    struct taking *taking = (struct taking *)event;
    oracle_taken(taking->world, taking->publisher_id, taking->position,
                 taking->marked);
    free(taking);
}

static void take(struct world *world, const struct request *request,
                 uint64_t delay_ms)
{
    struct taking *taking = memory_new_zeroed(1, sizeof *taking);
    oracle_reaches(world, request->send.publisher_id, request->position);
    taking->event.run = on_taking;
    taking->world = world;
    taking->publisher_id = request->send.publisher_id;
    taking->position = request->position;
    taking->marked = request->send.doubt;
    timeline_add(&world->timeline, &taking->event,
                 world->timeline.now_ms + delay_ms);
}

/* It takes so long to work on it. */
static uint64_t pace(struct dice *dice, enum receiver_mood mood)
{
    return mood == RECEIVER_SLOW ? dice_between(dice, 20, 1400)
                                 : dice_between(dice, 1, 12);
}

/* It refuses this message for ever, or until somebody has mended it. */
static bool is_poison(const struct world *world, const struct request *request)
{
    return !world->quiet &&
           (request->position * 7 + request->send.publisher_id) % POISON == 0;
}

/* The receiver refuses it; false: it does not. */
static bool refuse(struct request *request, enum receiver_mood mood,
                   uint64_t work_ms)
{
    struct world *world = ((struct node *)request->event.owner)->world;
    struct dice *dice = &world->dice;
    if (mood == RECEIVER_BUSY && dice_chance(dice, 700)) {
        request->patience_ms = dice_between(dice, 100, PATIENCE_MS_MOST);
        answer(request, ATTEMPT_HTTP_5XX, STATUS_AWAY, work_ms + 1);
        return true;
    }
    bool failing = mood == RECEIVER_FAILING;
    if (failing && dice_chance(dice, 15)) {
        answer(request, ATTEMPT_HTTP_4XX, STATUS_GONE, work_ms + 1);
        return true;
    }
    if (!is_poison(world, request) && !(failing && dice_chance(dice, 500)))
        return false;
    answer(request, ATTEMPT_HTTP_5XX, STATUS_AWAY, work_ms + 1);
    return true;
}

static void on_sending(struct event *event)
{
    struct request *request = (struct request *)event;
    struct node *node = event->owner;
    struct world *world = node->world;
    struct dice *dice = &world->dice;
    enum receiver_mood mood =
        world->receivers.moods[request->send.publisher_id];
    if (!leadership_may_send(node->leadership)) {
        answer(request, ATTEMPT_CONNECT, 0, 0);
        return;
    }
    if (mood == RECEIVER_AWAY) {
        answer(request, ATTEMPT_CONNECT, 0, dice_between(dice, 1, 5));
        return;
    }
    oracle_sends(node, &request->send);
    uint64_t work = pace(dice, mood);
    if (refuse(request, mood, work))
        return;
    take(world, request, work);
    if (work > TIMEOUT_MS)
        answer(request, ATTEMPT_TIMEOUT, 0, TIMEOUT_MS);
    else if (!world->quiet && dice_chance(dice, 15))
        answer(request, ATTEMPT_PROTOCOL, 0, work + 2); /* It is lost. */
    else
        answer(request, ATTEMPT_OK, STATUS_OK, work + 2);
}

void receivers_send(struct node *node, const struct delivery_send *send)
{
    struct request *request = memory_new_zeroed(1, sizeof *request);
    oracle_begins(node, send);
    request->event.run = on_sending;
    request->event.drop = drop;
    request->send = *send;
    letter_ref(send->letter);
    request->position = send->letter->position;
    request->started_ms = node_wall_ms(node);
    node->requests++;
    node_plan(node, &request->event, dice_below(&node->world->dice, 4));
}
