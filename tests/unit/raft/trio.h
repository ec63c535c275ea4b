/* trio.h - three members of a cluster on one loop, over loopback and real
 * disks, for tests: opened and closed one by one, run until something holds.
 *
 * What a member hands over is kept as a hash of each entry by its index, so
 * that all can be compared. */
#ifndef POSTOFFICE_TESTS_RAFT_TRIO_H
#define POSTOFFICE_TESTS_RAFT_TRIO_H

#include "raft/cluster.h"

enum { TRIO = 3, TRIO_ENTRIES = 20000 };

struct trio;

struct trio_member {
    struct trio *trio;
    unsigned number;         /* 0 .. 2; its node id is one more. */
    struct cluster *cluster; /* NULL: down. */
    char directory[256];
    char address[32];
    bool closed;
    uint64_t leading_term;
    unsigned leadings;
    unsigned deposed;
    unsigned failed;
    struct error error;
    uint64_t entries;    /* Handed over in this run. */
    uint64_t last_index; /* Of them. */
    /* Of other members' requests: answered at once with "re: " before what
     * was asked, or kept when told so. */
    bool keeps_requests;
    struct cluster_asker asker; /* Of the last one kept. */
    unsigned requests;
    /* By index; 0: not handed over. Kept over restarts. */
    uint64_t hashes[TRIO_ENTRIES];
};

struct trio {
    uv_loop_t loop;
    struct cluster_options options; /* What all have in common. */
    struct cluster_address addresses[TRIO];
    struct trio_member members[TRIO];
    uint64_t acknowledged; /* Index of the last entry that was. */
    const char *waits_for; /* Said when it does not come to hold. */
};

/* New directories and free ports; short timeouts. */
void trio_init(struct trio *trio);
/* Closes what is open, and removes the directories. */
void trio_close(struct trio *trio);

void trio_open(struct trio *trio, unsigned number);
void trio_open_all(struct trio *trio);
void trio_stop(struct trio *trio, unsigned number);
/* Its directory is empty again. */
void trio_wipe(struct trio *trio, unsigned number);

/* Runs the loop until the condition holds; fails the test after 30 s. */
void trio_run_until(struct trio *trio, bool (*holds)(struct trio *trio),
                    const char *words);
/* For so long, whatever happens. */
void trio_run_for(struct trio *trio, uint64_t ms);

/* The member that leads in the highest term; NULL: none. */
struct trio_member *trio_leader(struct trio *trio);
/* Waits for one. */
struct trio_member *trio_lead(struct trio *trio);
/* Submits this many entries of some bytes, one after the other, to whoever
 * leads, and waits until each is handed over there. */
void trio_submit(struct trio *trio, unsigned count, size_t bytes);
/* Waits until all that are up have what was acknowledged, and compares. */
void trio_agree(struct trio *trio);

#endif
