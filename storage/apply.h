/* apply.h - carrying out commands, one function per command.
 *
 * Deterministic: the same entries give the same state and the same results on
 * every node, whenever they are committed. A command that cannot be carried
 * out leaves the state as it was and says so in its result's code. What a
 * function returns is fatal: ERR_CORRUPT for a command or a record that cannot
 * be read, ERR_VERSION for one of a newer program, or a failed environment.
 * All check first and change then.
 * Thread: the store's writer. */
#ifndef POSTOFFICE_STORAGE_APPLY_H
#define POSTOFFICE_STORAGE_APPLY_H

#include "storage/command.h"
#include "storage/machine.h"

/* The log's clock stands at this command's time already. */
int apply_command(struct store *store, const struct command *command,
                  struct command_result *result, struct error *error);

typedef int apply_function(struct store *store, const struct command *command,
                           struct command_result *result, struct error *error);

apply_function apply_init;             /* apply_topic.c */
apply_function apply_topic_create;     /* apply_topic.c */
apply_function apply_publisher_create; /* apply_publisher.c */
apply_function apply_publisher_delete; /* apply_publisher.c */
apply_function apply_publisher_pause;  /* apply_publisher.c */
apply_function apply_purge;            /* apply_purge.c */
apply_function apply_messages;         /* apply_message.c */
apply_function apply_grant;            /* apply_delivery.c */
apply_function apply_intent;           /* apply_delivery.c */
apply_function apply_withdraw;         /* apply_delivery.c */
apply_function apply_takeover;         /* apply_delivery.c */
apply_function apply_outcomes;         /* apply_outcome.c */

/* Writes the messages that the entry's commands gathered: apply_message.c. */
int apply_gathered(struct store *store, struct error *error);

/* A request under a key, before it is carried out: result->code says whether
 * it may be, or what came of it already. And behind it, when it was:
 * apply_idempotency.c. */
int idempotency_check(struct store *store, const struct idempotency *request,
                      struct command_result *result, struct error *error);
int idempotency_remember(struct store *store, const struct idempotency *request,
                         const struct command_result *result,
                         struct error *error);

/* Puts words to a command body that cannot be decoded. */
int apply_malformed(struct error *error, int code, const char *command);

#endif
