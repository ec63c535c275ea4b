/* What a replica tells about itself, its lease, and giving leadership away. */
#include "raft/replica_core.h"

#include <assert.h>

uint64_t replica_leading(const struct replica *replica)
{
    bool leading = replica->leader_term != 0 && replica->barrier_index != 0 &&
                   replica->commit_index >= replica->barrier_index &&
                   replica->handed_index >= replica->barrier_index;
    return leading ? replica->leader_term : 0;
}

/* While another may be elected out of turn nothing is promised. That ends
 * when an entry is committed that it lacks: it was asked only for a log of
 * just the length of then, and is not elected with that any more. */
uint64_t replica_lease_until_ms(const struct replica *replica, uint64_t now_ms)
{
    const struct raft_configuration *configuration =
        &replica->raft.configuration;
    if (replica_leading(replica) == 0 || replica->transferring ||
        replica->commit_index <= replica->transfer_index)
        return 0;
    if (guard_is_sole_voter(configuration, replica->raft.id))
        return UINT64_MAX;
    return lease_until_ms(&replica->lease, configuration, replica->raft.id,
                          now_ms, replica->options.election_timeout_ms);
}

/* --- Giving leadership away --------------------------------------------- */

int replica_transfer(struct replica *replica, uint64_t now_ms, uint64_t to)
{
    struct raft_event event = {.type = RAFT_TRANSFER};
    raft_index match = 0;
    if (replica->leader_term == 0 || replica->transferring)
        return ERR_NOT_LEADER;
    if (raft_match_index(&replica->raft, to, &match) != 0)
        return ERR_NOT_FOUND;
    /* With more to send the core may ask and submit in the wrong order. */
    if (match != replica->tail.last_index)
        return ERR_BUSY;
    event.transfer.server_id = to;
    if (replica_step(replica, now_ms, &event) != 0)
        return ERR_NOT_FOUND;
    replica->transferring = true;
    replica->transfer_index = replica->tail.last_index;
    return 0;
}

void replica_end_transfer(struct replica *replica)
{
    uint64_t index;
    if (!replica->transferring || replica->leader_term == 0 ||
        raft_transferee(&replica->raft) != 0)
        return;
    replica->transferring = false;
    replica_submit_barrier(replica, &index);
}

/* --- Entries and members ------------------------------------------------ */

const struct entry *replica_entry(const struct replica *replica, uint64_t index)
{
    return tail_find(&replica->tail, index);
}

uint64_t replica_term_of(const struct replica *replica, uint64_t index)
{
    return tail_term(&replica->tail, index);
}

unsigned replica_members(const struct replica *replica)
{
    return replica->raft.configuration.n;
}

struct replica_member replica_member(const struct replica *replica,
                                     unsigned number)
{
    assert(number < replica->raft.configuration.n);
    const struct raft_server *server =
        &replica->raft.configuration.servers[number];
    raft_index match = 0;
    if (server->id == replica->raft.id)
        match = replica->raft.last_stored;
    else if (replica->leader_term != 0)
        (void)raft_match_index(&replica->raft, server->id, &match);
    return (struct replica_member){
        .id = server->id,
        .address = server->address,
        .voter = server->role == RAFT_VOTER,
        .match_index = match,
    };
}

/* This node counts as well: the others may commit what its own disk has not
 * got yet, and it asks them for that after a crash. One less, since the core
 * sends only what stands behind an entry that it still has. */
uint64_t replica_keep_index(const struct replica *replica)
{
    uint64_t least = UINT64_MAX;
    unsigned count = replica_members(replica);
    for (unsigned i = 0; count > 1 && i < count; i++) {
        struct replica_member member = replica_member(replica, i);
        if (member.match_index < least)
            least = member.match_index;
    }
    return least == 0 || least == UINT64_MAX ? least : least - 1;
}

uint64_t replica_configuration(const struct replica *replica)
{
    size_t count = replica->changes_count;
    return count == 0 ? 0 : replica->changes[count - 1].index;
}

/* --- Status ------------------------------------------------------------- */

struct replica_status replica_status(const struct replica *replica)
{
    raft_id leader = 0;
    const char *address;
    /* libraft's getters take a struct that they do not change. */
    struct raft *raft = (struct raft *)&replica->raft;
    raft_leader(raft, &leader, &address);
    return (struct replica_status){
        .state = raft_state(raft),
        .term = raft_current_term(raft),
        .leader_id = leader,
        .commit_index = replica->commit_index,
        .last_index = replica->tail.last_index,
        .persisted_index = replica->raft.last_stored,
        .handed_index = replica->handed_index,
        .sole_voter =
            guard_is_sole_voter(&replica->raft.configuration, raft->id),
        .transferring = replica->transferring,
    };
}

int replica_failure(const struct replica *replica, struct error *error)
{
    if (replica->failure.code != 0)
        *error = replica->failure;
    return replica->failure.code;
}
