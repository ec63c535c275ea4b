/* pipeline.h - what one publisher does next: the logic of delivery, without
 * I/O, driven by events and a given time.
 *
 * Nothing is sent unless its grant is committed, so that after a crash of the
 * leader only what was granted and not settled is in doubt. A message passes
 * through a slot:
 *
 *   read ahead --grant--> PROPOSED --applied--> READY --> SENDING
 *   due retry --intent-->     ^                   ^          |
 *                          (takeover) LOADING ----+       ANSWERED
 *                                                            | outcome
 *                                     free <--applied--- SETTLING
 *
 * A slot counts against max_in_flight until its outcome is proposed: the
 * outcome stands in the log before any grant that takes its place, so that
 * what is open in the log never exceeds max_in_flight.
 *
 * What holds a message back stands beside it, each a small machine of its own:
 * an outage (breaker.h), the rate (bucket.h), the order (order.h); and
 * Retry-After, which holds the whole publisher until a time. While a publisher
 * is held back nothing is kept in memory for it and nothing is open.
 *
 * Use: tell it what happened, then call pipeline_step() and carry out the
 * effects, in their order. Thread: the loop. */
#ifndef POSTOFFICE_DELIVERY_PIPELINE_H
#define POSTOFFICE_DELIVERY_PIPELINE_H

#include "breaker.h"
#include "hand.h"
#include "metrics.h"
#include "storage/command.h"
#include "storage/filter.h"
#include "storage/query.h"

struct pipeline;

/* Batch numbers begin again at 0 here; far fewer are ever on the way. */
enum { PIPELINE_BATCHES = 1 << 28 };

/* What is to be done, in this order. Arrays belong to the pipeline and are
 * valid until its next call. Counts of 0 mean nothing. */
struct pipeline_effects {
    /* Commands to propose; the answer to each comes through
     * pipeline_applied() with the same batch number. */
    struct outcome *outcomes;
    uint32_t outcome_count;
    uint64_t *withdraw;
    uint32_t withdraw_count;
    uint64_t *intent;
    uint32_t intent_count;
    struct command_grant grant; /* When it examines anything. */
    struct command_unpark *unparks;
    uint32_t *unpark_batches;
    uint32_t unpark_count;
    /* These two are not answered. */
    const struct command_circuit *circuit; /* NULL: nothing to tell. */
    const char *pause_reason; /* The target wants no more; NULL: it does. */
    /* Each command has a number of its own: one may be refused where another
     * of the same step is not. */
    uint32_t outcome_batch;
    uint32_t withdraw_batch;
    uint32_t intent_batch;
    uint32_t grant_batch;
    /* Reads to start; at most one of each kind is under way. */
    bool read_feed; /* From feed_from, answered by pipeline_fed(). */
    uint64_t feed_from;
    uint32_t feed_count;
    bool feed_stored;    /* From the store: what is in memory is not enough. */
    bool feed_committed; /* What its last commit shows will do. */
    bool read_due;       /* Due by now, answered by pipeline_due(). */
    uint32_t due_count;
    bool load;      /* What is open, answered by pipeline_loaded(). */
    bool read_view; /* Answered by pipeline_viewed(). */
    bool read_keys; /* Above keys_after, answered by pipeline_keys(). */
    uint64_t keys_after;
    struct pipeline_look *looks; /* Answered by pipeline_parked(). */
    uint32_t look_count;
    /* When to step again though nothing happens; 0: never. */
    uint64_t wake_ms;
};

enum pipeline_command {
    PIPELINE_OUTCOMES = 1,
    PIPELINE_WITHDRAW,
    PIPELINE_INTENT,
    PIPELINE_GRANT,
    PIPELINE_UNPARK,
    PIPELINE_TOLD, /* What nobody waits for. */
};

/* The parked messages of a key from a position on; key 0: of the key whose
 * first one is the first of all. */
struct pipeline_look {
    uint64_t key;
    uint64_t from;
    uint32_t count;
};
enum { PIPELINE_KEYS_PAGE = 256 };

/* Begins where the view stands: what is open there is loaded and sent again,
 * marked when in doubt. Copies what it needs. `seed` is for jitter. */
struct pipeline *pipeline_new(const struct pipeline_view *view, uint64_t seed);
void pipeline_free(struct pipeline *pipeline); /* NULL is fine. */

uint32_t pipeline_id(const struct pipeline *pipeline);
uint32_t pipeline_topic_id(const struct pipeline *pipeline);
const struct publisher_options *
pipeline_options(const struct pipeline *pipeline);
/* NULL: it wants everything. Valid until the options change; take a reference
 * to keep it. */
