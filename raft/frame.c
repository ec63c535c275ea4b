/* Frames: headers, and around the fields of each type (frame_fields) what all
 * types have in common: lengths and their bounds, checksums, lanes. */
#include "raft/frame.h"

#include "base/bounds.h"
#include "raft/frame_fields.h"

#include <assert.h>
#include <inttypes.h>
#include <xxhash.h>

enum { FRAME_MAGIC = 0x46534f50 /* "POSF" */ };
_Static_assert((int)FRAME_REQUEST == (int)RAFT_TIMEOUT_NOW + 1,
               "our own types follow libraft's");
_Static_assert(BOUND_APPEND_BYTES <= BOUND_ENTRY_BYTES_MAX,
               "several entries are never larger than the largest one");

static const struct frame_format *format_of(unsigned type)
{
    return type < FRAME_TYPES && frame_formats[type].name != NULL
               ? &frame_formats[type]
               : NULL;
}

const char *frame_type_name(enum frame_type type)
{
    const struct frame_format *format = format_of(type);
    return format == NULL ? "unknown frame" : format->name;
}

static enum frame_lane lane_of(enum frame_type type, size_t fields_bytes)
{
    bool heartbeat = type == FRAME_APPEND_ENTRIES &&
                     fields_bytes == frame_formats[type].fields_min;
    return heartbeat ? LANE_SMALL : frame_formats[type].lane;
}

/* --- Sending ------------------------------------------------------------ */

unsigned frame_fit(const struct entry *entries, unsigned count)
{
    size_t bytes = 0;
    unsigned fit = 0;
    while (fit < count && fit < BOUND_APPEND_ENTRIES) {
        bytes += entries[fit].payload.length;
        if (fit > 0 &&
            (bytes > BOUND_APPEND_BYTES || entries[fit].type == ENTRY_CHANGE))
            break;
        fit++;
    }
    return fit;
}

static size_t measure_fields(const struct frame *frame)
{
    size_t length = frame_formats[frame->type].fields_min;
    if (frame->type == FRAME_APPEND_ENTRIES)
        length += (size_t)frame->message.append_entries.n_entries *
                  FRAME_ENTRY_FIELDS;
    if (frame->type == FRAME_INSTALL_SNAPSHOT)
        length += frame->configuration.length + frame->description.length;
    return length;
}

static size_t measure_payload(const struct frame *frame)
{
    size_t length = 0;
    if (frame->type == FRAME_REQUEST || frame->type == FRAME_ANSWER)
        length = frame->payload.length;
    if (frame->type == FRAME_APPEND_ENTRIES)
        for (unsigned i = 0; i < frame->message.append_entries.n_entries; i++)
            length += frame->entries[i].payload.length;
    return length;
}

int frame_measure(const struct frame *frame, struct frame_size *ret)
{
    const struct frame_format *format = format_of(frame->type);
    assert(format != NULL);
    size_t fields = measure_fields(frame);
    size_t payload = measure_payload(frame);
    if (fields > format->fields_max || payload > format->payload_max)
        return ERR_TOO_LARGE;
    ret->head = FRAME_HEADER + fields;
    ret->payload = payload;
    ret->lane = lane_of(frame->type, fields);
    return 0;
}

void frame_encode(const struct frame *frame, const struct frame_size *size,
                  uint8_t *head)
{
    size_t fields = size->head - FRAME_HEADER;
    /* As large as the fields: it never grows. */
    struct encoder to = {.data = head + FRAME_HEADER, .capacity = fields};
    frame_formats[frame->type].encode(frame, &to);
    assert(to.length == fields);
    put_u64(head + 8, XXH3_64bits(head + FRAME_HEADER, fields));
    put_u64(head + 16, frame->stamp.sequence);
    put_u64(head + 24, frame->stamp.time_ms);
    put_u32(head + 32, FRAME_MAGIC);
    put_u32(head + 36, (uint32_t)fields);
    put_u32(head + 40, (uint32_t)size->payload);
    head[44] = FRAME_VERSION;
    head[45] = (uint8_t)frame->type;
    put_u16(head + 46, 0);
    put_u64(head, XXH3_64bits(head + 8, FRAME_HEADER - 8));
}

/* --- Receiving ---------------------------------------------------------- */

int frame_header_decode(const uint8_t bytes[FRAME_HEADER],
                        struct frame_header *ret, struct error *error)
{
    if (get_u64(bytes) != XXH3_64bits(bytes + 8, FRAME_HEADER - 8) ||
        get_u32(bytes + 32) != FRAME_MAGIC)
        return error_set(error, ERR_CORRUPT, "the header of a frame is bad");
    if (bytes[44] != FRAME_VERSION)
        return error_set(error, ERR_VERSION, "a frame of version %u",
                         bytes[44]);
    const struct frame_format *format = format_of(bytes[45]);
    if (format == NULL || get_u16(bytes + 46) != 0)
        return error_set(error, ERR_VERSION, "a frame of unknown type %u",
                         bytes[45]);
    uint32_t fields = get_u32(bytes + 36);
    uint32_t payload = get_u32(bytes + 40);
    if (fields < format->fields_min)
        return error_set(error, ERR_CORRUPT,
                         "%s with %" PRIu32 " bytes of fields", format->name,
                         fields);
    if (fields > format->fields_max || payload > format->payload_max)
        return error_set(error, ERR_TOO_LARGE,
                         "%s with %" PRIu32 " and %" PRIu32 " bytes",
                         format->name, fields, payload);
    *ret = (struct frame_header){
        .type = (enum frame_type)bytes[45],
        .fields_bytes = fields,
        .payload_bytes = payload,
        .fields_checksum = get_u64(bytes + 8),
        .stamp = {get_u64(bytes + 16), get_u64(bytes + 24)},
    };
    ret->lane = lane_of(ret->type, fields);
    return 0;
}

int frame_decode(const struct frame_header *header, struct buffer *body,
                 uint64_t from, struct entry *entries, struct frame *ret,
                 struct error *error)
{
    assert(body->length == frame_body_bytes(header));
    const struct frame_format *format = &frame_formats[header->type];
    struct slice fields = slice_of(body->data, header->fields_bytes);
    if (XXH3_64bits(fields.data, fields.length) != header->fields_checksum)
        return error_set(error, ERR_CORRUPT, "%s: its fields are damaged",
                         format->name);
    *ret = (struct frame){
        .type = header->type,
        .stamp = header->stamp,
        .entries = entries,
        .payload =
            slice_of(body->data + header->fields_bytes, header->payload_bytes),
        .buffer = body,
    };
    /* libraft's enumeration ends where our own types begin. */
    if (header->type < FRAME_REQUEST)
        ret->message.type = (enum raft_message_type)header->type;
    ret->message.server_id = from;
    struct decoder decoder = decoder_of(fields);
    if (!format->decode(&decoder, ret, error))
        return error_wrap(error, ERR_CORRUPT, "%s", format->name);
    if (!decoder_done(&decoder))
        return error_set(error, ERR_CORRUPT, "%s: its fields do not add up",
                         format->name);
    return 0;
}
