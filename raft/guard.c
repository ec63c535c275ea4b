#include "raft/guard.h"

#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The version of the result that carries the follower's capacity. */
enum { RESULT_VERSION = 2 };

static uint64_t message_term(const struct raft_message *message)
{
    switch (message->type) {
    case RAFT_APPEND_ENTRIES:
        return message->append_entries.term;
    case RAFT_INSTALL_SNAPSHOT:
        return message->install_snapshot.term;
    case RAFT_TIMEOUT_NOW:
        return message->timeout_now.term;
    default:
        /* Votes and results of older terms are harmless in the core. */
        return UINT64_MAX;
    }
}

bool guard_is_stale(uint64_t current_term, const struct raft_message *message)
{
    return message_term(message) < current_term;
}

struct raft_append_entries_result guard_stale_answer(uint64_t current_term)
{
    return (struct raft_append_entries_result){
        .version = RESULT_VERSION,
        .term = current_term,
        .rejected = 0,
        .last_log_index = 0,
    };
}

bool guard_needs_barrier(uint64_t current_term, uint64_t last_term)
{
    return last_term != current_term;
}

bool guard_may_change(uint64_t barrier_index, uint64_t commit_index,
                      uint64_t pending_change_index)
{
    return barrier_index != 0 && commit_index >= barrier_index &&
           pending_change_index == 0;
}

unsigned guard_split(const struct raft_entry *entries, unsigned count)
{
    if (count == 0)
        return 0;
    unsigned piece = 1;
    while (piece < count && entries[piece].type != RAFT_CHANGE)
        piece++;
    return piece;
}

bool guard_settles_change(uint64_t pending_index, uint64_t change_index)
{
    return pending_index != 0 && pending_index < change_index;
}

bool guard_is_sole_voter(const struct raft_configuration *configuration,
                         uint64_t id)
{
    unsigned voters = 0;
    bool own = false;
    for (unsigned i = 0; i < configuration->n; i++) {
        if (configuration->servers[i].role != RAFT_VOTER)
            continue;
        voters++;
        own = own || configuration->servers[i].id == id;
    }
    return own && voters == 1;
}

unsigned guard_trim(uint64_t prev_index, unsigned count, uint64_t commit_index)
{
    if (prev_index >= commit_index)
        return 0;
    uint64_t known = commit_index - prev_index;
    return known < count ? (unsigned)known : count;
}

uint64_t guard_commit(uint64_t own, uint64_t core)
{
    return core > own ? core : own;
}

uint64_t guard_refusal_term(uint64_t answer_term, uint64_t current_term)
{
    return current_term > answer_term ? current_term : answer_term;
}

bool guard_counts_vote(bool is_candidate, bool in_pre_vote,
                       const struct raft_request_vote_result *result)
{
    return is_candidate && result->pre_vote == in_pre_vote;
}

bool guard_may_promote(uint64_t match_index, uint64_t last_index,
                       uint64_t last_answer_ms, uint64_t now_ms,
                       uint64_t election_timeout_ms)
{
    return match_index == last_index && last_answer_ms != 0 &&
           now_ms - last_answer_ms < election_timeout_ms;
}

bool guard_takes_rejection(uint64_t current_term, uint64_t match_index,
                           struct raft_append_entries_result *result)
{
    if (result->rejected == 0 || result->term != current_term)
        return true;
    if (result->rejected <= match_index)
        return false;
    /* The follower has installed a snapshot since: what matched still does.
     * Dropping this one would lose the fast retry. */
    if (result->last_log_index < match_index)
        result->last_log_index = match_index;
    return true;
}

uint64_t guard_deadline(uint64_t core_deadline_ms, uint64_t last_fired_ms,
                        uint64_t heartbeat_ms)
{
    return core_deadline_ms > last_fired_ms ? core_deadline_ms
                                            : last_fired_ms + heartbeat_ms;
}

bool guard_fits_role(uint64_t current_term, bool is_leader, bool installing,
                     const struct raft_message *message)
{
    bool entries = message->type == RAFT_APPEND_ENTRIES;
    bool snapshot = message->type == RAFT_INSTALL_SNAPSHOT;
    if (is_leader && (entries || snapshot) &&
        message_term(message) == current_term)
        return false;
    return !(installing && snapshot);
}

uint64_t guard_writes_begin(struct guard_writes *writes, uint64_t first_index,
                            uint64_t last_index)
{
    assert(first_index <= last_index);
    if (writes->count == writes->capacity) {
        writes->capacity = writes->capacity == 0 ? 16 : writes->capacity * 2;
        writes->items = memory_resize(writes->items,
                                      writes->capacity * sizeof *writes->items);
    }
    writes->items[writes->count++] = (struct guard_write){
        .generation = ++writes->last_generation,
        .first_index = first_index,
        .last_index = last_index,
    };
    return writes->last_generation;
}

uint64_t guard_writes_end(struct guard_writes *writes, uint64_t generation)
{
    assert(writes->count > 0);
    struct guard_write ended = writes->items[0];
    assert(ended.generation == generation);
    writes->count--;
    memmove(writes->items, writes->items + 1,
            writes->count * sizeof *writes->items);
    /* A later write that begins at or below an index has cut it off. */
    uint64_t durable = ended.last_index;
    for (size_t i = 0; i < writes->count; i++)
        if (writes->items[i].first_index <= durable)
            durable = writes->items[i].first_index - 1;
    return durable < ended.first_index ? 0 : durable;
}

void guard_writes_close(struct guard_writes *writes)
{
    free(writes->items);
    *writes = (struct guard_writes){0};
}
