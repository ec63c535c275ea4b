/* Each type's fields, written and read beside each other, and the table of
 * all types at the end.
 *
 * Everything that arrives is checked for form here, so that what is handed on
 * can only be wrong in meaning: flags, types of entries, the order of their
 * terms, lengths that add up, the checksum of each payload. */
#include "raft/frame_fields.h"

#include "base/bounds.h"

enum {
    APPEND_FIELDS = 33,
    ENTRY_FIELDS = FRAME_ENTRY_FIELDS,
    APPEND_FIELDS_MAX = APPEND_FIELDS + BOUND_APPEND_ENTRIES * ENTRY_FIELDS,
    INSTALL_FIELDS = 41,
    CALL_FIELDS = 20,

    VOTE_DISRUPTS = 1,
    VOTE_GRANTED = 1,
    VOTE_IS_PRE_VOTE = 2,
    VOTE_FLAGS = 3,
};

static bool refuse(struct error *error, const char *words)
{
    error_set(error, ERR_CORRUPT, "%s", words);
    return false;
}

static bool decode_flags(struct decoder *from, uint8_t *ret,
                         struct error *error)
{
    *ret = decoder_u8(from);
    return (*ret & ~VOTE_FLAGS) == 0 || refuse(error, "unknown flags");
}

/* --- AppendEntries ------------------------------------------------------ */

static void encode_append(const struct frame *frame, struct encoder *to)
{
    const struct raft_append_entries *append = &frame->message.append_entries;
    encoder_u64(to, append->term);
    encoder_u64(to, append->prev_log_index);
    encoder_u64(to, append->prev_log_term);
    encoder_u64(to, append->leader_commit);
    encoder_u8(to, append->version);
    for (unsigned i = 0; i < append->n_entries; i++) {
        const struct entry *entry = &frame->entries[i];
        encoder_u64(to, entry->term);
        encoder_u64(to, entry->checksum);
        encoder_u32(to, (uint32_t)entry->payload.length);
        encoder_u8(to, (uint8_t)entry->type);
    }
}

/* Terms never fall along a log, nor rise above that of its leader. */
static bool entry_follows(const struct raft_append_entries *append,
                          uint64_t term_before, const struct entry *entry)
{
    return entry->term != 0 && entry->term >= term_before &&
           entry->term <= append->term && entry->type >= ENTRY_COMMAND &&
           entry->type <= ENTRY_CHANGE;
}

static bool decode_entries(struct decoder *from, struct frame *ret,
                           struct error *error)
{
    const struct raft_append_entries *append = &ret->message.append_entries;
    struct decoder payloads = decoder_of(ret->payload);
    uint64_t term = append->prev_log_term;
    for (unsigned i = 0; i < append->n_entries; i++) {
        struct entry *entry = &ret->entries[i];
        entry->index = append->prev_log_index + 1 + i;
        entry->term = decoder_u64(from);
        entry->checksum = decoder_u64(from);
        entry->buffer = ret->buffer;
        entry->payload = decoder_bytes(&payloads, decoder_u32(from));
        entry->type = (enum entry_type)decoder_u8(from);
        if (payloads.failed)
            return refuse(error, "an entry exceeds the payload");
        if (!entry_follows(append, term, entry))
            return refuse(error, "an entry's term or type is not possible");
        if (entry_checksum(entry->payload) != entry->checksum)
            return refuse(error, "an entry's payload is damaged");
        term = entry->term;
    }
    return decoder_done(&payloads) ||
           refuse(error, "the payload exceeds the entries");
}

static bool decode_append(struct decoder *from, struct frame *ret,
                          struct error *error)
{
    struct raft_append_entries *append = &ret->message.append_entries;
    append->term = decoder_u64(from);
    append->prev_log_index = decoder_u64(from);
    append->prev_log_term = decoder_u64(from);
    append->leader_commit = decoder_u64(from);
    append->version = decoder_u8(from);
    size_t left = decoder_left(from);
    append->n_entries = (unsigned)(left / ENTRY_FIELDS);
    if (left % ENTRY_FIELDS != 0)
        return refuse(error, "the fields end within an entry");
    if (append->term == 0 || append->prev_log_term > append->term ||
        append->prev_log_index > UINT64_MAX - BOUND_APPEND_ENTRIES)
        return refuse(error, "its term or index is not possible");
    return decode_entries(from, ret, error);
}

