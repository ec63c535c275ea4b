/* scheduler.h - all pipelines of the leader: who acts next, within which
 * bounds; without I/O, driven by events and a given time.
 *
 * Below it stands a port: the shell proposes commands, reads from the store
 * and sends requests, and reports each back as an event. In the tests the port
 * is a simulation. It lives from the moment at which this node leads (after
 * the takeover was applied) until it leads no more.
 *
 * Times are wall-clock milliseconds, as in the log.
 * Thread: the loop. */
#ifndef POSTOFFICE_DELIVERY_SCHEDULER_H
#define POSTOFFICE_DELIVERY_SCHEDULER_H

#include "pipeline.h"
#include "trouble.h"

struct scheduler;

enum delivery_read_kind {
    DELIVERY_FEED = 1, /* What comes next. */
    DELIVERY_DUE,      /* Retries whose time has come. */
    DELIVERY_LOAD,     /* What is open. */
    DELIVERY_VIEW,     /* Counts. */
    DELIVERY_KEYS,     /* Blocked keys. */
    DELIVERY_PARKED,   /* What is parked behind one. */
    /* Of no publisher: */
    DELIVERY_SCHEDULES, /* When scheduled messages are due, by topic. */
};

/* What is known of a message in a feed beside the message. */
struct feed_mark {
    uint32_t examined; /* Above 0: no message, but so many positions up to this
                        * one that the filter does not want. */
    bool unwanted;     /* A message that the filter does not want. */
};

/* A wish, and behind it what delivery_read_run() found that is no message. */
struct delivery_read {
    enum delivery_read_kind kind;
    uint32_t publisher_id;
    uint32_t topic_id;
    uint32_t edition;      /* Of the publisher's options. */
    uint64_t from;         /* FEED, PARKED: a position; KEYS: above this key. */
    uint64_t due_ms;       /* DUE */
    uint64_t key;          /* PARKED; 0: the first of all. */
    uint32_t count;        /* At most so many. */
    bool keyed;            /* FEED: messages with keys come in any case. */
    bool committed;        /* FEED: what the last commit shows will do. */
    struct filter *filter; /* FEED, PARKED; a reference. NULL: none. */
    /* Found. */
    const struct feed_mark *marks; /* One for each item; NULL: no marks. */
    struct pipeline_view view;
    const struct blocked_key *keys;
    uint32_t key_count;
    uint64_t found_key;
    const struct schedule *schedules;
    uint32_t schedule_count;
};

struct delivery_send {
    uint32_t reign; /* The leadership's; comes back with the answer. */
    uint32_t publisher_id;
    uint64_t token;                          /* For scheduler_answered(). */
    const struct publisher_options *options; /* Borrowed, like topic. */
    struct slice topic;
    struct letter *letter; /* Take a reference to keep it. */
    uint32_t attempt;
    uint32_t replay_id; /* 0: none. */
    bool doubt;
    bool test; /* No message, but what somebody tries a target with. */
};

struct scheduler_port {
    void *context;
    /* Whether proposals are taken now, and sending is allowed (the lease
     * holds). When not, the scheduler tries again after a moment. */
    bool (*ready)(void *context);
    /* Answered by scheduler_applied() with the token, unless this node is
     * deposed first. The bytes are copied. */
    void (*propose)(void *context, struct slice command, uint64_t token);
    /* Answered by scheduler_supplied(), from a view that shows everything
     * applied so far, unless `committed` says that less will do. Each must be
     * answered, or scheduler_forget_read() be called for it. */
    void (*read)(void *context, const struct delivery_read *read);
    /* Answered by scheduler_answered(). */
    void (*send)(void *context, const struct delivery_send *send);
    /* Call scheduler_run() at this time; 0: no need. */
    void (*wake)(void *context, uint64_t at_ms);
};

/* `sends_max` bounds the requests in flight over all publishers. */
struct scheduler *scheduler_new(const struct scheduler_port *port,
                                uint32_t sends_max, uint64_t seed);
void scheduler_free(struct scheduler *scheduler); /* NULL is fine. */

/* Topics come before their publishers. The name is copied. */
void scheduler_add_topic(struct scheduler *scheduler, uint32_t id,
                         struct slice name, uint64_t last_position);
void scheduler_add(struct scheduler *scheduler,
                   const struct pipeline_view *view);
void scheduler_remove(struct scheduler *scheduler, uint32_t publisher_id);
void scheduler_pause(struct scheduler *scheduler, uint32_t publisher_id,
                     bool paused);
/* Its options are others now; they are copied. */
void scheduler_update(struct scheduler *scheduler, uint32_t publisher_id,
                      const struct publisher_options *options, uint64_t now_ms);
/* A person has decided something about messages of this publisher; of all, 0.
 */
void scheduler_decided(struct scheduler *scheduler, uint32_t publisher_id,
                       uint64_t now_ms);
void scheduler_remove_topic(struct scheduler *scheduler, uint32_t topic_id);

/* A message has its position; called in their order. */
void scheduler_published(struct scheduler *scheduler, uint32_t topic_id,
                         uint64_t position, const struct message *message);

/* A message that is due at this time has come; it has no position yet. */
void scheduler_scheduled(struct scheduler *scheduler, uint32_t topic_id,
                         uint64_t due_ms);
/* Scheduled messages of the topic have taken their positions, up to this one;
 * they are read from the store. */
void scheduler_released(struct scheduler *scheduler, uint32_t topic_id,
                        uint64_t last_position);

void scheduler_applied(struct scheduler *scheduler, uint64_t token,
                       const struct command_result *result, uint64_t now_ms);
void scheduler_supplied(struct scheduler *scheduler,
                        const struct delivery_read *read, int code,
                        const struct feed_item *items, uint32_t count,
                        uint64_t next_due_ms, uint64_t now_ms);
void scheduler_forget_read(const struct delivery_read *read);
/* The answer that comes next for this token asks to be left alone until then:
 * Retry-After. */
void scheduler_held(struct scheduler *scheduler, uint32_t publisher_id,
                    uint64_t token, uint64_t until_ms);
/* What came of a request; and whether the node's log is to be told. */
enum trouble_news scheduler_answered(struct scheduler *scheduler,
                                     uint32_t publisher_id, uint64_t token,
                                     const struct attempt *attempt,
                                     uint64_t now_ms);

/* Does what has become possible; to be called after events. */
void scheduler_run(struct scheduler *scheduler, uint64_t now_ms);

/* Grants no more and takes back what was not sent; what is under way ends. */
void scheduler_drain(struct scheduler *scheduler);
/* Whether the clock can be trusted; until it is told otherwise it can. Without
 * it nothing is released and nothing expires. */
void scheduler_trust_clock(struct scheduler *scheduler, bool trusted);
bool scheduler_is_drained(const struct scheduler *scheduler);

/* False: no such pipeline. */
bool scheduler_statistics_of(const struct scheduler *scheduler,
                             uint32_t publisher_id, uint64_t now_ms,
                             struct pipeline_statistics *ret_statistics);

struct scheduler_statistics {
    uint64_t sends_in_flight;
    uint64_t succeeded;
    uint64_t failed;
    uint64_t dead;
    uint64_t doubtful; /* Sent again, marked. */
    uint64_t recent_bytes;
};
struct scheduler_statistics
scheduler_statistics(const struct scheduler *scheduler);

#endif
