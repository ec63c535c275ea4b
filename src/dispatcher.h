/* dispatcher.h - delivery on this node, while it leads: the shell around
 * delivery/leadership.
 *
 * Fills its port: commands go to the proposer, reads to the readers, requests
 * to the HTTP target, wake-ups to a timer.
 * Thread: the loop. */
#ifndef POSTOFFICE_DISPATCHER_H
#define POSTOFFICE_DISPATCHER_H

#include "delivery/address_policy.h"
#include "delivery/leadership.h"
#include "delivery/resolver.h"
#include "proposer.h"
#include "reads.h"

struct dispatcher;

struct dispatcher_parts {
    uv_loop_t *loop;
    struct catalog *catalog;
    struct proposer *proposer;
    struct reads *reads;
    struct cluster *cluster;
    uint32_t node_id;
    uint32_t sends_max; /* Requests in flight over all publishers. */
    /* Borrowed. NULL: the default one of an API on loopback. */
    const struct address_policy *policy;
    const char *ca_file;       /* Borrowed; NULL: the system's alone. */
    struct resolver *resolver; /* Borrowed. */
};

struct dispatcher *dispatcher_new(const struct dispatcher_parts *parts);

/* This node leads from now on, or no more. */
void dispatcher_lead(struct dispatcher *dispatcher);
void dispatcher_deposed(struct dispatcher *dispatcher);

/* A command was applied; the catalog knows it already. */
void dispatcher_apply(struct dispatcher *dispatcher,
                      const struct command *command,
                      const struct command_result *result);

/* See leadership_trust_clock(). */
void dispatcher_trust_clock(struct dispatcher *dispatcher, bool trusted);

/* Does what has become possible. Once a turn of the loop. */
void dispatcher_turn(struct dispatcher *dispatcher);

/* For whoever gives it away (handover). Lives as long as the dispatcher. */
struct leadership *dispatcher_leadership(struct dispatcher *dispatcher);

/* False: this node does not deliver now. */
bool dispatcher_activity(const struct dispatcher *dispatcher,
                         uint32_t publisher_id,
                         struct pipeline_statistics *ret_statistics);
/* Since the process began. */
struct scheduler_statistics
dispatcher_statistics(const struct dispatcher *dispatcher);

/* One request with a test message to the publisher's target, now: beside its
 * order, its rate and its state, and nothing of it is kept. done() comes
 * later, unless the dispatcher is closed before. ERR_NOT_FOUND; ERR_BUSY: so
 * many tests are under way; ERR_UNAVAILABLE: this node does not deliver. */
typedef void (*dispatcher_tested)(void *context, uint64_t token,
                                  uint32_t publisher_id,
                                  const struct attempt *attempt);
int dispatcher_test(struct dispatcher *dispatcher, uint32_t publisher_id,
                    dispatcher_tested done, void *context, uint64_t token);

/* Breaks off what is under way, then calls closed() and frees. The readers
 * must have given back all jobs. */
void dispatcher_close(struct dispatcher *dispatcher,
                      void (*closed)(void *context), void *context);

#endif
