/* sim.h - one run of the simulated world, from one seed. */
#ifndef POSTOFFICE_TESTS_SIM_SIM_H
#define POSTOFFICE_TESTS_SIM_SIM_H

#include "mutants.h"

#include <stdbool.h>
#include <stdint.h>

struct sim_options {
    uint64_t seed;
    unsigned nodes; /* 1 to 5. */
    enum mutant mutant;
    bool trace;            /* Every event in words, to standard output. */
    const char *directory; /* For the stores. */
};

/* What happened, for those who read a summary. */
#define SIM_TOTALS(X)                                                          \
    X(events, "events")                                                        \
    X(simulated_ms, "simulated ms")                                            \
    X(elections, "elections")                                                  \
    X(crashes, "crashes")                                                      \
    X(all_crashed, "crashes of all at once")                                   \
    X(pauses, "pauses of a process")                                           \
    X(partitions, "partitions")                                                \
    X(one_way, "of these one-way")                                             \
    X(stalls, "disks stalled or slow")                                         \
    X(failures, "disks failed")                                                \
    X(handovers, "handovers begun")                                            \
    X(handed_over, "handovers drained and taken")                              \
    X(memberships, "memberships stated anew")                                  \
    X(entries, "entries committed")                                            \
    X(forgotten, "entries forgotten")                                          \
    X(messages, "messages stored")                                             \
    X(acknowledged, "messages acknowledged")                                   \
    X(replayed, "idempotent replays")                                          \
    X(unknown, "unknown outcomes")                                             \
    X(takeovers, "takeovers")                                                  \
    X(doubted, "deliveries put in doubt")                                      \
    X(deliveries, "deliveries")                                                \
    X(filtered, "messages that a filter left out")                             \
    X(parked, "messages parked behind a key")                                  \
    X(dead, "dead letters")                                                    \
    X(ambiguous, "ambiguous by a timeout")                                     \
    X(uncounted, "attempts that did not count")                                \
    X(held, "requests to be left alone")                                       \
    X(circuits, "circuits opened or probed in vain")                           \
    X(updates, "publishers changed")                                           \
    X(decided, "messages to be sent once more")                                \
    X(replay_steps, "steps of replays")                                        \
    X(released, "scheduled messages released")                                 \
    X(attempts, "requests to receivers")                                       \
    X(marked, "requests marked as maybe duplicate")                            \
    X(duplicates, "duplicates that were marked")                               \
    X(comparisons, "comparisons with the naive model")

struct sim_totals {
#define X(name, words) uint64_t name;
    SIM_TOTALS(X)
#undef X
};

struct sim_result {
    char violation[300]; /* Empty: none. */
    uint64_t violation_ms;
    uint64_t hash; /* Of all that happened: equal runs have equal ones. */
    struct sim_totals totals;
};

void sim_run(const struct sim_options *options, struct sim_result *ret);

/* The same world under a schedule of its own (scripts.c), where chance alone
 * would not lead. NULL: no such script. */
typedef void sim_script(const struct sim_options *options,
                        struct sim_result *ret);
sim_script *sim_script_named(const char *name);

#endif
