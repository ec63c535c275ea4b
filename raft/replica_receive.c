/* Messages of other members on their way to the core, past the guard. */
#include "raft/replica_core.h"

#include "base/memory.h"

#include <stdlib.h>

/* A copy of what the configuration has: a CHANGE in the message itself may free
 * that before the core has done with it. */
static char *address_of(const struct replica *replica, uint64_t id)
{
    const struct raft_configuration *configuration =
        &replica->raft.configuration;
    for (unsigned i = 0; i < configuration->n; i++)
        if (configuration->servers[i].id == id)
            return memory_text(configuration->servers[i].address);
    return memory_text("");
}

static void step_message(struct replica *replica, uint64_t now_ms,
                         struct raft_message *message)
{
    struct raft_event event = {.type = RAFT_RECEIVE};
    event.receive.message = message;
    int rc = replica_step(replica, now_ms, &event);
    if (rc != 0)
        replica_fail(replica, rc, "a message");
}

static void answer_stale(struct replica *replica, uint64_t to)
{
    struct replica_effect *effect = replica_push_effect(replica);
    effect->type = REPLICA_SEND;
    effect->send.to = to;
    effect->send.message.type = RAFT_APPEND_ENTRIES_RESULT;
    effect->send.message.server_id = to;
    effect->send.message.append_entries_result =
        guard_stale_answer(raft_current_term(&replica->raft));
}

/* A leader sends a second CHANGE only when the first is committed; the core
 * must know that before it takes the second. */
static void settle_before(struct replica *replica,
                          const struct raft_append_entries *piece,
                          const struct raft_entry *change)
{
    uint64_t pending = replica->raft.configuration_uncommitted_index;
    uint64_t index = piece->prev_log_index + 1;
    const struct tail *tail = &replica->tail;
    if (change->type == RAFT_CHANGE && guard_settles_change(pending, index) &&
        pending > replica->settled_index &&
        tail_term(tail, piece->prev_log_index) == piece->prev_log_term &&
        tail_term(tail, index) != change->term)
        replica_settle(replica, pending);
}

/* Entries from `first` on, as many as `piece` has, in one step. */
static void step_piece(struct replica *replica, uint64_t now_ms,
                       const struct raft_message *message,
                       const struct raft_append_entries *piece,
                       struct entry *entries)
{
    struct raft_message part = *message;
    part.append_entries = *piece;
    if (piece->n_entries > 0) {
        settle_before(replica, piece, &piece->entries[0]);
        /* The core frees it, or gives it back with the update. */
        void *batch = raft_malloc(1);
        if (batch == NULL)
            abort();
        for (unsigned i = 0; i < piece->n_entries; i++)
            piece->entries[i].batch = batch;
    } else {
        part.append_entries.entries = NULL;
    }
    replica->incoming_raw = piece->entries;
    replica->incoming = entries;
    replica->incoming_count = piece->n_entries;
    step_message(replica, now_ms, &part);
    replica->incoming_raw = NULL;
    replica->incoming_count = 0;
}

static void receive_entries(struct replica *replica, uint64_t now_ms,
                            const struct raft_message *message,
                            struct entry *entries)
{
    struct raft_append_entries all = message->append_entries;
    unsigned count = all.n_entries;
    unsigned skip =
        guard_trim(all.prev_log_index, count, replica->commit_index);
    if (all.prev_log_index < replica->commit_index) {
        all.prev_log_index = replica->commit_index;
        all.prev_log_term = tail_term(&replica->tail, replica->commit_index);
    }
    struct raft_entry *raw = memory_new_zeroed(count, sizeof *raw);
    for (unsigned i = 0; i < count; i++) {
        raw[i].term = entries[i].term;
        raw[i].type = (enum raft_entry_type)entries[i].type;
        raw[i].buf.base = (void *)entries[i].payload.data;
        raw[i].buf.len = entries[i].payload.length;
    }
    unsigned from = skip;
    do {
        struct raft_append_entries piece = all;
        piece.entries = raw + from;
        piece.n_entries = guard_split(raw + from, count - from);
        step_piece(replica, now_ms, message, &piece, entries + from);
        all.prev_log_index += piece.n_entries;
        from += piece.n_entries;
        if (piece.n_entries > 0)
            all.prev_log_term = raw[from - 1].term;
    } while (from < count && replica->failure.code == 0);
    free(raw);
}

