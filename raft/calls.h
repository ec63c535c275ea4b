/* calls.h - requests to other members that wait for their answers. No I/O.
 *
 * Bounded: a slot for each, and an id that names the slot and is never used
 * again, so that an answer that comes too late finds nothing.
 * Thread: the loop. */
#ifndef POSTOFFICE_RAFT_CALLS_H
#define POSTOFFICE_RAFT_CALLS_H

#include "base/bounds.h"
#include "raft/cluster.h"

struct call {
    uint64_t id; /* 0: the slot is free. */
    uint32_t node_id;
    uint64_t due_ms;
    cluster_answered answered;
    void *context;
};

/* Zero-initialised: none wait. */
struct calls {
    struct call slots[BOUND_CALLS_WAITING];
    unsigned count;
    unsigned next; /* Where to look for a free slot first. */
    uint64_t ids;
    uint64_t due_ms; /* No call is due before; 0: none waits. */
};

/* Its id; 0: too many wait. */
uint64_t calls_add(struct calls *calls, const struct call *call);
/* Takes it out again; false: it does not wait (any more). */
bool calls_take(struct calls *calls, uint64_t id, struct call *ret);
/* One of those that are due, or that wait for this node, or of all. */
bool calls_take_due(struct calls *calls, uint64_t now_ms, struct call *ret);
bool calls_take_node(struct calls *calls, uint32_t node_id, struct call *ret);
bool calls_take_any(struct calls *calls, struct call *ret);

#endif
