/* query.h - reading the state through a consistent view.
 *
 * A view is an LMDB read transaction: it sees exactly the state of one
 * applied index. Keep it short, it pins pages. What a query returns is copied
 * into the caller's arena, so that it outlives the view. Counters are kept by
 * apply and only read here; nothing scans a topic.
 * Errors of all: ERR_NOT_FOUND where said, ERR_CORRUPT, ERR_IO.
 * Thread: the one that began the view. */
#ifndef POSTOFFICE_STORAGE_QUERY_H
#define POSTOFFICE_STORAGE_QUERY_H

#include "storage/audit.h"
#include "storage/model.h"
#include "storage/store.h"

struct view;

int view_begin(struct store *store, struct view **ret_view,
               struct error *error);
void view_end(struct view *view); /* NULL is fine. */
uint64_t view_applied_index(const struct view *view);
struct state_hash view_state_hash(const struct view *view);

struct cluster_identity {
    uint8_t cluster_id[16];
    uint64_t id_space; /* 0: no INIT was applied yet. */
};
int query_identity(struct view *view, struct cluster_identity *ret,
                   struct error *error);

/* Kept now, of all scopes and routes. */
int query_idempotency_keys(struct view *view, uint64_t *ret_count,
                           struct error *error);

/* In order of id, from the first above after_id; at most `limit`. */
int query_topics(struct view *view, uint32_t after_id, uint32_t limit,
                 struct arena *arena, struct topic **ret_topics,
                 uint32_t *ret_count, struct error *error);
/* ERR_NOT_FOUND. */
int query_topic(struct view *view, uint32_t id, struct arena *arena,
                struct topic *ret_topic, struct error *error);

/* The counters of one publisher, from its `hot` record and its topic's. */
struct publisher_counts {
    uint64_t backlog;
    uint64_t open;
    uint64_t retrying;
    uint64_t dead;
    uint64_t ambiguous;
    uint64_t discarded;
    uint64_t delivered;
    uint64_t filtered;
    uint64_t scheduled;     /* The topic's. */
    uint64_t parked;        /* Behind blocked keys; in the backlog. */
    uint64_t ordered_waits; /* Of `retrying`: hold their place in the order. */
    uint64_t oldest_undelivered_ms; /* When that message was received. */
    uint64_t last_delivered_ms;
    /* The last failure; at 0: none. */
    uint64_t last_error_ms;
    struct attempt last_error;
};
struct publisher_view {
    struct publisher publisher;
    struct publisher_counts counts;
    struct circuit circuit;
    uint64_t throttled_until_ms; /* By Retry-After; may have passed. 0: not. */
    uint64_t first_due_ms;       /* Of what is retrying; 0: none. */
};
/* In order of id; topic_id 0 means all. The topics' names are filled in. */
int query_publishers(struct view *view, uint32_t topic_id, uint32_t after_id,
                     uint32_t limit, struct arena *arena,
                     struct publisher_view **ret_publishers,
                     uint32_t *ret_count, struct error *error);
/* ERR_NOT_FOUND. */
int query_publisher(struct view *view, uint32_t id, struct arena *arena,
                    struct publisher_view *ret, struct error *error);

/* The message and what became of it at every publisher that wants it.
 * ERR_NOT_FOUND. */
struct message_view {
    struct message message;
    struct slice topic; /* Its name. */
    uint64_t position;  /* 0: it is scheduled. */
    struct delivery *deliveries;
    uint32_t delivery_count;
};
int query_message(struct view *view, uint64_t id, struct arena *arena,
                  struct message_view *ret, struct error *error);

/* ---- Why a message is where it is ---- */

#define EXPLAIN_REASONS(X)                                                     \
    X(REASON_QUEUED, "queued")                                                 \
    X(REASON_IN_FLIGHT, "in_flight")                                           \
    X(REASON_DELIVERED, "delivered")                                           \
    X(REASON_FILTERED, "filtered")                                             \
    X(REASON_WAITING_FOR_ORDER, "waiting_for_order")                           \
    X(REASON_WAITING_FOR_KEY, "waiting_for_key")                               \
    X(REASON_RATE_LIMITED, "rate_limited") /* The leader's pipeline knows. */  \
    X(REASON_RETRY_AFTER, "retry_after")                                       \
    X(REASON_BACKING_OFF, "backing_off")                                       \
    X(REASON_CIRCUIT_OPEN, "circuit_open")                                     \
    X(REASON_PAUSED, "paused")                                                 \
    X(REASON_SCHEDULED, "scheduled")                                           \
    X(REASON_DEAD, "dead")                                                     \
    X(REASON_DISCARDED, "discarded")                                           \
    X(REASON_AMBIGUOUS, "ambiguous")                                           \
    X(REASON_BEFORE_FROM_NOW, "before_from_now")
enum explain_reason {
#define EXPLAIN_ENUM(name, text) name,
    EXPLAIN_REASONS(EXPLAIN_ENUM)
#undef EXPLAIN_ENUM
};
const char *explain_reason_text(enum explain_reason reason);

