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
    uint64_t max_backlog_bytes; /* 0: no limit of its own. */
};

struct topic {
    uint32_t id;
    struct topic_options options;
    uint64_t created_ms;
    uint64_t messages;      /* Messages with a position. */
    uint64_t last_position; /* 0: none yet. */
    uint32_t publishers;
};

enum publisher_type { PUBLISHER_HTTP = 1, PUBLISHER_PUBSUB = 2 };
enum guarantee { AT_LEAST_ONCE = 0, AT_MOST_ONCE = 1 };

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
    struct slice description; /* Empty: none. */
};

struct publisher {
    uint32_t id;
    uint32_t topic_id;
    struct slice topic; /* The topic's name; empty where it is not looked up. */
    struct publisher_options options;
    uint64_t created_ms;
    bool paused;
    struct slice pause_reason; /* Empty: none. */
    uint64_t paused_ms;        /* Since when; 0 while it is active. */
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
    X(ATTEMPT_HTTP_1XX, 10, "http_1xx")
enum attempt_class {
#define ATTEMPT_ENUM(name, number, text) name = (number),
    ATTEMPT_CLASSES(ATTEMPT_ENUM)
#undef ATTEMPT_ENUM
};
const char *attempt_class_text(enum attempt_class class);

/* A position that was granted: it is being sent, or is about to be. */
struct open_position {
    uint64_t position;
    uint32_t attempt; /* The number of the attempt that is open. */
    bool doubt;       /* An earlier one may have arrived. */
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

struct delivery {
    uint32_t publisher_id;
    struct slice target;
    enum publisher_type type;
    enum delivery_state state;
    bool open; /* Granted: being sent, or about to be. */
    uint32_t attempts;
    uint64_t processed_ms;
    uint64_t next_attempt_ms;
    bool maybe_duplicate;
    struct attempt history[ATTEMPTS_KEPT]; /* Oldest first. */
    uint32_t history_count;
};

struct message {
    uint64_t id;
    uint32_t topic_id;
    uint64_t received_ms;
    uint64_t schedule_ms;     /* 0: not scheduled. */
    struct slice key;         /* Empty: none. */
    struct slice traceparent; /* Empty: none. */
    struct slice origin;      /* Where recovery found it; empty: none. */
    struct slice attributes;  /* Encoded; walk with attribute_next(). */
    struct slice payload;     /* As published. */
};

/* The request that a client may send again under the same key, so that it is
 * carried out once. Routes are numbers in the log and never change. */
enum idempotent_route {
    IDEMPOTENT_MESSAGE = 1, /* POST /api/messages */
    IDEMPOTENT_BULK = 2,    /* POST /api/bulk_messages */
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
