/* guard.h - the rules that stand between the outside and raft_step().
 *
 * libraft's step core (0.22.1) is right only when it is driven by certain
 * rules, and it has defects that lose committed entries, crash, or keep a
 * cluster without a leader. Simulation and reading gave the list B1 to B15;
 * each rule here avoids one of them and carries its number. `replica` applies
 * them; nothing else calls raft_step().
 *
 * All are pure: state in, verdict out. The Raft paper is Ongaro and
 * Ousterhout, "In Search of an Understandable Consensus Algorithm" (2014).
 * Thread: any. */
#ifndef POSTOFFICE_RAFT_GUARD_H
#define POSTOFFICE_RAFT_GUARD_H

#include <raft.h>

/* B1: the core answers a message of an older term with an uninitialised index
 * that may read as success. True: do not step it; send guard_stale_answer()
 * if it was an AppendEntries or InstallSnapshot. */
bool guard_is_stale(uint64_t current_term, const struct raft_message *message);
/* Neither success nor rejection: the sender only learns the newer term. */
struct raft_append_entries_result guard_stale_answer(uint64_t current_term);

/* B2: a leader must have committed an entry of its own term before it changes
 * the membership (Ongaro's note to the raft-dev list, 2015), and the core does
 * not always write one. True: submit a barrier now. */
bool guard_needs_barrier(uint64_t current_term, uint64_t last_term);
/* Whether a CHANGE may be submitted: the own barrier (0: none yet) is
 * committed and no other CHANGE is under way. B15: it goes alone. */
bool guard_may_change(uint64_t barrier_index, uint64_t commit_index,
                      uint64_t pending_change_index);

/* B3: the core takes a CHANGE's index for that of the first entry of its
 * message. How many of these entries to step next, so that a CHANGE is always
 * first: at least 1 unless count is 0. */
unsigned guard_split(const struct raft_entry *entries, unsigned count);
/* B3, second half: before a new CHANGE is stepped, an uncommitted one below it
 * must be made the committed configuration, for the leader would not have sent
 * the second before the first was committed. True: fire RAFT_CONFIGURATION
 * for pending_index first. */
bool guard_settles_change(uint64_t pending_index, uint64_t change_index);

/* B4: a sole voter elects itself without a new term. True: add one to the term
 * and vote for itself, durably, before RAFT_START. */
bool guard_is_sole_voter(const struct raft_configuration *configuration,
                         uint64_t id);

/* B5: the core appends a late message that begins below the compacted prefix
 * at a wrong index. How many of the `count` entries behind prev_index to leave
 * out, so that the rest begins after commit_index. */
unsigned guard_trim(uint64_t prev_index, unsigned count, uint64_t commit_index);

/* B6: the core's commit index may go back; ours never does. */
uint64_t guard_commit(uint64_t own, uint64_t core);

/* B7: the term for a refused vote: the core echoes the candidate's, from which
 * a candidate that is behind learns nothing. */
uint64_t guard_refusal_term(uint64_t answer_term, uint64_t current_term);

/* B8: vote results count only for a candidate and for its present phase. */
bool guard_counts_vote(bool is_candidate, bool in_pre_vote,
                       const struct raft_request_vote_result *result);

/* B10: the core's new voters refuse votes until their own log says that they
 * are voters; so a learner is promoted only when it has everything and
 * answered within one election timeout. */
bool guard_may_promote(uint64_t match_index, uint64_t last_index,
                       uint64_t last_answer_ms, uint64_t now_ms,
                       uint64_t election_timeout_ms);

/* B12: a stale rejection must not move the leader's view of a follower below
 * what it knows to match. False: drop the result. True: step it; its
 * last_log_index may have been raised. */
bool guard_takes_rejection(uint64_t current_term, uint64_t match_index,
                           struct raft_append_entries_result *result);

/* B13: with a member that gets nothing the core's deadline stays in the past.
 * When to fire next, given what the core asks for and when it last fired. */
uint64_t guard_deadline(uint64_t core_deadline_ms, uint64_t last_fired_ms,
                        uint64_t heartbeat_ms);

/* B15: whether the message may be stepped in this role: a leader never takes
 * another's entries of its own term, and nobody a second snapshot while one is
 * being installed. */
bool guard_fits_role(uint64_t current_term, bool is_leader, bool installing,
                     const struct raft_message *message);

/* B14: the core must never hear that entries are durable which it has cut off
 * since. Every write gets a generation; what is still current is known from
 * the writes behind it. Zero-initialised is empty. */
struct guard_writes {
    struct guard_write {
        uint64_t generation;
        uint64_t first_index;
        uint64_t last_index;
    } * items;
    size_t count;
    size_t capacity;
    uint64_t last_generation;
};

/* A write of these entries begins; returns its generation. */
uint64_t guard_writes_begin(struct guard_writes *writes, uint64_t first_index,
                            uint64_t last_index);
/* The oldest write is durable; they finish in the order in which they began,
 * and `generation` says so. Returns up to which index the log is durable and
 * current; 0: nothing that this write held is current. */
uint64_t guard_writes_end(struct guard_writes *writes, uint64_t generation);
void guard_writes_close(struct guard_writes *writes);

#endif