/* The facts, from the state alone. Of several reasons that hold a message up
 * the one is told that must go first: a pause, then the circuit, Retry-After,
 * the order, the message's own backoff. */
struct explain {
    enum explain_reason reason;
    uint64_t position; /* 0: none yet. */
    uint64_t since_ms; /* 0: not known. */
    uint64_t next_attempt_ms;
    /* WAITING_FOR_ORDER, WAITING_FOR_KEY: the message that is in the way. */
    uint64_t blocking_position;
    uint64_t blocking_id;
    uint64_t ahead; /* QUEUED: how many are to be examined before; capped by
                     * BOUND_READ_RECORDS. */
    struct delivery delivery; /* BEFORE_FROM_NOW, SCHEDULED: state alone. */
    struct message message;
    struct slice topic;
    struct publisher_view publisher; /* Pause, circuit, throttle, filter. */
};
/* ERR_NOT_FOUND: no such message, or no such publisher of its topic. */
int query_explain(struct view *view, uint64_t message_id, uint32_t publisher_id,
                  uint64_t now_ms, struct arena *arena, struct explain *ret,
                  struct error *error);
/* The same of a message that this view gave; *ret borrows from it. */
int query_explain_message(struct view *view, const struct message_view *message,
                          uint32_t publisher_id, uint64_t now_ms,
                          struct arena *arena, struct explain *ret,
                          struct error *error);

/* ---- Replays ---- */

/* ERR_NOT_FOUND. */
int query_replay(struct view *view, uint32_t id, struct arena *arena,
                 struct replay *ret, struct error *error);
/* In order of id; `running`: only those that still make steps. */
int query_replays(struct view *view, bool running, uint32_t after_id,
                  uint32_t limit, struct arena *arena, struct replay **ret,
                  uint32_t *ret_count, struct error *error);

/* ---- For the leader's delivery ---- */

/* What a pipeline needs to begin or go on. */
struct pipeline_view {
    struct publisher publisher;
    uint64_t next;              /* First position not examined. */
    uint64_t last_position;     /* The topic's. */
    uint64_t retrying;          /* How many wait for their next attempt. */
    uint64_t first_due_ms;      /* The earliest of them; 0: none. */
    struct open_position *open; /* Ascending by position. */
    uint32_t open_count;
    uint64_t ordered_waits; /* Of `retrying`: hold their place in the order. */
    uint64_t ordered_stuck; /* Of the ambiguous: the same, if on_poison is
                             * POISON_BLOCK. */
    uint64_t parked;
    struct circuit circuit;
    uint64_t throttled_until_ms;
};
/* Every publisher, at takeover: `hot` records and first due rows, no scan of
 * messages. Slices live in arena. */
int query_pipelines(struct view *view, uint32_t after_id, uint32_t limit,
                    struct arena *arena, struct pipeline_view **ret,
                    uint32_t *ret_count, struct error *error);

/* One of them. ERR_NOT_FOUND. */
int query_pipeline(struct view *view, uint32_t id, struct arena *arena,
                   struct pipeline_view *ret, struct error *error);

/* A message to deliver. */
struct feed_item {
    uint64_t position;
    /* What the publisher knows of it. query_feed() and query_positions() know
     * no publisher: 0, false. */
    uint32_t attempts;    /* Made so far. */
    uint32_t budget_from; /* Of them: made before the last redrive, so that
                           * they do not count against max_attempts. */
    uint32_t holds;       /* Retry-After answers in a row. */
    uint32_t replay_id;   /* 0: none. */
    uint64_t due_ms;      /* Of a retry. */
    bool doubt;           /* An attempt may have arrived unseen. */
    bool ordered;         /* It holds its place in the order. */
    bool discarded;       /* By query_ahead(): before its turn. Counts as
                           * examined, is neither opened nor parked. */
    bool held;            /* By query_ahead(): its key is held (command.h). */
    uint64_t key;         /* key_hash(); by all. */
    struct message message;
};
/* Messages of a topic in position order from `from` on, at most so many and
 * about so many payload bytes (at least one when there is one). */
int query_feed(struct view *view, uint32_t topic_id, uint64_t from,
               uint32_t count_max, size_t bytes_max, struct arena *arena,
               struct feed_item **ret_items, uint32_t *ret_count,
               struct error *error);
/* The same for named positions (ascending); missing ones are left out. */
int query_positions(struct view *view, uint32_t topic_id,
                    const uint64_t *positions, uint32_t count,
                    struct arena *arena, struct feed_item **ret_items,
                    uint32_t *ret_count, struct error *error);
/* Retries of a publisher due by due_ms, earliest first; and when the first
 * one after those is due (0: none). */
int query_due(struct view *view, uint32_t publisher_id, uint64_t due_ms,
              uint32_t count_max, size_t bytes_max, struct arena *arena,
              struct feed_item **ret_items, uint32_t *ret_count,
              uint64_t *ret_next_due_ms, struct error *error);
/* What a publisher has not examined, from its `next` or behind on, as by
 * query_feed(), with what is known of it. */
