/* command.h - the replicated commands: everything that changes state.
 *
 * A log entry is a sequence of commands. Each has an envelope
 *
 *     version u8 | type u8 | flags u16 | length u32 | time_ms u64 | 0 u32
 *
 * (little-endian, 20 bytes; `length` counts all that is behind it) and a body.
 * A flag says that a field {length u16, bytes} stands in front of the body.
 * COMMAND_KEYED, of MESSAGES alone: the request's idempotency key
 * (idempotency.h). COMMAND_SIGNED, of what people change: who asked for it
 * (struct author), which makes apply write it down (audit.h).
 *
 * Times and random values are chosen by the proposer and travel inside, so
 * that apply gives the same result on every node. Bodies that carry options
 * are tagged fields {tag u16, length u32, bytes}: a reader skips none, an
 * unknown tag is an unknown version.
 *
 * Formats are frozen by a test of golden bytes: to change one, add a version.
 * Encoders append to an encoder; decoders borrow from their input and return
 * ERR_CORRUPT for anything malformed and ERR_VERSION for what a newer program
 * wrote. Thread: any. */
#ifndef POSTOFFICE_STORAGE_COMMAND_H
#define POSTOFFICE_STORAGE_COMMAND_H

#include "base/codec.h"
#include "base/error.h"
#include "storage/model.h"

/* Version 1 was never in the field and is not read any more. */
enum { COMMAND_VERSION = 2, COMMAND_ENVELOPE_SIZE = 20 };

enum command_type {
    COMMAND_INIT = 1, /* The cluster's first: its id and id space. */
    COMMAND_TOPIC_CREATE = 2,
    COMMAND_TOPIC_UPDATE = 3,
    COMMAND_TOPIC_DELETE = 4,
    COMMAND_PUBLISHER_CREATE = 5,
    COMMAND_PUBLISHER_UPDATE = 6,
    COMMAND_PUBLISHER_DELETE = 7,
    COMMAND_PUBLISHER_PAUSE = 8,
    COMMAND_CIRCUIT = 9,
    COMMAND_MESSAGES = 10,
    COMMAND_RELEASE = 11, /* Scheduled messages take their positions. */
    COMMAND_EXPIRE = 12,  /* One bounded step of retention. */
    COMMAND_GRANT = 20,
    COMMAND_OUTCOMES = 21,
    COMMAND_INTENT = 22,
    COMMAND_WITHDRAW = 23,
    COMMAND_TAKEOVER = 24,
    COMMAND_UNPARK = 25, /* A grant for what is parked behind one key. */
    COMMAND_RETRY = 26,
    COMMAND_DISCARD = 27,
    COMMAND_RETRY_STEP = 28, /* The same for all in a state, step by step. */
    COMMAND_DISCARD_STEP = 29,
    COMMAND_PURGE = 30,       /* One bounded step of removing a deleted
                               * publisher's rows. */
    COMMAND_TOPIC_PURGE = 31, /* The same for a deleted topic's. */
    COMMAND_REPLAY_START = 40,
    COMMAND_REPLAY_STEP = 41,
    COMMAND_REPLAY_CANCEL = 42,
    COMMAND_TOKEN_CREATE = 50,
    COMMAND_TOKEN_REVOKE = 51,
    COMMAND_TRANSFER = 52, /* Changes nothing: leadership is being given away,
                            * which is written down. */
};

enum command_flag { COMMAND_KEYED = 1 << 0, COMMAND_SIGNED = 1 << 1 };

/* Who asked for a change, through the API. */
struct author {
    struct slice who;        /* A token's name, or "anonymous"; empty: it is not
                              * signed. */
    struct slice request_id; /* As in the log's lines. */
};

struct command {
    uint8_t version;
    uint8_t type;             /* enum command_type */
    uint16_t flags;           /* enum command_flag */
    uint64_t time_ms;         /* The proposer's wall clock. */
    struct slice idempotency; /* COMMAND_KEYED: for idempotency_decode(). */
    struct author author;     /* COMMAND_SIGNED. */
    struct slice body;
};

/* Takes the next command off the front of *entry. ERR_END when it is empty. */
int command_next(struct slice *entry, struct command *ret_command);

