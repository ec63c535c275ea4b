/* peers.h - what the other nodes say of themselves, for GET /api/cluster:
 * every node tells all others twice a second.
 *
 *     report  node u32 | applied index u64 | hash low u64 | hash high u64 |
 *             wall clock ms u64 | url | version |
 *             stranded: u8 count, node u32 each
 *                                    (texts: u32 length, bytes)
 *
 * No I/O. Thread: the loop. */
#ifndef POSTOFFICE_PEERS_H
#define POSTOFFICE_PEERS_H

#include "base/codec.h"
#include "storage/store.h"

enum {
    PEERS_MAX = 16,
    PEERS_EVERY_MS = 500,
    PEERS_FRESH_MS = 2500, /* A node that says nothing for so long is away. */
    PEERS_URL_MAX = 256,
    PEERS_VERSION_MAX = 32,
};

struct peer_report {
    uint32_t node_id;
    uint64_t applied_index;
    struct state_hash state_hash;
    uint64_t wall_ms; /* When it was written, by its writer's clock. */
    char url[PEERS_URL_MAX];
    char version[PEERS_VERSION_MAX];
    /* By the leader: members that lack what is no longer in its log. */
    uint32_t stranded[PEERS_MAX];
    uint32_t stranded_count;
    uint64_t heard_ms; /* clock_ms() */
    int64_t ahead_ms;  /* Its clock, less our own when it was heard. */
};

struct peers {
    struct peer_report reports[PEERS_MAX];
    uint32_t count;
};

void peer_report_encode(struct encoder *out, const struct peer_report *report);
/* False for anything malformed, which is ignored. */
bool peers_hear(struct peers *peers, struct slice report, uint64_t now_ms,
                uint64_t wall_ms);
/* NULL: never heard of. */
const struct peer_report *peers_find(const struct peers *peers,
                                     uint32_t node_id);
bool peer_report_strands(const struct peer_report *report, uint32_t node_id);
bool peer_report_is_fresh(const struct peer_report *report, uint64_t now_ms);

/* How far the median of these nodes' clocks, our own among them, is ahead of
 * our own, in milliseconds. False: too few have reported lately to tell. */
bool peers_clock_ahead(const struct peers *peers, const uint32_t *voters,
                       uint32_t count, uint32_t own_id, uint64_t now_ms,
                       int64_t *ret_ahead_ms);

#endif
