/* vote.h - the vote file: term and vote, and who this node is.
 *
 * Two slots of 4096 bytes, each with a generation and a checksum. A change is
 * written and synced to slot A, then to slot B, and counts when both are done.
 * So at any moment one slot is whole, and a flipped bit in one is repaired
 * from the other. With both bad the node does not know how it voted and must
 * not take part again.
 *
 *      0 magic "POSTVOTE"      40 log id u64       4088 checksum u64, XXH3
 *      8 version u32           48 node id u32           over all before
 *     12 stage u32             52 incarnation u32
 *     16 generation u64       56 nonce u64
 *     24 term u64
 *     32 vote u64
 *
 * Thread: one at a time; it waits for the disk, so never the loop. */
#ifndef POSTOFFICE_RAFT_VOTE_H
#define POSTOFFICE_RAFT_VOTE_H

#include "base/error.h"

#include <stdint.h>

enum vote_stage {
    /* The log beside it is being made and holds nothing that counts. */
    VOTE_FOUNDING = 1,
    VOTE_SERVING = 2,
};

struct vote {
    enum vote_stage stage;
    uint64_t term;
    uint64_t vote;   /* A Raft id; 0: none in this term. */
    uint64_t log_id; /* Random; the segments carry it too. */
    uint32_t node_id;
    uint32_t incarnation; /* From 1; one more when a node lost its volume. */
    /* Random, its share in the founding of a cluster of several; 0: none. */
    uint64_t nonce;
};

/* The Raft id: a node that comes back empty never votes under an old one. */
static inline uint64_t vote_raft_id(const struct vote *vote)
{
    return (uint64_t)vote->incarnation << 16 | vote->node_id;
}

struct vote_file;

/* Opens the file in the directory, repairs a bad or older slot, and tells
 * what it holds. Errors: ERR_NOT_FOUND (there is none), ERR_CORRUPT (both
 * slots are bad), ERR_VERSION, ERR_IO. */
int vote_open(int directory, struct vote_file **ret, struct vote *ret_vote,
              struct error *error);

/* Makes the file; a crash leaves it whole or absent. The directory must have
 * none. Errors: ERR_IO, ERR_NO_SPACE. */
int vote_create(int directory, const struct vote *vote, struct vote_file **ret,
                struct error *error);

/* Durable when it returns 0. After an error the file is no longer trusted. */
int vote_write(struct vote_file *file, const struct vote *vote,
               struct error *error);

void vote_close(struct vote_file *file); /* NULL is fine. */

#endif
