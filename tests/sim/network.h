/* network.h - what members say to each other: late, lost, doubled, out of
 * order, and not at all where a link is cut, which may be in one direction
 * only. Entries travel by reference. */
#ifndef POSTOFFICE_TESTS_SIM_NETWORK_H
#define POSTOFFICE_TESTS_SIM_NETWORK_H

#include "raft/founding.h"
#include "raft/frame.h"

struct node;
struct world;

enum { NODES_MAX = 5 };

struct network {
    bool cut[NODES_MAX][NODES_MAX]; /* [from][to] */
    uint64_t loss;                  /* Per thousand. */
    uint64_t doubled;
    uint64_t late;
};

/* An effect of the replica's; entries are taken from the sender's log. */
void network_send(struct node *from, const struct raft_message *message,
                  const struct frame_stamp *stamp);
void network_state(struct node *from, unsigned to,
                   const uint8_t statement[FOUNDING_STATEMENT]);

#endif
