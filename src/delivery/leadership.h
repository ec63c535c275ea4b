/* leadership.h - delivery on a node, from the moment at which it leads until
 * it leads no more; without I/O, driven by events and given times.
 *
 *   leading --> TAKEOVER proposed --> applied: what was open is in doubt
 *          --> pipelines read from the store, page by page --> scheduler runs
 *
 * Every leadership is a reign of its own: what an earlier one has asked for,
 * answers of targets among it, is dropped when it comes. Nothing is sent before
 * the pipelines are there, nor when the lease does not hold in that moment
 * (leadership_may_send()).
 *
 * Below it stands a port, as below the scheduler: the shell (src/dispatcher)
 * performs, and reports back as events. In the tests the port is a simulation.
 *
 * Times are wall-clock milliseconds, as in the log.
 * Thread: the loop. */
#ifndef POSTOFFICE_DELIVERY_LEADERSHIP_H
#define POSTOFFICE_DELIVERY_LEADERSHIP_H

#include "catalog.h"
#include "scheduler.h"

struct leadership;

struct leadership_port {
    void *context;
    /* Whether a command would be taken now. */
    bool (*accepts)(void *context);
    /* Whether, at this very moment, no other node can lead. */
    bool (*holds_lease)(void *context);
    /* Answered by leadership_decided() with the token, unless this node is
     * deposed first. The bytes are copied. */
    void (*propose)(void *context, struct slice command, uint64_t token);
    /* Answered by leadership_supplied() with the reign; otherwise as in
     * scheduler_port. */
    void (*read)(void *context, uint32_t reign,
                 const struct delivery_read *read);
    /* Publishers with ids above this one, at most LEADERSHIP_PAGE of them.
     * Answered by leadership_paged(), from such a view. */
    void (*read_page)(void *context, uint32_t reign, uint32_t after_id);
    /* Answered by leadership_answered() with the reign. */
    void (*send)(void *context, const struct delivery_send *send);
    /* Call leadership_run() at this time; 0: no need. */
    void (*wake)(void *context, uint64_t at_ms);
    /* For ids and seeds. */
    void (*random)(void *context, uint8_t *bytes, size_t length);
};

enum { LEADERSHIP_PAGE = 256 };

struct leadership_options {
    uint32_t node_id;
    uint32_t sends_max; /* Requests in flight over all publishers. */
};

/* The catalog, borrowed, is told of each command before this. */
struct leadership *leadership_new(const struct leadership_port *port,
                                  const struct leadership_options *options,
                                  const struct catalog *catalog);
void leadership_free(struct leadership *leadership); /* NULL is fine. */

/* This node leads from now on, or no more. */
void leadership_lead(struct leadership *leadership, uint64_t now_ms);
void leadership_deposed(struct leadership *leadership);

/* A proposal was applied with this result. */
void leadership_decided(struct leadership *leadership, uint64_t token,
                        const struct command_result *result, uint64_t now_ms);
void leadership_supplied(struct leadership *leadership, uint32_t reign,
                         const struct delivery_read *read, int code,
                         const struct feed_item *items, uint32_t count,
                         uint64_t next_due_ms, uint64_t now_ms);
/* The views may be changed. */
void leadership_paged(struct leadership *leadership, uint32_t reign,
                      uint32_t after_id, int code, struct pipeline_view *views,
                      uint32_t count);
/* To be told in front of the answer that asked for it (Retry-After). */
void leadership_held(struct leadership *leadership, uint32_t reign,
                     uint32_t publisher_id, uint64_t token, uint64_t until_ms);
enum trouble_news leadership_answered(struct leadership *leadership,
                                      uint32_t reign, uint32_t publisher_id,
                                      uint64_t token,
                                      const struct attempt *attempt,
                                      uint64_t now_ms);

/* A command was applied; the catalog knows it already. */
void leadership_apply(struct leadership *leadership,
                      const struct command *command,
                      const struct command_result *result);

/* Does what has become possible. Once a turn of the loop. */
void leadership_run(struct leadership *leadership, uint64_t now_ms);

/* To be asked in the moment before a request goes out, which may be long after
 * send(): a leader that stood still may lead no more. */
bool leadership_may_send(const struct leadership *leadership);
/* The pipelines are there. */
bool leadership_is_running(const struct leadership *leadership);

/* Grants no more; what is under way may end. */
void leadership_drain(struct leadership *leadership);
/* Delivers again, if this node still leads: as a new leader would begin. */
void leadership_resume(struct leadership *leadership, uint64_t now_ms);
bool leadership_is_drained(const struct leadership *leadership);

/* Whether the clock agrees with those of the other voters; until it is told
 * otherwise it does. Without it nothing is released and nothing expires. */
void leadership_trust_clock(struct leadership *leadership, bool trusted);

/* False: this node does not deliver to it now. */
bool leadership_activity(const struct leadership *leadership,
                         uint32_t publisher_id, uint64_t now_ms,
                         struct pipeline_statistics *ret_statistics);
/* Over all reigns. */
struct scheduler_statistics
leadership_statistics(const struct leadership *leadership);

#endif
