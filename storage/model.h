/* model.h - the plain structs of topics, publishers, messages and deliveries,
 * shared by commands, apply, queries and everyone above.
 *
 * Slices point into whatever the struct was decoded from or into the arena it
 * was copied to; the function that fills it says which. Times are
 * milliseconds since the Unix epoch; 0 means absent.
 * Thread: plain data. */
#ifndef POSTOFFICE_STORAGE_MODEL_H
#define POSTOFFICE_STORAGE_MODEL_H

#include "base/slice.h"

struct topic_options {
    struct slice name;
    struct slice origin_host;
    bool recovery_enabled;
    uint64_t retention_seconds; /* 0: the node's default. */
    uint64_t max_backlog_bytes; /* 0: no limit; else of struct topic's bytes. */
    struct slice indexed_fields; /* JSON pointers: text_list_next(). */
};

/* [A-Za-z0-9._~-]{1,255} */
bool topic_name_is_valid(struct slice name);

struct topic {
    uint32_t id;
    struct topic_options options;
    uint64_t created_ms;
    uint64_t messages;       /* That ever got a position. */
    uint64_t gone;           /* Of them: removed by retention. */
    uint64_t scheduled;      /* Without a position yet. */
    uint64_t bytes;          /* Of all that is kept, as encoded: with keys,
                              * attributes and what is scheduled. */
    uint64_t first_position; /* The oldest kept message's; 0: none. */
    uint64_t last_position;  /* 0: none yet. */
    uint32_t publishers;
};

enum publisher_type { PUBLISHER_HTTP = 1, PUBLISHER_PUBSUB = 2 };
enum guarantee { AT_LEAST_ONCE = 0, AT_MOST_ONCE = 1 };
enum ordering { ORDERING_NONE = 0, ORDERING_KEY = 1, ORDERING_STRICT = 2 };
/* When the attempts of a message are spent under an order. */
enum poison { POISON_DEAD_LETTER = 0, POISON_BLOCK = 1 };
enum body_format {
    BODY_PAYLOAD = 0,
    BODY_PAYLOAD_WITH_ATTRIBUTES = 1,
    BODY_CLOUDEVENTS = 2,
    BODY_ENVELOPE = 3,
};

/* A rotated secret signs beside the new one for so long. */
enum { SECRET_OVERLAP_MS = 24 * 3600 * 1000 };

struct publisher_options {
    struct slice target;
    enum publisher_type type;
    uint32_t timeout_seconds;   /* seconds_timeout */
    uint32_t retry_seconds;     /* seconds_retry */
    uint32_t retry_seconds_max; /* retry_max_seconds */
    uint32_t chunk_size;
    uint32_t max_in_flight;
    uint32_t max_attempts;
    enum guarantee guarantee;
    struct slice description;       /* Empty: none, here and below. */
    uint32_t expire_after_seconds;  /* 0: never. */
    uint32_t rate_limit_per_second; /* 0: none. */
    enum ordering ordering;
    enum poison on_poison;
    enum body_format body_format;
    struct slice filter;  /* Canonical JSON: filter.h. */
    struct slice headers; /* Name and value in turn: text_list_next(). */
    struct slice secret;  /* As the user sees it. */
    struct slice previous_secret;
    uint64_t previous_secret_until_ms; /* Signs too until then. */
    struct slice basic_auth;           /* "user:password" */
    struct slice bearer_token;
};

struct publisher {
    uint32_t id;
    uint32_t topic_id;
    struct slice topic; /* The topic's name; empty where it is not looked up. */
    struct publisher_options options;
    uint64_t created_ms;
    uint64_t updated_ms; /* Its options; at first, created_ms. */
    bool paused;
    struct slice pause_reason; /* Empty: none. */
    uint64_t paused_ms;        /* Since when; 0 while it is active. */
    struct slice paused_by;    /* Who asked; empty: the system itself. */
};

/* The classes of outcome, in the words of `class` in a delivery's history. */
#define ATTEMPT_CLASSES(X)                                                     \
    X(ATTEMPT_OK, 0, "ok")                                                     \
    X(ATTEMPT_TIMEOUT, 1, "timeout")                                           \
    X(ATTEMPT_CONNECT, 2, "connect")                                           \
    X(ATTEMPT_DNS, 3, "dns")                                                   \
    X(ATTEMPT_TLS, 4, "tls")                                                   \
    X(ATTEMPT_POLICY, 5, "policy")                                             \
    X(ATTEMPT_HTTP_3XX, 6, "http_3xx")                                         \
    X(ATTEMPT_HTTP_4XX, 7, "http_4xx")                                         \
    X(ATTEMPT_HTTP_5XX, 8, "http_5xx")                                         \
    X(ATTEMPT_PROTOCOL, 9, "protocol")                                         \
    X(ATTEMPT_HTTP_1XX, 10, "http_1xx")                                        \
    X(ATTEMPT_EXPIRED, 11, "expired") /* expire_after_seconds is over. */
