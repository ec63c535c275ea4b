/* command.h - the replicated commands: everything that changes state.
 *
 * A log entry is a sequence of commands. Each has an envelope
 *
 *     version u8 | type u8 | flags u16 | length u32 | time_ms u64 | actor u32
 *
 * (little-endian, 20 bytes; `length` counts all that is behind it) and a body.
 * The one flag, COMMAND_KEYED, says that a field {length u16, bytes} stands in
 * front of the body: the request's idempotency key (idempotency.h). Only
 * MESSAGES may have it.
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

enum { COMMAND_VERSION = 1, COMMAND_ENVELOPE_SIZE = 20 };

enum command_type {
    COMMAND_INIT = 1, /* The cluster's first: its id and id space. */
    COMMAND_TOPIC_CREATE = 2,
    COMMAND_PUBLISHER_CREATE = 5,
    COMMAND_PUBLISHER_DELETE = 7,
    COMMAND_PUBLISHER_PAUSE = 8,
    COMMAND_MESSAGES = 10,
    COMMAND_GRANT = 20,
    COMMAND_OUTCOMES = 21,
    COMMAND_INTENT = 22,
    COMMAND_WITHDRAW = 23,
    COMMAND_TAKEOVER = 24,
    COMMAND_PURGE = 30, /* One bounded step of removing a deleted
                         * publisher's rows. */
};

enum command_flag { COMMAND_KEYED = 1 << 0 };

struct command {
    uint8_t version;
    uint8_t type;             /* enum command_type */
    uint16_t flags;           /* enum command_flag */
    uint64_t time_ms;         /* The proposer's wall clock. */
    uint32_t actor;           /* Who asked: 0 is the system itself. */
    struct slice idempotency; /* COMMAND_KEYED: for idempotency_decode(). */
    struct slice body;
};

/* Takes the next command off the front of *entry. ERR_END when it is empty. */
int command_next(struct slice *entry, struct command *ret_command);

/* An encoder is begun, the body is appended to `out`, and the length is set
 * by ending it with what begin returned. */
size_t command_begin(struct encoder *out, enum command_type type,
                     uint64_t time_ms, uint32_t actor);
/* What the flag announces must follow at once. */
void command_flag(struct encoder *out, size_t begun, enum command_flag flag);
void command_end(struct encoder *out, size_t begun);

struct command_init {
    uint8_t cluster_id[16]; /* A random UUID. */
    uint64_t id_space;      /* Random; the upper half of every public id. */
};
void command_init_encode(struct encoder *out, uint64_t time_ms,
                         const struct command_init *init);
int command_init_decode(struct slice body, struct command_init *ret_init);

/* ---- Topics and publishers ---- */

void command_topic_create_encode(struct encoder *out, uint64_t time_ms,
                                 uint32_t actor,
                                 const struct topic_options *options);
/* The slices borrow from body. Also reads what is stored of a topic. */
int topic_options_decode(struct slice fields, struct topic_options *ret);
void topic_options_encode(struct encoder *out,
                          const struct topic_options *options);

struct command_publisher_create {
    uint32_t topic_id;
    bool from_now; /* Start behind the topic's last message, else at its
                    * oldest one. */
    bool paused;
    struct publisher_options options;
};
void command_publisher_create_encode(
    struct encoder *out, uint64_t time_ms, uint32_t actor,
    const struct command_publisher_create *create);
int command_publisher_create_decode(struct slice body,
                                    struct command_publisher_create *ret);
int publisher_options_decode(struct slice fields,
                             struct publisher_options *ret);
void publisher_options_encode(struct encoder *out,
                              const struct publisher_options *options);

void command_publisher_delete_encode(struct encoder *out, uint64_t time_ms,
                                     uint32_t actor, uint32_t publisher_id);
int command_publisher_delete_decode(struct slice body, uint32_t *ret_id);

struct command_pause {
    uint32_t publisher_id;
    bool paused;         /* False: resume. */
    struct slice reason; /* "requested", "gone" ...; empty on resume. */
};
void command_pause_encode(struct encoder *out, uint64_t time_ms, uint32_t actor,
                          const struct command_pause *pause);
int command_pause_decode(struct slice body, struct command_pause *ret);

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
                              uint32_t actor, uint32_t count);
/* The same, carried out once under the request's key. NULL: it has none. */
size_t command_messages_begin_once(struct encoder *out, uint64_t time_ms,
                                   uint32_t actor,
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

/* ---- Delivery ---- */

/* Names the positions that may now be sent. Positions of the topic from
 * `from` (must be the publisher's `next`, else ERR_STALE) to `upto` count as
 * examined: `examined` of them, those in `open` open, others filtered. */
struct command_grant {
    uint32_t publisher_id;
    uint64_t from;
    uint64_t upto;     /* `next` becomes upto + 1. */
    uint32_t examined; /* How many positions of the topic lie in
                        * [from, upto]. */
    uint32_t open_count;
    const uint64_t *open; /* Ascending. When decoded: in the arena given. */
};
struct arena;
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

/* A new leader's first: all that is open is in doubt from here on. */
void command_takeover_encode(struct encoder *out, uint64_t time_ms,
                             uint32_t node_id);
int command_takeover_decode(struct slice body, uint32_t *ret_node_id);
void command_purge_encode(struct encoder *out, uint64_t time_ms,
                          uint32_t publisher_id, uint32_t rows_max);
int command_purge_decode(struct slice body, uint32_t *ret_publisher_id,
                         uint32_t *ret_rows_max);

#endif
