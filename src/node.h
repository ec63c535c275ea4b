/* node.h - one running node: wires everything, starts and stops it.
 *
 *   http --> service --> proposer --> cluster --committed--> writer (store)
 *              ^                                                |
 *              +---- catalog, dispatcher, proposer <--results---+
 *
 * Thread: the loop, which node_run() runs. */
#ifndef POSTOFFICE_NODE_H
#define POSTOFFICE_NODE_H

#include "base/error.h"
#include "settings.h"

/* Opens everything, serves until SIGTERM or SIGINT, stops in order. Returns 0
 * after a clean stop; a negative ERR_* with words when it could not start.
 * When the node can no longer be trusted (a failed disk, a corrupt store), it
 * logs why and ends the process with status 1. */
int node_run(const struct settings *settings, struct error *error);

#endif
