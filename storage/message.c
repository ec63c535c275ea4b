/* Message records: the form in which a message travels in a command and lies
 * in a run. The record is copied, never re-encoded, on its way from one to the
 * other; its form is checked once, when it is applied, and by the run's
 * checksum from then on. A record has one spelling only: tags ascend, and what
 * is absent has no tag. */
#include "storage/command.h"
#include "storage/idempotency.h"

#include <assert.h>

enum message_tag {
    TAG_SCHEDULE = 1,
    TAG_KEY = 2,
    TAG_TRACEPARENT = 3,
    TAG_ORIGIN = 4,
};
enum { TAG_HEADER_SIZE = 3 };

size_t command_messages_begin(struct encoder *out, uint64_t time_ms,
                              uint32_t count)
{
    return command_messages_begin_once(out, time_ms, NULL, count);
}

size_t command_messages_begin_once(struct encoder *out, uint64_t time_ms,
                                   const struct idempotency *request,
                                   uint32_t count)
{
    size_t begun = command_begin(out, COMMAND_MESSAGES, time_ms);
    if (request != NULL) {
        command_flag(out, begun, COMMAND_KEYED);
        idempotency_encode(out, request);
    }
    encoder_u32(out, count);
    return begun;
}

int command_messages_decode(struct slice body, uint32_t *ret_count,
                            struct slice *ret_records)
{
    struct decoder in = decoder_of(body);
    uint32_t count = decoder_u32(&in);
    struct slice records = decoder_bytes(&in, decoder_left(&in));
    if (in.failed || records.length / MESSAGE_HEADER_SIZE < count)
        return ERR_CORRUPT;
    *ret_count = count;
    *ret_records = records;
    return 0;
}

static size_t tag_size(struct slice value)
{
    return value.length == 0 ? 0 : TAG_HEADER_SIZE + value.length;
}

static size_t tags_size(const struct message *message)
{
    return (message->schedule_ms == 0 ? 0 : TAG_HEADER_SIZE + 8) +
           tag_size(message->key) + tag_size(message->traceparent) +
           tag_size(message->origin);
}

size_t message_encoded_size(const struct message *message)
{
    return MESSAGE_HEADER_SIZE + tags_size(message) +
           message->attributes.length + message->payload.length;
}

static void tag_encode(struct encoder *out, enum message_tag tag,
                       struct slice value)
{
    if (value.length == 0)
        return;
    assert(value.length <= UINT16_MAX);
    encoder_u8(out, (uint8_t)tag);
    encoder_u16(out, (uint16_t)value.length);
    encoder_bytes(out, value);
}

void message_encode(struct encoder *out, const struct message *message)
{
    encoder_u64(out, 0);
    encoder_u32(out, message->topic_id);
    encoder_u32(out, (uint32_t)tags_size(message));
    encoder_u32(out, (uint32_t)message->attributes.length);
    encoder_u32(out, (uint32_t)message->payload.length);
    if (message->schedule_ms != 0) {
        uint8_t schedule[8];
        put_u64(schedule, message->schedule_ms);
        tag_encode(out, TAG_SCHEDULE, slice_of(schedule, sizeof schedule));
    }
    tag_encode(out, TAG_KEY, message->key);
    tag_encode(out, TAG_TRACEPARENT, message->traceparent);
    tag_encode(out, TAG_ORIGIN, message->origin);
    encoder_bytes(out, message->attributes);
    encoder_bytes(out, message->payload);
}

static int tags_decode(struct slice tags, struct message *message)
{
    struct decoder in = decoder_of(tags);
    uint8_t last = 0;
    while (decoder_left(&in) > 0) {
        uint8_t tag = decoder_u8(&in);
        struct slice value = decoder_bytes(&in, decoder_u16(&in));
        if (in.failed || tag <= last || value.length == 0)
            return ERR_CORRUPT;
        last = tag;
        switch (tag) {
        case TAG_SCHEDULE:
            if (value.length != 8 || get_u64(value.data) == 0)
                return ERR_CORRUPT;
            message->schedule_ms = get_u64(value.data);
            break;
        case TAG_KEY:
            message->key = value;
            break;
        case TAG_TRACEPARENT:
            message->traceparent = value;
            break;
        case TAG_ORIGIN:
            message->origin = value;
            break;
        default:
            return ERR_VERSION;
        }
    }
    return in.failed ? ERR_CORRUPT : 0;
}

static int attributes_check(struct slice attributes)
{
    struct slice name;
    struct slice value;
    int rc;
    do {
        rc = attribute_next(&attributes, &name, &value);
    } while (rc == 0);
    return rc == ERR_END ? 0 : rc;
}

int message_next(struct slice *records, struct message *message)
{
    if (records->length == 0)
        return ERR_END;
    struct decoder in = decoder_of(*records);
    struct message read = {.id = message->id};
    read.received_ms = decoder_u64(&in);
    read.topic_id = decoder_u32(&in);
    uint32_t tags_length = decoder_u32(&in);
    uint32_t attributes_length = decoder_u32(&in);
    uint32_t payload_length = decoder_u32(&in);
    struct slice tags = decoder_bytes(&in, tags_length);
    read.attributes = decoder_bytes(&in, attributes_length);
    read.payload = decoder_bytes(&in, payload_length);
    if (in.failed)
        return ERR_CORRUPT;
    int rc = tags_decode(tags, &read);
    if (rc == 0)
        rc = attributes_check(read.attributes);
    if (rc != 0)
        return rc;
    records->data += in.offset;
    records->length -= in.offset;
    *message = read;
    return 0;
}

void attribute_encode(struct encoder *out, struct slice name,
                      struct slice value)
{
    assert(name.length <= UINT16_MAX && value.length <= UINT16_MAX);
    encoder_u16(out, (uint16_t)name.length);
    encoder_u16(out, (uint16_t)value.length);
    encoder_bytes(out, name);
    encoder_bytes(out, value);
}

int attribute_next(struct slice *attributes, struct slice *ret_name,
                   struct slice *ret_value)
{
    if (attributes->length == 0)
        return ERR_END;
    struct decoder in = decoder_of(*attributes);
    uint16_t name_length = decoder_u16(&in);
    uint16_t value_length = decoder_u16(&in);
    struct slice name = decoder_bytes(&in, name_length);
    struct slice value = decoder_bytes(&in, value_length);
    if (in.failed)
        return ERR_CORRUPT;
    attributes->data += in.offset;
    attributes->length -= in.offset;
    *ret_name = name;
    *ret_value = value;
    return 0;
}
