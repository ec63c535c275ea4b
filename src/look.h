/* look.h - what the leader does beside delivering, as looks at the store: each
 * finds one bounded step, as the command to propose; without I/O.
 *
 * purge: rows of what was deleted; replay: the next stretch of a running job;
 * expire: what retention no longer keeps.
 * Thread: any that has a view. */
#ifndef POSTOFFICE_LOOK_H
#define POSTOFFICE_LOOK_H

#include "base/codec.h"
#include "base/memory.h"
#include "storage/query.h"

/* Where a chore has come to; zero at the beginning of each round. */
struct look_place {
    uint32_t id;
    uint64_t position;
};

struct look {
    uint64_t now_ms;            /* The wall clock. */
    uint64_t retention_seconds; /* Of topics that say nothing of their own. */
    struct look_place place;    /* As it was, and then as it is. */
    bool more;                  /* The round has not come to its end. */
    struct encoder step;        /* The command to propose; empty: none. */
};

/* `arena` holds what is read on the way. */
int look_purge(struct look *look, struct view *view, struct arena *arena,
               struct error *error);
int look_replay(struct look *look, struct view *view, struct arena *arena,
                struct error *error);
int look_expire(struct look *look, struct view *view, struct arena *arena,
                struct error *error);

#endif
