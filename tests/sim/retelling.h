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

#endif
