/* store_watch.h - a leader whose store hangs gives way.
 *
 * What is committed and cannot be applied here can be acknowledged by nobody
 * as long as this node leads:
 *
 *     handed to the store's writer --> nothing comes back, look after look
 *                                        `--> cluster_transfer()
 *
 * Without a drain: no outcome could be applied either. What is under way is in
 * doubt at the next leader. Looks are counted and not time, so that a process
 * that stood still has only missed some. Thread: the loop. */
#ifndef POSTOFFICE_STORE_WATCH_H
#define POSTOFFICE_STORE_WATCH_H

#include "raft/cluster.h"

#include <uv.h>

struct store_watch {
    uv_timer_t timer;
    struct cluster *cluster;
    unsigned under_way; /* Entries at the writer. */
    bool moved;         /* One came back since the last look. */
    unsigned stuck_looks;
};

/* `cluster` must be there until the watch is closed. */
void store_watch_start(struct store_watch *watch, uv_loop_t *loop,
                       struct cluster *cluster, uint32_t election_timeout_ms);
void store_watch_close(struct store_watch *watch);

void store_watch_handed(struct store_watch *watch);
void store_watch_returned(struct store_watch *watch);

#endif
