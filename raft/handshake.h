/* handshake.h - how two members make sure of each other before the first
 * frame. No I/O.
 *
 *     dialer                               listener
 *        | hello: id, cluster, nonce  ------> |  who is it, and does it fit?
 *        | <------ hello: id, cluster, nonce  |
 *        | proof --------------------------> |  does it know the secret?
 *        | <-------------------------- proof |
 *
 * A proof is HMAC-SHA256 (RFC 2104) under the cluster's secret over a label
 * of the side that proves and both hellos. The nonces make each one good for
 * this connection alone, so that nothing recorded can be replayed; the label
 * and the side in the hello, that nothing can be sent back to whom it came
 * from. The dialer proves first: a stranger who dials gets nothing to try
 * guessed secrets on. Without a secret, which only two loopback addresses may
 * do, the proof is made under an empty one and guards against damage.
 *
 * What follows the handshake is neither secret nor protected against somebody
 * who can change packets on their way: that is for TLS.
 *
 * A hello is 80 bytes, and stays so in all versions, numbers little-endian; of
 * two versions both sides speak the lower one:
 *
 *     0 magic u32     "POSH"             16 wanted u64    listener: 0
 *     4 version u8                       24 cluster id    16 bytes
 *     5 role u8       enum               40 nonce         32 bytes
 *     6 purpose u8    enum frame_lane    72 checksum u64  XXH3 of the rest
 *     7 secured u8    1: has a secret
 *     8 raft id u64
 *
 * The Raft id is incarnation << 16 | node id. A node without state has no
 * incarnation yet (0); a dialer may want any incarnation of a node (0), or
 * exactly one.
 * Thread: any. */
#ifndef POSTOFFICE_RAFT_HANDSHAKE_H
#define POSTOFFICE_RAFT_HANDSHAKE_H

#include "base/error.h"
#include "base/slice.h"
#include "raft/frame.h"

enum {
    HANDSHAKE_VERSION = 1, /* The newest that this program speaks, */
    HANDSHAKE_VERSION_OLDEST = 1,
    HANDSHAKE_HELLO = 80,
    HANDSHAKE_PROOF = 32,
    HANDSHAKE_NONCE = 32,
    HANDSHAKE_CLUSTER_ID = 16,
};

enum handshake_role { HANDSHAKE_DIALER = 1, HANDSHAKE_LISTENER = 2 };

struct handshake_options {
    enum handshake_role role;
    struct slice secret; /* Borrowed; empty: none. */
    bool loopback;       /* Both ends of the connection are. */
    uint8_t cluster_id[HANDSHAKE_CLUSTER_ID]; /* Zero: not known yet. */
    uint64_t raft_id;
    uint64_t wanted_id;             /* Dialer: whom it looks for. */
    enum frame_lane purpose;        /* Dialer: of the connection. */
    uint8_t nonce[HANDSHAKE_NONCE]; /* Random, never used before. */
};

enum handshake_state {
    HANDSHAKE_AWAITS_HELLO,
    HANDSHAKE_AWAITS_PROOF,
    HANDSHAKE_DONE,
    HANDSHAKE_REFUSED,
};

/* Who the other side is; true only once the handshake is done. */
struct handshake_peer {
    uint64_t raft_id;
    uint8_t version; /* Which both speak. */
    uint8_t cluster_id[HANDSHAKE_CLUSTER_ID];
    enum frame_lane purpose;
};

struct handshake {
    struct handshake_options options;
    enum handshake_state state;
    struct handshake_peer peer;
    /* Both hellos, the dialer's first: what is proved. */
    uint8_t transcript[2 * HANDSHAKE_HELLO];
    uint8_t input[HANDSHAKE_HELLO];
    size_t input_length;
    uint8_t output[HANDSHAKE_HELLO];
    size_t output_length;
};

/* Errors: ERR_INVALID, with words: no secret, and not on loopback. */
int handshake_init(struct handshake *handshake,
                   const struct handshake_options *options,
                   struct error *error);

/* Takes what belongs to the handshake from `bytes` and tells how much that
 * was; what is behind it was not looked at. After an error the connection is
 * to be closed, once what handshake_output() has was sent: it lets the other
 * side say for itself what does not fit. Errors, with words: ERR_INVALID (not
 * of this protocol), ERR_CORRUPT (damaged), ERR_VERSION, ERR_CONFLICT (another
 * cluster, the wrong node, oneself, a wrong secret). */
int handshake_receive(struct handshake *handshake, struct slice bytes,
                      size_t *ret_used, struct error *error);

/* What is to be sent now, once; may be empty. Valid until the next call. */
struct slice handshake_output(struct handshake *handshake);

static inline bool handshake_done(const struct handshake *handshake)
{
    return handshake->state == HANDSHAKE_DONE;
}

/* The words for a connection that ended in the midst of it. */
int handshake_interrupted(const struct handshake *handshake,
                          struct error *error);

/* The node behind a Raft id, and whether an id that is `wanted` (perhaps
 * without incarnation) means this one. */
static inline uint32_t handshake_node(uint64_t raft_id)
{
    return (uint32_t)(raft_id & 0xffff);
}
bool handshake_means(uint64_t wanted, uint64_t raft_id);

#endif
