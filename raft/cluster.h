/* cluster.h - this node's share in the replicated log.
 *
 * The shell around `replica` (libraft's step core behind `guard`): it owns the
 * log on disk with its writer and preparer threads, the vote file, the timer
 * and, once there is more than one member, the transport.
 *
 *     cluster_submit() --entry--> log, fsynced on a majority
 *                                  |
 *              committed() <-------+   in index order, exactly once per run,
 *                                      from the index after `applied_index`
 *
 * One entry is in flight at a time: commands gather above while it is, and go
 * together as the next entry (group commit). Callbacks come on the loop and
 * never before the call that caused them has returned.
 * Thread: the loop. */
#ifndef POSTOFFICE_RAFT_CLUSTER_H
#define POSTOFFICE_RAFT_CLUSTER_H

#include "base/buffer.h"
#include "base/error.h"

#include <uv.h>

struct cluster;

struct cluster_address {
    uint32_t node_id;
    const char *address; /* host:port that the others dial. */
};

/* All is copied. */
struct cluster_options {
    const char *directory; /* Of the log and the vote file; created. */
    uint32_t node_id;      /* 1 .. 65535 */
    const char *address;   /* host:port that peers dial. */
    /* Where to hear peers; port 0: any. NULL: this node stays alone. */
    const char *listen;
    struct slice secret; /* Empty: none, for loopback addresses only. */
    /* The first members, this node among them, the same on all of them. None
     * or one: this node founds a cluster alone. Not looked at when the
     * directory holds a log. */
    const struct cluster_address *members;
    size_t members_count;
    uint32_t election_timeout_ms;
    uint32_t heartbeat_ms;
    /* What the store holds durably: entries up to here are not handed over
     * again. A log that ends before it has lost acknowledged entries and is
     * refused (ERR_CORRUPT, with words). */
    uint64_t applied_index;
    /* 0: the defaults of bounds.h. Tests take small ones. */
    uint64_t segment_bytes; /* A multiple of 4096, at least 16384. */
    size_t tail_bytes;
    uint64_t kept_log_bytes; /* For members that are behind. */
};

/* A committed entry of commands. */
struct cluster_entry {
    uint64_t index;
    uint64_t term;
    struct slice bytes;    /* Inside buffer. */
    struct buffer *buffer; /* Borrowed: take a reference to keep it. */
};

/* Who has asked: a value to keep until the answer. */
struct cluster_asker {
    uint64_t raft_id;
    uint64_t id;
};

/* A request of another member. */
struct cluster_asked {
    struct cluster_asker asker;
    struct slice body;     /* Inside buffer. */
    struct buffer *buffer; /* Borrowed: take a reference to keep it. */
};

struct cluster_answer {
    struct slice body;
    struct buffer *buffer; /* As above. */
};
/* rc is 0 with an answer, else ERR_UNKNOWN_OUTCOME without: the connection has
 * broken, the time is over, or this node ends. Exactly once. */
typedef void (*cluster_answered)(void *context, int rc,
                                 const struct cluster_answer *answer);

enum cluster_role { CLUSTER_FOLLOWER, CLUSTER_CANDIDATE, CLUSTER_LEADER };

struct cluster_callbacks {
    void *context;
    /* The next committed entry. False: not now; it comes again after
     * cluster_resume(). */
    bool (*committed)(void *context, const struct cluster_entry *entry);
    /* This node leads: its own first entry (a barrier of this term) is
     * committed and everything before it was handed over. */
    void (*leading)(void *context, uint64_t term);
    /* It leads no more (also on the way down). What was submitted and not
     * seen in committed() has an unknown outcome. */
    void (*deposed)(void *context);
    /* cluster_submit() would be taken now, after it was not. */
    void (*writable)(void *context);
    /* Another member asks; cluster_answer() now or later. May be NULL. */
    void (*requested)(void *context, const struct cluster_asked *asked);
    /* The node can no longer be trusted or go on (a failed sync, a corrupt
     * log): log the words and exit. */
    void (*failed)(void *context, const struct error *error);
};

/* Recovers the log and the vote file, or founds a cluster when both are empty:
 * of this node alone, or, once all first members have answered that they are
 * empty too, of them (until then the node waits). Starts threads; does not
 * call back yet.
 * Errors, with words that tell a torn tail (repaired silently but logged), a
 * flipped bit, a missing or short log, and a log without its vote file apart:
 * ERR_CORRUPT, ERR_IO (also: cannot listen), ERR_NO_SPACE, ERR_VERSION,
 * ERR_CONFLICT (the directory is another node's), ERR_INVALID (options). */
