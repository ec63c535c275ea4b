/* pipeline_inside.h - what the pipeline's files share: pipeline.c (events),
 * pipeline_applied.c (answers from the log), pipeline_answer.c (answers of
 * targets), pipeline_grant.c and pipeline_walk.c (what may be granted: new
 * messages, parked ones) and pipeline_step.c (all effects). */
#ifndef POSTOFFICE_DELIVERY_PIPELINE_INSIDE_H
#define POSTOFFICE_DELIVERY_PIPELINE_INSIDE_H

#include "base/memory.h"
#include "breaker.h"
#include "bucket.h"
#include "hand.h"
#include "order.h"
#include "pipeline.h"
#include "slots.h"

enum {
    OUTCOMES_AT_ONCE = 512, /* Settled together at most. */
    WALKS = 16,             /* Keys that are walked at once. */
    WALK_READ = 32,         /* Parked messages read at once. */
    /* A key whose message is under way for longer than this no longer holds
     * up those behind it: they are parked. */
    KEY_PATIENCE_MS = 250,
    REPEAT_MS = 1000, /* After a failed read or a refused command. */
    /* Retry-After answers in a row for one message that use up no attempt. */
    HOLDS_MAX = 10,
    /* Messages that have never been tried and are used as probes while a
     * circuit is open, unless there are no others: each leaves a row behind. */
    FRESH_PROBES_MAX = 64,
};

/* One key's parked messages on their way back. */
struct walk {
    uint64_t key; /* 0: free, or (walking) the first of all keys. */
    bool walking;
    bool reading;
    bool proposed;
    uint32_t batch;    /* Of its command. */
    uint32_t examined; /* By its command. */
    uint64_t from;     /* The first position that is not in hand. */
    struct hand hand;
    uint64_t open[WALK_READ]; /* Of its command. */
};

struct pipeline {
    uint32_t id;
    uint32_t topic_id;
    struct publisher_options options;
    struct arena texts; /* What options point to. */
    struct filter *filter;
    uint32_t edition; /* Of the options. */
    bool paused;
    bool draining;
    bool clock_distrusted;
    bool gone;              /* 410: to be paused. */
    uint64_t next;          /* Everything below is granted, in the log. */
    uint64_t grant_upto;    /* Of the grant that is on the way. */
    uint64_t last_position; /* Of the topic. */
    struct hand ahead;      /* Positions from `next` on. */
    uint64_t feed_from;     /* The first position not in `ahead`. */
    bool reread;            /* What is in hand is no good after this grant. */
    uint64_t feed_asked;    /* What the read under way began at, ... */
    uint64_t feed_last;     /* ... and what the topic's last one was then. */
    uint64_t distrust_upto; /* Memory does not know all of what is up to here:
                             * read the store. */
    struct hand due;        /* Retries whose time has come. */
    uint64_t first_due_ms;  /* Of the retries not in `due`; 0: none. */
    struct slots slots;
    /* What holds back. */
    struct breaker breaker;
    struct bucket bucket;
    struct order order;
    uint64_t throttled_until_ms;
    bool throttle_changed;
    bool probe_fresh; /* The next probe is one that was never tried. */
    uint32_t fresh_probes;
    struct walk *walks[WALKS]; /* Made when first needed. */
    uint32_t walking;
    /* What is on the way. */
    bool feeding;
    bool feed_in_vain; /* The last commit shows nothing: wait for the next. */
    bool loading;
    bool load_again; /* What is being read is too old. */
    bool asking_due;
    bool ask_again; /* What is being read as due is too old. */
    bool granting;
    bool intending;
    bool reload; /* What becomes open by it may have another budget now. */
    uint32_t intent_count;
    bool refresh; /* The store's counts are to be read anew, once quiet. */
    bool viewing;
    bool load_keys; /* So are the blocked keys. */
    bool reading_keys;
    uint64_t keys_after;
    uint64_t hold_ms;     /* No reads or grants before this. */
    uint64_t patience_ms; /* A key's patience ends then; 0: none waits. */
    uint32_t batch;
    /* For effects, valid between two steps. */
    struct outcome *outcomes;
    struct command_circuit circuit;
    struct command_unpark unparks[WALKS];
    uint32_t unpark_batches[WALKS];
    struct pipeline_look looks[WALKS];
    uint64_t *positions; /* Parts: withdraw, intent, grant, its keys. */
    uint64_t *parked;    /* Positions, then keys, of a grant. */
    uint64_t *discarded;
    uint32_t positions_capacity;
    uint32_t parked_capacity;
    uint32_t outcomes_capacity;
    uint64_t random;
    struct delivery_metrics metrics;
    /* Delivered in this window and in the one before. */
    uint64_t window_began_ms;
    uint32_t window_count;
    uint32_t window_before;
};

enum {
    POSITIONS_WITHDRAW,
    POSITIONS_INTENT,
    POSITIONS_GRANT,
    POSITIONS_KEYS,
    POSITIONS_PARTS
};

/* There is a retry at this time. */
void pipeline_due_at(struct pipeline *pipeline, uint64_t due_ms);
void pipeline_hold_until(struct pipeline *pipeline, uint64_t until_ms);
/* What is in hand of what was never tried is no good any more. */
void pipeline_read_again(struct pipeline *pipeline);

static inline bool pipeline_blocks(const struct pipeline *pipeline)
{
    return pipeline->options.on_poison == POISON_BLOCK;
}
static inline struct breaker_options
pipeline_breaker_options(const struct pipeline *pipeline)
{
    return (struct breaker_options){
        .retry_seconds = pipeline->options.retry_seconds,
        .retry_seconds_max = pipeline->options.retry_seconds_max,
        .max_in_flight = pipeline->options.max_in_flight};
}

/* The order as a whole is held up; only of use under ORDERING_STRICT. */
static inline bool pipeline_strict_waits(const struct pipeline *pipeline)
{
    const struct order *order = &pipeline->order;
    return order->open > 0 || order->waits > 0 ||
           (order->stuck > 0 && pipeline_blocks(pipeline));
}

/* A number for a command of its own. */
static inline uint32_t pipeline_batch(struct pipeline *pipeline)
{
    uint32_t batch = pipeline->batch;
    pipeline->batch = (batch + 1) % PIPELINE_BATCHES;
    return batch;
}

/* A slot for a message that was never tried, whose reference it takes; it has
 * its place in the order from now on. */
void pipeline_open(struct pipeline *pipeline, struct supply *supply,
                   uint32_t batch, uint64_t now_ms);
/* What came of a slot, as the order sees it; when its outcome is proposed. */
void pipeline_left(struct pipeline *pipeline, const struct slot *slot,
                   enum delivery_state state);

/* pipeline_answer.c: settles what has been open for longer than it may. */
void pipeline_expire(struct pipeline *pipeline, uint64_t now_ms);

/* pipeline_step.c: room for positions that an effect names. */
uint64_t *pipeline_part(struct pipeline *pipeline, uint32_t which);
/* pipeline_grant.c: opens `most` at most. */
void grants_step(struct pipeline *pipeline, uint32_t most, uint64_t now_ms,
                 struct pipeline_effects *effects);
/* pipeline_walk.c */
void walks_step(struct pipeline *pipeline, uint32_t room, uint64_t now_ms,
                struct pipeline_effects *effects);
void walks_applied(struct pipeline *pipeline, uint32_t batch, int code,
                   uint64_t now_ms);
void walks_put_down(struct pipeline *pipeline);
void walks_close(struct pipeline *pipeline);
/* The order allows no grants before what is parked has been walked. */
bool walks_come_first(const struct pipeline *pipeline);

#endif