/* An encoder is begun, the body is appended to `out`, and the length is set
 * by ending it with what begin returned. */
size_t command_begin(struct encoder *out, enum command_type type,
                     uint64_t time_ms);
/* What the flag announces must follow at once. */
void command_flag(struct encoder *out, size_t begun, enum command_flag flag);
void command_end(struct encoder *out, size_t begun);
/* Signs the command that was appended at `begun` and ended. Nothing is behind
 * it yet; its type is one that is signed. */
void command_sign(struct encoder *out, size_t begun,
                  const struct author *author);

struct command_init {
    uint8_t cluster_id[16]; /* A random UUID. */
    uint64_t id_space;      /* Random; the upper half of every public id. */
};
void command_init_encode(struct encoder *out, uint64_t time_ms,
                         const struct command_init *init);
int command_init_decode(struct slice body, struct command_init *ret_init);

/* ---- Topics and publishers ---- */

void command_topic_create_encode(struct encoder *out, uint64_t time_ms,
                                 const struct topic_options *options);
/* The slices borrow from body. Also reads what is stored of a topic. */
int topic_options_decode(struct slice fields, struct topic_options *ret);
void topic_options_encode(struct encoder *out,
                          const struct topic_options *options);

/* The name stays as it is: another one is ERR_INVALID. */
struct command_topic_update {
    uint32_t topic_id;
    struct topic_options options; /* All of them, as they shall be. */
};
void command_topic_update_encode(struct encoder *out, uint64_t time_ms,
                                 const struct command_topic_update *update);
int command_topic_update_decode(struct slice body,
                                struct command_topic_update *ret);

/* Without force a topic with publishers or scheduled messages is ERR_CONFLICT.
 * With it, publishers and messages go along: at once as far as anybody can
 * see, and row by row in steps of TOPIC_PURGE and PURGE. */
struct command_topic_delete {
    uint32_t topic_id;
    bool force;
};
void command_topic_delete_encode(struct encoder *out, uint64_t time_ms,
                                 const struct command_topic_delete *deletion);
int command_topic_delete_decode(struct slice body,
                                struct command_topic_delete *ret);

struct command_publisher_create {
    uint32_t topic_id;
    bool from_now; /* Start behind the topic's last message, else at its
                    * oldest one. */
    bool paused;
    struct publisher_options options;
};
void command_publisher_create_encode(
    struct encoder *out, uint64_t time_ms,
    const struct command_publisher_create *create);
int command_publisher_create_decode(struct slice body,
                                    struct command_publisher_create *ret);
int publisher_options_decode(struct slice fields,
                             struct publisher_options *ret);
void publisher_options_encode(struct encoder *out,
                              const struct publisher_options *options);
/* Lets all their texts live in the arena. */
struct arena;
void publisher_options_copy(struct publisher_options *options,
                            struct arena *arena);

/* Changes everything but topic and type: another type is ERR_INVALID, a target
 * that another publisher has ERR_EXISTS. A new target closes the circuit.
 * With `rotate`, options.secret is the new secret and what was stored until
 * now becomes the previous one for SECRET_OVERLAP_MS, whatever the options say
 * of it. Another `ordering` counts for all that is not granted yet: what is
 * parked stays parked until it is walked (UNPARK). */
struct command_publisher_update {
    uint32_t publisher_id;
    bool rotate;
    struct publisher_options options; /* All of them, as they shall be. */
};
void command_publisher_update_encode(
    struct encoder *out, uint64_t time_ms,
    const struct command_publisher_update *update);
int command_publisher_update_decode(struct slice body,
                                    struct command_publisher_update *ret);

void command_publisher_delete_encode(struct encoder *out, uint64_t time_ms,
                                     uint32_t publisher_id);
int command_publisher_delete_decode(struct slice body, uint32_t *ret_id);

struct command_pause {
    uint32_t publisher_id;
    bool paused;         /* False: resume. */
    struct slice reason; /* "requested", "gone" ...; empty on resume. */
};
void command_pause_encode(struct encoder *out, uint64_t time_ms,
                          const struct command_pause *pause);
int command_pause_decode(struct slice body, struct command_pause *ret);

/* What the next leader must know of an outage, in place of what was known
 * before. The error's response is cut to BOUND_RESPONSE_KEPT_OLD. */
