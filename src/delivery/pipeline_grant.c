/* What of the messages in hand may be granted now: one that the order allows is
 * opened, one whose key is held is parked, one that the filter does not want is
 * counted, and the first that must wait ends the grant. */
#include "pipeline_inside.h"

enum { EXAMINED_MAX = 65536 }; /* Positions that one grant examines at most. */

/* As many as there are in hand may be parked, or discarded. */
static void need_parked(struct pipeline *pipeline)
{
    uint32_t most = pipeline->ahead.count;
    if (most <= pipeline->parked_capacity)
        return;
    pipeline->parked_capacity = most;
    pipeline->parked = memory_resize(
        pipeline->parked, (size_t)most * 2 * sizeof *pipeline->parked);
    pipeline->discarded =
        memory_resize(pipeline->discarded, most * sizeof *pipeline->discarded);
}

/* A grant in the making. */
struct draft {
    struct command_grant *grant;
    uint64_t *open;
    uint64_t *open_keys;
    uint64_t *parked;
    uint64_t *parked_keys;
};

enum verdict { TAKE, PARK, COUNT, STOP };

/* What the order says of the next message in hand. */
static enum verdict judge_key(struct pipeline *pipeline,
                              const struct supply *supply, uint64_t now_ms)
{
    const struct order_key *entry = order_find(&pipeline->order, supply->key);
    if (entry == NULL)
        return supply->unwanted ? COUNT : TAKE;
    if (entry->looking && entry->parked <= WALK_READ)
        return STOP; /* Its last ones may just be on their way back. */
    if (order_key_is_held(&pipeline->order, supply->key,
                          pipeline_blocks(pipeline)))
        return PARK;
    if (entry->open == 0)
        return supply->unwanted ? COUNT : TAKE;
    if (entry->opened_ms + KEY_PATIENCE_MS <= now_ms)
        return PARK;
    pipeline->patience_ms = entry->opened_ms + KEY_PATIENCE_MS;
    return STOP;
}

static enum verdict judge(struct pipeline *pipeline,
                          const struct supply *supply, uint64_t now_ms)
{
    if (supply->letter == NULL)
        return COUNT;
    switch (pipeline->options.ordering) {
    case ORDERING_KEY:
        if (supply->key != 0)
            return judge_key(pipeline, supply, now_ms);
        break;
    case ORDERING_STRICT:
        if (!supply->unwanted && pipeline_strict_waits(pipeline))
            return STOP;
        break;
    case ORDERING_NONE:
        break;
    }
    return supply->unwanted ? COUNT : TAKE;
}

static void take(struct pipeline *pipeline, struct draft *draft,
                 struct supply *supply, uint32_t batch, uint64_t now_ms)
{
    struct command_grant *grant = draft->grant;
    draft->open[grant->open_count] = supply->position;
    draft->open_keys[grant->open_count++] = supply->key;
    pipeline_open(pipeline, supply, batch, now_ms);
}

static void park(struct pipeline *pipeline, struct draft *draft,
                 const struct supply *supply)
{
    struct command_grant *grant = draft->grant;
    draft->parked[grant->parked_count] = supply->position;
    draft->parked_keys[grant->parked_count++] = supply->key;
    order_parked(&pipeline->order, supply->key, supply->position);
}

/* Takes from hand what may go; ends before what may not. */
static void fill(struct pipeline *pipeline, struct draft *draft, uint32_t most,
                 uint32_t batch, uint64_t now_ms)
{
    struct command_grant *grant = draft->grant;
    while (pipeline->ahead.count > 0 && grant->examined < EXAMINED_MAX) {
        enum verdict verdict =
            judge(pipeline, hand_at(&pipeline->ahead, 0), now_ms);
        if (verdict == STOP || (verdict == TAKE && grant->open_count == most))
            return;
        struct supply supply = hand_pop(&pipeline->ahead);
        grant->examined += supply.examined;
        grant->upto = supply.position;
        if (supply.discarded)
            pipeline->discarded[grant->discarded_count++] = supply.position;
        if (verdict == TAKE) {
            take(pipeline, draft, &supply, batch, now_ms);
            continue;
        }
        if (verdict == PARK)
            park(pipeline, draft, &supply);
        letter_unref(supply.letter);
    }
}

/* What is parked stays with whoever is ahead of it; keys are told only under
 * an order. */
void grants_step(struct pipeline *pipeline, uint32_t most, uint64_t now_ms,
                 struct pipeline_effects *effects)
{
    if (pipeline->granting || pipeline->ahead.count == 0 ||
        walks_come_first(pipeline))
        return;
    need_parked(pipeline);
    bool keys = pipeline->options.ordering == ORDERING_KEY;
    struct command_grant *grant = &effects->grant;
    struct draft draft = {.grant = grant,
                          .open = pipeline_part(pipeline, POSITIONS_GRANT),
                          .open_keys = pipeline_part(pipeline, POSITIONS_KEYS),
                          .parked = pipeline->parked,
                          .parked_keys =
                              pipeline->parked + pipeline->parked_capacity};
    *grant = (struct command_grant){.publisher_id = pipeline->id,
                                    .from = pipeline->next,
                                    .open = draft.open,
                                    .open_keys = keys ? draft.open_keys : NULL,
                                    .parked = draft.parked,
                                    .parked_keys = draft.parked_keys,
                                    .discarded = pipeline->discarded};
    fill(pipeline, &draft, most, effects->grant_batch, now_ms);
    if (grant->examined == 0)
        return;
    pipeline->grant_upto = grant->upto;
    pipeline->granting = true;
}
