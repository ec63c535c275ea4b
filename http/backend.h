/* backend.h - the port: what the API needs from the rest of the node.
 *
 * Declared here, filled by the service on the floor above. The API turns JSON
 * into these plain structs and results into JSON; it knows nothing of the
 * log, the store's transactions or delivery.
 *
 * Each asynchronous operation takes a ticket and answers later, exactly once,
 * through `done` as given to http_server_open(), never before the call has
 * returned. The ticket is a number that is never used again: the request that
 * it stands for may have gone (its client vanished), then the result is
 * dropped. Slices given to an operation are borrowed until it returns; what a
 * result points to is valid during done().
 * Thread: the loop. */
#ifndef POSTOFFICE_HTTP_BACKEND_H
#define POSTOFFICE_HTTP_BACKEND_H

#include "base/bounds.h"
#include "base/error.h"
#include "base/process.h"
#include "http/event_ring.h"
#include "storage/command.h"
#include "storage/filter.h"
#include "storage/model.h"
#include "storage/query.h"
#include "storage/search.h"

/* Who asks: nobody in particular, as long as no token was made; or the holder
 * of one, which stands in a node's file or in the store. */
enum backend_caller_kind {
    CALLER_ANONYMOUS,
    CALLER_OF_FILE,
    CALLER_OF_STORE,
};
struct backend_caller {
    enum backend_caller_kind kind;
    uint32_t token_id;   /* Of the store. */
    enum role role;      /* ANONYMOUS: admin. */
    struct slice name;   /* The token's; "anonymous". */
    struct slice topics; /* It is limited to: text_list_next(); empty: all. */
};

/* Messages for one topic, all or nothing. Attributes are encoded
 * (attribute_encode() of storage/command.h); topic and times are filled in
 * behind the port. */
struct backend_publish {
    struct slice topic;
    const struct message *messages;
    uint32_t count;
    const struct idempotency *idempotency; /* NULL: the request has no key. */
    struct slice traceparent; /* Goes with each of them; empty: none. */
};

/* What came of one of several requests to publish. */
struct backend_outcome {
    int code; /* As of publish(). */
    const char *field;
    const char *detail;
    uint64_t id;
    bool replayed;
};

struct backend_publisher_create {
    struct slice topic;
    struct publisher_options options;
    bool active; /* False: created paused, holding its messages. */
    bool from_now;
};

/* Which of its options a topic's change gives. */
enum backend_topic_given {
    TOPIC_GIVES_ORIGIN_HOST = 1 << 0,
    TOPIC_GIVES_RECOVERY = 1 << 1,
    TOPIC_GIVES_RETENTION = 1 << 2,
    TOPIC_GIVES_BACKLOG = 1 << 3,
    TOPIC_GIVES_INDEXED = 1 << 4,
};
struct backend_topic_change {
    struct slice name;
    uint32_t given;               /* enum backend_topic_given */
    struct topic_options options; /* The name is not among them. */
};

/* What is not given stays as it is. */
struct backend_publisher_change {
    uint32_t id;
    uint32_t given; /* For publisher_options_merge(). */
    struct publisher_options options;
    bool gives_active;
    bool active;
};

/* What is wrong with a publisher's options. */
struct backend_fault {
    const char *field;
    struct slice element; /* Within the field; empty: all of it. */
    const char *text;     /* Static. */
};
enum { BACKEND_FAULTS_MAX = 8 };

/* A search. Not given: 0, empty. */
struct backend_search {
    struct slice topic;
    uint32_t publisher_id;
    bool any_state;
    enum delivery_state state;
    struct slice key;
    struct search_term terms[BOUND_SEARCH_TERMS];
    uint32_t term_count;
    struct slice text;
    uint64_t received_from_ms; /* Inclusive, these four. */
    uint64_t received_to_ms;
    uint64_t processed_from_ms;
    uint64_t processed_to_ms;
    struct search_place before;
    uint32_t limit;
};

