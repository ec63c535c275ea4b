/* node_reads.h - queries on their way: each waits for a commit that covers
 * what it must see, runs on a view, and comes back a little later, when more
 * may have been applied. */
#ifndef POSTOFFICE_TESTS_SIM_NODE_READS_H
#define POSTOFFICE_TESTS_SIM_NODE_READS_H

#include "node.h"
#include "storage/query.h"

struct read {
    struct event event;
    struct read *next;
    uint64_t index; /* That it must see. */
    int (*run)(struct read *read, struct view *view, struct error *error);
    void (*done)(struct read *read);   /* Does not free it. */
    void (*forget)(struct read *read); /* Instead of done(); NULL: nothing. */
    int code;
    struct error error;
    struct arena arena;
};

/* Takes it; it is the head of a heap object. Everything up to the index will be
 * seen. */
void node_reads_submit(struct node *node, struct read *read, uint64_t index);
void node_reads_ready(struct node *node); /* After a commit. */
void node_reads_drop(struct node *node);

void node_store_plan_commit(struct node *node, bool soon);

#endif
