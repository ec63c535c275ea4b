#include "clock_watch.h"

#include "base/clock.h"
#include "base/logger.h"

#include <inttypes.h>

enum { LOOK_MS = 1000, CLOCK_AWAY_MS = 5000 };

static bool known(struct clock_watch *watch)
{
    struct cluster_member members[PEERS_MAX];
    uint32_t voters[PEERS_MAX], count = 0;
    unsigned all = cluster_members(watch->cluster, members, PEERS_MAX);
    for (unsigned i = 0; i < all; i++)
        if (members[i].voter)
            voters[count++] = members[i].node_id;
    return peers_clock_ahead(gateway_peers(watch->gateway), voters, count,
                             watch->node_id, clock_ms(), &watch->ahead_ms);
}

static void tell(struct clock_watch *watch)
{
    dispatcher_trust_clock(watch->dispatcher, !watch->away);
    chores_trust_clock(watch->chores, !watch->away);
    if (watch->away)
        LOG_WARN("clock",
                 "this node's clock is far from those of the other voters: "
                 "while it leads, nothing is released, nothing expires",
                 FIELD_TEXT("it_is", watch->ahead_ms > 0 ? "late" : "early"),
                 FIELD_U64("away_ms", imaxabs(watch->ahead_ms)));
    else
        LOG_INFO("clock", "this node's clock agrees with the voters again");
}

static void on_look(uv_timer_t *timer)
{
    struct clock_watch *watch = timer->data;
    if (!known(watch))
        return; /* What was known last holds on. */
    bool away = imaxabs(watch->ahead_ms) > CLOCK_AWAY_MS;
    if (away == watch->away)
        return;
    watch->away = away;
    tell(watch);
}

void clock_watch_start(struct clock_watch *watch, uv_loop_t *loop)
{
    uv_timer_init(loop, &watch->timer);
    watch->timer.data = watch;
    uv_timer_start(&watch->timer, on_look, LOOK_MS, LOOK_MS);
}

void clock_watch_close(struct clock_watch *watch)
{
    uv_close((uv_handle_t *)&watch->timer, NULL);
}
