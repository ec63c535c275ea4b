/* What is parked behind keys comes back here, key by key, in its order:
 *
 *     a key is free --read--> in hand --unpark--> its first one open
 *                                ^                     | delivered
 *                                +---------------------+
 *
 * Under ORDERING_KEY several keys are walked at once, each with one message
 * open. When the ordering was changed to another one, what is still parked
 * comes back in the order of the keys' first positions before anything new is
 * granted: all that there is room for with ORDERING_NONE, one at a time with
 * ORDERING_STRICT. */
#include "pipeline_inside.h"

#include <stdlib.h>

static bool by_key(const struct pipeline *pipeline)
{
    return pipeline->options.ordering == ORDERING_KEY;
}

/* One position at a time: the next one may be another key's. */
static bool strictly(const struct pipeline *pipeline)
{
    return pipeline->options.ordering == ORDERING_STRICT;
}

bool walks_come_first(const struct pipeline *pipeline)
{
    return !by_key(pipeline) && pipeline->order.parked > 0;
}

static struct walk *walk_find(struct pipeline *pipeline, uint64_t key)
{
    for (uint32_t i = 0; i < WALKS; i++) {
        struct walk *walk = pipeline->walks[i];
        if (walk != NULL && walk->walking && walk->key == key)
            return walk;
    }
    return NULL;
}

static struct walk *walk_begin(struct pipeline *pipeline, uint64_t key,
                               uint64_t from)
{
    for (uint32_t i = 0; i < WALKS; i++) {
        struct walk *walk = pipeline->walks[i];
        if (walk != NULL && walk->walking)
            continue;
        if (walk == NULL)
            pipeline->walks[i] = walk = memory_new_zeroed(1, sizeof *walk);
        walk->walking = true;
        walk->reading = false;
        walk->proposed = false;
        walk->key = key;
        walk->from = from;
        pipeline->walking++;
        return walk;
    }
    return NULL;
}

/* Its key is asked for again when there is something left of it. */
static void walk_end(struct pipeline *pipeline, struct walk *walk)
{
    struct order_key *entry = order_find(&pipeline->order, walk->key);
    hand_empty(&walk->hand);
    walk->walking = false;
    pipeline->walking--;
    if (entry == NULL)
        return;
    entry->looking = false;
    order_settle(&pipeline->order, walk->key, pipeline_blocks(pipeline));
}

/* ---- Beginning ---- */

static void begin_keys(struct pipeline *pipeline)
{
    struct order_key *entry;
    while (pipeline->walking < WALKS &&
           (entry = order_walk(&pipeline->order, pipeline_blocks(pipeline))) !=
               NULL) {
        entry->looking = true;
        walk_begin(pipeline, entry->key, entry->first_parked);
    }
}

static void begin(struct pipeline *pipeline)
{
    if (by_key(pipeline))
        begin_keys(pipeline);
    else if (pipeline->order.parked > 0 && pipeline->walking == 0)
        walk_begin(pipeline, 0, 0);
}

static void look(struct walk *walk, struct pipeline *pipeline,
                 struct pipeline_effects *effects)
{
    walk->reading = true;
    effects->looks = pipeline->looks;
    effects->looks[effects->look_count++] = (struct pipeline_look){
        .key = walk->key, .from = walk->from, .count = WALK_READ};
}

/* ---- Proposing ---- */

static bool may_open(const struct pipeline *pipeline, const struct walk *walk)
{
    const struct order *order = &pipeline->order;
    if (by_key(pipeline)) {
        const struct order_key *entry = order_find(order, walk->key);
        return entry != NULL && entry->open == 0 && entry->waits == 0 &&
               !(pipeline_blocks(pipeline) && entry->stuck > 0);
    }
    return pipeline->options.ordering == ORDERING_NONE ||
           !pipeline_strict_waits(pipeline);
}

/* The key waits for a retry, or for a person: that may take long. */
static bool is_over(const struct pipeline *pipeline, const struct walk *walk)
{
    const struct order_key *entry = order_find(&pipeline->order, walk->key);
    return by_key(pipeline) && !walk->reading && !walk->proposed &&
           (entry == NULL || entry->waits > 0 ||
            (pipeline_blocks(pipeline) && entry->stuck > 0));
}

/* Opens what the order allows, counts what the filter does not want. */
static void propose(struct pipeline *pipeline, struct walk *walk, uint32_t room,
                    uint64_t now_ms, struct pipeline_effects *effects)
{
    struct command_unpark *unpark = &pipeline->unparks[effects->unpark_count];
    uint32_t most = pipeline->options.ordering == ORDERING_NONE ? room : 1;
    uint32_t batch = pipeline_batch(pipeline);
    *unpark = (struct command_unpark){.publisher_id = pipeline->id,
                                      .key = walk->key,
                                      .from = hand_at(&walk->hand, 0)->position,
                                      .open = walk->open};
    while (walk->hand.count > 0 && unpark->open_count < most &&
           !(strictly(pipeline) && unpark->examined > 0)) {
        struct supply supply = hand_pop(&walk->hand);
        unpark->upto = supply.position;
        unpark->examined++;
        if (supply.unwanted) {
            letter_unref(supply.letter);
            continue;
        }
        walk->open[unpark->open_count++] = supply.position;
        pipeline_open(pipeline, &supply, batch, now_ms);
    }
    walk->proposed = true;
    walk->batch = batch;
    walk->examined = unpark->examined;
    pipeline->unpark_batches[effects->unpark_count++] = batch;
    effects->unparks = pipeline->unparks;
    effects->unpark_batches = pipeline->unpark_batches;
}