struct filter *pipeline_filter(const struct pipeline *pipeline);
/* Another number for other options: what was read under earlier ones is told
 * as ERR_STALE. */
uint32_t pipeline_edition(const struct pipeline *pipeline);

/* The topic's last position has moved. */
void pipeline_published(struct pipeline *pipeline, uint64_t last_position);
/* New options count from now on, for what waits as well. Copied. */
void pipeline_update(struct pipeline *pipeline,
                     const struct publisher_options *options, uint64_t now_ms);
/* A person has decided something about this publisher's messages: what is in
 * memory of their states may be wrong. */
void pipeline_decided(struct pipeline *pipeline, uint64_t now_ms);
/* Stops granting and takes back what was not sent; what is under way ends. */
void pipeline_pause(struct pipeline *pipeline, bool paused);
/* The same for good: this node is about to give up leadership. */
void pipeline_drain(struct pipeline *pipeline);
/* Whether the clock can be trusted; until it is told otherwise it can. Without
 * it nothing expires. */
void pipeline_trust_clock(struct pipeline *pipeline, bool trusted);
/* Nothing is open any more, as far as this node knows. */
bool pipeline_is_drained(const struct pipeline *pipeline);

/* Answers to effects. A failed read (code != 0) is repeated a second later.
 * Supplies are borrowed; the pipeline takes references of its own. */
void pipeline_fed(struct pipeline *pipeline, int code,
                  const struct supply *supplies, uint32_t count,
                  uint64_t now_ms);
void pipeline_due(struct pipeline *pipeline, int code,
                  const struct supply *supplies, uint32_t count,
                  uint64_t next_due_ms, uint64_t now_ms);
void pipeline_loaded(struct pipeline *pipeline, int code,
                     const struct supply *supplies, uint32_t count,
                     uint64_t now_ms);
/* `view` only when code is 0. */
void pipeline_viewed(struct pipeline *pipeline, int code,
                     const struct pipeline_view *view, uint64_t now_ms);
void pipeline_keys(struct pipeline *pipeline, int code,
                   const struct blocked_key *keys, uint32_t count,
                   uint64_t now_ms);
/* `key` is the one that was asked for, `found` the one whose they are. */
void pipeline_parked(struct pipeline *pipeline, int code, uint64_t key,
                     uint64_t found, const struct supply *supplies,
                     uint32_t count, uint64_t now_ms);
/* A proposed command was applied with this result, or refused. `count` is how
 * many positions it moved. */
void pipeline_applied(struct pipeline *pipeline, enum pipeline_command command,
                      uint32_t batch, int code, uint32_t count,
                      uint64_t now_ms);

/* The next slot to send, if any: the caller sends it now. Tokens are never
 * used twice. False: none is ready. */
struct dispatch {
    uint64_t token;
    struct letter *letter; /* Borrowed; take a reference to keep it. */
    uint32_t attempt;
    uint32_t replay_id; /* 0: none. */
    bool doubt;
};
bool pipeline_dispatch(struct pipeline *pipeline, uint64_t now_ms,
                       struct dispatch *ret);
/* The answer to this one, which comes next, holds the publisher until then. */
void pipeline_hold(struct pipeline *pipeline, uint64_t token,
                   uint64_t until_ms);
/* What came of it. `attempt->number` and maybe_duplicate are filled in here.
 * The response is copied. */
void pipeline_answered(struct pipeline *pipeline, uint64_t token,
                       const struct attempt *attempt, uint64_t now_ms);

void pipeline_step(struct pipeline *pipeline, uint64_t now_ms,
                   struct pipeline_effects *ret_effects);

/* Its circuit is open: it reads no further than its next probe. */
bool pipeline_is_cut_off(const struct pipeline *pipeline);
/* It has nothing to read ahead until more is published. */
bool pipeline_is_hungry(const struct pipeline *pipeline);

struct pipeline_statistics {
    uint32_t in_flight; /* Being sent. */
    uint32_t slots;
    uint64_t next_attempt_ms;    /* The first due retry; 0: none. */
    double rate_per_second;      /* Delivered, over the last seconds. */
    struct circuit circuit;      /* Borrowed: until the pipeline's next call. */
    uint64_t throttled_until_ms; /* By Retry-After; 0: not. */
    uint64_t limited_until_ms;   /* By its rate; 0: not. */
    const struct delivery_metrics *metrics; /* Borrowed likewise. */
};
struct pipeline_statistics pipeline_statistics(const struct pipeline *pipeline,
                                               uint64_t now_ms);

#endif
