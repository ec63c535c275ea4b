#include "handover.h"

#include "base/clock.h"
#include "base/memory.h"
#include "delivery/abdication.h"

#include <stdlib.h>

enum { POLL_MS = 10 };

struct handover {
    uv_timer_t timer;
    struct leadership *leadership;
    struct cluster *cluster;
    uint32_t drain_ms;
    struct abdication abdication;
    bool closing;
    handover_done done;
    void *context;
    void (*closed)(void *context);
    void *closed_context;
};

struct handover *handover_new(uv_loop_t *loop, struct dispatcher *dispatcher,
                              struct cluster *cluster, uint32_t drain_ms)
{
    struct handover *handover = memory_new_zeroed(1, sizeof *handover);
    handover->leadership = dispatcher_leadership(dispatcher);
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
        done(handover->context, code, handover->abdication.drained);
}

static void finish(struct handover *handover, int code)
{
    if (handover->closing)
        return;
    abdication_ended(&handover->abdication, handover->leadership,
                     clock_wall_ms());
    tell(handover, code);
}

static void on_transferred(void *context, const struct error *error)
{
    finish(context, error->code);
}

static void on_timer(uv_timer_t *timer)
{
    struct handover *handover = timer->data;
    if (!abdication_may_ask(&handover->abdication, handover->leadership,
                            clock_ms()))
        return;
    uv_timer_stop(timer);
    int rc = cluster_transfer(handover->cluster, handover->abdication.heir,
                              on_transferred, handover);
    if (rc != 0)
        finish(handover, rc);
}

int handover_start(struct handover *handover, uint32_t node_id, bool stay,
                   handover_done done, void *context)
{
    int rc = abdication_begin(&handover->abdication, handover->leadership,
                              node_id, stay, clock_ms() + handover->drain_ms);
    if (rc != 0)
        return rc;
    tell(handover, ERR_CANCELLED);
    handover->done = done;
    handover->context = context;
    if (handover->abdication.state == ABDICATION_DRAINING)
        uv_timer_start(&handover->timer, on_timer, 0, POLL_MS);
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
    handover->closing = true;
    tell(handover, ERR_CANCELLED);
    handover->closed = closed;
    handover->closed_context = context;
    uv_close((uv_handle_t *)&handover->timer, on_closed);
}
