/* The envelope, and the commands with small fixed bodies. Options stand in
 * options.c, messages in message.c, grants and outcomes in
 * command_delivery.c. */
#include "storage/command.h"

#include "storage/audit.h"

#include <assert.h>

enum { ENVELOPE_FLAGS_OFFSET = 2, ENVELOPE_LENGTH_OFFSET = 4 };

/* A flag that is set without a meaning for the type is a newer program's. */
static uint16_t flags_known(uint8_t type)
{
    if (type == COMMAND_MESSAGES)
        return COMMAND_KEYED;
    enum audit_action action;
    return audit_action_of(type, &action) ? COMMAND_SIGNED : 0;
}

/* Splits what is behind the envelope into the flag's field and the body. */
static int take_field(struct command *command, struct slice *ret_field)
{
    struct decoder in = decoder_of(command->body);
    *ret_field = decoder_bytes(&in, decoder_u16(&in));
    command->body = decoder_bytes(&in, decoder_left(&in));
    return in.failed ? ERR_CORRUPT : 0;
}

static int take_author(struct command *command)
{
    struct slice field;
    if (take_field(command, &field) != 0)
        return ERR_CORRUPT;
    struct decoder in = decoder_of(field);
    command->author.who = decoder_bytes(&in, decoder_u8(&in));
    command->author.request_id = decoder_bytes(&in, decoder_left(&in));
    return in.failed || command->author.who.length == 0 ? ERR_CORRUPT : 0;
}

int command_next(struct slice *entry, struct command *ret_command)
{
    if (entry->length == 0)
        return ERR_END;
    struct decoder in = decoder_of(*entry);
    struct command command = {.version = decoder_u8(&in)};
    command.type = decoder_u8(&in);
    command.flags = decoder_u16(&in);
    uint32_t length = decoder_u32(&in);
    command.time_ms = decoder_u64(&in);
    (void)decoder_u32(&in); /* Reserved. */
    command.body = decoder_bytes(&in, length);
    if (in.failed || command.version == 0)
        return ERR_CORRUPT;
    if (command.version != COMMAND_VERSION ||
        (command.flags & ~flags_known(command.type)) != 0)
        return ERR_VERSION;
    if ((command.flags & COMMAND_KEYED) != 0 &&
        take_field(&command, &command.idempotency) != 0)
        return ERR_CORRUPT;
    if ((command.flags & COMMAND_SIGNED) != 0 && take_author(&command) != 0)
        return ERR_CORRUPT;
    entry->data += in.offset;
    entry->length -= in.offset;
    *ret_command = command;
    return 0;
}

size_t command_begin(struct encoder *out, enum command_type type,
                     uint64_t time_ms)
{
    size_t begun = out->length;
    encoder_u8(out, COMMAND_VERSION);
    encoder_u8(out, (uint8_t)type);
    encoder_u16(out, 0);
    encoder_u32(out, 0);
    encoder_u64(out, time_ms);
    encoder_u32(out, 0);
    assert(out->length - begun == COMMAND_ENVELOPE_SIZE);
    return begun;
}

void command_flag(struct encoder *out, size_t begun, enum command_flag flag)
{
    put_u16(out->data + begun + ENVELOPE_FLAGS_OFFSET, (uint16_t)flag);
}

void command_end(struct encoder *out, size_t begun)
{
    size_t length = out->length - begun - COMMAND_ENVELOPE_SIZE;
    assert(length <= UINT32_MAX);
    put_u32(out->data + begun + ENVELOPE_LENGTH_OFFSET, (uint32_t)length);
}

void command_sign(struct encoder *out, size_t begun,
                  const struct author *author)
{
    size_t body_at = begun + COMMAND_ENVELOPE_SIZE;
    size_t body_size = out->length - body_at;
    size_t field = 1 + author->who.length + author->request_id.length;
    assert(author->who.length > 0 && author->who.length <= UINT8_MAX &&
           field <= UINT16_MAX);
    encoder_extend(out, 2 + field);
    uint8_t *at = out->data + body_at;
    memmove(at + 2 + field, at, body_size);
    put_u16(at, (uint16_t)field);
    at[2] = (uint8_t)author->who.length;
    memcpy(at + 3, author->who.data, author->who.length);
    if (author->request_id.length > 0)
        memcpy(at + 3 + author->who.length, author->request_id.data,
               author->request_id.length);
    command_flag(out, begun, COMMAND_SIGNED);
    command_end(out, begun);
}

void command_init_encode(struct encoder *out, uint64_t time_ms,
                         const struct command_init *init)
{
    size_t begun = command_begin(out, COMMAND_INIT, time_ms);
    encoder_bytes(out, slice_of(init->cluster_id, sizeof init->cluster_id));
    encoder_u64(out, init->id_space);
    command_end(out, begun);
}

int command_init_decode(struct slice body, struct command_init *ret_init)
{
    struct decoder in = decoder_of(body);
    struct slice id = decoder_bytes(&in, sizeof ret_init->cluster_id);
    uint64_t id_space = decoder_u64(&in);
    int rc = decoder_end(&in);
    if (rc != 0)
        return rc;
    memcpy(ret_init->cluster_id, id.data, id.length);
    ret_init->id_space = id_space;
    return 0;
}

void command_publisher_delete_encode(struct encoder *out, uint64_t time_ms,
                                     uint32_t publisher_id)
{
    size_t begun = command_begin(out, COMMAND_PUBLISHER_DELETE, time_ms);
    encoder_u32(out, publisher_id);
    command_end(out, begun);
}

