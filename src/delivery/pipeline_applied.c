/* What comes of a command that was proposed: granted, it is sent; refused, its
 * slots are free and what was in hand is read again. */
#include "pipeline_inside.h"

#include "base/error.h"

/* The grant was refused: its messages are read again, from the store, since
 * something was decided that memory does not know of. */
static void grant_refused(struct pipeline *pipeline, int code, uint64_t now_ms)
{
    pipeline->distrust_upto = pipeline->last_position;
    pipeline->refresh |= pipeline->options.ordering != ORDERING_NONE ||
                         pipeline->order.parked > 0;
    /* A pause explains itself, a decision needs no pause. */
    if (code != ERR_STALE)
        pipeline_hold_until(pipeline, now_ms + REPEAT_MS);
}

static void release_proposed(struct pipeline *pipeline, struct slot *slot)
{
    if (slot->ordered)
        order_shut(&pipeline->order, slot->key, pipeline_blocks(pipeline));
    slots_release(&pipeline->slots, slot);
}

/* The proposed slots of a batch may be sent, or their proposal was refused.
 * Where only some were opened it is not known which: they are looked up. */
static void proposal_decided(struct pipeline *pipeline, uint32_t batch,
                             bool granted, bool all)
{
    struct slot *slot;
    uint32_t place = 0;
    while ((slot = slots_next(&pipeline->slots, SLOT_PROPOSED, &place)) !=
           NULL) {
        if (slot->batch != batch)
            continue;
        if (granted)
            slots_move(&pipeline->slots, slot, all ? SLOT_READY : SLOT_LOADING);
        else
            release_proposed(pipeline, slot);
    }
}

/* From here on a read of what is due finds the batch's retries: a read begun
 * earlier may have missed them, so their times are noted only now. */
static void batch_settled(struct pipeline *pipeline, uint32_t batch,
                          uint64_t now_ms)
{
    struct slot *slot;
    uint32_t place = 0;
    while ((slot = slots_next(&pipeline->slots, SLOT_SETTLING, &place)) !=
           NULL) {
        if (slot->batch != batch)
            continue;
        if (slot->withdrawn)
            pipeline_due_at(pipeline, now_ms);
        else if (slot->outcome.state == DELIVERY_RETRYING)
            pipeline_due_at(pipeline, slot->outcome.next_attempt_ms);
        slots_release(&pipeline->slots, slot);
    }
}

/* `next` moves before anything is read again. */
static void grant_applied(struct pipeline *pipeline, uint32_t batch, int code,
                          uint64_t now_ms)
{
    pipeline->granting = false;
    proposal_decided(pipeline, batch, code == 0, true);
    if (code == 0)
        pipeline->next = pipeline->grant_upto + 1;
    else
        grant_refused(pipeline, code, now_ms);
    if (code != 0 || pipeline->refresh || pipeline->reread)
        pipeline_read_again(pipeline);
}

static void intent_applied(struct pipeline *pipeline, uint32_t batch, int code,
                           uint32_t count, uint64_t now_ms)
{
    pipeline->intending = false;
    proposal_decided(pipeline, batch, code == 0,
                     count == pipeline->intent_count && !pipeline->reload);
    pipeline->reload = false;
    pipeline->load_again = pipeline->loading;
    if (code == 0)
        return;
    pipeline_due_at(pipeline, now_ms + REPEAT_MS);
    pipeline_hold_until(pipeline, now_ms + REPEAT_MS);
    pipeline->refresh |= pipeline->options.ordering != ORDERING_NONE;
}

void pipeline_applied(struct pipeline *pipeline, enum pipeline_command command,
                      uint32_t batch, int code, uint32_t count, uint64_t now_ms)
{
    switch (command) {
    case PIPELINE_GRANT:
        grant_applied(pipeline, batch, code, now_ms);
        break;
    case PIPELINE_INTENT:
        intent_applied(pipeline, batch, code, count, now_ms);
        break;
    case PIPELINE_UNPARK:
        proposal_decided(pipeline, batch, code == 0, true);
        walks_applied(pipeline, batch, code, now_ms);
        break;
    case PIPELINE_OUTCOMES:
    case PIPELINE_WITHDRAW:
        batch_settled(pipeline, batch, now_ms);
        break;
    case PIPELINE_TOLD:
        break;
    }
}
