/* lease.h - since when a majority has followed this leader. No I/O, no clock.
 *
 *     request sent at T --> member --> answer, with T in it
 *
 * Who answers a request in the leader's term gave its vote to nobody else
 * before it had the request, and gives it to nobody within one election
 * timeout after (replica refuses such requests, also after a restart). So,
 * when a majority has answered requests that were sent at T or later, no
 * other leader can be elected before T plus the election timeout. Only the
 * leader's own clock is read; what its rate may differ from the members' is
 * covered by a margin. (Ongaro's thesis, 2014, section 6.4.1.)
 * Thread: any. */
#ifndef POSTOFFICE_RAFT_LEASE_H
#define POSTOFFICE_RAFT_LEASE_H

#include "base/bounds.h"

#include <raft.h>
#include <stdint.h>

/* Zero-initialised: nobody has answered. */
struct lease {
    struct lease_answer {
        uint64_t id;
        uint64_t sent_ms; /* Of the newest request that it answered. */
    } answers[BOUND_PEERS];
    unsigned count;
};

/* The member has answered a request of this term. */
void lease_answered(struct lease *lease, uint64_t id, uint64_t sent_ms);

/* Until when no other leader can be elected; 0: unknown. Only voters count;
 * this node itself follows as of now_ms. */
uint64_t lease_until_ms(const struct lease *lease,
                        const struct raft_configuration *configuration,
                        uint64_t self, uint64_t now_ms,
                        uint64_t election_timeout_ms);

#endif
