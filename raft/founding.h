/* founding.h - how the first members of a cluster agree to begin it. No I/O.
 *
 *     each, empty:   statement {list, nonce} to all the others
 *     all nonces known:  log id = hash(list, nonces)  --> found the log
 *
 * A node that has an empty directory and a list of first members writes a
 * random nonce to its vote file and tells it to the others. Once it knows the
 * nonce of each, it founds its log under an id made of all of them; so all
 * come to the same id, and none begins before all have answered that they are
 * empty. Who has founded tells its log id with its nonce: a node that was
 * slower follows only if that id is what the nonces give, its own among them.
 * A node that has lost its volume has a new nonce, so it can never found a
 * second time under an id that has voted; its words say so.
 *
 * The log id stands for the cluster: segments, vote file and handshakes carry
 * it.
 * Thread: the loop. */
#ifndef POSTOFFICE_RAFT_FOUNDING_H
#define POSTOFFICE_RAFT_FOUNDING_H

#include "base/bounds.h"
#include "base/error.h"
#include "raft/cluster.h"

enum { FOUNDING_STATEMENT = 25 };

struct founding {
    uint64_t list;   /* Hash of the first members; 0: not looked at. */
    uint64_t log_id; /* 0: has not founded. */
    uint32_t node_id;
    unsigned count;
    struct founding_member {
        uint32_t node_id;
        uint64_t nonce; /* 0: has not spoken. */
        uint64_t log_id;
    } members[BOUND_PEERS]; /* By node id. */
};

/* A node that waits. `members` are those of cluster_options, in any order. */
void founding_init(struct founding *founding, uint32_t node_id, uint64_t nonce,
                   const struct cluster_address *members, size_t count);
/* A node that has a log. */
void founding_done(struct founding *founding, uint32_t node_id, uint64_t nonce,
                   uint64_t log_id);

/* What it tells the others. */
void founding_state(const struct founding *founding,
                    uint8_t statement[FOUNDING_STATEMENT]);

/* What another one tells. 0: noted; *ret_log_id is the id to found under, or 0
 * while somebody has not spoken. Errors, with words: ERR_CORRUPT, ERR_VERSION,
 * ERR_CONFLICT (it has another list, or a cluster without this node). */
int founding_hear(struct founding *founding, uint32_t node_id,
                  struct slice statement, uint64_t *ret_log_id,
                  struct error *error);

/* Whether such a statement asks for an answer: it comes from one who waits. */
bool founding_waits(struct slice statement);

#endif
