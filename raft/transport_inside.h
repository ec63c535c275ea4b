/* transport_inside.h - what transport.c, transport_peer.c, transport_lane.c
 * and transport_guest.c share; for no one else.
 *
 * What has handles in the loop is freed when the last one has closed: peers
 * and guests count what holds them, the transport counts its listener, peers
 * and guests. */
#ifndef POSTOFFICE_RAFT_TRANSPORT_INSIDE_H
#define POSTOFFICE_RAFT_TRANSPORT_INSIDE_H

#include "base/bounds.h"
#include "raft/address.h"
#include "raft/complaint.h"
#include "raft/transport.h"

enum {
    /* Of one name; a dial tries them one after the other. */
    PEER_ADDRESSES = 8,
    /* A line is looked at so often before it counts as silent; a process that
     * was stopped meanwhile has missed one look only. */
    IDLE_LOOKS = 4,
    /* Read at once when no frame has begun: a small frame comes whole, of a
     * large one this much is copied. */
    GUEST_STAGING = 4096,
};

struct transport {
    uv_loop_t *loop;
    struct transport_callbacks callbacks;
    uint8_t cluster_id[HANDSHAKE_CLUSTER_ID];
    uint64_t raft_id;
    uint8_t *secret;
    size_t secret_length;
    struct transport_times times;
    uv_tcp_t listener;
    uint16_t port;

    struct peer *peers[BOUND_PEERS]; /* Those that are leaving, too. */
    unsigned peers_count;
    struct guest *guests; /* Newest first. */
    struct complaints guest_complaints;
    struct complaints peer_complaints;
    struct transport_figures figures;
    uint64_t random;

    bool closing;
    unsigned holds;
    void (*done)(void *context);
    void *done_context;
    /* Room for frame_decode(). */
    struct entry entries[BOUND_APPEND_ENTRIES];
};

/* WAITING -> RESOLVING -> CONNECTING -> SHAKING -> OPEN
 *    ^           |            |  ^         |        |
 *    |           |            v  |         v        v
 *    +-----------+---------  CLOSING  <-------------+
 *
 * From CLOSING a dial goes on with the next address that was found. */
enum lane_state {
    LANE_WAITING,
    LANE_RESOLVING,
    LANE_CONNECTING,
    LANE_SHAKING,
    LANE_OPEN,
    LANE_CLOSING,
};

struct lane {
    struct peer *peer;
    enum frame_lane kind;
    enum lane_state state;
    uv_timer_t timer; /* By state: the next dial, its end, the next look. */
    uv_tcp_t tcp;
    uv_connect_t connect;
    struct handshake handshake;
    uint8_t input[HANDSHAKE_HELLO + HANDSHAKE_PROOF];
    unsigned address_next;
    unsigned failures; /* Since it was last open for a while. */
    bool hurried;      /* The next wait is none. */
    bool was_open;     /* And disconnected() was not yet called. */
    size_t queued_bytes;
    uint64_t pushed_bytes; /* Ever handed over to be written. */
    uint64_t seen_pushed;  /* At the last look, */
    uint64_t seen_gone;    /* and what of it the kernel had taken. */
    unsigned stuck_looks;
};

struct peer {
    struct transport *transport;
    uint64_t id;
    char text[ADDRESS_HOST + ADDRESS_PORT + 4];
    struct address address;
    struct lane lanes[LANES];
    struct sockaddr_storage found[PEER_ADDRESSES];
    unsigned found_count;
    uv_getaddrinfo_t lookup;
    bool looking;
    bool moved; /* The look-up under way is for an address of before. */
    bool told;  /* Of its being reached, since it last was not. */
    bool leaving;
    unsigned holds;
};

/* --- transport.c -------------------------------------------------------- */

/* A handshake for a connection; its first words are in its output. Errors: as
 * handshake_init(), ERR_IO. */
int transport_shake(struct transport *transport, uv_tcp_t *tcp,
                    enum handshake_role role, uint64_t wanted,
                    enum frame_lane purpose, struct handshake *ret,
                    struct error *error);
/* Writes all of it, which is little, at once. Errors: ERR_IO. */
int transport_say(uv_tcp_t *tcp, struct slice bytes, struct error *error);
/* One holder of the transport is gone; it may be freed by this. */
void transport_release(struct transport *transport);
uint64_t transport_random(struct transport *transport);
int transport_uv_error(struct error *error, int rc, const char *words);

/* --- transport_peer.c --------------------------------------------------- */

/* NULL: the address is not HOST:PORT. */
struct peer *peer_new(struct transport *transport, uint64_t id,
                      const char *address, struct error *error);
int peer_move(struct peer *peer, const char *address, struct error *error);
void peer_leave(struct peer *peer);
/* It has just dialed this node, so that it can be reached. */
void peer_hurry(struct peer *peer);
/* Lanes begin afresh, since what they said of this node is over. */
void peer_restart(struct peer *peer);
/* For a lane that is RESOLVING: lane_connect() or lane_unresolved() follows,
 * perhaps at once. */
void peer_resolve(struct peer *peer, struct lane *lane);
void peer_complain(struct peer *peer, const struct error *error);
/* A lane has opened. */
void peer_reached(struct peer *peer);
void peer_release(struct peer *peer);

/* --- transport_lane.c --------------------------------------------------- */

void lane_init(struct lane *lane, struct peer *peer, enum frame_lane kind);
void lane_connect(struct lane *lane); /* To the peer's first address. */
void lane_unresolved(struct lane *lane);
void lane_hurry(struct lane *lane);   /* Where it waits, it dials now. */
void lane_restart(struct lane *lane); /* Cuts it, and dials at once. */
void lane_end(struct lane *lane);     /* Cuts it for ever. */
int lane_send(struct lane *lane, const struct frame *frame,
              const struct frame_size *size);

/* --- transport_guest.c -------------------------------------------------- */

void guest_accept(struct transport *transport);
void guest_end_all(struct transport *transport);

#endif
