/* Scheduled messages take their positions when they are due: the leader
 * proposes it, topic by topic. */
#include "scheduler_inside.h"

enum {
    SCHEDULES_PAGE = 256,
    RELEASE_AGAIN_MS = 500, /* After a look or a release that failed. */
};

void scheduler_scheduled(struct scheduler *scheduler, uint32_t topic_id,
                         uint64_t due_ms)
{
    if (table_get(&scheduler->lanes, topic_id) != NULL)
        releases_scheduled(&scheduler->releases, topic_id, due_ms);
}

/* Of one topic, which goes on then; or (count above 1) of all above one. */
static void look_at_schedule(struct scheduler *scheduler, uint32_t topic_id,
                             uint32_t count)
{
    struct delivery_read read = {.kind = DELIVERY_SCHEDULES,
                                 .topic_id = topic_id,
                                 .from = count > 1 ? topic_id : topic_id - 1,
                                 .count = count};
    scheduler->port.read(scheduler->port.context, &read);
}

static void one_schedule(struct scheduler *scheduler,
                         const struct delivery_read *read, int code,
                         uint64_t now_ms)
{
    uint64_t due_ms = 0;
    if (code != 0)
        due_ms = now_ms + RELEASE_AGAIN_MS; /* A release more does no harm. */
    else if (read->schedule_count > 0 &&
             read->schedules[0].topic_id == read->topic_id)
        due_ms = read->schedules[0].first_due_ms;
    releases_known(&scheduler->releases, read->topic_id, due_ms);
}

void schedules_supplied(struct scheduler *scheduler,
                        const struct delivery_read *read, int code,
                        uint64_t now_ms)
{
    if (read->count == 1) {
        one_schedule(scheduler, read, code, now_ms);
        return;
    }
    if (code != 0) {
        scheduler->schedules_asked = false;
        scheduler->schedules_ms = now_ms + RELEASE_AGAIN_MS;
        return;
    }
    for (uint32_t i = 0; i < read->schedule_count; i++) {
        scheduler_scheduled(scheduler, read->schedules[i].topic_id,
                            read->schedules[i].first_due_ms);
        scheduler->schedules_after = read->schedules[i].topic_id;
    }
    scheduler->schedules_ms = 0;
    if (read->schedule_count == read->count)
        scheduler->schedules_asked = false;
}

void schedules_release(struct scheduler *scheduler, uint64_t now_ms)
{
    uint32_t topic_id;
    if (!scheduler->schedules_asked && now_ms >= scheduler->schedules_ms) {
        scheduler->schedules_asked = true;
        look_at_schedule(scheduler, (uint32_t)scheduler->schedules_after,
                         SCHEDULES_PAGE);
    }
    uint64_t first_ms = releases_first_ms(&scheduler->releases);
    if (scheduler->draining || scheduler->clock_distrusted || first_ms == 0 ||
        first_ms > now_ms)
        return;
    if (!scheduler->port.ready(scheduler->port.context)) {
        agenda_set(&scheduler->agenda, &scheduler->retry,
                   now_ms + SCHEDULER_NOT_READY_MS);
        return;
    }
    while ((topic_id = releases_take(&scheduler->releases, now_ms)) != 0) {
        struct command_release release = {
            .topic_id = topic_id, .upto_ms = now_ms, .count_max = RELEASE_MAX};
        command_release_encode(&scheduler->command, now_ms, &release);
        scheduler->port.propose(scheduler->port.context,
                                encoder_slice(&scheduler->command),
                                (uint64_t)RELEASE_TOKENS << 32 | topic_id);
        scheduler->command.length = 0;
    }
}

void schedules_look(struct scheduler *scheduler, uint32_t topic_id)
{
    look_at_schedule(scheduler, topic_id, 1);
}

/* Where the port was not ready, its own retry wakes. */
uint64_t schedules_wake_ms(const struct scheduler *scheduler)
{
    uint64_t first_ms = releases_first_ms(&scheduler->releases);
    uint64_t look_ms = scheduler->schedules_asked ? 0 : scheduler->schedules_ms;
    const struct agenda_item *retry = &scheduler->retry;
    if (scheduler->draining || scheduler->clock_distrusted ||
        (retry->place != 0 && first_ms < retry->at_ms))
        first_ms = 0;
    if (first_ms == 0 || (look_ms != 0 && look_ms < first_ms))
        return look_ms;
    return first_ms;
}