struct command_circuit {
    uint32_t publisher_id;
    struct circuit circuit;
    uint64_t throttled_until_ms; /* Held by Retry-After; 0: not. At most an
                                  * hour ahead is taken. */
};
enum { THROTTLE_MS_MAX = 3600 * 1000 };
void command_circuit_encode(struct encoder *out, uint64_t time_ms,
                            const struct command_circuit *circuit);
int command_circuit_decode(struct slice body, struct command_circuit *ret);

/* ---- Tokens ---- */

/* The id is allotted by apply. EXISTS: the name is taken; BUSY: there are
 * BOUND_TOKENS. */
void command_token_create_encode(struct encoder *out, uint64_t time_ms,
                                 const struct token *token);
/* The digest and the texts behind the role, where the command and the row end;
 * a role that this program does not know is ERR_VERSION. */
int token_take_rest(struct decoder *in, uint8_t role, struct token *token);
/* Borrows; id and created_ms are 0. */
int command_token_create_decode(struct slice body, struct token *ret);
/* CONFLICT: it is the last admin's, and others would be left without one who
 * can make or revoke tokens. */
void command_token_revoke_encode(struct encoder *out, uint64_t time_ms,
                                 uint32_t token_id);
int command_token_revoke_decode(struct slice body, uint32_t *ret_id);

struct command_transfer {
    uint32_t from; /* Node ids; 0: whichever. */
    uint32_t to;
};
void command_transfer_encode(struct encoder *out, uint64_t time_ms,
                             const struct command_transfer *transfer);
int command_transfer_decode(struct slice body, struct command_transfer *ret);

/* ---- Messages ---- */

/* The body of COMMAND_MESSAGES: count u32, then so many message records back
 * to back. A record stands in the store's runs in the same layout, with
 * received_ms set by apply:
 *
 *     received_ms u64 | topic u32 | tags u32 | attributes u32 | payload u32 |
 *     tag bytes | attribute bytes | payload bytes
 *
 * (the u32 behind the topic are lengths; header 24 bytes). Tags are
 * {tag u8, length u16, bytes}: 1 schedule (u64 ms), 2 key, 3 traceparent,
 * 4 origin. Attributes are {name length u16, value length u16, name, value}
 * back to back. */
enum { MESSAGE_HEADER_SIZE = 24 };

/* Begins a MESSAGES command of `count` messages, which must follow. */
size_t command_messages_begin(struct encoder *out, uint64_t time_ms,
                              uint32_t count);
/* The same, carried out once under the request's key. NULL: it has none. */
size_t command_messages_begin_once(struct encoder *out, uint64_t time_ms,
                                   const struct idempotency *request,
                                   uint32_t count);
/* Appends one record; received_ms is written as 0. */
void message_encode(struct encoder *out, const struct message *message);
/* Its size, exactly. */
size_t message_encoded_size(const struct message *message);
/* Takes the next record off *records; `message->id` is left alone. Slices
 * borrow. ERR_END when empty. */
int message_next(struct slice *records, struct message *message);
/* The body without its count; checks nothing behind it. */
int command_messages_decode(struct slice body, uint32_t *ret_count,
                            struct slice *ret_records);

void attribute_encode(struct encoder *out, struct slice name,
                      struct slice value);
/* Takes the next pair off *attributes. ERR_END when empty. */
int attribute_next(struct slice *attributes, struct slice *ret_name,
                   struct slice *ret_value);

/* A message that is scheduled for later than the log's clock gets an id and no
 * position. RELEASE gives positions to those of a topic that are due by
 * `upto_ms`, and never before the log's clock says so: in the order of their
 * due times, then ids. The result says how many, and the first one's position;
 * the others follow it without a gap. */
struct command_release {
    uint32_t topic_id;
    uint64_t upto_ms;
    uint32_t count_max; /* At most RELEASE_MAX are taken. */
};
enum { RELEASE_MAX = 1000 };
void command_release_encode(struct encoder *out, uint64_t time_ms,
                            const struct command_release *release);
int command_release_decode(struct slice body, struct command_release *ret);

/* Removes the messages with positions in [from, upto] that came by cutoff_ms
 * and that every publisher which wants them has delivered, filtered or
 * discarded by then; what is pending, under way, dead or ambiguous stays. At
 * most EXPIRE_MAX positions are looked at; the result says how many went, and
 * where to go on (0: at the end). */
