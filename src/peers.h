/* peers.h - what the other nodes say of themselves, for GET /api/cluster:
 * every node tells all others twice a second.
 *
 *     report  node u32 | applied index u64 | hash low u64 | hash high u64 |
 *             url | version | stranded: u8 count, node u32 each
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
    char url[PEERS_URL_MAX];
    char version[PEERS_VERSION_MAX];
    /* By the leader: members that lack what is no longer in its log. */
    uint32_t stranded[PEERS_MAX];
    uint32_t stranded_count;
    uint64_t heard_ms; /* clock_ms() */
};

struct peers {
    struct peer_report reports[PEERS_MAX];
    uint32_t count;
};

void peer_report_encode(struct encoder *out, const struct peer_report *report);
/* False for anything malformed, which is ignored. */
bool peers_hear(struct peers *peers, struct slice report, uint64_t now_ms);
/* NULL: never heard of. */
const struct peer_report *peers_find(const struct peers *peers,
                                     uint32_t node_id);
bool peer_report_strands(const struct peer_report *report, uint32_t node_id);
bool peer_report_is_fresh(const struct peer_report *report, uint64_t now_ms);

#endif
