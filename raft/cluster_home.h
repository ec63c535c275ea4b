/* cluster_home.h - the directory of a node's Raft state: whether its parts
 * belong together, and how it is founded.
 *
 *     directory/vote    who this node is, term and vote
 *     directory/log/    segments
 *
 * A new node writes the vote file first, marked as founding; then the log with
 * its first entry, the membership of itself alone; then the mark is taken
 * away. A crash on the way leaves the mark, and the next start begins again.
 * The first members of a cluster of several write the vote file with a nonce
 * and wait, marked as founding, until cluster_home_found() (founding.h).
 * Without the mark both must be there: one without the other means that
 * acknowledged state was lost.
 * Thread: the opener; it waits for the disk. */
#ifndef POSTOFFICE_RAFT_CLUSTER_HOME_H
#define POSTOFFICE_RAFT_CLUSTER_HOME_H

#include "raft/cluster.h"
#include "raft/vote.h"

#include <stddef.h>

struct cluster_home {
    int directory; /* -1: not open, as the next one. */
    int log_directory;
    struct vote_file *vote_file;
    struct vote vote;
    bool waiting; /* For cluster_home_found(); there is no log yet. */
};

struct cluster_home_options {
    const char *directory;
    uint32_t node_id;
    const char *address;
    uint64_t segment_bytes;
    uint64_t applied_index;
    /* Borrowed until close: more than one: the first members. */
    const struct cluster_address *members;
    size_t members_count;
};

/* Errors: as cluster_open(). On failure nothing is left to close. */
int cluster_home_open(const struct cluster_home_options *options,
                      struct cluster_home *ret, struct error *error);
/* Makes the log of a node that waits, under the id that all first members have
 * come to. After an error the next start waits again.
 * Errors: ERR_IO, ERR_NO_SPACE. */
int cluster_home_found(struct cluster_home *home,
                       const struct cluster_home_options *options,
                       uint64_t log_id, struct error *error);
void cluster_home_close(struct cluster_home *home);

#endif
