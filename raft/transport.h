/* transport.h - the connections between members: frames out, frames in.
 *
 *     this node                                        a peer
 *       lane entries   ----- AppendEntries ------->     guest
 *       lane small     -- heartbeats, votes, ... ->     guest
 *       lane calls     --- requests, answers ----->     guest
 *       guests         <---------------------------     its three lanes
 *
 * To each peer a node dials three connections, by lane (frame.h), and writes
 * on them alone; what a peer sends comes on those that it has dialed, its
 * guests here. Every connection begins with a handshake (handshake.h). A peer
 * is dialed again and again, its address resolved anew each time, sooner when
 * it has just dialed itself.
 *
 * A frame is sent or dropped, never kept for a connection to come: Raft sends
 * again, an asker asks again. Entries are written from the memory that they
 * arrived in, and received into a buffer of the frame's size.
 *
 * A line that is silent for idle_ms is cut from both ends: pings flow where
 * nothing else does, and the kernel gives up what is not acknowledged
 * (TCP_USER_TIMEOUT). Trouble is logged once per address and minute.
 *
 * Who connects has proved the secret and its Raft id, not that it is a member:
 * a node that wants to join speaks, too.
 *
 * Thread: the loop. Callbacks come on the loop, never before the call that
 * caused them has returned; they may call anything here. */
#ifndef POSTOFFICE_RAFT_TRANSPORT_H
#define POSTOFFICE_RAFT_TRANSPORT_H

#include "base/error.h"
#include "raft/frame.h"
#include "raft/handshake.h"

#include <uv.h>

struct transport;

/* 0 where a default is wanted. */
struct transport_times {
    uint32_t idle_ms; /* Before a silent line is cut. */
    uint32_t dial_ms; /* For one address, from dialing to the last proof. */
    uint32_t handshake_ms;   /* For a stranger, to its last proof. */
    uint32_t backoff_ms_min; /* Between dials: doubled up to the maximum. */
    uint32_t backoff_ms_max;
};

struct transport_options {
    const char *listen;  /* HOST:PORT; port 0: any. */
    struct slice secret; /* Copied; empty: none, for loopback only. */
    uint8_t cluster_id[HANDSHAKE_CLUSTER_ID]; /* Zero: not known yet. */
    uint64_t raft_id;
    struct transport_times times;
};

struct transport_callbacks {
    void *context;
    /* A frame, checked for form. It and what it points to are borrowed: take
     * a reference of frame->buffer to keep bytes of it, entry_ref() to keep
     * entries. `from` is the Raft id that the sender has proved. A ping says
     * that the sender lives, and nothing else. */
    void (*received)(void *context, uint64_t from, const struct frame *frame);
    /* Frames to the peer can be sent on this lane, or no more. `peer` is the
     * id by which it was added; `raft_id` whom was found there. May be NULL. */
    void (*connected)(void *context, uint64_t peer, uint64_t raft_id,
                      enum frame_lane lane);
    void (*disconnected)(void *context, uint64_t peer, enum frame_lane lane);
};

/* Listens; the process ignores SIGPIPE from then on. Resolving the own address
 * may wait: call it before the loop runs. After an error the loop must still
 * turn once.
 * Errors, with words: ERR_INVALID (the address; no secret off loopback),
 * ERR_IO (cannot listen). */
int transport_open(uv_loop_t *loop, const struct transport_options *options,
                   const struct transport_callbacks *callbacks,
                   struct transport **ret, struct error *error);

/* Cuts every connection, then calls done and frees the object; that waits for
 * a look-up of an address that is under way. No other callback comes. */
void transport_close(struct transport *transport, void (*done)(void *context),
                     void *context);

uint16_t transport_port(const struct transport *transport);

/* This node has learned its cluster or was given another Raft id: from now on
 * it says so, and lanes are dialed anew. */
void transport_identify(struct transport *transport,
                        const uint8_t cluster_id[HANDSHAKE_CLUSTER_ID],
                        uint64_t raft_id);

/* Dials this peer from now on, or under its new address. An id without
 * incarnation means the node in any life (a cluster that has yet to begin).
 * Errors: ERR_INVALID (not HOST:PORT), ERR_BUSY (BOUND_PEERS). */
int transport_set_peer(struct transport *transport, uint64_t peer,
                       const char *address, struct error *error);
/* No disconnected() comes for it. Unknown ones are ignored. */
void transport_remove_peer(struct transport *transport, uint64_t peer);

/* Sends a frame to a peer, on the lane of its type; takes references of what
 * it has to keep until it is written. Errors, after which nothing was sent:
 * ERR_NOT_FOUND (no such peer), ERR_UNAVAILABLE (not connected), ERR_BUSY (too
 * much waits for it already), ERR_TOO_LARGE. */
int transport_send(struct transport *transport, uint64_t to,
                   const struct frame *frame);

bool transport_connected(const struct transport *transport, uint64_t peer,
                         enum frame_lane lane);
/* Bytes that wait to be written. */
size_t transport_queued(const struct transport *transport, uint64_t peer,
                        enum frame_lane lane);

/* Since the start, and now. */
struct transport_figures {
    uint64_t frames_sent;
    uint64_t bytes_sent;
    uint64_t frames_dropped; /* Refused by ERR_BUSY. */
    uint64_t frames_received;
    uint64_t bytes_received;
    uint64_t dials;
    uint64_t strangers_refused; /* Ended before their last proof. */
    uint64_t frames_refused;    /* Damaged or of the wrong lane. */
    unsigned strangers;
    unsigned guests;
    unsigned complaints; /* Lines that went to the log. */
};
struct transport_figures transport_figures(const struct transport *transport);

#endif
