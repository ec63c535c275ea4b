/* simulation.h - members of a cluster on a simulated clock, disk and network,
 * all from one seed.
 *
 * Writes take time and finish in order; a crash loses what was not finished,
 * or keeps a part of it. Messages are late, lost and doubled. An oracle knows
 * what was committed and acknowledged, and what every member may therefore
 * never say or do; the first violation is noted in words. A rule can be turned
 * off, to see that the oracle notices. */
#ifndef POSTOFFICE_TESTS_RAFT_SIMULATION_H
#define POSTOFFICE_TESTS_RAFT_SIMULATION_H

#include <stdbool.h>
#include <stdint.h>

enum simulation_rule {
    SIMULATION_ALL_RULES,
    /* Entries are reported durable as soon as they are to be written. */
    SIMULATION_ACKNOWLEDGE_EARLY,
    /* Votes are reported durable and never written. */
    SIMULATION_FORGET_VOTES,
};

struct simulation_options {
    unsigned members; /* 1 to 3, all voters. */
    uint64_t seed;
    uint64_t milliseconds;
    enum simulation_rule broken;
};

struct simulation_result {
    char violation[200]; /* Empty: none. */
    uint64_t acknowledged;
    uint64_t committed;
    uint64_t crashes;
    uint64_t elections;
    uint64_t transfers; /* That were begun. */
    uint64_t leases;    /* Milliseconds in which a leader had one. */
    uint64_t forgotten; /* Entries that logs were relieved of. */
};

void simulation_run(const struct simulation_options *options,
                    struct simulation_result *ret);

#endif
