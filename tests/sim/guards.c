/* The rules of raft/guard, each of which can be taken out.
 *
 * The linker leads every call of guard_x() here (--wrap), so that the code
 * under test has no hooks. Without its mutant each does what it always does. */
#include "mutants.h"

#include "raft/guard.h"

bool __real_guard_is_stale(uint64_t current_term,
                           const struct raft_message *message);
bool __wrap_guard_is_stale(uint64_t current_term,
                           const struct raft_message *message);
bool __wrap_guard_is_stale(uint64_t current_term,
                           const struct raft_message *message)
{
    return mutant_now != MUTANT_B1 &&
           __real_guard_is_stale(current_term, message);
}

bool __real_guard_needs_barrier(uint64_t current_term, uint64_t last_term);
bool __wrap_guard_needs_barrier(uint64_t current_term, uint64_t last_term);
bool __wrap_guard_needs_barrier(uint64_t current_term, uint64_t last_term)
{
    return mutant_now != MUTANT_B2 &&
           __real_guard_needs_barrier(current_term, last_term);
}

unsigned __real_guard_split(const struct raft_entry *entries, unsigned count);
unsigned __wrap_guard_split(const struct raft_entry *entries, unsigned count);
unsigned __wrap_guard_split(const struct raft_entry *entries, unsigned count)
{
    return mutant_now == MUTANT_B3 ? count : __real_guard_split(entries, count);
}

bool __real_guard_settles_change(uint64_t pending, uint64_t index);
bool __wrap_guard_settles_change(uint64_t pending, uint64_t index);
bool __wrap_guard_settles_change(uint64_t pending, uint64_t index)
{
    return mutant_now != MUTANT_B3_SETTLE &&
           __real_guard_settles_change(pending, index);
}

bool __real_guard_is_sole_voter(const struct raft_configuration *configuration,
                                uint64_t id);
bool __wrap_guard_is_sole_voter(const struct raft_configuration *configuration,
                                uint64_t id);
bool __wrap_guard_is_sole_voter(const struct raft_configuration *configuration,
                                uint64_t id)
{
    return mutant_now != MUTANT_B4 &&
           __real_guard_is_sole_voter(configuration, id);
}

unsigned __real_guard_trim(uint64_t prev_index, unsigned count,
                           uint64_t commit_index);
unsigned __wrap_guard_trim(uint64_t prev_index, unsigned count,
                           uint64_t commit_index);
unsigned __wrap_guard_trim(uint64_t prev_index, unsigned count,
                           uint64_t commit_index)
{
    return mutant_now == MUTANT_B5
               ? 0
               : __real_guard_trim(prev_index, count, commit_index);
}

uint64_t __real_guard_refusal_term(uint64_t answer, uint64_t current);
uint64_t __wrap_guard_refusal_term(uint64_t answer, uint64_t current);
uint64_t __wrap_guard_refusal_term(uint64_t answer, uint64_t current)
{
    return mutant_now == MUTANT_B7 ? answer
                                   : __real_guard_refusal_term(answer, current);
}

bool __real_guard_takes_rejection(uint64_t current_term, uint64_t match_index,
                                  struct raft_append_entries_result *result);
bool __wrap_guard_takes_rejection(uint64_t current_term, uint64_t match_index,
                                  struct raft_append_entries_result *result);
bool __wrap_guard_takes_rejection(uint64_t current_term, uint64_t match_index,
                                  struct raft_append_entries_result *result)
{
    return mutant_now == MUTANT_B12 ||
           __real_guard_takes_rejection(current_term, match_index, result);
}

bool __real_guard_fits_role(uint64_t current_term, bool is_leader,
                            bool installing,
                            const struct raft_message *message);
bool __wrap_guard_fits_role(uint64_t current_term, bool is_leader,
                            bool installing,
                            const struct raft_message *message);
bool __wrap_guard_fits_role(uint64_t current_term, bool is_leader,
                            bool installing, const struct raft_message *message)
{
    return mutant_now == MUTANT_B15 ||
           __real_guard_fits_role(current_term, is_leader, installing, message);
}

uint64_t __real_guard_writes_end(struct guard_writes *writes,
                                 uint64_t generation);
uint64_t __wrap_guard_writes_end(struct guard_writes *writes,
                                 uint64_t generation);
uint64_t __wrap_guard_writes_end(struct guard_writes *writes,
                                 uint64_t generation)
{
    uint64_t last = writes->items[0].last_index;
    uint64_t durable = __real_guard_writes_end(writes, generation);
    return mutant_now == MUTANT_B14 ? last : durable;
}
