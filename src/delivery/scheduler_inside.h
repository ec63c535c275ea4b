/* scheduler_inside.h - what the scheduler's files share: scheduler.c (who acts
 * next), scheduler_reads.c (what is read for pipelines, and how it comes
 * back) and scheduler_release.c (scheduled messages). */
#ifndef POSTOFFICE_DELIVERY_SCHEDULER_INSIDE_H
#define POSTOFFICE_DELIVERY_SCHEDULER_INSIDE_H

#include "agenda.h"
#include "base/table.h"
#include "recent.h"
#include "releases.h"
#include "scheduler.h"

/* In place of a publisher's id in tokens: a release, of the topic below. */
#define RELEASE_TOKENS UINT32_MAX

/* The pause when the port takes no proposals. */
enum { SCHEDULER_NOT_READY_MS = 20 };

/* A list of pipelines; each stands in at most one of each kind. */
struct line {
    struct member *first;
    struct member **last;
};

struct topic_lane {
    uint32_t id;
    struct slice name; /* Owned. */
    uint64_t last_position;
    struct recent_topic recent;
    struct member *members; /* All of this topic, by next_of_topic. */
    uint32_t readers;       /* Those that `read`. */
    struct line hungry;     /* Those to wake when something is published. */
};

/* A pipeline and its places. */
struct member {
    struct pipeline *pipeline;
    struct topic_lane *lane;
    struct member *next_of_topic;
    struct member *next_ready;
    struct member *next_hungry;
    struct member *next_starved;
    struct agenda_item agenda;
    struct trouble trouble;
    bool is_ready;   /* In the line of those to step. */
    bool is_hungry;  /* In its lane's line. */
    bool is_starved; /* Has something to send beyond the common bound, ... */
    bool starved_proven; /* ... and stands in the line of the proven. */
    bool proven;         /* Its target answered last time. */
    bool paused;
    bool reads; /* Neither paused nor in an outage: wants what is new. */
    uint32_t sends;
};

struct scheduler {
    struct scheduler_port port;
    struct table lanes;
    struct table members;
    struct recent recent;
    struct line ready;
    struct line starved;        /* Those who wait for a place, ... */
    struct line starved_proven; /* ... and those whose targets answer. */
    struct agenda agenda;
    struct agenda_item retry; /* When the port was not ready. */
    struct releases releases;
    bool schedules_asked;  /* The first look at all of them was begun, ... */
    uint64_t schedules_ms; /* ... or is to be tried again then. */
    uint64_t schedules_after;
    uint64_t woken_ms; /* What the port was told last. */
    uint32_t sends_max;
    uint32_t sends;
    uint32_t active; /* Those that are not paused. */
    uint64_t seed;
    bool draining;
    bool clock_distrusted;
    struct encoder command;
    struct scheduler_statistics statistics;
};

/* Puts it in the line of those to step. */
void scheduler_ready(struct scheduler *scheduler, struct member *member);

/* True when something was supplied at once: step again. */
bool scheduler_start_reads(struct scheduler *scheduler, struct member *member,
                           const struct pipeline_effects *effects,
                           uint64_t now_ms);

/* The release of this topic was decided: when is its next one due? */
void schedules_look(struct scheduler *scheduler, uint32_t topic_id);
void schedules_supplied(struct scheduler *scheduler,
                        const struct delivery_read *read, int code,
                        uint64_t now_ms);
/* Proposes what is due, and begins with a look at all topics. */
void schedules_release(struct scheduler *scheduler, uint64_t now_ms);
uint64_t schedules_wake_ms(const struct scheduler *scheduler); /* 0: never. */

#endif
