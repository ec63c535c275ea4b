/* chore.h - work of the leader that is done in small steps, so that it never
 * stands in the way of publishing.
 *
 *   a look at the store tells the next step --> it is proposed --> a pause
 *        ^                                                           |
 *        +-----------------------------------------------------------+
 *   nothing is left to do --> until it is woken, or for a while
 *
 * What is to be done is the look's to decide (look.h); here is only its
 * rhythm. Thread: the loop; looks run on a thread of the readers. */
#ifndef POSTOFFICE_CHORE_H
#define POSTOFFICE_CHORE_H

#include "delivery/catalog.h"
#include "look.h"
#include "proposer.h"
#include "reads.h"

struct chore_kind {
    const char *name; /* In the log. */
    int (*look)(struct look *look, struct view *view, struct arena *arena,
                struct error *error);
    uint32_t pause_ms; /* Between two steps. */
    /* A round that found nothing is followed by another one after so long, and
     * after a hundred times what it took; 0: when it is woken. */
    uint32_t idle_ms;
};

struct chore_parts {
    uv_loop_t *loop;
    const struct catalog *catalog;
    struct proposer *proposer;
    struct reads *reads;
};

struct chore;

/* All borrowed. */
struct chore *chore_new(const struct chore_kind *kind,
                        const struct chore_parts *parts,
                        uint64_t retention_seconds);

/* There may be something to do: this node leads, or something happened. */
void chore_wake(struct chore *chore);
/* This node leads no more. */
void chore_stop(struct chore *chore);

/* Calls closed() and frees. All read jobs must have come back. */
void chore_close(struct chore *chore, void (*closed)(void *context),
                 void *context);

#endif