struct command_expire {
    uint32_t topic_id;
    uint64_t from;
    uint64_t upto;
    uint64_t cutoff_ms;
};
enum { EXPIRE_MAX = 2048 };
void command_expire_encode(struct encoder *out, uint64_t time_ms,
                           const struct command_expire *expire);
int command_expire_decode(struct slice body, struct command_expire *ret);

/* ---- Delivery ---- */

/* Names the positions that may now be sent. Positions of the topic from
 * `from` (must be the publisher's `next`, else ERR_STALE) to `upto` count as
 * examined: `examined` of them, those in `open` open, those in `parked`
 * parked, those in `discarded` are discarded already, the others filtered,
 * without a row.
 *
 * Under ORDERING_KEY a key is *held* while an ordered message of it waits (or
 * is ambiguous, with POISON_BLOCK) or others of it are parked: all of its
 * messages must be in `parked`, unfiltered: the filter is asked when they are
 * walked. A key of which a message is merely open may be parked or opened.
 *
 * ERR_CONFLICT: paused; no room; behind a position that holds
 * ORDERING_STRICT up; opens a key that is held; or something is parked and the
 * ordering is not ORDERING_KEY (any more): that comes first. */
struct command_grant {
    uint32_t publisher_id;
    uint64_t from;
    uint64_t upto;     /* `next` becomes upto + 1. */
    uint32_t examined; /* How many positions of the topic lie in
                        * [from, upto]. */
    uint32_t open_count;
    const uint64_t *open; /* Ascending. When decoded: in the arena given. */
    /* The key_hash() of each; NULL: none has a key. Only of use, and only to
     * be given, under an order. */
    const uint64_t *open_keys;
    uint32_t parked_count;
    const uint64_t *parked; /* Ascending; none is in `open`. */
    const uint64_t *parked_keys;
    /* Those that were discarded before their turn, exactly: one more or less
     * is ERR_STALE, since a discard, or its undoing, came between. */
    uint32_t discarded_count;
    const uint64_t *discarded;
};
void command_grant_encode(struct encoder *out, uint64_t time_ms,
                          const struct command_grant *grant);
int command_grant_decode(struct slice body, struct arena *arena,
                         struct command_grant *ret);

/* What came of one open position. */
struct outcome {
    uint64_t position;
    enum delivery_state state; /* DELIVERED, RETRYING, DEAD or AMBIGUOUS. */
    struct attempt attempt;
    uint64_t next_attempt_ms; /* For RETRYING. */
    bool uncounted;           /* RETRYING: it has used up no attempt. */
    bool held;                /* By Retry-After: one more in a row. */
};
struct command_outcomes {
    uint32_t publisher_id;
    uint32_t count;
    const struct outcome *outcomes;
};
void command_outcomes_encode(struct encoder *out, uint64_t time_ms,
                             const struct command_outcomes *outcomes);
int command_outcomes_decode(struct slice body, struct arena *arena,
                            struct command_outcomes *ret);

/* INTENT: due retries become open. WITHDRAW: open positions that were not
 * sent go back: a first attempt becomes due at once, its attempt uncounted. */
struct command_positions {
    uint32_t publisher_id;
    uint32_t count;
    const uint64_t *positions;
};
void command_positions_encode(struct encoder *out, enum command_type type,
                              uint64_t time_ms,
                              const struct command_positions *positions);
int command_positions_decode(struct slice body, struct arena *arena,
                             struct command_positions *ret);

/* Walks what is parked behind one key, as a grant walks the topic: `examined`
 * parked positions of the key from `from` (its first one, else ERR_STALE) to
 * `upto`; those in `open` open, the others filtered. When the key's last one
 * went, its row goes. ERR_CONFLICT: paused; no room; under ORDERING_KEY, the
 * key is held by a message that waits; under ORDERING_STRICT, something holds
 * the order up, another key's first parked position comes before, or more than
 * one position is walked: another key's may come next. */
