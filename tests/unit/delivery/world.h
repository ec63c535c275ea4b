/* world.h - a leader's delivery in a small simulated world: the real
 * scheduler and the real store, a log, a clock and receivers of our own, all
 * driven by one seed.
 *
 * What is proposed is applied when the world says so; reads and answers come
 * back in any order; a crash loses the scheduler and, by chance, what was
 * proposed. The world watches the promise at each send: a message goes out
 * only while it is open in the log, never beyond max_in_flight, and not twice
 * unmarked. */
#ifndef POSTOFFICE_TESTS_WORLD_H
#define POSTOFFICE_TESTS_WORLD_H

#include "src/delivery/scheduler.h"

enum { WORLD_PUBLISHERS = 64, WORLD_MESSAGES = 8192 };

/* What a publisher's receiver has seen of one position. */
struct seen {
    uint32_t sends;
    uint32_t delivered; /* Answered with success. */
    bool doubtful;      /* Was undecided when a leader died. */
    bool undecided;     /* Sent, and its outcome is not in the log. */
};

struct world {
    struct store *store;
    struct scheduler *scheduler;
    uint64_t random;
    uint64_t now_ms;
    uint64_t wake_ms;
    uint64_t index; /* Of the last entry. */
    bool fail;      /* Receivers fail by chance. */
    uint64_t position_last;
    uint32_t topics;
    uint32_t publishers;             /* The highest id. */
    uint32_t open[WORLD_PUBLISHERS]; /* Sends under way. */
    uint32_t max_in_flight[WORLD_PUBLISHERS];
    bool gone[WORLD_PUBLISHERS];
    struct seen (*seen)[WORLD_MESSAGES]; /* [publisher][position] */
    struct proposal *proposals;
    struct proposal **proposals_last;
    struct pending *pending; /* Reads and sends. */
    uint32_t sends;
    uint32_t marked;
    char directory[64];
};

void world_open(struct world *world, uint64_t seed);
void world_close(struct world *world);
uint64_t world_random(struct world *world, uint64_t below);

/* Each appends a command and applies everything that waits. */
uint32_t world_topic(struct world *world);
uint32_t world_publisher(struct world *world, uint32_t topic_id,
                         uint32_t max_in_flight, uint32_t max_attempts);
void world_publish(struct world *world, uint32_t topic_id, uint32_t count);
/* These only propose: grants that are proposed behind them are refused. */
void world_pause(struct world *world, uint32_t publisher_id, bool paused);
void world_delete(struct world *world, uint32_t publisher_id);

void world_apply(struct world *world);      /* What was proposed. */
bool world_finish_one(struct world *world); /* A read or a send. */
void world_wait(struct world *world, uint64_t ms);
void world_run(struct world *world); /* The scheduler's turn. */
/* The leader dies; another takes over. */
void world_crash(struct world *world);
/* Goes on until nothing is left to do. */
void world_settle(struct world *world);
struct publisher_view world_look(struct world *world, uint32_t publisher_id,
                                 struct arena *arena);

#endif
