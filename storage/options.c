/* The options of topics and publishers, as tagged fields. Tags ascend. The
 * fields of version 1 are all written and all wanted, so that a cut list is
 * never taken for a whole one; fields that come later are optional, and a
 * program that does not know one of them says so instead of losing it. */
#include "storage/command.h"

enum topic_tag {
    TOPIC_NAME = 1,
    TOPIC_ORIGIN_HOST = 2,
    TOPIC_RECOVERY_ENABLED = 3,
    TOPIC_RETENTION_SECONDS = 4,
    TOPIC_MAX_BACKLOG_BYTES = 5,
    TOPIC_TAGS = TOPIC_MAX_BACKLOG_BYTES,
};

enum publisher_tag {
    PUBLISHER_TARGET = 1,
    PUBLISHER_TYPE = 2,
    PUBLISHER_TIMEOUT_SECONDS = 3,
    PUBLISHER_RETRY_SECONDS = 4,
    PUBLISHER_RETRY_SECONDS_MAX = 5,
    PUBLISHER_CHUNK_SIZE = 6,
    PUBLISHER_MAX_IN_FLIGHT = 7,
    PUBLISHER_MAX_ATTEMPTS = 8,
    PUBLISHER_GUARANTEE = 9,
    PUBLISHER_DESCRIPTION = 10,
    PUBLISHER_TAGS = PUBLISHER_DESCRIPTION,
};

/* ---- Fields ---- */

static void field_bytes(struct encoder *out, uint16_t tag, struct slice bytes)
{
    encoder_u16(out, tag);
    encoder_string(out, bytes);
}

static void field_u8(struct encoder *out, uint16_t tag, uint8_t value)
{
    field_bytes(out, tag, slice_of(&value, sizeof value));
}

static void field_u32(struct encoder *out, uint16_t tag, uint32_t value)
{
    encoder_u16(out, tag);
    encoder_u32(out, sizeof value);
    encoder_u32(out, value);
}

static void field_u64(struct encoder *out, uint16_t tag, uint64_t value)
{
    encoder_u16(out, tag);
    encoder_u32(out, sizeof value);
    encoder_u64(out, value);
}

/* Fields are read in the order of their tags; the first one that is missing,
 * cut or of another size makes the rest unreadable. */
static struct slice take_bytes(struct decoder *in, uint16_t tag)
{
    if (decoder_u16(in) != tag)
        in->failed = true;
    return decoder_string(in);
}

static struct slice take_sized(struct decoder *in, uint16_t tag, size_t size)
{
    struct slice bytes = take_bytes(in, tag);
    if (bytes.length != size)
        in->failed = true;
    return bytes;
}

static uint8_t take_u8(struct decoder *in, uint16_t tag)
{
    struct slice bytes = take_sized(in, tag, 1);
    return in->failed ? 0 : bytes.data[0];
}

static uint32_t take_u32(struct decoder *in, uint16_t tag)
{
    struct slice bytes = take_sized(in, tag, 4);
    return in->failed ? 0 : get_u32(bytes.data);
}

static uint64_t take_u64(struct decoder *in, uint16_t tag)
{
    struct slice bytes = take_sized(in, tag, 8);
    return in->failed ? 0 : get_u64(bytes.data);
}

/* What follows the known fields is a newer program's, or garbage. */
static int take_end(struct decoder *in, uint16_t last_tag)
{
    if (in->failed)
        return ERR_CORRUPT;
    if (decoder_done(in))
        return 0;
    uint16_t tag = decoder_u16(in);
    decoder_string(in);
    return in->failed || tag <= last_tag ? ERR_CORRUPT : ERR_VERSION;
}

/* ---- Topics ---- */

void topic_options_encode(struct encoder *out,
                          const struct topic_options *options)
{
    field_bytes(out, TOPIC_NAME, options->name);
    field_bytes(out, TOPIC_ORIGIN_HOST, options->origin_host);
    field_u8(out, TOPIC_RECOVERY_ENABLED, options->recovery_enabled);
    field_u64(out, TOPIC_RETENTION_SECONDS, options->retention_seconds);
    field_u64(out, TOPIC_MAX_BACKLOG_BYTES, options->max_backlog_bytes);
}

int topic_options_decode(struct slice fields, struct topic_options *ret)
{
    struct decoder in = decoder_of(fields);
    struct topic_options options = {
        .name = take_bytes(&in, TOPIC_NAME),
    };
    options.origin_host = take_bytes(&in, TOPIC_ORIGIN_HOST);
    uint8_t recovery = take_u8(&in, TOPIC_RECOVERY_ENABLED);
    options.retention_seconds = take_u64(&in, TOPIC_RETENTION_SECONDS);
    options.max_backlog_bytes = take_u64(&in, TOPIC_MAX_BACKLOG_BYTES);
    int rc = take_end(&in, TOPIC_TAGS);
    if (rc == 0 && recovery > 1)
        rc = ERR_CORRUPT;
    if (rc != 0)
        return rc;
    options.recovery_enabled = recovery == 1;
    *ret = options;
    return 0;
}