static void encode_append_result(const struct frame *frame, struct encoder *to)
{
    const struct raft_append_entries_result *result =
        &frame->message.append_entries_result;
    encoder_u64(to, result->term);
    encoder_u64(to, result->rejected);
    encoder_u64(to, result->last_log_index);
    encoder_u16(to, result->features);
    encoder_u16(to, result->capacity);
    encoder_u8(to, result->version);
}

static bool decode_append_result(struct decoder *from, struct frame *ret,
                                 struct error *error)
{
    struct raft_append_entries_result *result =
        &ret->message.append_entries_result;
    (void)error;
    result->term = decoder_u64(from);
    result->rejected = decoder_u64(from);
    result->last_log_index = decoder_u64(from);
    result->features = decoder_u16(from);
    result->capacity = decoder_u16(from);
    result->version = decoder_u8(from);
    return true;
}

/* --- Votes -------------------------------------------------------------- */

static void encode_vote(const struct frame *frame, struct encoder *to)
{
    const struct raft_request_vote *vote = &frame->message.request_vote;
    int flags = (vote->disrupt_leader ? VOTE_DISRUPTS : 0) |
                (vote->pre_vote ? VOTE_IS_PRE_VOTE : 0);
    encoder_u64(to, vote->term);
    encoder_u64(to, vote->candidate_id);
    encoder_u64(to, vote->last_log_index);
    encoder_u64(to, vote->last_log_term);
    encoder_u8(to, vote->version);
    encoder_u8(to, (uint8_t)flags);
}

static bool decode_vote(struct decoder *from, struct frame *ret,
                        struct error *error)
{
    struct raft_request_vote *vote = &ret->message.request_vote;
    uint8_t flags;
    vote->term = decoder_u64(from);
    vote->candidate_id = decoder_u64(from);
    vote->last_log_index = decoder_u64(from);
    vote->last_log_term = decoder_u64(from);
    vote->version = decoder_u8(from);
    if (!decode_flags(from, &flags, error))
        return false;
    vote->disrupt_leader = (flags & VOTE_DISRUPTS) != 0;
    vote->pre_vote = (flags & VOTE_IS_PRE_VOTE) != 0;
    if (vote->candidate_id != ret->message.server_id)
        return refuse(error, "the candidate is not the sender");
    return (vote->term != 0 && vote->last_log_term <= vote->term) ||
           refuse(error, "its term is not possible");
}

static void encode_vote_result(const struct frame *frame, struct encoder *to)
{
    const struct raft_request_vote_result *result =
        &frame->message.request_vote_result;
    int flags = (result->vote_granted ? VOTE_GRANTED : 0) |
                (result->pre_vote ? VOTE_IS_PRE_VOTE : 0);
    encoder_u64(to, result->term);
    encoder_u16(to, result->features);
    encoder_u16(to, result->capacity);
    encoder_u8(to, result->version);
    encoder_u8(to, (uint8_t)flags);
}

static bool decode_vote_result(struct decoder *from, struct frame *ret,
                               struct error *error)
{
    struct raft_request_vote_result *result = &ret->message.request_vote_result;
    uint8_t flags;
    result->term = decoder_u64(from);
    result->features = decoder_u16(from);
    result->capacity = decoder_u16(from);
    result->version = decoder_u8(from);
    if (!decode_flags(from, &flags, error))
        return false;
    result->vote_granted = (flags & VOTE_GRANTED) != 0;
    result->pre_vote = (flags & VOTE_IS_PRE_VOTE) != 0;
    return true;
}

/* --- InstallSnapshot, TimeoutNow ---------------------------------------- */

static void encode_install(const struct frame *frame, struct encoder *to)
{
    const struct raft_install_snapshot *install =
        &frame->message.install_snapshot;
    encoder_u64(to, install->term);
    encoder_u64(to, install->last_index);
    encoder_u64(to, install->last_term);
    encoder_u64(to, install->conf_index);
    encoder_u8(to, install->version);
    encoder_string(to, frame->configuration);
    encoder_string(to, frame->description);
}

