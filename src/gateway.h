/* gateway.h - what nodes ask each other above the log: requests of clients
 * that another node must answer, and reports of how each is.
 *
 * Both travel as requests between members (raft/cluster.h); the first byte of
 * a body tells which. Thread: the loop. */
#ifndef POSTOFFICE_GATEWAY_H
#define POSTOFFICE_GATEWAY_H

#include "http/server.h"
#include "peers.h"
#include "raft/cluster.h"

struct gateway;

/* Fills the report of this node. */
typedef void (*gateway_report)(void *context, struct peer_report *ret_report);

struct gateway *gateway_new(uv_loop_t *loop, uint32_t node_id,
                            gateway_report report, void *context);
/* Set once, before the loop runs. */
void gateway_attach(struct gateway *gateway, struct cluster *cluster,
                    struct http_server *http);
/* From now on nothing is sent, and what is asked is refused. */
void gateway_detach(struct gateway *gateway);

/* Another node leads and can be asked. */
bool gateway_leader_is_elsewhere(const struct gateway *gateway);
/* Sends an encoded request to the leader; the result goes to http by its
 * ticket, in a later turn. */
void gateway_forward(struct gateway *gateway, uint64_t ticket,
                     struct slice request);
/* For cluster_callbacks.requested. */
void gateway_requested(struct gateway *gateway,
                       const struct cluster_asked *asked);

const struct peers *gateway_peers(const struct gateway *gateway);

/* Calls closed() and frees. The cluster must be closed. */
void gateway_close(struct gateway *gateway, void (*closed)(void *context),
                   void *context);

#endif