static uint32_t step_walk(struct pipeline *pipeline, struct walk *walk,
                          uint32_t room, uint64_t now_ms,
                          struct pipeline_effects *effects)
{
    if (walk->reading || walk->proposed || room == 0 ||
        !may_open(pipeline, walk))
        return room;
    if (walk->hand.count == 0) {
        look(walk, pipeline, effects);
        return room;
    }
    uint32_t before = pipeline->slots.window;
    propose(pipeline, walk, room, now_ms, effects);
    uint32_t opened = pipeline->slots.window - before;
    return room > opened ? room - opened : 0;
}

void walks_step(struct pipeline *pipeline, uint32_t room, uint64_t now_ms,
                struct pipeline_effects *effects)
{
    for (uint32_t i = 0; i < WALKS && pipeline->walking > 0; i++) {
        struct walk *walk = pipeline->walks[i];
        if (walk != NULL && walk->walking && is_over(pipeline, walk))
            walk_end(pipeline, walk);
    }
    begin(pipeline);
    for (uint32_t i = 0; i < WALKS && pipeline->walking > 0; i++) {
        struct walk *walk = pipeline->walks[i];
        if (walk != NULL && walk->walking)
            room = step_walk(pipeline, walk, room, now_ms, effects);
    }
}

/* ---- Answers ---- */

static void unparked(struct pipeline *pipeline, struct walk *walk)
{
    struct order *order = &pipeline->order;
    struct order_key *entry = order_find(order, walk->key);
    order->parked -=
        walk->examined < order->parked ? walk->examined : order->parked;
    if (entry == NULL)
        return;
    entry->parked -=
        walk->examined < entry->parked ? walk->examined : entry->parked;
    entry->first_parked = 0;
    if (entry->parked == 0)
        walk_end(pipeline, walk);
}

/* Only as much may be in hand as the state allows: what was refused is read
 * again, with the counts. */
void walks_applied(struct pipeline *pipeline, uint32_t batch, int code,
                   uint64_t now_ms)
{
    for (uint32_t i = 0; i < WALKS; i++) {
        struct walk *walk = pipeline->walks[i];
        if (walk == NULL || !walk->walking || !walk->proposed ||
            walk->batch != batch)
            continue;
        walk->proposed = false;
        if (code == 0) {
            unparked(pipeline, walk);
        } else {
            walk_end(pipeline, walk);
            pipeline->refresh = true;
            pipeline_hold_until(pipeline, now_ms + REPEAT_MS);
        }
        if (walk->walking && !by_key(pipeline) &&
            (walk->hand.count == 0 || strictly(pipeline)))
            walk_end(pipeline, walk);
    }
}

void pipeline_parked(struct pipeline *pipeline, int code, uint64_t key,
                     uint64_t found, const struct supply *supplies,
                     uint32_t count, uint64_t now_ms)
{
    struct walk *walk = walk_find(pipeline, key);
    if (walk == NULL || !walk->reading || code == ERR_STALE)
        return; /* It was put down meanwhile. */
    walk->reading = false;
    if (code != 0 || count == 0) {
        /* Nothing is there although the counts said so: look again. */
        walk_end(pipeline, walk);
        pipeline->refresh = true;
        pipeline_hold_until(pipeline, now_ms + REPEAT_MS);
        return;
    }
    walk->key = found;
    for (uint32_t i = 0; i < count; i++) {
        hand_push(&walk->hand, &supplies[i]);
        walk->from = supplies[i].position + 1;
    }
}

/* ---- Ends ---- */

/* What is proposed stays until its answer comes. */
void walks_put_down(struct pipeline *pipeline)
{
    for (uint32_t i = 0; i < WALKS; i++) {
        struct walk *walk = pipeline->walks[i];
        if (walk == NULL || !walk->walking)
            continue;
        if (walk->proposed) {
            if (walk->hand.count > 0)
                walk->from = hand_at(&walk->hand, 0)->position;
            hand_empty(&walk->hand);
        } else {
            walk_end(pipeline, walk);
        }
    }
}

void walks_close(struct pipeline *pipeline)
{
    for (uint32_t i = 0; i < WALKS; i++) {
        if (pipeline->walks[i] != NULL)
            hand_close(&pipeline->walks[i]->hand);
        free(pipeline->walks[i]);
    }
}
