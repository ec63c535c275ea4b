/* segment.h - the bytes of one log segment: formats, checks, and the walk over
 * its records. No I/O.
 *
 *     0        header block: number, random seed, log id, checksum
 *     4096     record BASE    what the log was before this segment
 *              record ...     commands, barriers, changes of membership
 *              record MARK    (nothing new came for a while)
 *              unused, or what was here before the segment was recycled
 *
 * A record is a header of 56 bytes, the payload, and zeros up to a multiple of
 * 8. All numbers are little-endian:
 *
 *     0 checksum u64   XXH3 of the rest of the header, seeded by the segment
 *     8 chain u64      checksum of the record before (the first: of the block)
 *    16 payload u64    XXH3 of the payload, as computed at submit
 *    24 index u64      BASE: the index before; MARK: the last
 *    32 term u64
 *    40 length u32     of the payload
 *    44 batch u32      counts the writes to this segment, from 1
 *    48 type u8        enum record_type
 *    49 flags u8       1: the last record of its batch
 *    50 zero u16
 *    52 sign u32       "POSR"
 *
 * The seed and the chain make sure that a stale record of a recycled segment
 * never follows a new one, and each header can also be checked alone. A batch
 * is written after the one before it was synced. So when a record is bad, any
 * header of a later batch behind it, or any record in a later segment, proves
 * that the bad one was durable once: it is damaged, and the node must not
 * vote. Without such proof it belongs to a write that never finished and was
 * never acknowledged: it is cut. A MARK, written when nothing follows for a
 * while, is that proof for the last batch.
 *
 * A record with an index at or below the last one cuts all entries from that
 * index on: truncation needs no operation of its own.
 * Thread: any. */
#ifndef POSTOFFICE_RAFT_SEGMENT_H
#define POSTOFFICE_RAFT_SEGMENT_H

#include "base/codec.h"
#include "base/error.h"
#include "raft/entry.h"

enum {
    SEGMENT_BLOCK = 4096, /* The header's size, and what O_DIRECT wants. */
    SEGMENT_VERSION = 1,
    RECORD_HEADER = 56,
    RECORD_ALIGNMENT = 8,
    /* Left free behind every entry: a MARK must always fit. */
    SEGMENT_MARK_ROOM = RECORD_HEADER,
    SEGMENT_BYTES_MIN = 4 * SEGMENT_BLOCK,
};

enum record_type {
    RECORD_COMMAND = ENTRY_COMMAND,
    RECORD_BARRIER = ENTRY_BARRIER,
    RECORD_CHANGE = ENTRY_CHANGE,
    RECORD_BASE = 16,
    RECORD_MARK = 17,
};

struct segment_header {
    uint64_t number; /* From 1, without gaps. */
    uint64_t seed;
    uint64_t log_id; /* Of the node's log; segments of another are foreign. */
    uint64_t bytes;  /* Size of the file. */
    uint64_t chain;  /* The block's own checksum: where the chain starts. */
};

/* Writes the block and sets header->chain. */
void segment_header_encode(struct segment_header *header,
                           uint8_t block[SEGMENT_BLOCK]);
/* Errors: ERR_CORRUPT, ERR_VERSION; with words, but without the name. */
int segment_header_decode(const uint8_t block[SEGMENT_BLOCK],
                          struct segment_header *ret, struct error *error);

struct record {
    uint64_t index;
    uint64_t term;
    uint64_t payload_checksum;
    uint32_t length;
    uint32_t batch;
    enum record_type type;
    bool ends_batch;
};

/* Bytes that a record with such a payload takes. */
size_t record_size(size_t payload_length);

/* Where the next record goes: the state of both the walk and the writer. */
struct segment_cursor {
    uint64_t seed;
    uint64_t chain;
    uint64_t offset;
    uint64_t bytes;
    uint32_t batch; /* Of the last record. */
    bool batch_ended;
};

/* Before the first record. */
struct segment_cursor segment_begin(const struct segment_header *header);

/* Whether a record of this payload fits, with the room for a MARK behind. */
bool segment_fits(const struct segment_cursor *cursor, size_t payload_length);

/* Writes a record's header (its batch is set from the cursor) and moves the
 * cursor behind payload and padding. */
void record_encode(struct segment_cursor *cursor, struct record *record,
                   uint8_t header[RECORD_HEADER]);

/* Checks a header by its own checksum alone. */
bool record_decode(uint64_t seed, const uint8_t header[RECORD_HEADER],
                   struct record *ret, uint64_t *ret_chain,
                   uint64_t *ret_checksum);

enum segment_verdict {
    SEGMENT_RECORD,  /* *ret is the next record; the cursor is behind it. */
    SEGMENT_END,     /* No sign of anything written further on. */
    SEGMENT_TORN,    /* An unfinished write begins here; cut it. */
    SEGMENT_DAMAGED, /* A record that was durable is bad. */
};

/* `bytes` is the whole segment. The payload is borrowed from it. After
 * anything but SEGMENT_RECORD the cursor stays where it is. */
enum segment_verdict segment_next(struct segment_cursor *cursor,
                                  struct slice bytes, struct record *ret,
                                  struct slice *ret_payload);

/* BASE's payload: the configuration's index and its bytes (may be none). */
void base_encode(const struct log_base *base, struct encoder *encoder);
/* The configuration is a new buffer. Errors: ERR_CORRUPT, ERR_NO_MEMORY. */
int base_decode(const struct record *record, struct slice payload,
                struct log_base *ret);

#endif
