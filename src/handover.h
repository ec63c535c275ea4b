/* handover.h - giving leadership away without sending anything twice.
 *
 *   grant no more --> what is under way ends and is settled in the log (at most
 *   the drain's time) --> cluster_transfer() --> another leads
 *
 * Publishing goes on until the transfer; what waits then is tried again at the
 * new leader. Thread: the loop. */
#ifndef POSTOFFICE_HANDOVER_H
#define POSTOFFICE_HANDOVER_H

#include "dispatcher.h"
#include "raft/cluster.h"

struct handover;

struct handover *handover_new(uv_loop_t *loop, struct dispatcher *dispatcher,
                              struct cluster *cluster, uint32_t drain_ms);

/* `code` as cluster_transfer() says, 0 when another was told to lead.
 * `drained`: nothing that is under way is left in doubt. */
typedef void (*handover_done)(void *context, int code, bool drained);

/* Drains, then transfers to this member (0: any), when there is another.
 * `stay`: deliveries go on here if it fails; else this node is going away. A
 * second call while one is under way: ERR_BUSY, and its done() does not come;
 * save that a node that is going away takes the place of the first one, which
 * is told ERR_CANCELLED. */
int handover_start(struct handover *handover, uint32_t node_id, bool stay,
                   handover_done done, void *context);

/* Breaks off (done() with ERR_CANCELLED), calls closed() and frees. */
void handover_close(struct handover *handover, void (*closed)(void *context),
                    void *context);

#endif