/* A message by its id, or by the time at which it came or was due. */
struct replay_edge {
    uint64_t id; /* 0: not given. */
    bool timed;
    uint64_t ms;
};
struct backend_replay {
    uint32_t publisher_id;
    struct replay_edge from; /* Both are included. */
    struct replay_edge to;
    bool any_state;
    enum delivery_state state;
    struct slice filter;
    bool dry_run;
};

/* Why a message is where it is: what the store knows, ... */
struct backend_explanation {
    struct explain facts;
    struct filter_verdict verdict; /* Of what was FILTERED: by the filter as it
                                    * is now. */
    uint64_t now_ms;
};

struct backend_page {
    uint32_t after_id;
    uint32_t limit;
};

struct backend_result {
    uint64_t ticket;
    int code;           /* 0 or ERR_*; http/problem.c maps it to a status. */
    const char *field;  /* Of the request, that the error is about; or NULL. */
    const char *detail; /* Words; or NULL for the code's own. */
    uint64_t id_space;  /* For public ids. */
    uint64_t id;        /* Of what was created; the first of `count`. */
    uint32_t count;
    bool replayed; /* id and count are those of an earlier request under the
                    * same key; nothing was published. */
    uint64_t applied_index; /* A read: of the state that it saw. */
    /* Of these, by operation. */
    const struct backend_outcome *outcomes; /* `count` of them. */
    const struct topic *topics;
    const struct publisher_view *publishers;
    const struct publisher_activity *activities; /* One per publisher, or per
                                                  * explanation. */
    const struct message_view *messages;
    /* Of messages[0]: members on whose disks it is for certain; NULL: this node
     * cannot tell. */
    const uint32_t *replicas;
    uint32_t replica_count;
    struct search_place next; /* Messages: `before` of the next page; id 0: the
                               * last. */
    bool cut;                 /* Messages: the search's budget was spent. */
    uint64_t searched_ms;     /* Messages: as in search.h. */
    bool incomplete;          /* A count that was given up before its end. */
    const struct backend_explanation *explanations; /* activities: ... and what
                                                     * delivery knows. */
    uint32_t explanation_count;
    const struct replay *replay;
    const struct token *tokens;
    struct slice secret; /* A new token. */
    const struct audit_page *audit;
    const struct attempt *attempt; /* Of a test. */
    const struct backend_metrics *metrics;
    struct slice forwarded; /* The leader's answer, encoded. */
};

/* What only the leader's delivery knows; not kept in the store. */
struct publisher_activity {
    bool known; /* False: this node does not deliver; rates are null. */
    uint32_t in_flight;
    double rate_per_second;
    uint64_t next_attempt_ms;
    uint64_t limited_until_ms; /* By its rate; 0: not. */
    struct backend_outcomes {
        uint64_t by_class[ATTEMPT_EXPIRED + 1]; /* enum attempt_class */
        uint64_t dead;
        uint64_t ambiguous;
        uint64_t doubtful;
        uint64_t circuits;
    } outcomes; /* Since this node began to deliver. */
    struct backend_histogram {
        const uint32_t *bounds_ms; /* `bucket_count` of them. */
        const uint64_t *buckets;   /* Each for itself. */
        uint32_t bucket_count;
        uint64_t count;
        uint64_t sum_ms;
    } delivery, end_to_end;
};

typedef void (*backend_done)(void *context,
                             const struct backend_result *result);

/* One member of the cluster as this node knows it. Texts as above. */
struct backend_member {
    uint32_t id;
    bool voter;
    const char *state;        /* "leader", "follower", "unreachable" ... */
    const char *state_reason; /* NULL: nothing is wrong. */
    const char *raft_address;
    const char *url; /* NULL: it has never told. So the rest. */
    const char *version;
    uint64_t applied_index;
    uint64_t lag;
    struct state_hash state_hash;
};

enum { BACKEND_MEMBERS_MAX = 16 };

/* Health, for the probes and /api/cluster. Texts are static or live as long
 * as the node. */
