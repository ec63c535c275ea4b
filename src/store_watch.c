#include "store_watch.h"

#include "base/logger.h"

enum {
    LOOKS_A_TIMEOUT = 2,
    /* Four election timeouts: a commit of the store may take its time on a
     * slow disk, which the others have, too. */
    STUCK_LOOKS = 8,
};

static void on_transferred(void *context, const struct error *error)
{
    (void)context;
    if (error->code != 0)
        LOG_WARN("store", "the store hangs", FIELD_TEXT("reason", error->text));
}

static void on_look(uv_timer_t *timer)
{
    struct store_watch *watch = timer->data;
    if (watch->under_way == 0 || watch->moved)
        watch->stuck_looks = 0;
    else
        watch->stuck_looks++;
    watch->moved = false;
    /* Who does not lead has nothing to give away. */
    if (watch->stuck_looks >= STUCK_LOOKS &&
        cluster_transfer(watch->cluster, 0, on_transferred, watch) == 0)
        LOG_WARN("store", "nothing can be applied: another is to lead",
                 FIELD_U64("entries", watch->under_way));
}

void store_watch_start(struct store_watch *watch, uv_loop_t *loop,
                       struct cluster *cluster, uint32_t election_timeout_ms)
{
    watch->cluster = cluster;
    uv_timer_init(loop, &watch->timer);
    watch->timer.data = watch;
    uint64_t every_ms = election_timeout_ms / LOOKS_A_TIMEOUT + 1;
    uv_timer_start(&watch->timer, on_look, every_ms, every_ms);
}

void store_watch_close(struct store_watch *watch)
{
    uv_close((uv_handle_t *)&watch->timer, NULL);
}

void store_watch_handed(struct store_watch *watch)
{
    watch->under_way++;
}

void store_watch_returned(struct store_watch *watch)
{
    watch->under_way--;
    watch->moved = true;
}
