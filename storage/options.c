/* The options of topics and publishers, as tagged fields. Tags ascend. All
 * fields are written and all wanted, so that a cut list is never taken for a
 * whole one; fields that come later are optional, and a program that does not
 * know one of them says so instead of losing it. */
#include "base/memory.h"
#include "storage/command.h"

enum topic_tag {
    TOPIC_NAME = 1,
    TOPIC_ORIGIN_HOST = 2,
    TOPIC_RECOVERY_ENABLED = 3,
    TOPIC_RETENTION_SECONDS = 4,
    TOPIC_MAX_BACKLOG_BYTES = 5,
    TOPIC_INDEXED_FIELDS = 6,
    TOPIC_TAGS = TOPIC_INDEXED_FIELDS,
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
    PUBLISHER_EXPIRE_AFTER_SECONDS = 11,
    PUBLISHER_RATE_LIMIT = 12,
    PUBLISHER_ORDERING = 13,
    PUBLISHER_ON_POISON = 14,
    PUBLISHER_BODY_FORMAT = 15,
    PUBLISHER_FILTER = 16,
    PUBLISHER_HEADERS = 17,
    PUBLISHER_SECRET = 18,
    PUBLISHER_PREVIOUS_SECRET = 19,
    PUBLISHER_PREVIOUS_SECRET_UNTIL = 20,
    PUBLISHER_BASIC_AUTH = 21,
    PUBLISHER_BEARER_TOKEN = 22,
    PUBLISHER_TAGS = PUBLISHER_BEARER_TOKEN,
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

/* A list of texts, so many of which belong together. */
static struct slice take_list(struct decoder *in, uint16_t tag, uint32_t each)
{
    struct slice bytes = take_bytes(in, tag);
    struct slice rest = bytes;
    struct slice text;
    uint32_t count = 0;
    int rc;
    while ((rc = text_list_next(&rest, &text)) == 0)
        count++;
    if (rc != ERR_END || count % each != 0)
        in->failed = true;
    return bytes;
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
    field_bytes(out, TOPIC_INDEXED_FIELDS, options->indexed_fields);
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
    options.indexed_fields = take_list(&in, TOPIC_INDEXED_FIELDS, 1);
    int rc = take_end(&in, TOPIC_TAGS);
    if (rc == 0 && recovery > 1)
        rc = ERR_CORRUPT;
    if (rc != 0)
        return rc;
    options.recovery_enabled = recovery == 1;
    *ret = options;
    return 0;
}

void command_topic_update_encode(struct encoder *out, uint64_t time_ms,
                                 const struct command_topic_update *update)
{
    size_t begun = command_begin(out, COMMAND_TOPIC_UPDATE, time_ms);
    encoder_u32(out, update->topic_id);
    topic_options_encode(out, &update->options);
    command_end(out, begun);
}

int command_topic_update_decode(struct slice body,
                                struct command_topic_update *ret)
{
    struct decoder in = decoder_of(body);
    struct command_topic_update update = {.topic_id = decoder_u32(&in)};
    if (in.failed)
        return ERR_CORRUPT;
    int rc = topic_options_decode(decoder_bytes(&in, decoder_left(&in)),
                                  &update.options);
    if (rc == 0)
        *ret = update;
    return rc;
}

void command_topic_create_encode(struct encoder *out, uint64_t time_ms,
                                 const struct topic_options *options)
{
    size_t begun = command_begin(out, COMMAND_TOPIC_CREATE, time_ms);
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
    field_u32(out, PUBLISHER_EXPIRE_AFTER_SECONDS,
              options->expire_after_seconds);
    field_u32(out, PUBLISHER_RATE_LIMIT, options->rate_limit_per_second);
    field_u8(out, PUBLISHER_ORDERING, (uint8_t)options->ordering);
    field_u8(out, PUBLISHER_ON_POISON, (uint8_t)options->on_poison);
    field_u8(out, PUBLISHER_BODY_FORMAT, (uint8_t)options->body_format);
    field_bytes(out, PUBLISHER_FILTER, options->filter);
    field_bytes(out, PUBLISHER_HEADERS, options->headers);
    field_bytes(out, PUBLISHER_SECRET, options->secret);
    field_bytes(out, PUBLISHER_PREVIOUS_SECRET, options->previous_secret);
    field_u64(out, PUBLISHER_PREVIOUS_SECRET_UNTIL,
              options->previous_secret_until_ms);
    field_bytes(out, PUBLISHER_BASIC_AUTH, options->basic_auth);
    field_bytes(out, PUBLISHER_BEARER_TOKEN, options->bearer_token);
}

/* The values of an enum that a newer program may have more of. */
struct raw_enums {
    uint8_t type;
    uint8_t guarantee;
    uint8_t ordering;
    uint8_t on_poison;
    uint8_t body_format;
};

static int enums_take(const struct raw_enums *raw,
                      struct publisher_options *options)
{
    if (raw->type < PUBLISHER_HTTP || raw->type > PUBLISHER_PUBSUB ||
        raw->guarantee > AT_MOST_ONCE || raw->ordering > ORDERING_STRICT ||
        raw->on_poison > POISON_BLOCK || raw->body_format > BODY_ENVELOPE)
        return ERR_VERSION;
    options->type = (enum publisher_type)raw->type;
    options->guarantee = (enum guarantee)raw->guarantee;
    options->ordering = (enum ordering)raw->ordering;
    options->on_poison = (enum poison)raw->on_poison;
    options->body_format = (enum body_format)raw->body_format;
    return 0;
}

int publisher_options_decode(struct slice fields, struct publisher_options *ret)
{
    struct decoder in = decoder_of(fields);
    struct raw_enums raw;
    struct publisher_options options = {
        .target = take_bytes(&in, PUBLISHER_TARGET),
    };
    raw.type = take_u8(&in, PUBLISHER_TYPE);
    options.timeout_seconds = take_u32(&in, PUBLISHER_TIMEOUT_SECONDS);
    options.retry_seconds = take_u32(&in, PUBLISHER_RETRY_SECONDS);
    options.retry_seconds_max = take_u32(&in, PUBLISHER_RETRY_SECONDS_MAX);
    options.chunk_size = take_u32(&in, PUBLISHER_CHUNK_SIZE);
    options.max_in_flight = take_u32(&in, PUBLISHER_MAX_IN_FLIGHT);
    options.max_attempts = take_u32(&in, PUBLISHER_MAX_ATTEMPTS);
    raw.guarantee = take_u8(&in, PUBLISHER_GUARANTEE);
    options.description = take_bytes(&in, PUBLISHER_DESCRIPTION);
    options.expire_after_seconds =
        take_u32(&in, PUBLISHER_EXPIRE_AFTER_SECONDS);
    options.rate_limit_per_second = take_u32(&in, PUBLISHER_RATE_LIMIT);
    raw.ordering = take_u8(&in, PUBLISHER_ORDERING);
    raw.on_poison = take_u8(&in, PUBLISHER_ON_POISON);
    raw.body_format = take_u8(&in, PUBLISHER_BODY_FORMAT);
    options.filter = take_bytes(&in, PUBLISHER_FILTER);
    options.headers = take_list(&in, PUBLISHER_HEADERS, 2);
    options.secret = take_bytes(&in, PUBLISHER_SECRET);
    options.previous_secret = take_bytes(&in, PUBLISHER_PREVIOUS_SECRET);
    options.previous_secret_until_ms =
        take_u64(&in, PUBLISHER_PREVIOUS_SECRET_UNTIL);
    options.basic_auth = take_bytes(&in, PUBLISHER_BASIC_AUTH);
    options.bearer_token = take_bytes(&in, PUBLISHER_BEARER_TOKEN);
    int rc = take_end(&in, PUBLISHER_TAGS);
    if (rc == 0)
        rc = enums_take(&raw, &options);
    if (rc == 0)
        *ret = options;
    return rc;
}

void publisher_options_copy(struct publisher_options *options,
                            struct arena *arena)
{
    struct slice *texts[] = {&options->target,     &options->description,
                             &options->filter,     &options->headers,
                             &options->secret,     &options->previous_secret,
                             &options->basic_auth, &options->bearer_token};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        *texts[i] = arena_copy(arena, *texts[i]);
}

enum { CREATE_FROM_NOW = 1, CREATE_PAUSED = 2, CREATE_FLAGS = 3 };

void command_publisher_create_encode(
    struct encoder *out, uint64_t time_ms,
    const struct command_publisher_create *create)
{
    size_t begun = command_begin(out, COMMAND_PUBLISHER_CREATE, time_ms);
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

void command_publisher_update_encode(
    struct encoder *out, uint64_t time_ms,
    const struct command_publisher_update *update)
{
    size_t begun = command_begin(out, COMMAND_PUBLISHER_UPDATE, time_ms);
    encoder_u32(out, update->publisher_id);
    encoder_u8(out, update->rotate);
    publisher_options_encode(out, &update->options);
    command_end(out, begun);
}

int command_publisher_update_decode(struct slice body,
                                    struct command_publisher_update *ret)
{
    struct decoder in = decoder_of(body);
    struct command_publisher_update update = {.publisher_id = decoder_u32(&in)};
    uint8_t rotate = decoder_u8(&in);
    if (in.failed || rotate > 1)
        return ERR_CORRUPT;
    update.rotate = rotate == 1;
    int rc = publisher_options_decode(decoder_bytes(&in, decoder_left(&in)),
                                      &update.options);
    if (rc == 0)
        *ret = update;
    return rc;
}
