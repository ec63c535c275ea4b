/* replica.h - one member of the cluster: libraft's step core, driven by its
 * rules and behind the guard. No I/O, no clock.
 *
 *      events                                    effects, in order
 *      tick, submit, receive,    +---------+    PERSIST_VOTE  (holds the rest)
 *      vote persisted,        -> | replica | -> APPEND
 *      entries persisted         +---------+    SEND
 *                                     |
 *                                     +-------> committed entries, in order
 *
 * After an event take the effects, one by one, and perform them in this order.
 * A PERSIST_VOTE holds back everything behind it until the vote is reported
 * durable: no message of a term leaves, and no entry of it is written, before
 * the term is on disk; so a crash never forgets a vote that others saw. The
 * core itself goes on meanwhile.
 *
 * An entry counts for the commit only once it was reported durable. Committed
 * entries are offered by replica_peek(): from memory, or by index when they
 * have to be read back first.
 * Thread: the loop. Times are clock_ms() and never run back. */
#ifndef POSTOFFICE_RAFT_REPLICA_H
#define POSTOFFICE_RAFT_REPLICA_H

#include "base/error.h"
#include "raft/frame.h"

#include <raft.h>

struct replica;

struct replica_options {
    uint64_t id;
    const char *address;
    uint32_t election_timeout_ms;
    uint32_t heartbeat_ms;
    unsigned seed; /* Of the randomised timeouts. */
    size_t tail_bytes;
};

/* What is durable. */
struct replica_start {
    uint64_t now_ms;
    uint64_t term;
    uint64_t vote;
    struct log_base base;  /* Before the oldest entry; borrowed. */
    struct entry *entries; /* All behind it; borrowed; payloads of CHANGEs. */
    size_t count;
    /* Held by the store: committed, and not offered again. */
    uint64_t applied_index;
};

/* The log must reach applied_index. Errors: ERR_CORRUPT (a configuration that
 * cannot be read), ERR_NO_MEMORY. */
int replica_new(const struct replica_options *options,
                const struct replica_start *start, struct replica **ret,
                struct error *error);
void replica_free(struct replica *replica); /* NULL is fine. */

/* --- Effects ------------------------------------------------------------ */

enum {
    /* Entries on their way to one member; ours hold up to 256 KiB each. */
    REPLICA_WINDOW_ENTRIES = 16,
};

enum replica_effect_type { REPLICA_PERSIST_VOTE, REPLICA_APPEND, REPLICA_SEND };

struct replica_effect {
    enum replica_effect_type type;
    union {
        /* Then replica_vote_persisted(). */
        struct {
            uint64_t term;
            uint64_t vote;
        } vote;
        /* Then replica_persisted(); in order. Cuts the log at the first
         * entry's index. */
        struct {
            uint64_t generation;
            struct log_base base;  /* Before the first entry; a reference. */
            struct entry *entries; /* A heap array with its own references. */
            size_t count;
        } append;
        /* May be lost. AppendEntries: the entries themselves are loaded by
         * whoever sends; the pointers in here are not valid. The stamp goes
         * with it: an AppendEntries has its own time, a result that of the
         * newest one that its receiver had of that leader. */
        struct {
            uint64_t to;
            struct raft_message message;
            struct frame_stamp stamp;
        } send;
    };
};

/* The next one that may be performed now; the caller owns what is in it. */
bool replica_next_effect(struct replica *replica, struct replica_effect *ret);
void replica_effect_close(struct replica_effect *effect);

/* --- Events ------------------------------------------------------------- */

/* At replica_deadline_ms(), or later. */
void replica_tick(struct replica *replica, uint64_t now_ms);
uint64_t replica_deadline_ms(const struct replica *replica);

/* Takes the reference when it returns 0. Errors: ERR_NOT_LEADER. */
int replica_submit(struct replica *replica, uint64_t now_ms,
                   struct buffer *command, uint64_t *ret_index);