struct command_unpark {
    uint32_t publisher_id;
    uint64_t key;
    uint64_t from;
    uint64_t upto;
    uint32_t examined;
    uint32_t open_count;
    const uint64_t *open; /* Ascending. */
};
void command_unpark_encode(struct encoder *out, uint64_t time_ms,
                           const struct command_unpark *unpark);
int command_unpark_decode(struct slice body, struct arena *arena,
                          struct command_unpark *ret);

/* RETRY makes what is dead, ambiguous or discarded, or waits for a retry, due
 * now with a fresh budget of attempts: outside of the order, except what holds
 * its place in it still. What was discarded before its turn is pending again.
 * DISCARD settles what is pending, parked, waiting, dead or ambiguous as
 * discarded.
 * The result's count says at how many publishers something changed. With a
 * publisher named, one that cannot change is ERR_CONFLICT (open: ERR_BUSY; to
 * discard what is discarded is no error), and so is a message at which none
 * can. A scheduled message has no delivery yet: ERR_CONFLICT. */
struct command_decision {
    uint64_t message_id;
    uint32_t publisher_id; /* 0: all that want the message. */
};
void command_decision_encode(struct encoder *out, enum command_type type,
                             uint64_t time_ms,
                             const struct command_decision *decision);
int command_decision_decode(struct slice body, struct command_decision *ret);

/* The same for a publisher's deliveries in `state` (RETRYING, DEAD, AMBIGUOUS
 * or DISCARDED) with positions in [from, upto], at most DECISION_ROWS_MAX. The
 * result says how many, and where to go on (0: at the end). */
struct command_decision_step {
    uint32_t publisher_id;
    enum delivery_state state;
    uint64_t from;
    uint64_t upto;
    uint32_t rows_max;
};
enum { DECISION_ROWS_MAX = 1000 };
void command_decision_step_encode(struct encoder *out, enum command_type type,
                                  uint64_t time_ms,
                                  const struct command_decision_step *step);
int command_decision_step_decode(struct slice body,
                                 struct command_decision_step *ret);

/* A new leader's first: all that is open is in doubt from here on. */
void command_takeover_encode(struct encoder *out, uint64_t time_ms,
                             uint32_t node_id);
int command_takeover_decode(struct slice body, uint32_t *ret_node_id);
void command_purge_encode(struct encoder *out, uint64_t time_ms,
                          uint32_t publisher_id, uint32_t rows_max);
int command_purge_decode(struct slice body, uint32_t *ret_publisher_id,
                         uint32_t *ret_rows_max);
/* Decoded by command_purge_decode(). */
void command_topic_purge_encode(struct encoder *out, uint64_t time_ms,
                                uint32_t topic_id, uint32_t rows_max);

/* ---- Replay ---- */

/* Settled deliveries of a publisher that are to be sent once more. START says
 * which and gives the job its id; STEP, proposed by the leader, names those
 * among the positions [from, upto] that match (from: the job's cursor, else
 * ERR_STALE); each that is delivered, dead, ambiguous, discarded or filtered
 * becomes RETRYING, due now, outside of the order and with a fresh budget, and
 * has its outcome again, in place of the old one. Those that are on their way
 * anyhow are left alone. A cancelled job makes no more steps; what it has
 * matched by then goes on. With its publisher a job is cancelled as well. */
struct command_replay_start {
    uint32_t publisher_id;
    uint64_t from;
    uint64_t upto; /* Cut at the publisher's start and the topic's end. */
    bool any_state;
    enum delivery_state wanted; /* Unless any_state: one of the settled. */
    struct slice filter;
};
void command_replay_start_encode(struct encoder *out, uint64_t time_ms,
                                 const struct command_replay_start *start);
int command_replay_start_decode(struct slice body,
                                struct command_replay_start *ret);
struct command_replay_step {
    uint32_t replay_id;
    uint64_t from;
    uint64_t upto;
    uint32_t count;
    const uint64_t *positions; /* Ascending. */
};
void command_replay_step_encode(struct encoder *out, uint64_t time_ms,
                                const struct command_replay_step *step);
int command_replay_step_decode(struct slice body, struct arena *arena,
                               struct command_replay_step *ret);
void command_replay_cancel_encode(struct encoder *out, uint64_t time_ms,
                                  uint32_t replay_id);
int command_replay_cancel_decode(struct slice body, uint32_t *ret_replay_id);

#endif
