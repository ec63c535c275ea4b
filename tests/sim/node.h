/* node.h - one node: the real replica, store, proposer, catalog and leadership,
 * wired as in src/node, on a simulated clock, disk and network.
 *
 *   node.c           life, the loop's turn, messages and the disk
 *   node_store.c     the store's writer and its readers
 *   node_delivery.c  the port below the leadership, requests to receivers
 *   node_chores.c    replays, and rows of what was deleted
 *   node_cluster.c   what proposer and leadership need of raft/cluster
 *
 * Each node has clocks of its own, which go a little wrong. */
#ifndef POSTOFFICE_TESTS_SIM_NODE_H
#define POSTOFFICE_TESTS_SIM_NODE_H

#include "disk.h"
#include "raft/cluster.h"
#include "raft/founding.h"
#include "raft/replica.h"
#include "src/delivery/abdication.h"
#include "src/proposer.h"
#include "storage/store.h"

struct world;

/* What stands for raft/cluster: src/proposer is linked against it. */
struct cluster {
    struct node *node;
};

struct transfer {
    bool active;
    bool asked;
    uint64_t term;
    uint64_t due_ms;
};

/* Entries on their way through the store. */
struct applying {
    struct applying *next;
    struct entry entry;
};

/* Events that have come while it stands still. */
struct waiting {
    struct event **events;
    size_t count;
    size_t capacity;
};

struct node {
    struct world *world;
    unsigned number; /* From 0. */
    uint32_t id;     /* number + 1; also its Raft id. */
    char directory[96];
    /* The machine. */
    uint64_t clock_offset;
    int64_t clock_ppm;
    int64_t wall_offset;
    struct disk disk;
    bool gone; /* Its disk has failed: it does not come back. */
    /* The process. */
    bool up;
    uint64_t boot;
    uint64_t paused_until_ms;
    struct waiting waiting;
    struct founding founding;
    struct replica *replica; /* NULL: it waits for the first members. */
    struct cluster cluster;
    struct catalog *catalog;
    struct proposer *proposer;
    struct leadership *leadership;
    struct abdication abdication;
    struct transfer transfer;
    uint64_t leading_term; /* As was last told. */
    uint64_t in_flight;
    uint64_t armed_ms; /* The replica's timer; 0: none. */
    uint64_t wake_ms;  /* The leadership's; 0: none. */
    struct store *store;
    struct applying *applying; /* Committed, in order. */
    struct applying **applying_end;
    bool applying_now;
    bool commit_planned;
    uint64_t commit_wanted; /* A reader waits for this index. */
    struct read *reads;     /* That wait for a commit. */
    uint64_t requests;      /* Under way to receivers, of this life. */
    uint32_t reign;         /* The leadership's, as it last said. */
    bool chores_work;       /* A look, a step or a pause is under way. */
    /* What the oracle has seen of this life. */
    uint64_t seen_commit;
    uint64_t seen_term;
    int seen_state;
};

/* ---- The machine's clocks ---- */

uint64_t node_clock_ms(const struct node *node); /* As clock_ms(). */
uint64_t node_wall_ms(const struct node *node);
/* When its clock_ms() will show this; not before now. */
uint64_t node_due_ms(const struct node *node, uint64_t clock_ms);

/* ---- Life ---- */

void node_init(struct node *node, struct world *world, unsigned number);
void node_boot(struct node *node);
/* The process ends at once; nothing more is written. */
void node_crash(struct node *node);
void node_close(struct node *node);

/* Adds an event of this life of the process. */
void node_plan(struct node *node, struct event *event, uint64_t delay_ms);
/* What the events have made possible is done. After each event of its own. */
void node_turn(struct node *node);

/* ---- Events ---- */

void node_hear(struct node *node, unsigned from, const uint8_t *statement);
void node_receive(struct node *node, unsigned from,
                  const struct raft_message *message,
                  const struct frame_stamp *stamp, struct entry *entries);
void node_vote_written(struct node *node);
void node_entries_written(struct node *node, uint64_t generation);
void node_disk_failed(struct node *node);

/* ---- node_cluster.c ---- */

/* Whether the lease holds at this moment by the node's own clock. */
bool node_holds_lease(const struct node *node);
void node_announce(struct node *node); /* Leading, or no more. */
void node_give_away(struct node *node);
void node_transfer_step(struct node *node);

/* ---- node_store.c ---- */

void node_store_open(struct node *node);
void node_store_crash(struct node *node);
/* Takes a reference. */
void node_apply(struct node *node, const struct entry *entry);
/* Everything is in the store and can be seen. */
void node_store_settle(struct node *node);

/* ---- node_delivery.c ---- */

struct leadership *node_leadership_new(struct node *node);

/* ---- node_chores.c ---- */

void node_chores_lead(struct node *node); /* It leads from now on. */

#endif
