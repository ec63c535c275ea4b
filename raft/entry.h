/* entry.h - one entry of the replicated log, and a point between two entries.
 *
 * The same struct travels from the core (replica) through the tail to the log
 * writer, and back from the log reader. Its payload is written once and then
 * only referred to; the checksum is computed once, where the payload enters
 * the cluster, and checked by everybody who reads it later.
 * Thread: references are counted on the loop; other threads borrow. */
#ifndef POSTOFFICE_RAFT_ENTRY_H
#define POSTOFFICE_RAFT_ENTRY_H

#include "base/buffer.h"

/* The numbers are stored, and equal to libraft's. */
enum entry_type { ENTRY_COMMAND = 1, ENTRY_BARRIER = 2, ENTRY_CHANGE = 3 };

struct entry {
    uint64_t index;
    uint64_t term;
    uint64_t checksum; /* entry_checksum() of the payload. */
    enum entry_type type;
    struct slice payload;  /* Inside buffer. */
    struct buffer *buffer; /* A reference of the struct's holder. */
};

/* Where the log stands after some entry: what a segment begins with, and what
 * the core is told instead of the entries that are gone. */
struct log_base {
    uint64_t index; /* 0: before the first entry. */
    uint64_t term;
    uint64_t configuration_index;
    /* libraft's encoding; a reference of the struct's holder; NULL: none. */
    struct buffer *configuration;
};

/* XXH3, 64 bits. */
uint64_t entry_checksum(struct slice payload);

/* A further reference for a copy of the struct. Loop only. */
void entry_ref(const struct entry *entry);
void entry_unref(struct entry *entry);

/* A buffer that holds a copy of these bytes; NULL without memory. */
struct buffer *entry_copy(struct slice bytes);

/* The same point one entry later. The configuration is only pointed at, not
 * referenced: it lives as long as the entry's buffer or the base before. A
 * CHANGE's payload is its whole buffer (replica sees to it). */
struct log_base log_base_after(const struct log_base *base,
                               const struct entry *entry);

#endif
