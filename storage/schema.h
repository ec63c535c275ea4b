/* schema.h - the databases, their keys and their rows.
 *
 * Keys are big-endian, so that LMDB's order is the numbers' order; rows are
 * little-endian. What one batch wrote together is one row, a run (run.h). The
 * numbers of the databases seed the checksums: they are frozen, as are the
 * formats. A change of any of them is a new SCHEMA_FORMAT. Formats 1 to 5 were
 * never in the field: a store that has one of them is refused.
 *
 *     database    key                               row
 *     meta        name                              of this file: format,
 *                                                   applied index, state hash
 *     global      "state"                           identity, clock, next ids
 *     msg         first id u64                      run of messages
 *     log         topic u32, first position u64     run of (position, id)
 *     topic       id u32                            counters, options
 *     topic_name  name                              topic id
 *     pub         id u32                            pause, options
 *     topic_pub   topic u32, publisher u32          -
 *     pub_triple  topic u32, type u8, target hash   publisher id
 *     hot         publisher u32                     cursor, counters, open set
 *     out         publisher u32, first position u64 run of outcomes
 *     exc         publisher u32, position u64       state, attempts kept
 *     exs         publisher u32, state u8, position -
 *     rdue        publisher u32, due ms, position   -
 *     bkey        publisher u32, key hash u64       what waits, what is parked
 *     bfirst      publisher u32, first parked u64   key hash
 *     kidx        topic u32, key hash u64, position -
 *     sdue        topic u32, due ms u64, id u64     -
 *     sid         topic u32, id u64                 -; both: scheduled ones
 *     spos        id u64                            position, once released
 *     purge       publisher u32                     - (rows remain)
 *     tpurge      topic u32                         - (the same)
 *     replay      id u32                            a replay job
 *     idem        scope u32, route u8, key          what the request gave
 *     idem_time   until ms u64, key in idem         -
 *     done        first ms, index, part             run of settlements;
 *                                                   settlement.h
 *     token       id u32                            role, topics, digest
 *     audit       number u64                        who changed what (audit.h)
 *
 * Decoders return 0, ERR_CORRUPT or ERR_VERSION, and borrow.
 * Thread: any; plain data. */
#ifndef POSTOFFICE_STORAGE_SCHEMA_H
#define POSTOFFICE_STORAGE_SCHEMA_H

#include "base/codec.h"
#include "storage/attempt.h"
#include "storage/model.h"

enum { SCHEMA_FORMAT = 6 };

/* Name, number, LMDB's name, and whether it is part of the replicated state:
 * `meta` describes this file, and how commits cut `done` is this node's. */
#define DATABASES(X)                                                           \
    X(DATABASE_META, 0, "meta", false)                                         \
    X(DATABASE_GLOBAL, 1, "global", true)                                      \
    X(DATABASE_MESSAGE, 2, "msg", true)                                        \
    X(DATABASE_LOG, 3, "log", true)                                            \
    X(DATABASE_TOPIC, 4, "topic", true)                                        \
    X(DATABASE_TOPIC_NAME, 5, "topic_name", true)                              \
    X(DATABASE_PUBLISHER, 6, "pub", true)                                      \
    X(DATABASE_TOPIC_PUBLISHER, 7, "topic_pub", true)                          \
    X(DATABASE_TRIPLE, 8, "pub_triple", true)                                  \
    X(DATABASE_HOT, 9, "hot", true)                                            \
    X(DATABASE_OUT, 10, "out", true)                                           \
    X(DATABASE_EXCEPTION, 11, "exc", true)                                     \
    X(DATABASE_EXCEPTION_STATE, 12, "exs", true)                               \
    X(DATABASE_RETRY_DUE, 13, "rdue", true)                                    \
    X(DATABASE_PURGE, 14, "purge", true)                                       \
    X(DATABASE_IDEMPOTENCY, 15, "idem", true)                                  \
    X(DATABASE_IDEMPOTENCY_TIME, 16, "idem_time", true)                        \
    X(DATABASE_BLOCKED, 17, "bkey", true)                                      \
    X(DATABASE_BLOCKED_FIRST, 18, "bfirst", true)                              \
    X(DATABASE_KEY_INDEX, 19, "kidx", true)                                    \
    X(DATABASE_SCHEDULE, 20, "sdue", true)                                     \
    X(DATABASE_RELEASED, 21, "spos", true)                                     \
    X(DATABASE_TOPIC_PURGE, 22, "tpurge", true)                                \
    X(DATABASE_REPLAY, 23, "replay", true)                                     \
    X(DATABASE_SCHEDULED_ID, 24, "sid", true)                                  \
    X(DATABASE_SETTLED, 25, "done", false)                                     \
    X(DATABASE_TOKEN, 26, "token", true)                                       \
    X(DATABASE_AUDIT, 27, "audit", true)
