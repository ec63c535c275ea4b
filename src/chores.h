/* chores.h - what the leader does beside delivering: removes what is deleted,
 * carries out replays, lets go of what retention no longer keeps.
 * Thread: the loop. */
#ifndef POSTOFFICE_CHORES_H
#define POSTOFFICE_CHORES_H

#include "chore.h"

struct chores;

struct chores_settings {
    uint64_t retention_seconds; /* Of topics that say nothing of their own. */
};

/* The parts are borrowed. */
struct chores *chores_new(const struct chore_parts *parts,
                          const struct chores_settings *settings);

/* This node leads from now on, or no more. */
void chores_lead(struct chores *chores);
void chores_stop(struct chores *chores);

/* Whether the clock can be trusted; until it is told otherwise it can. Without
 * it retention lets go of nothing. */
void chores_trust_clock(struct chores *chores, bool trusted);

/* While it leads: a command was applied. */
void chores_applied(struct chores *chores, const struct command *command);

/* Calls closed() and frees. All read jobs must have come back. */
void chores_close(struct chores *chores, void (*closed)(void *context),
                  void *context);

#endif
