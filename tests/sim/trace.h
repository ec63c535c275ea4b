/* trace.h - what happens, as numbers: hashed always, so that two runs of one
 * seed can be compared, and told in words when asked for. */
#ifndef POSTOFFICE_TESTS_SIM_TRACE_H
#define POSTOFFICE_TESTS_SIM_TRACE_H

#include <stdint.h>

struct world;

#define TRACES(X)                                                              \
    X(BOOT, "node %lu begins its life %lu with %lu entries, term %lu")         \
    X(FOUND, "node %lu founds the cluster %lx")                                \
    X(CRASH, "node %lu crashes; %lu entries and term %lu are kept")            \
    X(PAUSE, "node %lu stands still until %lu")                                \
    X(GONE, "node %lu leaves: its disk has failed")                            \
    X(DISK, "disk of node %lu: slow %lu, stalled until %lu")                   \
    X(CUT, "link %lu to %lu: cut %lu")                                         \
    X(HEAL, "all links are well again")                                        \
    X(QUIET, "no more faults")                                                 \
    X(SAY, "node %lu to %lu: message of type %lu")                             \
    X(STATE, "node %lu: raft state %lu in term %lu")                           \
    X(LEAD, "node %lu leads in term %lu")                                      \
    X(DEPOSED, "node %lu leads no more in term %lu")                           \
    X(SUBMIT, "node %lu submits entry %lu of %lu bytes")                       \
    X(COMMIT, "node %lu knows entry %lu of term %lu as committed")             \
    X(APPLY, "node %lu applies entry %lu: %lu commands")                       \
    X(COMMAND, "entry %lu holds command %lu, result %lu, %lu")                 \
    X(STORE, "node %lu commits its store at %lu")                              \
    X(FORGET, "node %lu forgets entries up to %lu")                            \
    X(REQUEST, "client %lu asks node %lu to publish %lx, try %lu")             \
    X(ANSWER, "client %lu hears %lu: id %lu")                                  \
    X(GRANT, "publisher %lu: position %lu is open since entry %lu")            \
    X(SEND, "node %lu sends publisher %lu position %lu, doubt %lu")            \
    X(TAKEN, "receiver %lu takes position %lu, the %lu. time, marked %lu")     \
    X(FAILED, "publisher %lu position %lu: attempt fails, class %lu")          \
    X(HANDOVER, "node %lu begins to give leadership away")                     \
    X(ASKED, "node %lu asks node %lu to lead; drained %lu")                    \
    X(HANDED, "node %lu has handed over: code %lu")                            \
    X(MEMBERS, "node %lu states the membership anew in entry %lu")

enum trace_kind {
#define X(name, words) TRACE_##name,
    TRACES(X)
#undef X
};

void trace(struct world *world, enum trace_kind kind, uint64_t a, uint64_t b,
           uint64_t c, uint64_t d);

#endif
