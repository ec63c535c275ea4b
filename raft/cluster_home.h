/* cluster_home.h - the directory of a node's Raft state: whether its parts
 * belong together, and how it is founded.
 *
 *     directory/vote    who this node is, term and vote
 *     directory/log/    segments
 *
 * A new node writes the vote file first, marked as founding; then the log with
 * its first entry, the membership of itself alone; then the mark is taken
 * away. A crash on the way leaves the mark, and the next start begins again.
 * Without the mark both must be there: one without the other means that
 * acknowledged state was lost.
 * Thread: the opener; it waits for the disk. */
#ifndef POSTOFFICE_RAFT_CLUSTER_HOME_H
#define POSTOFFICE_RAFT_CLUSTER_HOME_H

#include "raft/vote.h"

#include <stddef.h>

struct cluster_home {
    int directory; /* -1: not open, as the next one. */
    int log_directory;
    struct vote_file *vote_file;
    struct vote vote;
};

struct cluster_home_options {
    const char *directory;
    uint32_t node_id;
    const char *address;
    uint64_t segment_bytes;
    uint64_t applied_index;
};

/* Errors: as cluster_open(). On failure nothing is left to close. */
int cluster_home_open(const struct cluster_home_options *options,
                      struct cluster_home *ret, struct error *error);
void cluster_home_close(struct cluster_home *home);

#endif
