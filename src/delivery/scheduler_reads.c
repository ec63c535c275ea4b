/* What pipelines want to know: from memory, where the newest messages are, or
 * by the port; and what comes back, turned into supplies. */
#include "scheduler_inside.h"

#include "base/bounds.h"
#include "base/memory.h"

#include <stdlib.h>

/* ---- Asking ---- */

/* From what is in memory, if everything asked for is there. */
static bool feed_from_recent(struct member *member,
                             const struct pipeline_effects *effects,
                             uint64_t now_ms)
{
    if (effects->feed_stored ||
        !recent_covers(&member->lane->recent, effects->feed_from))
        return false;
    struct letter *letters[BOUND_FEED_MESSAGES];
    struct supply supplies[BOUND_FEED_MESSAGES];
    const struct filter *filter = pipeline_filter(member->pipeline);
    uint32_t count = recent_find(&member->lane->recent, effects->feed_from,
                                 letters, effects->feed_count);
    for (uint32_t i = 0; i < count; i++) {
        const struct message *message = &letters[i]->message;
        supplies[i] =
            (struct supply){.letter = letters[i],
                            .position = letters[i]->position,
                            .examined = 1,
                            .key = key_hash(message->key),
                            .unwanted = !filter_match(
                                filter, message->attributes, message->payload)};
    }
    pipeline_fed(member->pipeline, 0, supplies, count, now_ms);
    return true;
}

static void start(struct scheduler *scheduler, struct delivery_read *read,
                  enum delivery_read_kind kind)
{
    read->kind = kind;
    scheduler->port.read(scheduler->port.context, read);
}

static struct delivery_read read_of(const struct member *member)
{
    return (struct delivery_read){
        .publisher_id = pipeline_id(member->pipeline),
        .topic_id = member->lane->id,
        .edition = pipeline_edition(member->pipeline),
    };
}

/* What must be known of the state, and what is parked. */
static void start_looks(struct scheduler *scheduler, struct member *member,
                        const struct pipeline_effects *effects)
{
    struct delivery_read read = read_of(member);
    if (effects->load)
        start(scheduler, &read, DELIVERY_LOAD);
    if (effects->read_view)
        start(scheduler, &read, DELIVERY_VIEW);
    if (effects->read_keys) {
        read.from = effects->keys_after;
        read.count = PIPELINE_KEYS_PAGE;
        start(scheduler, &read, DELIVERY_KEYS);
    }
    for (uint32_t i = 0; i < effects->look_count; i++) {
        read.key = effects->looks[i].key;
        read.from = effects->looks[i].from;
        read.count = effects->looks[i].count;
        read.filter = filter_ref(pipeline_filter(member->pipeline));
        start(scheduler, &read, DELIVERY_PARKED);
    }
}

bool scheduler_start_reads(struct scheduler *scheduler, struct member *member,
                           const struct pipeline_effects *effects,
                           uint64_t now_ms)
{
    struct delivery_read read = read_of(member);
    start_looks(scheduler, member, effects);
    if (effects->read_due) {
        read.due_ms = now_ms;
        read.count = effects->due_count;
        start(scheduler, &read, DELIVERY_DUE);
    }
    if (!effects->read_feed)
        return false;
    if (feed_from_recent(member, effects, now_ms))
        return true;
    read.from = effects->feed_from;
    read.count = effects->feed_count;
    read.filter = filter_ref(pipeline_filter(member->pipeline));
    read.keyed = pipeline_options(member->pipeline)->ordering == ORDERING_KEY;
    read.committed = effects->feed_committed;
    start(scheduler, &read, DELIVERY_FEED);
    return false;
}

/* ---- Answers ---- */

static bool make_supply(const struct feed_item *item,
                        const struct feed_mark *mark, struct supply *supply)
{
    *supply = (struct supply){.position = item->position,
                              .examined = 1,
                              .attempts = item->attempts,
                              .budget_from = item->budget_from,
                              .holds = item->holds,
                              .replay_id = item->replay_id,
                              .key = item->key,
                              .doubt = item->doubt,
                              .ordered = item->ordered,
                              .discarded = item->discarded};
    if (mark != NULL)
        supply->unwanted = mark->unwanted;
    if (mark != NULL && mark->examined > 0)
        supply->examined = mark->examined;
    else if (!item->discarded)
        supply->letter = letter_new(item->position, &item->message);
    else
        return true;
    return supply->letter != NULL || supply->examined > 1 ||
           (mark != NULL && mark->examined > 0);
}

static uint32_t make_supplies(const struct delivery_read *read,
                              const struct feed_item *items, uint32_t count,
                              struct supply *supplies)
{
    uint32_t made = 0;
    while (made < count &&
           make_supply(&items[made],
                       read->marks == NULL ? NULL : &read->marks[made],
                       &supplies[made]))
        made++;
    return made;
}

static void supply_pipeline(struct pipeline *pipeline,
                            const struct delivery_read *read, int code,
                            const struct supply *supplies, uint32_t count,
                            uint64_t next_due_ms, uint64_t now_ms)
{
    switch (read->kind) {
    case DELIVERY_FEED:
        pipeline_fed(pipeline, code, supplies, count, now_ms);
        break;
    case DELIVERY_DUE:
        pipeline_due(pipeline, code, supplies, count, next_due_ms, now_ms);
        break;
    case DELIVERY_LOAD:
        pipeline_loaded(pipeline, code, supplies, count, now_ms);
        break;
    case DELIVERY_VIEW:
        pipeline_viewed(pipeline, code, &read->view, now_ms);
        break;
    case DELIVERY_KEYS:
        pipeline_keys(pipeline, code, read->keys, read->key_count, now_ms);
        break;
    case DELIVERY_PARKED:
        pipeline_parked(pipeline, code, read->key, read->found_key, supplies,
                        count, now_ms);
        break;
    case DELIVERY_SCHEDULES:
        break; /* Of no pipeline. */
    }
}

void scheduler_forget_read(const struct delivery_read *read)
{
    filter_unref(read->filter);
}

void scheduler_supplied(struct scheduler *scheduler,
                        const struct delivery_read *read, int code,
                        const struct feed_item *items, uint32_t count,
                        uint64_t next_due_ms, uint64_t now_ms)
{
    if (read->kind == DELIVERY_SCHEDULES) {
        schedules_supplied(scheduler, read, code, now_ms);
        return;
    }
    struct member *member = table_get(&scheduler->members, read->publisher_id);
    scheduler_forget_read(read);
    if (member == NULL)
        return;
    /* What went through another filter, or order, is of no use. */
    if (read->edition != pipeline_edition(member->pipeline) &&
        (read->kind == DELIVERY_FEED || read->kind == DELIVERY_PARKED))
        code = ERR_STALE;
    count = code == 0 ? count : 0;
    struct supply *supplies = memory_new(count * sizeof *supplies);
    uint32_t made = make_supplies(read, items, count, supplies);
    if (made < count)
        code = ERR_NO_MEMORY;
    supply_pipeline(member->pipeline, read, code, supplies, made, next_due_ms,
                    now_ms);
    for (uint32_t i = 0; i < made; i++)
        letter_unref(supplies[i].letter);
    free(supplies);
    scheduler_ready(scheduler, member);
}