int cluster_open(uv_loop_t *loop, const struct cluster_options *options,
                 const struct cluster_callbacks *callbacks,
                 struct cluster **ret_cluster, struct error *error);

/* Stops the threads (what is queued is written first), then calls done. The
 * object is freed after that. */
void cluster_close(struct cluster *cluster, void (*done)(void *context),
                   void *context);

/* Whether an entry would be taken now: this node leads and none is in
 * flight. */
bool cluster_can_submit(const struct cluster *cluster);

/* Takes the reference of `entry` when it returns 0, and tells its index.
 * Errors: ERR_NOT_LEADER, ERR_BUSY (one is in flight, or the next segment is
 * just being made ready; writable() follows), ERR_NO_SPACE (no segment to write
 * to could be made; writable() follows when one was), ERR_TOO_LARGE. */
int cluster_submit(struct cluster *cluster, struct buffer *entry,
                   uint64_t *ret_index);

/* The consumer has room again after committed() returned false. */
void cluster_resume(struct cluster *cluster);

/* The store holds everything up to here durably: older segments may be used
 * again, less a trailing margin. */
void cluster_durable(struct cluster *cluster, uint64_t index);

/* Until when (clock_ms()) this node may act as leader without asking:
 * dispatch deliveries, answer linearizable reads. 0: it may not. A sole voter
 * may for ever (UINT64_MAX). */
uint64_t cluster_lease_until_ms(const struct cluster *cluster);

/* error->code is 0: another member leads. Else this node may still lead. */
typedef void (*cluster_transferred)(void *context, const struct error *error);
/* Gives leadership to this member, or with 0 to whoever is there and has most
 * of the log. Until done() nothing is submitted any more (ERR_BUSY, then
 * writable() or deposed()), and there is no lease. It ends within three
 * election timeouts. Errors, after which done() does not come:
 * ERR_NOT_LEADER, ERR_BUSY (one is under way), ERR_NOT_FOUND (no such other
 * voter), ERR_UNAVAILABLE (no other voter is there). */
int cluster_transfer(struct cluster *cluster, uint32_t node_id,
                     cluster_transferred done, void *context);

enum cluster_member_state {
    CLUSTER_MEMBER_LEADER,
    CLUSTER_MEMBER_FOLLOWER,
    CLUSTER_MEMBER_UNREACHABLE, /* From this node. */
    CLUSTER_MEMBER_TOO_FAR,     /* Behind the oldest entry: to be rebuilt. */
};
struct cluster_member {
    uint32_t node_id;
    const char *address; /* Borrowed until the loop goes on. */
    bool voter;
    enum cluster_member_state state;
    /* Durable there, as this leader knows; 0 on a follower save for itself. */
    uint64_t match_index;
    uint64_t lag;            /* Entries that it lacks, when known; else 0. */
    uint64_t contact_ago_ms; /* UINT64_MAX: never; 0 for this node. */
};
/* By the newest configuration; at most `capacity`. Only the leader knows the
 * progress of all. */
unsigned cluster_members(const struct cluster *cluster,
                         struct cluster_member *ret, unsigned capacity);

/* Asks another member, over a connection that delays nothing of Raft; the body
 * (up to BOUND_CALL_BYTES) is written from where it lies, by a reference of
 * its own. Bodies are for the floor above: nothing here looks at them. Errors,
 * after which nothing was sent and answered() does not come: ERR_UNAVAILABLE
 * (no such member, or not connected), ERR_BUSY (too much waits), ERR_TOO_LARGE.
 */
int cluster_request(struct cluster *cluster, uint32_t node_id,
                    struct buffer *body, uint32_t timeout_ms,
                    cluster_answered answered, void *context);
/* Answers at most once. Errors, after which the asker will hear of an unknown
 * outcome: as above. */
int cluster_answer(struct cluster *cluster, const struct cluster_asker *asker,
                   struct buffer *body);

/* Of the transport. 0: it does not listen. */
uint16_t cluster_port(const struct cluster *cluster);

struct cluster_status {
    bool waiting; /* For the first members; all else is 0. */
    enum cluster_role role;
    bool leading;         /* Leader with its barrier committed. */
    uint64_t leaderships; /* How often it has come to lead. */
    uint64_t term;
    uint32_t leader_id; /* 0: unknown. */
    uint64_t commit_index;
    uint64_t last_index;
    uint64_t persisted_index;
    uint64_t first_index; /* Oldest entry still in the log. */
    uint64_t log_bytes;   /* Segments on disk. */
    uint64_t syncs;
    uint64_t bytes_written;
    uint64_t sync_us_total;
    bool no_space; /* The next segment could not be made for lack of space. */
};
struct cluster_status cluster_status(const struct cluster *cluster);

#endif
