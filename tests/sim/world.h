/* world.h - everything there is in one run. */
#ifndef POSTOFFICE_TESTS_SIM_WORLD_H
#define POSTOFFICE_TESTS_SIM_WORLD_H

#include "chronicle.h"
#include "clients.h"
#include "dice.h"
#include "network.h"
#include "node.h"
#include "oracle.h"
#include "receivers.h"
#include "sim.h"
#include "timeline.h"

enum {
    ELECTION_MS = 200,
    HEARTBEAT_MS = 40,
    WALL_MS = 1800000000, /* The wall clocks' beginning. */
};

struct world {
    struct sim_options options;
    struct sim_result *result;
    struct dice dice;
    struct timeline timeline;
    bool quiet;        /* No more faults, ... */
    uint64_t quiet_ms; /* ... since then. */
    struct network network;
    uint64_t keep_index; /* Up to where all have the log, as leaders say. */
    unsigned count;
    struct node nodes[NODES_MAX];
    struct clients clients;
    struct receivers receivers;
    struct chronicle *chronicle;
    struct oracle oracle;
};

void world_open(struct world *world, const struct sim_options *options,
                struct sim_result *result);
void world_close(struct world *world);
/* Until then, or a violation. */
void world_run_until(struct world *world, uint64_t until_ms);

/* Ends all faults and brings back who can come back. */
void world_heal(struct world *world);
/* Runs on until all that was published has been delivered and all agree; says
 * so when that does not happen in time. */
void world_settle(struct world *world);

static inline bool world_is_red(const struct world *world)
{
    return world->result->violation[0] != '\0';
}

#endif
