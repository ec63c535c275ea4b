/* chronicle_inside.h - what the chronicle's files share: chronicle.c (entries,
 * messages), chronicle_grants.c (what becomes open) and chronicle_delivery.c
 * (what comes of it, publishers, decisions). */
#ifndef POSTOFFICE_TESTS_SIM_CHRONICLE_INSIDE_H
#define POSTOFFICE_TESTS_SIM_CHRONICLE_INSIDE_H

#include "world.h"

static inline struct track *track_of(struct world *world, uint32_t publisher_id,
                                     uint64_t position)
{
    return &world->chronicle->tracks[publisher_id][position];
}

void chronicle_close_track(struct world *world, uint32_t publisher_id,
                           uint64_t position);
void chronicle_tell_grant(struct world *world, const struct command *command,
                          const struct entry *entry, struct arena *arena);
void chronicle_tell_unpark(struct world *world, const struct command *command,
                           const struct entry *entry, struct arena *arena);
/* Retries become open, or what is open goes back. */
void chronicle_tell_positions(struct world *world,
                              const struct command *command, uint64_t index,
                              struct arena *arena);
/* A command was applied, about publishers or their deliveries. */
void chronicle_tell_delivery(struct world *world, const struct command *command,
                             const struct command_result *result,
                             const struct entry *entry, struct arena *arena);

#endif
