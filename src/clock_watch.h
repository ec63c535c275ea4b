/* clock_watch.h - whether this node's clock agrees with those of the voters.
 *
 * A leader whose clock is wrong would let scheduled messages go early, and
 * remove what it takes for old:
 *
 *     reports of the others --> median of the voters' clocks, our own among
 *     them --> more than CLOCK_AWAY_MS from our own: nothing is released,
 *     nothing expires, retention lets go of nothing, until it agrees again
 *
 * Delivery goes on: it needs no clock that is right. Thread: the loop. */
#ifndef POSTOFFICE_CLOCK_WATCH_H
#define POSTOFFICE_CLOCK_WATCH_H

#include "chores.h"
#include "dispatcher.h"
#include "gateway.h"

struct clock_watch {
    uv_timer_t timer;
    struct cluster *cluster;
    const struct gateway *gateway;
    struct dispatcher *dispatcher;
    struct chores *chores;
    uint32_t node_id;
    bool away;
    int64_t ahead_ms; /* Of the voters' median over our own clock. */
};

/* The parts are set by the caller, and must be there until it is closed. */
void clock_watch_start(struct clock_watch *watch, uv_loop_t *loop);
void clock_watch_close(struct clock_watch *watch);

#endif