/* Of the index (index.h), an environment of its own. */
#define INDEX_DATABASES(X)                                                     \
    X(INDEX_META, 200, "meta", false)                                          \
    X(INDEX_TERM, 201, "term", false)                                          \
    X(INDEX_FIELD, 202, "field", false)
enum database {
#define DATABASE_ENUM(name, number, text, replicated) name = (number),
    DATABASES(DATABASE_ENUM)
#undef DATABASE_ENUM
        DATABASE_COUNT,
#define DATABASE_ENUM(name, number, text, replicated) name = (number),
    INDEX_DATABASES(DATABASE_ENUM)
#undef DATABASE_ENUM
};

enum {
    INDEX_DATABASE_FIRST = 200,
    INDEX_DATABASE_END = 203,
    DATABASE_NUMBERS = INDEX_DATABASE_END, /* Above all of them. */
};
const char *database_name(enum database database);
bool database_replicated(enum database database);

/* ---- Keys ---- */

enum { KEY_SIZE_MAX = 288 };

struct key {
    uint8_t bytes[KEY_SIZE_MAX];
    size_t length;
};

static inline struct slice key_slice(const struct key *key)
{
    return slice_of(key->bytes, key->length);
}

/* Each appends in big-endian. */
void key_u8(struct key *key, uint8_t value);
void key_u32(struct key *key, uint32_t value);
void key_u64(struct key *key, uint64_t value);

struct key key_of_u32(uint32_t id);
struct key key_of_u64(uint64_t id);
/* (topic, position), (publisher, position). */
struct key key_of_position(uint32_t id, uint64_t position);
struct key key_of_pair(uint32_t topic_id, uint32_t publisher_id);
struct key key_of_state(uint32_t publisher_id, enum delivery_state state,
                        uint64_t position);
struct key key_of_due(uint32_t publisher_id, uint64_t due_ms,
                      uint64_t position);
/* (publisher, hash of key), (topic, hash of key, position), (topic, due ms,
 * id). */
struct key key_of_blocked(uint32_t publisher_id, uint64_t hash);
struct key key_of_key_index(uint32_t topic_id, uint64_t hash,
                            uint64_t position);
struct key key_of_schedule(uint32_t topic_id, uint64_t due_ms, uint64_t id);
/* Targets are longer than LMDB's keys may be: a 128-bit hash stands for one. */
struct key key_of_triple(uint32_t topic_id, enum publisher_type type,
                         struct slice target);

struct key key_of_idempotency(const struct idempotency *request);
struct key key_of_idempotency_time(uint64_t until_ms, struct slice key);

/* Keys read back; a key of another length is corrupt. */
int key_read_u32(struct slice key, uint32_t *ret_id);
int key_read_position(struct slice key, uint32_t *ret_id,
                      uint64_t *ret_position);
int key_read_pair(struct slice key, uint32_t *ret_first, uint32_t *ret_second);
/* Of (id u32, number u64, number u64): due times, key index, schedule. */
int key_read_due(struct slice key, uint64_t *ret_due_ms,
                 uint64_t *ret_position);
/* The key in idem is borrowed from `key`. */
int key_read_idempotency_time(struct slice key, uint64_t *ret_until_ms,
                              struct slice *ret_key);

/* ---- Rows ---- */

/* The keys of `global` and `meta`. */
#define GLOBAL_KEY "state"
#define META_KEY_FORMAT "format"
#define META_KEY_APPLIED "applied"

struct global_row {
    uint8_t cluster_id[16];
    uint64_t id_space;        /* 0: no INIT was applied yet. */
    uint64_t clock_ms;        /* The log's. */
    uint64_t next_message_id; /* Positions come from the same sequence. */
    uint64_t next_replay_id;  /* Below 2^32. */
    uint32_t next_topic_id;
    uint32_t next_publisher_id;
    uint64_t next_token_id; /* Below 2^32. */
    uint64_t next_audit_id;
};
void global_row_encode(struct encoder *out, const struct global_row *row);
int global_row_decode(struct slice content, struct global_row *ret_row);

