/* receivers.h - the targets of the publishers: quick, slow, failing, away for
 * a while, asking for patience, gone; and each refuses some messages whatever
 * its mood. A request goes out a moment after it was asked for, if the leader
 * may still send then; what a receiver takes it may have taken without its
 * sender ever hearing of it. */
#ifndef POSTOFFICE_TESTS_SIM_RECEIVERS_H
#define POSTOFFICE_TESTS_SIM_RECEIVERS_H

#include "chronicle.h"
#include "src/delivery/scheduler.h"

enum receiver_mood {
    RECEIVER_QUICK,
    RECEIVER_SLOW,
    RECEIVER_FAILING,
    RECEIVER_AWAY,
    RECEIVER_BUSY, /* Answers 503 with Retry-After, mostly. */
    RECEIVER_MOODS
};

struct receivers {
    enum receiver_mood moods[PUBLISHERS_MAX + 1];
};

/* The node's leadership sends. */
void receivers_send(struct node *node, const struct delivery_send *send);

#endif