static int u32_decode(struct slice body, uint32_t *ret_value)
{
    struct decoder in = decoder_of(body);
    uint32_t value = decoder_u32(&in);
    int rc = decoder_end(&in);
    if (rc == 0)
        *ret_value = value;
    return rc;
}

int command_publisher_delete_decode(struct slice body, uint32_t *ret_id)
{
    return u32_decode(body, ret_id);
}

void command_topic_delete_encode(struct encoder *out, uint64_t time_ms,
                                 const struct command_topic_delete *deletion)
{
    size_t begun = command_begin(out, COMMAND_TOPIC_DELETE, time_ms);
    encoder_u32(out, deletion->topic_id);
    encoder_u8(out, deletion->force);
    command_end(out, begun);
}

int command_topic_delete_decode(struct slice body,
                                struct command_topic_delete *ret)
{
    struct decoder in = decoder_of(body);
    uint32_t topic_id = decoder_u32(&in);
    uint8_t force = decoder_u8(&in);
    int rc = decoder_end(&in);
    if (rc == 0 && force > 1)
        rc = ERR_CORRUPT;
    if (rc == 0)
        *ret = (struct command_topic_delete){.topic_id = topic_id,
                                             .force = force == 1};
    return rc;
}

void command_pause_encode(struct encoder *out, uint64_t time_ms,
                          const struct command_pause *pause)
{
    size_t begun = command_begin(out, COMMAND_PUBLISHER_PAUSE, time_ms);
    encoder_u32(out, pause->publisher_id);
    encoder_u8(out, pause->paused);
    encoder_string(out, pause->reason);
    command_end(out, begun);
}

int command_pause_decode(struct slice body, struct command_pause *ret)
{
    struct decoder in = decoder_of(body);
    struct command_pause pause = {.publisher_id = decoder_u32(&in)};
    uint8_t paused = decoder_u8(&in);
    pause.reason = decoder_string(&in);
    int rc = decoder_end(&in);
    if (rc == 0 && paused > 1)
        rc = ERR_CORRUPT;
    if (rc != 0)
        return rc;
    pause.paused = paused == 1;
    *ret = pause;
    return 0;
}

void command_takeover_encode(struct encoder *out, uint64_t time_ms,
                             uint32_t node_id)
{
    size_t begun = command_begin(out, COMMAND_TAKEOVER, time_ms);
    encoder_u32(out, node_id);
    command_end(out, begun);
}

int command_takeover_decode(struct slice body, uint32_t *ret_node_id)
{
    return u32_decode(body, ret_node_id);
}

static void purge_encode(struct encoder *out, enum command_type type,
                         uint64_t time_ms, uint32_t id, uint32_t rows_max)
{
    size_t begun = command_begin(out, type, time_ms);
    encoder_u32(out, id);
    encoder_u32(out, rows_max);
    command_end(out, begun);
}

void command_purge_encode(struct encoder *out, uint64_t time_ms,
                          uint32_t publisher_id, uint32_t rows_max)
{
    purge_encode(out, COMMAND_PURGE, time_ms, publisher_id, rows_max);
}

void command_topic_purge_encode(struct encoder *out, uint64_t time_ms,
                                uint32_t topic_id, uint32_t rows_max)
{
    purge_encode(out, COMMAND_TOPIC_PURGE, time_ms, topic_id, rows_max);
}

int command_purge_decode(struct slice body, uint32_t *ret_publisher_id,
                         uint32_t *ret_rows_max)
{
    struct decoder in = decoder_of(body);
    uint32_t publisher_id = decoder_u32(&in);
    uint32_t rows_max = decoder_u32(&in);
    int rc = decoder_end(&in);
    if (rc != 0)
        return rc;
    *ret_publisher_id = publisher_id;
    *ret_rows_max = rows_max;
    return 0;
}

void command_release_encode(struct encoder *out, uint64_t time_ms,
                            const struct command_release *release)
{
    size_t begun = command_begin(out, COMMAND_RELEASE, time_ms);
    encoder_u32(out, release->topic_id);
    encoder_u64(out, release->upto_ms);
    encoder_u32(out, release->count_max);
    command_end(out, begun);
}

int command_release_decode(struct slice body, struct command_release *ret)
{
    struct decoder in = decoder_of(body);
    struct command_release release = {.topic_id = decoder_u32(&in)};
    release.upto_ms = decoder_u64(&in);
    release.count_max = decoder_u32(&in);
    int rc = decoder_end(&in);
    if (rc == 0)
        *ret = release;
    return rc;
}

void command_expire_encode(struct encoder *out, uint64_t time_ms,
                           const struct command_expire *expire)
{
    size_t begun = command_begin(out, COMMAND_EXPIRE, time_ms);
    encoder_u32(out, expire->topic_id);
    encoder_u64(out, expire->from);
    encoder_u64(out, expire->upto);
    encoder_u64(out, expire->cutoff_ms);
    command_end(out, begun);
}

int command_expire_decode(struct slice body, struct command_expire *ret)
{
    struct decoder in = decoder_of(body);
    struct command_expire expire = {.topic_id = decoder_u32(&in)};
    expire.from = decoder_u64(&in);
    expire.upto = decoder_u64(&in);
    expire.cutoff_ms = decoder_u64(&in);
    int rc = decoder_end(&in);
    if (rc == 0)
        *ret = expire;
    return rc;
}
