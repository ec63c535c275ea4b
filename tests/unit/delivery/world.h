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

#include "base/memory.h"
#include "src/delivery/scheduler.h"

enum {
    WORLD_PUBLISHERS = 64,
    WORLD_MESSAGES = 8192,
    WORLD_SENT = 64,
    WORLD_SCHEDULED = 512
};

/* What a publisher's receiver has seen of one position. */
struct seen {
    uint32_t sends;
    uint32_t delivered; /* Answered with success. */
    bool doubtful;      /* Was undecided when a leader died. */
    bool undecided;     /* Sent, and its outcome is not in the log. */
    bool settled;       /* Delivered or dead, in the log. */
    bool redriven;      /* By a person: outside of the order from then on. */
};

/* How a receiver behaves. */
enum receiver {
    RECEIVER_GOOD,
    RECEIVER_FLAKY,  /* A third fails with 503. */
    RECEIVER_DOWN,   /* Connections are refused. */
    RECEIVER_PICKY,  /* Every seventh position gets 500, always. */
    RECEIVER_BUSY,   /* 429 with Retry-After of two seconds. */
    RECEIVER_GONE,   /* 410 */
    RECEIVER_SILENT, /* Times out. */
    RECEIVER_HANGS,  /* Has not answered yet. */
};

struct world {
    struct store *store;
    struct scheduler *scheduler;
    uint32_t sends_max;
    uint64_t random;
    uint64_t now_ms;
    uint64_t wake_ms;
    uint64_t index; /* Of the last entry. */
    bool fail;      /* Receivers fail by chance. */
    enum receiver receivers[WORLD_PUBLISHERS];
    struct arena texts;
    uint64_t start[WORLD_PUBLISHERS];               /* Their first positions. */
    uint64_t sent_ms[WORLD_PUBLISHERS][WORLD_SENT]; /* A ring. */
    uint32_t sent_count[WORLD_PUBLISHERS];
    uint64_t due_ms[WORLD_SCHEDULED]; /* Of one topic's, in their order. */
    uint32_t scheduled;
    uint32_t released;
    uint64_t late_ms_max; /* What a release may be late by. */
    uint64_t held_until_ms[WORLD_PUBLISHERS]; /* Asked for by Retry-After. */
    struct publisher_options options[WORLD_PUBLISHERS];
    struct {
        uint64_t key;
        uint32_t topic;
        bool wanted;            /* Its attribute `kind` is "a". */
    } messages[WORLD_MESSAGES]; /* By position. */
    uint64_t position_last;
    uint32_t topics;
    uint32_t publishers;             /* The highest id. */
    uint32_t open[WORLD_PUBLISHERS]; /* Sends under way. */
    uint32_t max_in_flight[WORLD_PUBLISHERS];
    bool gone[WORLD_PUBLISHERS];
    struct seen (*seen)[WORLD_MESSAGES]; /* [publisher][position] */
    bool overtakes; /* Commands of the world's own: what is on the way. */
    struct proposal *proposals;
    struct proposal **proposals_last;
    struct pending *pending; /* Reads and sends. */
    uint32_t sends;
    uint32_t marked;
    char directory[64];
};

void world_open(struct world *world, uint64_t seed);
/* With so many places for requests over all publishers. */
void world_open_with(struct world *world, uint64_t seed, uint32_t sends_max);
void world_close(struct world *world);
uint64_t world_random(struct world *world, uint64_t below);

/* Each appends a command and applies everything that waits. */
uint32_t world_topic(struct world *world);
uint32_t world_publisher(struct world *world, uint32_t topic_id,
                         uint32_t max_in_flight, uint32_t max_attempts);
/* The same with options of one's own; 0 and NULL mean what world_publisher()
 * takes. */
uint32_t world_publisher_with(struct world *world, uint32_t topic_id,
                              const struct publisher_options *options);
void world_publish(struct world *world, uint32_t topic_id, uint32_t count);
/* With a key out of five or none, and an attribute `kind`, "a" or "b". */
void world_publish_keyed(struct world *world, uint32_t topic_id,
                         uint32_t count);
/* For later; of one topic alone. */
void world_schedule(struct world *world, uint32_t topic_id, uint64_t due_ms);
void world_update(struct world *world, uint32_t publisher_id,
                  const struct publisher_options *options);
/* A person's decision about one message. */
void world_decide(struct world *world, enum command_type type,
                  uint32_t publisher_id, uint64_t position);
struct pipeline_statistics world_statistics(struct world *world,
                                            uint32_t publisher_id);
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
