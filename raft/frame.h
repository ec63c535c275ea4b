/* frame.h - what members say to each other, as bytes. No I/O.
 *
 *     header (48)          fields            payload
 *     | sum, lengths | numbers, sums ... | entries' bytes, as they arrived |
 *        checked alone   covered by header   covered by sums in the fields
 *
 * The header is checked by itself, so that its lengths can be trusted before
 * anything is allocated; they are bounded by type besides. Then come fields
 * and payload, which are read into one buffer; the payload is neither copied
 * to be sent nor after it was received. All numbers are little-endian:
 *
 *     0 checksum u64   XXH3 of the rest of the header
 *     8 fields u64     XXH3 of the fields
 *    16 sequence u64   } the stamp
 *    24 time_ms u64    }
 *    32 magic u32      "POSF"
 *    36 length u32     of the fields
 *    40 length u32     of the payload
 *    44 version u8
 *    45 type u8        enum frame_type
 *    46 zero u16
 *
 * The stamp is the sender's own in a request, and in a result that of the
 * request that it answers: so a leader knows since when a majority follows
 * it.
 *
 * Each type belongs to one of three lanes, connections of their own: an
 * AppendEntries with entries delays no heartbeat, and neither delays an API
 * request that is forwarded. Frames of one lane keep their order. A heartbeat
 * may overtake entries, and is refused by the follower when it follows on
 * them: whoever sends one takes for its previous entry one that is known to
 * match.
 *
 * The messages are those of the Raft paper (Ongaro and Ousterhout 2014) as
 * libraft has them.
 * Thread: any. */
#ifndef POSTOFFICE_RAFT_FRAME_H
#define POSTOFFICE_RAFT_FRAME_H

#include "base/error.h"
#include "raft/entry.h"

#include <raft.h>

enum { FRAME_VERSION = 1, FRAME_HEADER = 48 };

/* The numbers travel; those of Raft are libraft's. */
enum frame_type {
    FRAME_APPEND_ENTRIES = RAFT_APPEND_ENTRIES,
    FRAME_APPEND_ENTRIES_RESULT = RAFT_APPEND_ENTRIES_RESULT,
    FRAME_REQUEST_VOTE = RAFT_REQUEST_VOTE,
    FRAME_REQUEST_VOTE_RESULT = RAFT_REQUEST_VOTE_RESULT,
    FRAME_INSTALL_SNAPSHOT = RAFT_INSTALL_SNAPSHOT,
    FRAME_TIMEOUT_NOW = RAFT_TIMEOUT_NOW,
    FRAME_REQUEST, /* Of a kind that the askers agree on. */
    FRAME_ANSWER,
    FRAME_PING, /* Says that the line is alive. */
    FRAME_TYPES,
};

enum frame_lane { LANE_ENTRIES, LANE_SMALL, LANE_CALLS, LANES };

struct frame_stamp {
    uint64_t sequence;
    uint64_t time_ms;
};

struct frame_call {
    uint64_t id;   /* The asker's; the answer repeats it. */
    uint32_t kind; /* Of request; or of answer, as they agree. */
};

/* Only what belongs to the type is set. */
struct frame {
    enum frame_type type;
    struct frame_stamp stamp;
    /* The Raft types. server_id is the other member's; the pointers inside
     * are NULL: what they would point to is in here. */
    struct raft_message message;
    /* AppendEntries: message.append_entries.n_entries of them, numbered from
     * the previous one on. Encoding reads term, type, checksum, payload. */
    struct entry *entries;
    /* InstallSnapshot: libraft's encoding of the membership; what describes
     * the state. */
    struct slice configuration;
    struct slice description;
    struct frame_call call;
    /* The call's body; of a decoded AppendEntries, all that its entries hold.
     */
    struct slice payload;
    /* Where the call's body lies, or everything that was decoded. */
    struct buffer *buffer;
};

const char *frame_type_name(enum frame_type type);

/* --- Sending ------------------------------------------------------------ */

/* How many of these entries go into the next AppendEntries: as many as stay
 * in BOUND_APPEND_BYTES, at least one, and a CHANGE only as the first, for the
 * core that receives it needs it so. 0 only when count is 0. */
unsigned frame_fit(const struct entry *entries, unsigned count);

struct frame_size {
    size_t head; /* Header and fields. */
    size_t payload;
    enum frame_lane lane;
};

/* Errors: ERR_TOO_LARGE. */
int frame_measure(const struct frame *frame, struct frame_size *ret);

/* Writes the head, as long as was measured. The payloads are sent behind it
 * in order: those of the entries, or the call's body. */
void frame_encode(const struct frame *frame, const struct frame_size *size,
                  uint8_t *head);

/* --- Receiving ---------------------------------------------------------- */

struct frame_header {
    enum frame_type type;
    enum frame_lane lane;
    uint32_t fields_bytes;
    uint32_t payload_bytes;
    uint64_t fields_checksum;
    struct frame_stamp stamp;
};

static inline size_t frame_body_bytes(const struct frame_header *header)
{
    return (size_t)header->fields_bytes + header->payload_bytes;
}

/* Errors, with words: ERR_CORRUPT, ERR_VERSION, ERR_TOO_LARGE. */
int frame_header_decode(const uint8_t bytes[FRAME_HEADER],
                        struct frame_header *ret, struct error *error);

/* `body` holds fields and payload. `from` is the Raft id of the sender.
 * `entries` has room for BOUND_APPEND_ENTRIES; they are borrowed, as is all
 * that the frame points to: entry_ref() each one that is kept or handed to
 * replica_receive(). Errors, with words: ERR_CORRUPT. */
int frame_decode(const struct frame_header *header, struct buffer *body,
                 uint64_t from, struct entry *entries, struct frame *ret,
                 struct error *error);

#endif
