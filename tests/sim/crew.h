/* crew.h - many runs on all cores: processes that take one seed after the
 * other. One that dies of its seed is reported and replaced; the reports of
 * the others stand. */
#ifndef POSTOFFICE_TESTS_SIM_CREW_H
#define POSTOFFICE_TESTS_SIM_CREW_H

#include "sim.h"

struct crew_options {
    uint64_t from;
    uint64_t seeds;   /* UINT64_MAX: as many as there is time for. */
    uint64_t seconds; /* 0: no bound. */
    unsigned nodes;   /* 0: three and five in turn, seldom one. */
    enum mutant mutant;
    sim_script *script; /* NULL: by chance. */
    unsigned jobs;
    bool first_red;      /* The first violation is enough. */
    const char *command; /* How this program is called. */
};

struct crew_report {
    uint64_t seeds;
    uint64_t red;
    uint64_t hash; /* Of all traces; equal for equal seeds. */
    struct sim_totals totals;
};

/* How many nodes a seed has. */
unsigned crew_nodes(const struct crew_options *options, uint64_t seed);
void crew_run(const struct crew_options *options, struct crew_report *ret);

#endif
