/* purger.h - removes what deleted publishers and topics have left, in small
 * steps, so that it never stands in the way of publishing.
 *
 *   a read tells whose rows remain --> PURGE, a bounded step --> a pause -->
 *   the next read ... until nothing remains
 *
 * Runs on the leader. Thread: the loop. */
#ifndef POSTOFFICE_PURGER_H
#define POSTOFFICE_PURGER_H

#include "delivery/catalog.h"
#include "proposer.h"
#include "reads.h"

struct purger;

struct purger *purger_new(uv_loop_t *loop, const struct catalog *catalog,
                          struct proposer *proposer, struct reads *reads);

/* There may be something to remove: this node leads, or a publisher or
 * a topic was deleted. */
void purger_look(struct purger *purger);
/* This node leads no more. */
void purger_stop(struct purger *purger);

/* Calls closed() and frees. All read jobs must have come back. */
void purger_close(struct purger *purger, void (*closed)(void *context),
                  void *context);

#endif