struct backend_status {
    bool live;
    bool ready;
    bool writable;
    const char *live_reason; /* Why not; NULL when it is. */
    const char *ready_reason;
    const char *writable_reason;
    char cluster_id[37]; /* A UUID as text; empty: not known yet. */
    uint32_t node_id;
    uint32_t leader_id; /* 0: none known. */
    uint64_t term;
    uint64_t commit_index;
    uint64_t applied_index;
    struct state_hash state_hash; /* At the last commit of the store. */
    bool leader;
    struct backend_member members[BACKEND_MEMBERS_MAX];
    uint32_t member_count;
};

/* Counters and gauges for /metrics, by name; see http/metrics.c. */
struct backend_metrics {
    uint64_t messages_published;
    uint64_t payload_bytes_published;
    uint64_t publish_refused; /* 429, 503, 507. */
    uint64_t backlog_messages;
    uint64_t deliveries_in_flight;
    uint64_t attempts_succeeded;
    uint64_t attempts_failed;
    uint64_t deliveries_delivered;
    uint64_t deliveries_dead;
    uint64_t duplicates_possible; /* Deliveries marked as such. */
    uint64_t topics;
    uint64_t publishers;
    uint64_t publishers_untold; /* Beyond those told one by one. */
    uint64_t term;
    uint64_t commit_index;
    uint64_t applied_index;
    uint64_t last_index;
    uint64_t first_index;
    uint64_t leaderships;
    uint64_t leader; /* 0 or 1 */
    uint64_t leader_known;
    uint64_t ready;
    uint64_t writable;
    uint64_t log_bytes;
    uint64_t log_syncs;
    uint64_t log_sync_us;
    uint64_t log_written_bytes;
    uint64_t store_file_bytes;
    uint64_t store_reusable_bytes;
    uint64_t store_limit_bytes;
    uint64_t store_commits;
    uint64_t store_commit_us;
    uint64_t indexed_message_id;
    uint64_t disk_free_bytes;
    uint64_t disk_reserve_bytes;
    uint64_t idempotency_keys;
    uint64_t idempotency_keys_limit;
    uint64_t proposals_waiting_bytes;
    uint64_t log_warnings; /* Lines of the node's own log. */
    uint64_t log_errors;
    uint64_t log_silenced;
    struct process_figures process;
};

/* What went through within one step of time, and what waited at its end. */
struct backend_point {
    uint64_t at_ms; /* Its end. */
    uint64_t published;
    uint64_t delivered;
    uint64_t failed; /* Attempts. */
    uint64_t dead;   /* Deliveries given up, or in doubt. */
    uint64_t backlog;
};
/* Points, oldest first: those of one part, then those of the other. Borrowed
 * until the next turn of the loop. */
struct backend_stats {
    uint32_t node_id;
    uint64_t since_ms; /* Before it this node was not running. */
    struct {
        const struct backend_point *points;
        uint32_t count;
    } parts[2];
};

/* Something that happened, as http_server_event() tells it. */
struct backend_event {
    enum event_type type;
    uint32_t id;        /* Of the topic, the publisher, the leading node (0:
                         * none is known). */
    struct slice topic; /* Its name; empty: it is about no topic. */
    const char *action; /* TOPIC, PUBLISHER, CIRCUIT: what was done. Static. */
    uint64_t dead;      /* DEAD: so many since the last such event. */
    uint64_t ambiguous;
    uint64_t term;              /* LEADER */
    struct backend_point point; /* STATS */
};

/* How new what is read must be. */
enum backend_consistency {
    /* Nothing newer was acknowledged anywhere when the read began: only a
     * leader can say so. */
    BACKEND_LINEARIZABLE,
    /* What this node has, at once: without a leader, without waiting. What
     * only the leader's delivery knows is not told then, so that the answer is
     * the same wherever it comes from. */
    BACKEND_LOCAL,
};

/* What is of one topic. */
enum backend_thing { THING_PUBLISHER, THING_MESSAGE, THING_REPLAY };