static bool decode_install(struct decoder *from, struct frame *ret,
                           struct error *error)
{
    struct raft_install_snapshot *install = &ret->message.install_snapshot;
    install->term = decoder_u64(from);
    install->last_index = decoder_u64(from);
    install->last_term = decoder_u64(from);
    install->conf_index = decoder_u64(from);
    install->version = decoder_u8(from);
    ret->configuration = decoder_string(from);
    ret->description = decoder_string(from);
    return (install->term != 0 && install->last_index != 0 &&
            install->last_term != 0 && install->last_term <= install->term &&
            install->conf_index <= install->last_index) ||
           refuse(error, "its term or index is not possible");
}

static void encode_timeout(const struct frame *frame, struct encoder *to)
{
    const struct raft_timeout_now *timeout = &frame->message.timeout_now;
    encoder_u64(to, timeout->term);
    encoder_u64(to, timeout->last_log_index);
    encoder_u64(to, timeout->last_log_term);
    encoder_u8(to, timeout->version);
}

static bool decode_timeout(struct decoder *from, struct frame *ret,
                           struct error *error)
{
    struct raft_timeout_now *timeout = &ret->message.timeout_now;
    timeout->term = decoder_u64(from);
    timeout->last_log_index = decoder_u64(from);
    timeout->last_log_term = decoder_u64(from);
    timeout->version = decoder_u8(from);
    return (timeout->term != 0 && timeout->last_log_term <= timeout->term) ||
           refuse(error, "its term is not possible");
}

/* --- Calls -------------------------------------------------------------- */

static void encode_call(const struct frame *frame, struct encoder *to)
{
    encoder_u64(to, frame->call.id);
    encoder_u64(to, entry_checksum(frame->payload));
    encoder_u32(to, frame->call.kind);
}

static bool decode_call(struct decoder *from, struct frame *ret,
                        struct error *error)
{
    ret->call.id = decoder_u64(from);
    uint64_t checksum = decoder_u64(from);
    ret->call.kind = decoder_u32(from);
    return entry_checksum(ret->payload) == checksum ||
           refuse(error, "its body is damaged");
}

static void encode_ping(const struct frame *frame, struct encoder *to)
{
    (void)frame;
    (void)to;
}

static bool decode_ping(struct decoder *from, struct frame *ret,
                        struct error *error)
{
    (void)from;
    (void)ret;
    (void)error;
    return true;
}

/* --- The table ---------------------------------------------------------- */

const struct frame_format frame_formats[FRAME_TYPES] = {
    [FRAME_APPEND_ENTRIES] = {"AppendEntries", APPEND_FIELDS, APPEND_FIELDS_MAX,
                              BOUND_ENTRY_BYTES_MAX, LANE_ENTRIES,
                              encode_append, decode_append},
    [FRAME_APPEND_ENTRIES_RESULT] = {"AppendEntries result", 29, 29, 0,
                                     LANE_SMALL, encode_append_result,
                                     decode_append_result},
    [FRAME_REQUEST_VOTE] = {"RequestVote", 34, 34, 0, LANE_SMALL, encode_vote,
                            decode_vote},
    [FRAME_REQUEST_VOTE_RESULT] = {"RequestVote result", 14, 14, 0, LANE_SMALL,
                                   encode_vote_result, decode_vote_result},
    [FRAME_INSTALL_SNAPSHOT] = {"InstallSnapshot", INSTALL_FIELDS,
                                BOUND_SMALL_FRAME_BYTES - FRAME_HEADER, 0,
                                LANE_SMALL, encode_install, decode_install},
    [FRAME_TIMEOUT_NOW] = {"TimeoutNow", 25, 25, 0, LANE_SMALL, encode_timeout,
                           decode_timeout},
    [FRAME_REQUEST] = {"request", CALL_FIELDS, CALL_FIELDS, BOUND_CALL_BYTES,
                       LANE_CALLS, encode_call, decode_call},
    [FRAME_ANSWER] = {"answer", CALL_FIELDS, CALL_FIELDS, BOUND_CALL_BYTES,
                      LANE_CALLS, encode_call, decode_call},
    /* Goes on any lane. */
    [FRAME_PING] = {"ping", 0, 0, 0, LANE_SMALL, encode_ping, decode_ping},
};
