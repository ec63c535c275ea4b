/* replica_core.h - what replica.c and replica_receive.c share; for no one
 * else. */
#ifndef POSTOFFICE_RAFT_REPLICA_CORE_H
#define POSTOFFICE_RAFT_REPLICA_CORE_H

#include "raft/guard.h"
#include "raft/lease.h"
#include "raft/replica.h"
#include "raft/tail.h"

/* A configuration of the log: its index, and a reference to its bytes. */
struct replica_change {
    uint64_t index;
    struct buffer *bytes;
};

struct replica {
    struct raft raft;
    struct replica_options options;
    struct tail tail;
    struct guard_writes writes;
    uint64_t now_ms; /* Of the last event. */
    uint64_t last_fired_ms;
    uint64_t commit_index;
    uint64_t handed_index;
    /* Configurations of the log, oldest first; the first one is in force at
     * the oldest point that is asked for. Those up to settled_index were
     * reported to the core as committed. */
    struct replica_change *changes;
    size_t changes_count;
    size_t changes_capacity;
    uint64_t settled_index;
    /* While leader. */
    uint64_t leader_term; /* 0: no leader. */
    uint64_t barrier_index;
    struct lease lease; /* Of leader_term. */
    /* The last index when another was asked to take over: it can be elected
     * out of turn, with a log of just this length, until more is committed. */
    uint64_t transfer_index;
    bool transferring;
    /* As a follower: the newest request of whom it follows. */
    uint64_t followed_id;
    uint64_t followed_term;
    struct frame_stamp followed_stamp;
    /* Until then nobody else gets its vote: what the lease rests on. */
    uint64_t promise_until_ms;
    /* The one term for which the leader before allowed to be disturbed. */
    uint64_t disrupt_term;
    /* Effects not yet taken, a ring. */
    struct replica_effect *effects;
    size_t effects_start;
    size_t effects_count;
    size_t effects_capacity; /* A power of two, or 0. */
    bool holding;            /* A vote was taken and is not yet durable. */
    /* What the event at hand brings: payloads and checksums that belong to
     * the core's entries, position by position. */
    const struct raft_entry *incoming_raw;
    struct entry *incoming;
    size_t incoming_count;
    struct error failure;
};

/* Steps the core, turns its update into effects, and does what follows from
 * it. Returns 0 or libraft's code. */
int replica_step(struct replica *replica, uint64_t now_ms,
                 struct raft_event *event);
/* The core refused what it may not refuse. */
void replica_fail(struct replica *replica, int code, const char *event);
/* As submit, of any type; takes the reference when it returns 0, else
 * libraft's code. */
int replica_submit_entry(struct replica *replica, enum entry_type type,
                         struct buffer *payload, uint64_t *ret_index);
/* Commits what was submitted before, in this term. */
void replica_submit_barrier(struct replica *replica, uint64_t *ret_index);
/* Whether the core has given up a transfer: goes on as before. */
void replica_end_transfer(struct replica *replica);
/* Reports the CHANGE at this index to the core as committed. */
void replica_settle(struct replica *replica, uint64_t index);
struct replica_effect *replica_push_effect(struct replica *replica);

#endif