struct backend {
    void *context;

    /* id (of the first), count, id_space. Errors: ERR_NOT_FOUND on `topic`,
     * ERR_BUSY (429), ERR_UNAVAILABLE (503), ERR_NO_SPACE (507),
     * ERR_UNKNOWN_OUTCOME (504); ERR_CONFLICT when the key was given with
     * another body (422). */
    void (*publish)(void *context, uint64_t ticket,
                    const struct backend_publish *publish);
    /* Each for itself: outcomes[count], in their order. The errors above that
     * concern all alike and leave nothing stored are told as those of the
     * whole. */
    void (*publish_each)(void *context, uint64_t ticket,
                         const struct backend_publish *publishes,
                         uint32_t count);

    /* id, topics[0]. ERR_EXISTS on `name`. */
    void (*topic_create)(void *context, uint64_t ticket,
                         const struct topic_options *options);
    /* topics[0]. ERR_NOT_FOUND. */
    void (*topic_get)(void *context, uint64_t ticket,
                      enum backend_consistency consistency, struct slice name);
    /* topics[0], as it is afterwards. ERR_NOT_FOUND. */
    void (*topic_change)(void *context, uint64_t ticket,
                         const struct backend_topic_change *change);
    /* ERR_NOT_FOUND; ERR_CONFLICT: it has publishers, or messages that wait,
     * and is not forced. */
    void (*topic_delete)(void *context, uint64_t ticket, struct slice name,
                         bool force);
    /* topics[count], ascending by id. */
    void (*topic_list)(void *context, uint64_t ticket,
                       enum backend_consistency consistency,
                       const struct backend_page *page);

    /* What delivery would refuse to do, of those options that are not empty:
     * how many faults. At once. */
    uint32_t (*publisher_faults)(
        void *context, const struct publisher_options *options,
        struct backend_fault ret_faults[BACKEND_FAULTS_MAX]);
    /* id, publishers[0]. ERR_NOT_FOUND on `topic`, ERR_EXISTS on `target`. */
    void (*publisher_create)(void *context, uint64_t ticket,
                             const struct backend_publisher_create *create);
    void (*publisher_list)(void *context, uint64_t ticket,
                           enum backend_consistency consistency,
                           const struct backend_page *page);
    /* publishers[0]. ERR_NOT_FOUND. */
    void (*publisher_get)(void *context, uint64_t ticket,
                          enum backend_consistency consistency, uint32_t id);
    void (*publisher_delete)(void *context, uint64_t ticket, uint32_t id);
    /* These four: publishers[0], as it is afterwards. ERR_NOT_FOUND. */
    /* ERR_EXISTS on `target`; ERR_INVALID on a field, with words. */
    void (*publisher_change)(void *context, uint64_t ticket,
                             const struct backend_publisher_change *change);
    void (*publisher_pause)(void *context, uint64_t ticket, uint32_t id,
                            bool paused, struct slice reason);
    /* A new secret; the old one signs beside it for a while. */
    void (*publisher_rotate)(void *context, uint64_t ticket, uint32_t id);
    /* Sends one test message now; attempt. ERR_BUSY. */
    void (*publisher_test)(void *context, uint64_t ticket, uint32_t id);

    /* messages[0], id_space, replicas; explanations of its first
     * BOUND_EXPLAINED deliveries, in their order. ERR_NOT_FOUND. */
    void (*message_get)(void *context, uint64_t ticket,
                        enum backend_consistency consistency, uint64_t id);
    /* messages[count], newest first; next, cut, searched_ms, id_space.
     * ERR_NOT_FOUND on `topic` or `publisher`. */
    void (*message_list)(void *context, uint64_t ticket,
                         enum backend_consistency consistency,
                         const struct backend_search *search);
    /* explanations[0]. ERR_NOT_FOUND. */
    void (*message_explain)(void *context, uint64_t ticket,
                            enum backend_consistency consistency, uint64_t id,
                            uint32_t publisher_id);
    /* Sends it again, or never (at this publisher; 0: at all): what
     * message_get gives, as it is afterwards. ERR_NOT_FOUND; ERR_CONFLICT with
     * words. */
    void (*message_retry)(void *context, uint64_t ticket, uint64_t id,
                          uint32_t publisher_id);
    void (*message_discard)(void *context, uint64_t ticket, uint64_t id,
                            uint32_t publisher_id);