enum attempt_class {
#define ATTEMPT_ENUM(name, number, text) name = (number),
    ATTEMPT_CLASSES(ATTEMPT_ENUM)
#undef ATTEMPT_ENUM
};
const char *attempt_class_text(enum attempt_class class);

/* One try to deliver. */
struct attempt {
    uint32_t number; /* From 1. */
    enum attempt_class class;
    uint16_t status; /* 0: no answer. */
    uint64_t started_ms;
    uint32_t duration_ms;
    bool maybe_duplicate;
    struct slice
        response; /* What is kept of the answer, or the error's words. */
};

enum { ATTEMPTS_KEPT = 10 }; /* The first and the last nine. */

/* A position that was granted: it is being sent, or is about to be.
 * *Ordered*: it was granted under an order and holds its place in it, so that
 * those behind it (under ORDERING_KEY: of its key) wait until it is settled.
 * What was redriven, replayed or granted without an order is outside. */
struct open_position {
    uint64_t position;
    uint32_t attempt; /* The number of the attempt that is open. */
    bool doubt;       /* An earlier one may have arrived. */
    bool ordered;
    bool recorded; /* It has a row of earlier attempts, or of a redrive. */
    uint64_t key;  /* key_hash() of an ordered message's key; 0: none. */
};

/* The circuit of a publisher, as its leader last reported it, so that the
 * next one goes on and does not begin anew. */
enum circuit_state {
    CIRCUIT_CLOSED = 0,
    CIRCUIT_OPEN = 1,
    CIRCUIT_RAMPING = 2, /* A probe went through; the window grows again. */
};
struct circuit {
    enum circuit_state state;
    uint64_t since_ms;      /* When it came into this state. */
    uint32_t failures;      /* In a row. */
    uint32_t step;          /* Of the backoff between probes. */
    uint64_t next_probe_ms; /* 0: none is planned. */
    struct attempt error;   /* What opened it; number 0: nothing. */
};

/* The state of one message for one publisher, from least to most advanced:
 * the order of the enum is the order by which a message's own state is the
 * least of its deliveries'. */
#define DELIVERY_STATES(X)                                                     \
    X(DELIVERY_SCHEDULED, 0, "scheduled")                                      \
    X(DELIVERY_PENDING, 1, "pending")                                          \
    X(DELIVERY_RETRYING, 2, "retrying")                                        \
    X(DELIVERY_AMBIGUOUS, 3, "ambiguous")                                      \
    X(DELIVERY_DEAD, 4, "dead")                                                \
    X(DELIVERY_DISCARDED, 5, "discarded")                                      \
    X(DELIVERY_DELIVERED, 6, "delivered")                                      \
    X(DELIVERY_FILTERED, 7, "filtered")
enum delivery_state {
#define DELIVERY_ENUM(name, number, text) name = (number),
    DELIVERY_STATES(DELIVERY_ENUM)
#undef DELIVERY_ENUM
};
const char *delivery_state_text(enum delivery_state state);

struct delivery {
    uint32_t publisher_id;
    struct slice target;
    enum publisher_type type;
    enum delivery_state state;
    bool open;            /* Granted: being sent, or about to be. */
    bool parked;          /* PENDING behind a blocked key. */
    bool ordered;         /* RETRYING, or open: it holds its place. */
    uint32_t attempts;    /* That counted. */
    uint32_t budget_from; /* Of them: made before the last redrive. */
    uint32_t holds;       /* Retry-After answers in a row, the last ones. */
    uint32_t replay_id;   /* Delivered, or to be, by this replay; 0: none. */
    uint64_t since_ms;    /* When it came into this state; 0: not known. */
    uint64_t processed_ms;
    uint64_t next_attempt_ms;
    bool maybe_duplicate;
    struct attempt history[ATTEMPTS_KEPT]; /* Oldest first. */
    uint32_t history_count;
};

