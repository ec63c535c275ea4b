/* retelling.h - the naive model of the storage tests, told the commands of the
 * log: whatever node applies them first. Keys of requests are left out, the
 * chronicle watches them itself. */
#ifndef POSTOFFICE_TESTS_SIM_RETELLING_H
#define POSTOFFICE_TESTS_SIM_RETELLING_H

#include "storage/command.h"
#include "storage/query.h"

struct retelling;

struct retelling *retelling_new(void);
void retelling_free(struct retelling *retelling);

/* False: the model says another result. */
bool retelling_tell(struct retelling *retelling, const struct command *command,
                    const struct command_result *result);
/* False: the store says something else, in words. */
bool retelling_equals(struct retelling *retelling, struct view *view,
                      uint64_t *random, char *words, size_t size);

/* What it knows of a message at a publisher. */
enum told_state {
    TOLD_UNSEEN, /* Not examined yet. */
    TOLD_FILTERED,
    TOLD_PARKED,
    TOLD_OPEN,
    TOLD_WAITING,
    TOLD_AMBIGUOUS,
    TOLD_DEAD,
    TOLD_DISCARDED,
    TOLD_DELIVERED,
};
struct told {
    enum told_state state;
    bool ordered; /* It holds its place in the order, or did. */
    bool doubt;
    uint32_t used; /* Attempts since it was last decided on. */
    uint32_t holds;
    uint32_t replay_id;
    uint64_t due_ms;
};
struct told retelling_delivery(const struct retelling *retelling,
                               uint32_t publisher_id, uint64_t position);
/* The message at a position; 0: none. */
uint64_t retelling_id_at(const struct retelling *retelling, uint64_t position);
/* A message that is scheduled for that time or earlier and has no position; 0:
 * none. */
uint64_t retelling_scheduled(const struct retelling *retelling,
                             uint64_t due_by_ms);
/* 0: none. */
uint32_t retelling_running_replay(const struct retelling *retelling);
uint32_t retelling_replay_publisher(const struct retelling *retelling,
                                    uint32_t replay_id);

#endif