struct applied_row {
    uint64_t index;
    uint64_t hash_low;
    uint64_t hash_high;
};
void applied_row_encode(struct encoder *out, const struct applied_row *row);
int applied_row_decode(struct slice content, struct applied_row *ret_row);

struct topic_row {
    uint64_t created_ms;
    uint64_t messages;       /* That ever got a position. */
    uint64_t gone;           /* Of them: no longer kept. */
    uint64_t first_position; /* The oldest kept message's; 0: none. */
    uint64_t last_position;  /* 0: none yet. */
    uint64_t scheduled;      /* Messages that wait for their position. */
    uint64_t bytes;          /* Records of all messages that are kept. */
    uint64_t audit_id;       /* The row that counts what retention removed;
                              * 0: none yet. */
    uint32_t publishers;
    struct slice options; /* topic_options_encode() */
};
void topic_row_encode(struct encoder *out, const struct topic_row *row);
int topic_row_decode(struct slice content, struct topic_row *ret_row);

struct publisher_row {
    uint32_t topic_id;
    uint64_t created_ms;
    uint64_t updated_ms;
    bool paused;
    uint64_t paused_ms; /* Since when. */
    struct slice paused_by;
    struct slice pause_reason;
    struct publisher_options options;
};
void publisher_row_encode(struct encoder *out, const struct publisher_row *row);
int publisher_row_decode(struct slice content, struct publisher_row *ret_row);

/* What a name or triple stands for. */
void id_row_encode(struct encoder *out, uint32_t id);
int id_row_decode(struct slice content, uint32_t *ret_id);

/* What a request gave, for when it comes again. */
struct idempotency_row {
    uint64_t until_ms; /* By the log's clock; from then on it counts no more. */
    uint64_t id;       /* The first message's; 0: there was none. */
    uint32_t count;
    uint8_t request_hash[REQUEST_HASH_SIZE];
};
void idempotency_row_encode(struct encoder *out,
                            const struct idempotency_row *row);
int idempotency_row_decode(struct slice content,
                           struct idempotency_row *ret_row);

/* A message that did not go through at the first attempt. It stays while a
 * retry is open, and behind a late success, for the sake of its attempts. */
struct exception_row {
    enum delivery_state state;
    bool doubt;        /* Some attempt may have arrived without our knowing. */
    bool ordered;      /* It holds its place in the order (model.h). */
    uint64_t key;      /* Of an ordered message; 0: none. */
    uint32_t attempts; /* Made so far. */
    uint32_t budget_from; /* Of them: made before the last redrive. */
    uint32_t holds;       /* By Retry-After, in a row. */
    uint32_t replay_id;   /* 0: none. */
    uint64_t since_ms;    /* When it came into this state. */
    uint64_t due_ms;      /* RETRYING: its next attempt. */
    struct history history;
};
void exception_row_encode(struct encoder *out, const struct exception_row *row);
int exception_row_decode(struct slice content, struct exception_row *ret_row);

/* A key of which ordered messages wait, or messages are parked. The row is
 * there exactly while one of the three counts is above 0. */
struct blocked_row {
    uint64_t head;         /* The first that waits or is stuck; 0: none. */
    uint32_t waits;        /* Ordered and RETRYING. */
    uint32_t stuck;        /* Ordered and AMBIGUOUS. */
    uint64_t first_parked; /* 0: none. */
    uint64_t parked;
};
void blocked_row_encode(struct encoder *out, const struct blocked_row *row);
int blocked_row_decode(struct slice content, struct blocked_row *ret_row);

/* A hash or a position, alone. */
void number_row_encode(struct encoder *out, uint64_t number);
int number_row_decode(struct slice content, uint64_t *ret_number);

/* The id is the key. The texts borrow. */
void token_row_encode(struct encoder *out, const struct token *token);
int token_row_decode(uint32_t id, struct slice content,
                     struct token *ret_token);

/* The id is the key. Its texts borrow. */
void replay_row_encode(struct encoder *out, const struct replay *replay);
int replay_row_decode(uint32_t id, struct slice content,
                      struct replay *ret_replay);

#endif