/* The time cannot be later than now, whatever the other one says. */
static void note_answer(struct replica *replica, uint64_t now_ms,
                        const struct raft_message *message,
                        const struct frame_stamp *stamp)
{
    if (replica->leader_term != 0 && stamp->time_ms <= now_ms &&
        message->append_entries_result.term == replica->leader_term)
        lease_answered(&replica->lease, message->server_id, stamp->time_ms);
}

static void receive_result(struct replica *replica, uint64_t now_ms,
                           struct raft_message *message)
{
    raft_index match = 0;
    bool known =
        raft_match_index(&replica->raft, message->server_id, &match) == 0;
    if (known && !guard_takes_rejection(raft_current_term(&replica->raft),
                                        match, &message->append_entries_result))
        return;
    step_message(replica, now_ms, message);
}

static void receive_vote(struct replica *replica, uint64_t now_ms,
                         struct raft_message *message)
{
    const struct raft *raft = &replica->raft;
    bool candidate = raft_state(&replica->raft) == RAFT_CANDIDATE;
    if (guard_counts_vote(candidate,
                          candidate && raft->candidate_state.in_pre_vote,
                          &message->request_vote_result))
        step_message(replica, now_ms, message);
}

/* Connections overtake each other: the newest request counts. */
static void note_request(struct replica *replica, uint64_t now_ms,
                         const struct raft_message *message,
                         const struct frame_stamp *stamp)
{
    uint64_t term = message->append_entries.term;
    replica->promise_until_ms = now_ms + replica->options.election_timeout_ms;
    if (term == replica->followed_term &&
        message->server_id == replica->followed_id &&
        stamp->time_ms <= replica->followed_stamp.time_ms)
        return;
    replica->followed_term = term;
    replica->followed_id = message->server_id;
    replica->followed_stamp = *stamp;
}

/* Whoever follows a leader gives its vote to nobody, unless the leader itself
 * asked for that. The core forgets this at a restart. */
static bool may_vote(const struct replica *replica, uint64_t now_ms,
                     const struct raft_message *message)
{
    return message->request_vote.disrupt_leader ||
           now_ms >= replica->promise_until_ms;
}

static void receive_timeout_now(struct replica *replica, uint64_t now_ms,
                                struct raft_message *message)
{
    uint64_t term = raft_current_term(&replica->raft);
    if (message->timeout_now.term == term)
        replica->disrupt_term = term + 1;
    step_message(replica, now_ms, message);
}

static void drop_entries(const struct raft_message *message,
                         struct entry *entries)
{
    if (message->type != RAFT_APPEND_ENTRIES)
        return;
    for (unsigned i = 0; i < message->append_entries.n_entries; i++)
        entry_unref(&entries[i]);
}

void replica_receive(struct replica *replica, uint64_t now_ms, uint64_t from,
                     const struct raft_message *message,
                     const struct frame_stamp *stamp, struct entry *entries)
{
    uint64_t term = raft_current_term(&replica->raft);
    struct raft_message copy = *message;
    copy.server_id = from;
    char *address = address_of(replica, from);
    copy.server_address = address;
    bool leads = raft_state(&replica->raft) == RAFT_LEADER;
    if (guard_is_stale(term, message)) {
        if (message->type != RAFT_TIMEOUT_NOW)
            answer_stale(replica, from);
    } else if (guard_fits_role(term, leads, replica->raft.snapshot.installing,
                               message)) {
        switch (message->type) {
        case RAFT_APPEND_ENTRIES:
            note_request(replica, now_ms, &copy, stamp);
            receive_entries(replica, now_ms, &copy, entries);
            break;
        case RAFT_APPEND_ENTRIES_RESULT:
            note_answer(replica, now_ms, &copy, stamp);
            receive_result(replica, now_ms, &copy);
            break;
        case RAFT_REQUEST_VOTE_RESULT:
            receive_vote(replica, now_ms, &copy);
            break;
        case RAFT_REQUEST_VOTE:
            if (may_vote(replica, now_ms, &copy))
                step_message(replica, now_ms, &copy);
            break;
        case RAFT_TIMEOUT_NOW:
            receive_timeout_now(replica, now_ms, &copy);
            break;
        case RAFT_INSTALL_SNAPSHOT:
            break; /* Stepped only once its state is here. */
        }
    }
    drop_entries(message, entries);
    free(address);
}
