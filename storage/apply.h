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

#include "storage/blocked.h"
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
apply_function apply_unpark;           /* apply_order.c */
apply_function apply_retry;            /* apply_decision.c */
apply_function apply_discard;          /* apply_decision.c */
apply_function apply_retry_step;       /* apply_decision.c */
apply_function apply_discard_step;     /* apply_decision.c */
apply_function apply_circuit;          /* apply_publisher.c */
apply_function apply_publisher_update; /* apply_publisher.c */
apply_function apply_topic_update;     /* apply_topic.c */
apply_function apply_topic_delete;     /* apply_topic.c */
apply_function apply_topic_purge;      /* apply_purge.c */
apply_function apply_release;          /* apply_release.c */
apply_function apply_expire;           /* apply_expire.c */
apply_function apply_replay_start;     /* apply_replay.c */
apply_function apply_replay_step;      /* apply_replay.c */
apply_function apply_replay_cancel;    /* apply_replay.c */

apply_function apply_token_create; /* apply_token.c */
apply_function apply_token_revoke; /* apply_token.c */
apply_function apply_transfer;     /* apply_token.c */

/* Carries out a signed command, and writes down what it has changed:
 * apply_audit.c. */
int audit_apply(struct store *store, const struct command *command,
                apply_function *function, struct command_result *result,
                struct error *error);
/* Retention has removed so many messages of the topic: apply_audit.c. */
int audit_expired(struct store *store, struct topic_state *topic,
                  uint32_t count, struct error *error);

/* Writes the messages that the entry's commands gathered: apply_message.c. */
int apply_gathered(struct store *store, struct error *error);

/* Gives the topic's next position to a message. */
void topic_place(struct store *store, struct topic_state *topic,
                 struct log_pair pair);

/* A request under a key, before it is carried out: result->code says whether
 * it may be, or what came of it already. And behind it, when it was:
 * apply_idempotency.c. */
int idempotency_check(struct store *store, const struct idempotency *request,
                      struct command_result *result, struct error *error);
int idempotency_remember(struct store *store, const struct idempotency *request,
                         const struct command_result *result,
                         struct error *error);

/* The order (apply_order.c). A row that is put in a state in which it holds
 * its place is counted by order_hold(), and before it leaves that state by
 * order_free(); rows that hold no place are no matter. */
bool order_holds_strict(const struct publisher_state *publisher);
int order_hold(struct store *store, struct publisher_state *publisher,
               uint64_t position, const struct exception_row *row,
               struct error *error);
int order_free(struct store *store, struct publisher_state *publisher,
               uint64_t position, const struct exception_row *row,
               struct error *error);
int order_park(struct store *store, struct publisher_state *publisher,
               uint64_t key, uint64_t position, struct error *error);
/* So many are parked no longer, and none below `from` is. */
int order_unpark(struct store *store, struct publisher_state *publisher,
                 uint64_t key, const struct blocked_row *row, uint32_t count,
                 uint64_t from, struct error *error);

/* The open position's row as it was before: there when it is recorded, else
 * empty. Borrows. apply_delivery.c. */
int row_of_open(struct store *store, uint32_t publisher_id,
                const struct open_position *open, struct exception_row *ret_row,
                struct error *error);

/* A delivery of a replay was settled; 0: it was of none: apply_replay.c. */
int replay_settled(struct store *store, uint32_t replay_id,
                   struct error *error);

/* The publisher goes: what it has not got by now it never will. Reads every
 * job there ever was, which are as many as people have asked for. */
int replays_cancel(struct store *store, uint32_t publisher_id,
                   struct error *error);

/* Removes messages and what leads from their ids to their positions; sorts the
 * ids. *ret_bytes may be NULL. apply_purge.c. */
int messages_remove(struct store *store, uint64_t *ids, uint32_t count,
                    uint64_t *ret_bytes, struct error *error);

/* Before a commit: removes what of `done` is no longer true, after something
 * was removed. settlement_sweep.c. */
int settlements_sweep(struct store *store, struct error *error);

/* Deletes a publisher, all but its rows by position: apply_publisher.c. */
int publisher_drop(struct store *store, struct publisher_state *publisher,
                   struct error *error);

/* Puts words to a command body that cannot be decoded. */
int apply_malformed(struct error *error, int code, const char *command);

#endif