int query_ahead(struct view *view, uint32_t publisher_id, uint64_t from,
                uint32_t count_max, size_t bytes_max, struct arena *arena,
                struct feed_item **ret_items, uint32_t *ret_count,
                struct error *error);
/* What a publisher has open, in order; at most count_max from position `from`
 * on. Its attempts are those made before the one that is open. */
int query_open(struct view *view, uint32_t publisher_id, uint64_t from,
               uint32_t count_max, struct arena *arena,
               struct feed_item **ret_items, uint32_t *ret_count,
               struct error *error);

/* A key that is held, or of which messages are parked. */
struct blocked_key {
    uint64_t key;
    uint64_t head;         /* The first ordered one that waits or is ambiguous;
                            * 0: none. */
    uint32_t waits;        /* How many wait, */
    uint32_t stuck;        /* or are ambiguous. */
    uint64_t first_parked; /* 0: none. */
    uint64_t parked;
};
/* In order of the keys' hashes, from the first above after_key; at most
 * `limit`. */
int query_blocked(struct view *view, uint32_t publisher_id, uint64_t after_key,
                  uint32_t limit, struct arena *arena,
                  struct blocked_key **ret_keys, uint32_t *ret_count,
                  struct error *error);
/* The key with the first parked position of all: what is to be walked next
 * once the ordering is not ORDERING_KEY any more. ERR_NOT_FOUND: nothing is
 * parked. */
int query_first_blocked(struct view *view, uint32_t publisher_id,
                        struct blocked_key *ret_key, struct error *error);
/* The key's parked messages, from the first at or above `from` on. */
int query_parked(struct view *view, uint32_t publisher_id, uint64_t key,
                 uint64_t from, uint32_t count_max, size_t bytes_max,
                 struct arena *arena, struct feed_item **ret_items,
                 uint32_t *ret_count, struct error *error);

/* ---- Tokens, and who changed what ---- */

/* In order of id, from the first above after_id; at most `limit`. Texts are in
 * the arena. */
int query_tokens(struct view *view, uint32_t after_id, uint32_t limit,
                 struct arena *arena, struct token **ret_tokens,
                 uint32_t *ret_count, struct error *error);

/* What something was like: audit.h. Which member counts is the action's to
 * say. */
struct audit_picture {
    bool there;
    struct topic topic;
    struct publisher publisher;
    uint64_t backlog; /* The publisher's. */
    struct replay replay;
    struct token token;
    struct slice deliveries; /* {publisher u32, state u8} each. */
    uint32_t node_id;
    uint64_t removed; /* AUDIT_TOPIC_EXPIRE. */
};
struct audit_entry {
    uint64_t id;
    struct audit_row row;
    struct audit_picture before;
    struct audit_picture after;
};
/* Not given: 0, empty. */
struct audit_query {
    uint64_t before; /* Only entries below this id. */
    uint32_t limit;
    struct slice who;
    struct slice action;  /* audit_action_text() */
    struct slice subject; /* audit_subject() */
};
struct audit_page {
    struct audit_entry *entries; /* Newest first; in the arena, as texts. */
    uint32_t count;
    uint64_t next; /* `before` of the next page; 0: this is the last. A page
                    * may be short: looking ends after BOUND_READ_RECORDS. */
};
int query_audit(struct view *view, const struct audit_query *query,
                struct arena *arena, struct audit_page *ret_page,
                struct error *error);

/* ---- For the leader's chores ---- */

/* Topics with scheduled messages, in order of id from the first above
 * after_id, and when the first of them is due. */
struct schedule {
    uint32_t topic_id;
    uint64_t first_due_ms;
};
int query_schedules(struct view *view, uint32_t after_id, uint32_t limit,
                    struct arena *arena, struct schedule **ret_schedules,
                    uint32_t *ret_count, struct error *error);
/* Looks at up to EXPIRE_MAX positions of a topic from `from` on: how many of
 * them EXPIRE would remove with this cutoff. Go on from *ret_next; 0: behind
 * it nothing can have expired yet. */
int query_expirable(struct view *view, uint32_t topic_id, uint64_t from,
                    uint64_t cutoff_ms, struct arena *arena, uint64_t *ret_upto,
                    uint32_t *ret_count, uint64_t *ret_next,
                    struct error *error);
/* What a replay has to look at from `from` (its cursor, for a step) on:
 * settled deliveries in the state that it wants, whose filter the caller asks.
 * A step may reach up to *ret_upto. */
int query_replay_feed(struct view *view, const struct replay *replay,
                      uint64_t from, uint32_t count_max, size_t bytes_max,
                      struct arena *arena, struct feed_item **ret_items,
                      uint32_t *ret_count, uint64_t *ret_upto,
                      struct error *error);
/* Deleted topics whose rows are not all gone; at most `limit` ids. */
int query_topic_purges(struct view *view, uint32_t limit, struct arena *arena,
                       uint32_t **ret_ids, uint32_t *ret_count,
                       struct error *error);
/* Deleted publishers whose rows are not all gone; at most `limit` ids. */
int query_purges(struct view *view, uint32_t limit, struct arena *arena,
                 uint32_t **ret_ids, uint32_t *ret_count, struct error *error);

#endif