/* The vote taken last is durable. */
void replica_vote_persisted(struct replica *replica, uint64_t now_ms);
/* The oldest append that was taken and not reported is durable. */
void replica_persisted(struct replica *replica, uint64_t now_ms,
                       uint64_t generation);

/* A message of another member; every field was checked for form. `entries`
 * belong to an AppendEntries, whose own pointers are ignored; their references
 * are taken. Installing a snapshot is not for this function: its state is
 * staged first. */
void replica_receive(struct replica *replica, uint64_t now_ms, uint64_t from,
                     const struct raft_message *message,
                     const struct frame_stamp *stamp, struct entry *entries);

/* Asks this voter, which must have everything that this leader has, to take
 * over at once. From now on this leader takes no commands and has no lease; if
 * it still leads after an election timeout it does again, the lease once an
 * entry of after is committed. Errors: ERR_NOT_LEADER, ERR_BUSY (it has not
 * everything), ERR_NOT_FOUND (no such voter). */
int replica_transfer(struct replica *replica, uint64_t now_ms, uint64_t to);

/* The store holds everything up to durable_index, and the log may forget what
 * is at or below base_index. False: not now; then the log must keep it. */
bool replica_forget(struct replica *replica, uint64_t now_ms,
                    uint64_t durable_index, uint64_t base_index);
/* Up to where no member needs the log any more, as this leader knows: nobody
 * may forget what is behind it, or somebody could only be rebuilt. UINT64_MAX:
 * there is no other. */
uint64_t replica_keep_index(const struct replica *replica);

/* --- Committed entries -------------------------------------------------- */

enum replica_offer {
    REPLICA_NOTHING,
    REPLICA_ENTRY,  /* *ret_entry, borrowed until the next event. */
    REPLICA_ABSENT, /* ret_entry->index must be read from the log. */
};

/* The entry after the last one handed over, if it is committed and durable
 * here. Barriers and changes of membership
 * in memory are passed over; those read back the caller passes over. */
enum replica_offer replica_peek(struct replica *replica,
                                struct entry *ret_entry);
/* That entry was handed over, or passed over. */
void replica_handed(struct replica *replica);

/* --- State -------------------------------------------------------------- */

/* The term in which this node leads with its own barrier committed and
 * everything before it handed over; 0: it does not. */
uint64_t replica_leading(const struct replica *replica);

/* Until when (as now_ms) no other member can have been elected; 0: unknown.
 * Only while replica_leading(). UINT64_MAX for a sole voter. */
uint64_t replica_lease_until_ms(const struct replica *replica, uint64_t now_ms);

/* An entry in memory, borrowed until the next event; NULL: read it from the
 * log. */
const struct entry *replica_entry(const struct replica *replica,
                                  uint64_t index);
/* 0: unknown. */
uint64_t replica_term_of(const struct replica *replica, uint64_t index);

struct replica_member {
    uint64_t id;
    const char *address; /* Borrowed until the next event. */
    bool voter;
    uint64_t match_index; /* As the leader knows it; 0 elsewhere. */
};
/* How many there are by the newest configuration, and each of them. */
unsigned replica_members(const struct replica *replica);
struct replica_member replica_member(const struct replica *replica,
                                     unsigned number);
/* The index of that configuration; 0: none. */
uint64_t replica_configuration(const struct replica *replica);

struct replica_status {
    enum raft_state state;
    uint64_t term;
    uint64_t leader_id; /* Raft id; 0: unknown. */
    uint64_t commit_index;
    uint64_t last_index;
    uint64_t persisted_index;
    uint64_t handed_index;
    bool sole_voter;
    bool transferring; /* No commands are taken meanwhile. */
};
struct replica_status replica_status(const struct replica *replica);

/* 0, or why this node must stop: the core has refused an event. */
int replica_failure(const struct replica *replica, struct error *error);

#endif
