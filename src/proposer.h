/* proposer.h - commands on their way into the log and their results on the
 * way back.
 *
 *   proposer_begin/_end --> gathering entry --(nothing in flight)--> log
 *                                                                     |
 *   done(result) <-- proposer_applied() <-- store <-- committed ------+
 *
 * While one entry is in flight, commands gather and then go together as the
 * next entry (group commit); a lone command goes at once. Results match
 * commands by their order. What waits is bounded in bytes.
 * Thread: the loop. */
#ifndef POSTOFFICE_PROPOSER_H
#define POSTOFFICE_PROPOSER_H

#include "base/codec.h"
#include "raft/cluster.h"
#include "storage/command.h"
#include "storage/store.h"

struct proposer;

/* The outcome of one command: code is the proposal's own (0: applied, see
 * result->code for what apply said; ERR_UNAVAILABLE: certainly not done;
 * ERR_UNKNOWN_OUTCOME: maybe). result is NULL unless code is 0. */
typedef void (*proposal_done)(void *context, uint64_t token, int code,
                              uint64_t index,
                              const struct command_result *result);

struct proposer *proposer_new(void);
void proposer_free(struct proposer *proposer); /* NULL is fine. */

/* Where entries go; set once, before the first proposal. */
void proposer_attach(struct proposer *proposer, struct cluster *cluster);

/* 0 when a command of about so many bytes would be taken now. Errors:
 * ERR_NOT_LEADER, ERR_BUSY, ERR_NO_SPACE. */
int proposer_check(const struct proposer *proposer, size_t size);

/* The encoder to append exactly one command to; then proposer_end(). Between
 * the two nothing else may be called. */
struct encoder *proposer_begin(struct proposer *proposer);
/* Between the two: says who asked for the command that was appended. */
void proposer_sign(struct proposer *proposer, const struct author *author);
/* done() comes later, exactly once. Its arguments are kept as they are. */
void proposer_end(struct proposer *proposer, proposal_done done, void *context,
                  uint64_t token);

/* Hands the gathered entry over if none is in flight. Once a turn. */
void proposer_pump(struct proposer *proposer);

/* The store has applied an entry. Calls done() for those that were proposed
 * here, in their order. */
void proposer_applied(struct proposer *proposer, uint64_t index,
                      const struct command_result *results, uint32_t count);

/* This node leads now, or no more: then what waits is refused
 * (ERR_UNAVAILABLE), and what was submitted has an unknown outcome. */
void proposer_lead(struct proposer *proposer, bool leads);

size_t proposer_waiting_bytes(const struct proposer *proposer);
/* Nothing gathers and nothing is in flight. */
bool proposer_is_idle(const struct proposer *proposer);

#endif
