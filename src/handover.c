#include "handover.h"

#include "base/clock.h"
#include "base/memory.h"

#include <stdlib.h>

enum { POLL_MS = 10 };

struct handover {
    uv_timer_t timer;
    struct dispatcher *dispatcher;
    struct cluster *cluster;
    uint32_t drain_ms;
    uint64_t until_ms;
    bool active;
    bool transferring; /* Its answer comes through on_transferred(). */
    bool stay;
    bool drained;
    uint32_t node_id;
    handover_done done;
    void *context;
    void (*closed)(void *context);
    void *closed_context;
};

struct handover *handover_new(uv_loop_t *loop, struct dispatcher *dispatcher,
                              struct cluster *cluster, uint32_t drain_ms)
{
    struct handover *handover = memory_new_zeroed(1, sizeof *handover);
    handover->dispatcher = dispatcher;
    handover->cluster = cluster;
    handover->drain_ms = drain_ms;
    uv_timer_init(loop, &handover->timer);
    handover->timer.data = handover;
    return handover;
}

static void tell(struct handover *handover, int code)
{
    handover_done done = handover->done;
    handover->done = NULL;
    if (done != NULL)
        done(handover->context, code, handover->drained);
}

static void finish(struct handover *handover, int code)
{
    handover->active = false;
    if (handover->stay)
        dispatcher_resume(handover->dispatcher);
    tell(handover, code);
}

static void on_transferred(void *context, const struct error *error)
{
    struct handover *handover = context;
    handover->transferring = false;
    if (handover->active)
        finish(handover, error->code);
}

static void on_timer(uv_timer_t *timer)
{
    struct handover *handover = timer->data;
    handover->drained = dispatcher_is_drained(handover->dispatcher);
    if (!handover->drained && clock_ms() < handover->until_ms)
        return;
    uv_timer_stop(timer);
    int rc = cluster_transfer(handover->cluster, handover->node_id,
                              on_transferred, handover);
    handover->transferring = rc == 0;
    if (rc != 0)
        finish(handover, rc);
}

int handover_start(struct handover *handover, uint32_t node_id, bool stay,
                   handover_done done, void *context)
{
    if (handover->active && stay)
        return ERR_BUSY;
    tell(handover, ERR_CANCELLED);
    handover->stay = stay;
    handover->node_id = node_id;
    handover->done = done;
    handover->context = context;
    handover->drained = false;
    handover->until_ms = clock_ms() + handover->drain_ms;
    dispatcher_drain(handover->dispatcher);
    if (!handover->active)
        uv_timer_start(&handover->timer, on_timer, 0, POLL_MS);
    handover->active = true;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct handover *handover = handle->data;
    void (*closed)(void *) = handover->closed;
    void *context = handover->closed_context;
    free(handover);
    closed(context);
}

void handover_close(struct handover *handover, void (*closed)(void *context),
                    void *context)
{
    handover->active = false;
    tell(handover, ERR_CANCELLED);
    handover->closed = closed;
    handover->closed_context = context;
    uv_close((uv_handle_t *)&handover->timer, on_closed);
}