    /* replay, and publishers[0] while it runs; with dry_run messages[count] as
     * a sample, `id` in all, and incomplete. ERR_NOT_FOUND. */
    void (*replay_start)(void *context, uint64_t ticket,
                         const struct backend_replay *replay);
    /* replay, publishers[0] likewise. ERR_NOT_FOUND. */
    void (*replay_get)(void *context, uint64_t ticket,
                       enum backend_consistency consistency, uint32_t id);
    /* The same, as it is afterwards. ERR_NOT_FOUND. */
    void (*replay_cancel)(void *context, uint64_t ticket, uint32_t id);

    /* tokens[0]; `secret` is the token, which is never told again. The id and
     * the digest are made here. ERR_EXISTS on `name`; ERR_CONFLICT with words.
     * When it is answered every member that can be reached knows the token;
     * and none knows it any more, when it is revoked. */
    void (*token_create)(void *context, uint64_t ticket,
                         const struct token *token);
    /* ERR_NOT_FOUND; ERR_CONFLICT with words. */
    void (*token_revoke)(void *context, uint64_t ticket, struct slice name);
    /* tokens[count]: those of the cluster, ascending by id. */
    void (*token_list)(void *context, uint64_t ticket,
                       enum backend_consistency consistency,
                       const struct backend_page *page);
    /* audit. */
    void (*audit_list)(void *context, uint64_t ticket,
                       enum backend_consistency consistency,
                       const struct audit_query *query);

    /* Gives leadership to this node (0: any other), after what is being
     * delivered has ended. Errors: ERR_NOT_FOUND on `to`, ERR_BUSY. */
    void (*transfer)(void *context, uint64_t ticket, uint32_t to);

    /* Whether another node leads, so that what only the leader can do must be
     * sent on. At once. */
    bool (*must_forward)(void *context);
    /* Sends an encoded request on (http/forward.h). `forwarded`. Errors:
     * ERR_UNAVAILABLE (certainly not done), ERR_UNKNOWN_OUTCOME. */
    void (*forward)(void *context, uint64_t ticket, struct slice request);

    /* Who asks for the next operation under a ticket, and in which request;
     * borrowed until that operation's call returns. */
    void (*asked_by)(void *context, const struct author *author);
    /* Who presents this token (data NULL: a request without one). At once;
     * borrowed until the operation's caller returns to the loop. False: nobody
     * whom we know; with `data` NULL, that a token is needed. NULL: all are
     * anonymous. */
    bool (*authenticate)(void *context, struct slice token,
                         struct backend_caller *ret_caller);
    /* Whether a caller of whom another member says that it is this one may
     * still be. A member is believed, save for tokens of the store, of which
     * this node, which leads, knows better. The same of an anonymous one. */
    bool (*recognize)(void *context, const struct backend_caller *caller);
    /* topics[0]: that of a publisher, a message or a replay. ERR_NOT_FOUND. */
    void (*topic_of)(void *context, uint64_t ticket,
                     enum backend_consistency consistency,
                     enum backend_thing thing, uint64_t id);

    /* At once. */
    uint64_t (*id_space)(void *context); /* 0: not known yet. */
    void (*status)(void *context, struct backend_status *ret_status);
    /* In steps of 1 or 60 seconds. */
    void (*stats)(void *context, uint32_t step_seconds,
                  struct backend_stats *ret_stats);
    /* metrics, and the first publishers[count] with activities as this node
     * knows them; none when the store cannot be read now. */
    void (*metrics)(void *context, uint64_t ticket);
};

#endif