void command_topic_create_encode(struct encoder *out, uint64_t time_ms,
                                 uint32_t actor,
                                 const struct topic_options *options)
{
    size_t begun = command_begin(out, COMMAND_TOPIC_CREATE, time_ms, actor);
    topic_options_encode(out, options);
    command_end(out, begun);
}

/* ---- Publishers ---- */

void publisher_options_encode(struct encoder *out,
                              const struct publisher_options *options)
{
    field_bytes(out, PUBLISHER_TARGET, options->target);
    field_u8(out, PUBLISHER_TYPE, (uint8_t)options->type);
    field_u32(out, PUBLISHER_TIMEOUT_SECONDS, options->timeout_seconds);
    field_u32(out, PUBLISHER_RETRY_SECONDS, options->retry_seconds);
    field_u32(out, PUBLISHER_RETRY_SECONDS_MAX, options->retry_seconds_max);
    field_u32(out, PUBLISHER_CHUNK_SIZE, options->chunk_size);
    field_u32(out, PUBLISHER_MAX_IN_FLIGHT, options->max_in_flight);
    field_u32(out, PUBLISHER_MAX_ATTEMPTS, options->max_attempts);
    field_u8(out, PUBLISHER_GUARANTEE, (uint8_t)options->guarantee);
    field_bytes(out, PUBLISHER_DESCRIPTION, options->description);
}

int publisher_options_decode(struct slice fields, struct publisher_options *ret)
{
    struct decoder in = decoder_of(fields);
    struct publisher_options options = {
        .target = take_bytes(&in, PUBLISHER_TARGET),
    };
    uint8_t type = take_u8(&in, PUBLISHER_TYPE);
    options.timeout_seconds = take_u32(&in, PUBLISHER_TIMEOUT_SECONDS);
    options.retry_seconds = take_u32(&in, PUBLISHER_RETRY_SECONDS);
    options.retry_seconds_max = take_u32(&in, PUBLISHER_RETRY_SECONDS_MAX);
    options.chunk_size = take_u32(&in, PUBLISHER_CHUNK_SIZE);
    options.max_in_flight = take_u32(&in, PUBLISHER_MAX_IN_FLIGHT);
    options.max_attempts = take_u32(&in, PUBLISHER_MAX_ATTEMPTS);
    uint8_t guarantee = take_u8(&in, PUBLISHER_GUARANTEE);
    options.description = take_bytes(&in, PUBLISHER_DESCRIPTION);
    int rc = take_end(&in, PUBLISHER_TAGS);
    if (rc != 0)
        return rc;
    if (type < PUBLISHER_HTTP || type > PUBLISHER_PUBSUB ||
        guarantee > AT_MOST_ONCE)
        return ERR_VERSION;
    options.type = (enum publisher_type)type;
    options.guarantee = (enum guarantee)guarantee;
    *ret = options;
    return 0;
}

enum { CREATE_FROM_NOW = 1, CREATE_PAUSED = 2, CREATE_FLAGS = 3 };

void command_publisher_create_encode(
    struct encoder *out, uint64_t time_ms, uint32_t actor,
    const struct command_publisher_create *create)
{
    size_t begun = command_begin(out, COMMAND_PUBLISHER_CREATE, time_ms, actor);
    encoder_u32(out, create->topic_id);
    encoder_u8(out, (uint8_t)((create->from_now ? CREATE_FROM_NOW : 0) |
                              (create->paused ? CREATE_PAUSED : 0)));
    publisher_options_encode(out, &create->options);
    command_end(out, begun);
}

int command_publisher_create_decode(struct slice body,
                                    struct command_publisher_create *ret)
{
    struct decoder in = decoder_of(body);
    struct command_publisher_create create = {.topic_id = decoder_u32(&in)};
    uint8_t flags = decoder_u8(&in);
    if (in.failed)
        return ERR_CORRUPT;
    if ((flags & ~CREATE_FLAGS) != 0)
        return ERR_VERSION;
    create.from_now = (flags & CREATE_FROM_NOW) != 0;
    create.paused = (flags & CREATE_PAUSED) != 0;
    int rc = publisher_options_decode(decoder_bytes(&in, decoder_left(&in)),
                                      &create.options);
    if (rc == 0)
        *ret = create;
    return rc;
}
