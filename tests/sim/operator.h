/* operator.h - a person at work, by chance: makes topics and publishers, gives
 * them other options, pauses, resumes and deletes them, decides on what is
 * dead, ambiguous or waits, has messages replayed, and thinks better of it.
 * In quiet times: resumes what is paused, decides what nobody else will. */
#ifndef POSTOFFICE_TESTS_SIM_OPERATOR_H
#define POSTOFFICE_TESTS_SIM_OPERATOR_H

#include "clients.h"

enum { OPERATOR_TOPICS = 2 };

/* Draws the next deed; false: nothing for now. */
bool operator_begin(struct client *client);
void operator_encode(struct node *node, const struct client *client,
                     uint32_t topic_id, struct encoder *out);
/* Nothing is left that waits for a person. */
bool operator_is_done(const struct world *world, char *words, size_t size);

#endif