struct message {
    uint64_t id; /* Its position in the topic too, unless it was scheduled
                  * for later: that takes its position when it is due. */
    uint32_t topic_id;
    uint64_t received_ms;
    uint64_t schedule_ms;     /* 0: not scheduled. */
    struct slice key;         /* Empty: none. */
    struct slice traceparent; /* Empty: none. */
    struct slice origin;      /* Where recovery found it; empty: none. */
    struct slice attributes;  /* Encoded; walk with attribute_next(). */
    struct slice payload;     /* As published. */
};

/* It was scheduled for later than it came: it has no position at first. */
static inline bool message_is_later(const struct message *message)
{
    return message->schedule_ms > message->received_ms;
}

/* What stands for a message's key in the order. Two keys that share a hash
 * (one in 2^64) are delivered as if they were one. Never 0; 0 for no key. */
uint64_t key_hash(struct slice key);

/* Lists of texts: {length u16, bytes} back to back. Takes the next one off
 * *list; ERR_END when it is empty, ERR_CORRUPT. */
struct encoder;
void text_list_add(struct encoder *out, struct slice text);
int text_list_next(struct slice *list, struct slice *ret_text);

/* Messages that have gone through are sent once more, on request. */
enum replay_state {
    REPLAY_RUNNING = 0,
    REPLAY_DONE = 1,
    REPLAY_CANCELLED = 2,
};
struct replay {
    uint32_t id;
    uint32_t publisher_id;
    enum replay_state state;
    uint64_t from; /* Positions, both inclusive. */
    uint64_t upto;
    bool any_state; /* Else only deliveries in `wanted`. */
    enum delivery_state wanted;
    struct slice filter; /* As a publisher's; empty: all. */
    uint64_t cursor;     /* The next position to look at; above upto: none. */
    uint64_t matched;    /* Sent again, or waiting to be. */
    uint64_t done;       /* Of them: settled since. */
    uint64_t started_ms;
    uint64_t ended_ms;     /* 0: it runs. */
    struct slice asked_by; /* Empty: nobody said. */
};

/* What a token may do. Numbers in the log never change. */
#define ROLES(X)                                                               \
    X(ROLE_PUBLISH, 1, "publish")                                              \
    X(ROLE_READ, 2, "read")                                                    \
    X(ROLE_OPERATE, 3, "operate")                                              \
    X(ROLE_ADMIN, 4, "admin")
enum role {
#define ROLE_ENUM(name, number, text) name = (number),
    ROLES(ROLE_ENUM)
#undef ROLE_ENUM
};
const char *role_text(enum role role);
/* The role of this name; false: there is none. */
bool role_find(struct slice text, enum role *ret_role);

/* Who may call the API. Only the digest of what is presented is kept: SHA-256
 * of 256 random bits. Such a value cannot be guessed or found in a table, so
 * that neither salt nor a slow hash would add to it; they are for passwords. */
enum { TOKEN_DIGEST_SIZE = 32 };
struct token {
    uint32_t id; /* Of the store; 0: it stands in a node's file. */
    struct slice name;
    enum role role;
    struct slice topics; /* It is limited to: text_list_next(); empty: all. */
    uint8_t digest[TOKEN_DIGEST_SIZE];
    uint64_t created_ms;
};
/* 1 to BOUND_TOKEN_NAME of [A-Za-z0-9._-]. */
bool token_name_is_valid(struct slice name);
/* What a token must be, wherever it comes from: NULL, or what is wrong, and of
 * which field. */
const char *token_fault(const struct token *token, const char **ret_field);
/* Whether the list, of a token's topics, has this one. */
bool text_list_has(struct slice list, struct slice text);

/* The request that a client may send again under the same key, so that it is
 * carried out once. Routes are numbers in the log and never change. */
enum idempotent_route {
    IDEMPOTENT_MESSAGE = 1,  /* POST /api/messages */
    IDEMPOTENT_BULK = 2,     /* POST /api/bulk_messages */
    IDEMPOTENT_SCHEDULE = 3, /* POST /api/schedule_messages */
    IDEMPOTENT_BATCH = 4,    /* POST /api/messages/batch, each line */
};
enum { REQUEST_HASH_SIZE = 16 };

struct idempotency {
    uint32_t scope; /* Whose keys they are, so that nobody meets another's; 0:
                     * a caller without a token. */
    uint8_t route;  /* enum idempotent_route */
    struct slice key;
    uint8_t request_hash[REQUEST_HASH_SIZE]; /* idempotency_hash() */
};

#endif
