/* pipeline_inside.h - what pipeline.c (events) and pipeline_step.c (effects)
 * share. */
#ifndef POSTOFFICE_DELIVERY_PIPELINE_INSIDE_H
#define POSTOFFICE_DELIVERY_PIPELINE_INSIDE_H

#include "base/memory.h"
#include "hand.h"
#include "pipeline.h"
#include "slots.h"

enum { OUTCOMES_AT_ONCE = 512 }; /* Settled together at most. */

struct pipeline {
    uint32_t id;
    uint32_t topic_id;
    struct publisher_options options;
    struct arena texts; /* What options point to. */
    bool paused;
    bool draining;
    uint64_t next;          /* Everything below is granted, in the log. */
    uint64_t grant_upto;    /* Of the grant that is on the way. */
    uint64_t last_position; /* Of the topic. */
    struct hand ahead;      /* Positions from `next` on. */
    uint64_t feed_from;     /* The first position not in `ahead`. */
    uint64_t feed_asked;    /* What the read under way began at, ... */
    uint64_t feed_last;     /* ... and what the topic's last one was then. */
    struct hand due;        /* Retries whose time has come. */
    uint64_t first_due_ms;  /* Of the retries not in `due`; 0: none. */
    struct slots slots;
    /* What is on the way. */
    bool feeding;
    bool loading;
    bool asking_due;
    bool granting;
    bool intending;
    uint64_t hold_ms; /* No reads or grants before this. */
    uint32_t batch;
    /* For effects, valid between two steps. */
    struct outcome outcomes[OUTCOMES_AT_ONCE];
    uint64_t *positions; /* Three parts: withdraw, intent, grant or load. */
    uint32_t positions_capacity;
    uint64_t random;
    /* Delivered in this window and in the one before. */
    uint64_t window_began_ms;
    uint32_t window_count;
    uint32_t window_before;
};

/* There is a retry at this time. */
void pipeline_due_at(struct pipeline *pipeline, uint64_t due_ms);

#endif
