/* cluster_inside.h - what the files cluster*.c share; for no one else.
 *
 *     cluster.c          effects out, the pump, submitting, status
 *     cluster_open.c     founding or recovering, starting, the end
 *     cluster_members.c  who the other members are, and what comes from them
 *     cluster_send.c     what goes to them
 *     cluster_calls.c    requests of the floor above to them
 *     cluster_transfer.c giving leadership away */
#ifndef POSTOFFICE_RAFT_CLUSTER_INSIDE_H
#define POSTOFFICE_RAFT_CLUSTER_INSIDE_H

#include "base/bounds.h"
#include "base/memory.h"
#include "raft/calls.h"
#include "raft/cluster.h"
#include "raft/cluster_home.h"
#include "raft/founding.h"
#include "raft/log.h"
#include "raft/replica.h"
#include "raft/transport.h"

enum {
    /* Old entries read back in one request. */
    CLUSTER_READ_BYTES = 4 * 1024 * 1024,
    /* AppendEntries that wait for entries to be read. */
    CLUSTER_SENDS = 32,
};

/* Kinds of requests between members. */
enum cluster_call {
    CALL_STATEMENT = 1, /* founding.h */
    CALL_KEEP,          /* What the log is kept for, told by the leader. */
    CALL_ASK,           /* For the floor above; answered. */
};

struct cluster_send {
    struct raft_append_entries append;
    struct frame_stamp stamp;
};

/* Leadership on its way to another member. */
struct cluster_transfer {
    bool active;
    bool asked;
    uint32_t node_id; /* 0: whoever is there. */
    uint64_t term;    /* In which this node led. */
    uint64_t due_ms;
    cluster_transferred done;
    void *context;
};

/* Another member, known by its node id; its Raft id is one life of it. */
struct member {
    uint32_t node_id;
    uint64_t raft_id;      /* By the configuration; 0: none yet. */
    uint64_t proved_id;    /* As it has last proved; 0: never. */
    uint64_t contact_ms;   /* When something last came from it; 0: never. */
    unsigned silent_looks; /* In a row at which it had long been silent. */
    /* AppendEntries with entries, oldest first: the lane keeps their order,
     * so that a later one waits for an earlier one's entries. */
    struct cluster_send sends[CLUSTER_SENDS];
    unsigned sends_start;
    unsigned sends_count;
    uint64_t wanted_index;    /* To be read for the oldest of them; 0. */
    struct log_read *fetched; /* Read for it; NULL: nothing. */
    /* What is on its way: entries up to sent_index were sent, of which one
     * may be lost; progress_ms: when it last acknowledged a further one, or
     * the first of them was sent. */
    uint64_t sent_index;
    uint64_t match_index;
    uint64_t progress_ms;
    bool lost;
    uint64_t last_send_ms;
    bool too_far; /* What it lacks is no longer in the log. */
};

struct cluster {
    uv_loop_t *loop;
    struct cluster_callbacks callbacks;
    /* Strings and members are copies in the arena. */
    struct arena arena;
    struct cluster_options options;
    struct cluster_home_options home_options;
    struct cluster_home home;
    struct founding founding;
    struct log *log;             /* NULL: it waits for the first members. */
    struct replica *replica;     /* As the log. */
    struct transport *transport; /* NULL: it does not listen. */
    struct member *members[BOUND_PEERS];
    unsigned members_count;
    uint64_t members_configuration; /* As was last looked at. */
    struct calls calls;
    struct cluster_transfer transfer;

    uv_async_t wake;
    uv_timer_t timer;
    uint64_t armed_ms; /* When the timer fires; 0: it is not running. */
    uv_work_t work;    /* Founding, or the end. */

    bool closing;
    bool failed;
    bool blocked;          /* committed() said: not now. */
    bool writable;         /* As was last said or seen. */
    uint64_t leading_term; /* As was last said; 0: not leading. */
    uint64_t leaderships;  /* How often it was said. */
    uint64_t in_flight;    /* Index of the last submitted entry. */
    size_t refused_bytes;  /* Of the entry that found no room; 0. */
    uint64_t durable_index;
    uint64_t keep_index;       /* What other members lack begins behind it. */
    uint64_t told_keep_ms;     /* When the members were told. */
    uint64_t appends_since_ms; /* An append is under way since; 0: none. */
    unsigned appends;
    uint64_t watched_ms; /* When the disk was last looked at; 0: never. */
    uint64_t looked_ms;  /* When members that are asked were; 0: never. */

    struct log_read *fetched; /* Entries read back; NULL: none. */
    bool reading;
    uint32_t reader;      /* Whom it is for: a node id; 0: this node. */
    unsigned next_reader; /* Number of the member whose turn it is. */

    bool founding_now;       /* On a thread of libuv's pool, */
    struct log *founded_log; /* which made these. */
    struct replica *founded_replica;
    struct error founding_error;
    bool refused_founding; /* It was logged. */

    void (*done)(void *context);
    void *done_context;
    unsigned parts_open; /* Threads and transport, on the way down. */
    unsigned handles_open;
};

/* --- cluster.c ---------------------------------------------------------- */

/* It does nothing any more, or nothing yet. */
static inline bool cluster_is_idle(const struct cluster *cluster)
{
    return cluster->closing || cluster->failed || cluster->replica == NULL;
}

void cluster_fail(struct cluster *cluster, const struct error *error);
/* Does all that can be done now. From the loop only, never within a call. */
void cluster_pump(struct cluster *cluster);
/* Soon. Any thread. */
void cluster_wake(void *cluster);
void cluster_on_wake(uv_async_t *wake);
void cluster_on_timer(uv_timer_t *timer);
void cluster_on_written(void *cluster, struct log_write *write);
void cluster_on_read(void *cluster, struct log_read *read);
void cluster_perform(struct cluster *cluster);

/* --- cluster_open.c ----------------------------------------------------- */

/* All first members have come to this id: makes the log. */
void cluster_found(struct cluster *cluster, uint64_t log_id);

/* --- cluster_members.c -------------------------------------------------- */

/* Errors: as transport_open(). */
int members_open(struct cluster *cluster, struct error *error);
void members_close(struct cluster *cluster); /* Frees what they hold. */
/* This node has its log now. */
void members_founded(struct cluster *cluster);
/* Follows the newest configuration. */
void members_follow(struct cluster *cluster);
/* Tells the others that this node waits, or what the log is kept for. */
void members_tell(struct cluster *cluster, uint64_t now_ms);
/* NULL: there is none. Not this node itself. */
struct member *members_find(const struct cluster *cluster, uint32_t node_id);

/* --- cluster_send.c ----------------------------------------------------- */

/* Closes the effect. */
void members_send(struct cluster *cluster, struct replica_effect *effect);
/* Entries were read for this one. */
void members_take_read(struct cluster *cluster, uint32_t node_id,
                       struct log_read *read);
/* Reads for the next one that wants entries, when nothing is being read. */
void members_read(struct cluster *cluster);
/* Sends what waits for it as far as its entries are there. */
void member_flush(struct cluster *cluster, struct member *member);
/* Something did not get to it. */
void member_lost(struct member *member);

/* --- cluster_calls.c ---------------------------------------------------- */

void calls_hear_request(struct cluster *cluster, uint64_t from,
                        const struct frame *frame);
void calls_hear_answer(struct cluster *cluster, uint64_t from,
                       const struct frame *frame);
/* Nothing more gets to this member on the connection of before. */
void calls_broken(struct cluster *cluster, uint32_t node_id);
/* Ends those whose time is over, and those that wait for a member that stands
 * still. */
void calls_expire(struct cluster *cluster, uint64_t now_ms);
/* When it is to be called again; UINT64_MAX: nothing waits. */
uint64_t calls_deadline_ms(const struct cluster *cluster);
void calls_end(struct cluster *cluster);

/* --- cluster_transfer.c ------------------------------------------------- */

/* From the pump: goes on with a transfer, and begins one when the disk stalls.
 */
void transfer_run(struct cluster *cluster);
void transfer_end(struct cluster *cluster);

#endif
