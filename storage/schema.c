/* Rows are decoded strictly: a field too few or a byte too many is corruption,
 * because the checksum has already said that the bytes are those written. */
#include "storage/schema.h"

#include "base/error.h"
#include "storage/command.h"
#include "storage/idempotency.h"

#include <assert.h>
#include <xxhash.h>

static const struct {
    const char *name;
    bool replicated;
} databases[DATABASE_NUMBERS] = {
#define DATABASE_ROW(name, number, text, replicated)                           \
    [name] = {(text), (replicated)},
    DATABASES(DATABASE_ROW) INDEX_DATABASES(DATABASE_ROW)
#undef DATABASE_ROW
};

const char *database_name(enum database database)
{
    return databases[database].name;
}

bool database_replicated(enum database database)
{
    return databases[database].replicated;
}

/* ---- Keys ---- */

static uint8_t *key_extend(struct key *key, size_t size)
{
    assert(key->length + size <= KEY_SIZE_MAX);
    uint8_t *place = key->bytes + key->length;
    key->length += size;
    return place;
}

void key_u8(struct key *key, uint8_t value)
{
    *key_extend(key, 1) = value;
}

void key_u32(struct key *key, uint32_t value)
{
    put_key_u32(key_extend(key, 4), value);
}

void key_u64(struct key *key, uint64_t value)
{
    put_key_u64(key_extend(key, 8), value);
}

struct key key_of_u32(uint32_t id)
{
    struct key key;
    key.length = 0;
    key_u32(&key, id);
    return key;
}

struct key key_of_u64(uint64_t id)
{
    struct key key;
    key.length = 0;
    key_u64(&key, id);
    return key;
}

struct key key_of_position(uint32_t id, uint64_t position)
{
    struct key key = key_of_u32(id);
    key_u64(&key, position);
    return key;
}

struct key key_of_pair(uint32_t topic_id, uint32_t publisher_id)
{
    struct key key = key_of_u32(topic_id);
    key_u32(&key, publisher_id);
    return key;
}

struct key key_of_state(uint32_t publisher_id, enum delivery_state state,
                        uint64_t position)
{
    struct key key = key_of_u32(publisher_id);
    key_u8(&key, (uint8_t)state);
    key_u64(&key, position);
    return key;
}

struct key key_of_due(uint32_t publisher_id, uint64_t due_ms, uint64_t position)
{
    struct key key = key_of_u32(publisher_id);
    key_u64(&key, due_ms);
    key_u64(&key, position);
    return key;
}

struct key key_of_blocked(uint32_t publisher_id, uint64_t hash)
{
    return key_of_position(publisher_id, hash);
}

struct key key_of_key_index(uint32_t topic_id, uint64_t hash, uint64_t position)
{
    return key_of_due(topic_id, hash, position);
}

struct key key_of_schedule(uint32_t topic_id, uint64_t due_ms, uint64_t id)
{
    return key_of_due(topic_id, due_ms, id);
}

struct key key_of_triple(uint32_t topic_id, enum publisher_type type,
                         struct slice target)
{
    XXH128_canonical_t hash;
    XXH128_canonicalFromHash(&hash, XXH3_128bits(target.data, target.length));
    struct key key = key_of_u32(topic_id);
    key_u8(&key, (uint8_t)type);
    memcpy(key_extend(&key, sizeof hash.digest), hash.digest,
           sizeof hash.digest);
    return key;
}

static void key_bytes(struct key *key, struct slice bytes)
{
    memcpy(key_extend(key, bytes.length), bytes.data, bytes.length);
}

/* The client's key as it is and not its hash: two keys are never taken for
 * one. */
struct key key_of_idempotency(const struct idempotency *request)
{
    struct key key = key_of_u32(request->scope);
    key_u8(&key, request->route);
    key_bytes(&key, request->key);
    return key;
}

struct key key_of_idempotency_time(uint64_t until_ms, struct slice idem_key)
{
    struct key key = key_of_u64(until_ms);
    key_bytes(&key, idem_key);
    return key;
}

static_assert(KEY_SIZE_MAX >= 8 + 4 + 1 + IDEMPOTENCY_KEY_MAX,
              "the longest key of idem_time fits");

int key_read_u32(struct slice key, uint32_t *ret_id)
{
    if (key.length != 4)
        return ERR_CORRUPT;
    *ret_id = get_key_u32(key.data);
    return 0;
}

int key_read_position(struct slice key, uint32_t *ret_id,
                      uint64_t *ret_position)
{
    if (key.length != 12)
        return ERR_CORRUPT;
    *ret_id = get_key_u32(key.data);
    *ret_position = get_key_u64(key.data + 4);
    return 0;
}

int key_read_pair(struct slice key, uint32_t *ret_first, uint32_t *ret_second)
{
    if (key.length != 8)
        return ERR_CORRUPT;
    *ret_first = get_key_u32(key.data);
    *ret_second = get_key_u32(key.data + 4);
    return 0;
}

int key_read_due(struct slice key, uint64_t *ret_due_ms, uint64_t *ret_position)
{
    if (key.length != 20)
        return ERR_CORRUPT;
    *ret_due_ms = get_key_u64(key.data + 4);
    *ret_position = get_key_u64(key.data + 12);
    return 0;
}

int key_read_idempotency_time(struct slice key, uint64_t *ret_until_ms,
                              struct slice *ret_key)
{
    if (key.length <= 8)
        return ERR_CORRUPT;
    *ret_until_ms = get_key_u64(key.data);
    *ret_key = slice_of(key.data + 8, key.length - 8);
    return 0;
}

/* ---- Rows ---- */

void global_row_encode(struct encoder *out, const struct global_row *row)
{
    encoder_bytes(out, slice_of(row->cluster_id, sizeof row->cluster_id));
    encoder_u64(out, row->id_space);
    encoder_u64(out, row->clock_ms);
    encoder_u64(out, row->next_message_id);
    encoder_u64(out, row->next_replay_id);
    encoder_u32(out, row->next_topic_id);
    encoder_u32(out, row->next_publisher_id);
    encoder_u64(out, row->next_token_id);
    encoder_u64(out, row->next_audit_id);
}

int global_row_decode(struct slice content, struct global_row *ret_row)
{
    struct decoder in = decoder_of(content);
    struct global_row row = {0};
    struct slice id = decoder_bytes(&in, sizeof row.cluster_id);
    row.id_space = decoder_u64(&in);
    row.clock_ms = decoder_u64(&in);
    row.next_message_id = decoder_u64(&in);
    row.next_replay_id = decoder_u64(&in);
    row.next_topic_id = decoder_u32(&in);
    row.next_publisher_id = decoder_u32(&in);
    row.next_token_id = decoder_u64(&in);
    row.next_audit_id = decoder_u64(&in);
    int rc = decoder_end(&in);
    if (rc != 0)
        return rc;
    memcpy(row.cluster_id, id.data, id.length);
    *ret_row = row;
    return 0;
}

void applied_row_encode(struct encoder *out, const struct applied_row *row)
{
    encoder_u64(out, row->index);
    encoder_u64(out, row->hash_low);
    encoder_u64(out, row->hash_high);
}

int applied_row_decode(struct slice content, struct applied_row *ret_row)
{
    struct decoder in = decoder_of(content);
    ret_row->index = decoder_u64(&in);
    ret_row->hash_low = decoder_u64(&in);
    ret_row->hash_high = decoder_u64(&in);
    return decoder_end(&in);
}

void topic_row_encode(struct encoder *out, const struct topic_row *row)
{
    encoder_u64(out, row->created_ms);
    encoder_u64(out, row->messages);
    encoder_u64(out, row->gone);
    encoder_u64(out, row->first_position);
    encoder_u64(out, row->last_position);
    encoder_u64(out, row->scheduled);
    encoder_u64(out, row->bytes);
    encoder_u64(out, row->audit_id);
    encoder_u32(out, row->publishers);
    encoder_bytes(out, row->options);
}

int topic_row_decode(struct slice content, struct topic_row *ret_row)
{
    struct decoder in = decoder_of(content);
    ret_row->created_ms = decoder_u64(&in);
    ret_row->messages = decoder_u64(&in);
    ret_row->gone = decoder_u64(&in);
    ret_row->first_position = decoder_u64(&in);
    ret_row->last_position = decoder_u64(&in);
    ret_row->scheduled = decoder_u64(&in);
    ret_row->bytes = decoder_u64(&in);
    ret_row->audit_id = decoder_u64(&in);
    ret_row->publishers = decoder_u32(&in);
    ret_row->options = decoder_bytes(&in, decoder_left(&in));
    return decoder_end(&in);
}

void publisher_row_encode(struct encoder *out, const struct publisher_row *row)
{
    encoder_u32(out, row->topic_id);
    encoder_u64(out, row->created_ms);
    encoder_u64(out, row->updated_ms);
    encoder_u8(out, row->paused);
    encoder_u64(out, row->paused_ms);
    encoder_string(out, row->paused_by);
    encoder_string(out, row->pause_reason);
    publisher_options_encode(out, &row->options);
}

int publisher_row_decode(struct slice content, struct publisher_row *ret_row)
{
    struct decoder in = decoder_of(content);
    ret_row->topic_id = decoder_u32(&in);
    ret_row->created_ms = decoder_u64(&in);
    ret_row->updated_ms = decoder_u64(&in);
    ret_row->paused = decoder_u8(&in) != 0;
    ret_row->paused_ms = decoder_u64(&in);
    ret_row->paused_by = decoder_string(&in);
    ret_row->pause_reason = decoder_string(&in);
    struct slice options = decoder_bytes(&in, decoder_left(&in));
    return in.failed ? ERR_CORRUPT
                     : publisher_options_decode(options, &ret_row->options);
}

void id_row_encode(struct encoder *out, uint32_t id)
{
    encoder_u32(out, id);
}

int id_row_decode(struct slice content, uint32_t *ret_id)
{
    struct decoder in = decoder_of(content);
    *ret_id = decoder_u32(&in);
    return decoder_end(&in);
}

void idempotency_row_encode(struct encoder *out,
                            const struct idempotency_row *row)
{
    encoder_u64(out, row->until_ms);
    encoder_u64(out, row->id);
    encoder_u32(out, row->count);
    encoder_bytes(out, slice_of(row->request_hash, sizeof row->request_hash));
}

int idempotency_row_decode(struct slice content,
                           struct idempotency_row *ret_row)
{
    struct decoder in = decoder_of(content);
    ret_row->until_ms = decoder_u64(&in);
    ret_row->id = decoder_u64(&in);
    ret_row->count = decoder_u32(&in);
    struct slice hash = decoder_bytes(&in, sizeof ret_row->request_hash);
    int rc = decoder_end(&in);
    if (rc == 0)
        memcpy(ret_row->request_hash, hash.data, hash.length);
    return rc;
}

enum exception_flag {
    EXCEPTION_DOUBT = 1,
    EXCEPTION_ORDERED = 2,
    EXCEPTION_FLAGS = 3,
};

void exception_row_encode(struct encoder *out, const struct exception_row *row)
{
    encoder_u8(out, (uint8_t)row->state);
    encoder_u8(out, (uint8_t)((row->doubt ? EXCEPTION_DOUBT : 0) |
                              (row->ordered ? EXCEPTION_ORDERED : 0)));
    encoder_u64(out, row->key);
    encoder_u32(out, row->attempts);
    encoder_u32(out, row->budget_from);
    encoder_u32(out, row->holds);
    encoder_u32(out, row->replay_id);
    encoder_u64(out, row->since_ms);
    encoder_u64(out, row->due_ms);
    history_encode(out, &row->history);
}

int exception_row_decode(struct slice content, struct exception_row *ret_row)
{
    struct decoder in = decoder_of(content);
    uint8_t state = decoder_u8(&in);
    uint8_t flags = decoder_u8(&in);
    ret_row->key = decoder_u64(&in);
    ret_row->attempts = decoder_u32(&in);
    ret_row->budget_from = decoder_u32(&in);
    ret_row->holds = decoder_u32(&in);
    ret_row->replay_id = decoder_u32(&in);
    ret_row->since_ms = decoder_u64(&in);
    ret_row->due_ms = decoder_u64(&in);
    if (in.failed)
        return ERR_CORRUPT;
    if (state > DELIVERY_FILTERED || (flags & ~EXCEPTION_FLAGS) != 0)
        return ERR_VERSION;
    ret_row->state = (enum delivery_state)state;
    ret_row->doubt = (flags & EXCEPTION_DOUBT) != 0;
    ret_row->ordered = (flags & EXCEPTION_ORDERED) != 0;
    int rc = history_decode(&in, &ret_row->history);
    return rc != 0 ? rc : decoder_end(&in);
}

void blocked_row_encode(struct encoder *out, const struct blocked_row *row)
{
    encoder_u64(out, row->head);
    encoder_u32(out, row->waits);
    encoder_u32(out, row->stuck);
    encoder_u64(out, row->first_parked);
    encoder_u64(out, row->parked);
}

int blocked_row_decode(struct slice content, struct blocked_row *ret_row)
{
    struct decoder in = decoder_of(content);
    ret_row->head = decoder_u64(&in);
    ret_row->waits = decoder_u32(&in);
    ret_row->stuck = decoder_u32(&in);
    ret_row->first_parked = decoder_u64(&in);
    ret_row->parked = decoder_u64(&in);
    return decoder_end(&in);
}

void number_row_encode(struct encoder *out, uint64_t number)
{
    encoder_u64(out, number);
}

int number_row_decode(struct slice content, uint64_t *ret_number)
{
    struct decoder in = decoder_of(content);
    *ret_number = decoder_u64(&in);
    return decoder_end(&in);
}

void token_row_encode(struct encoder *out, const struct token *token)
{
    encoder_u8(out, (uint8_t)token->role);
    encoder_u64(out, token->created_ms);
    encoder_bytes(out, slice_of(token->digest, sizeof token->digest));
    encoder_string(out, token->name);
    encoder_string(out, token->topics);
}

int token_row_decode(uint32_t id, struct slice content, struct token *ret_token)
{
    struct decoder in = decoder_of(content);
    struct token token = {.id = id};
    uint8_t role = decoder_u8(&in);
    token.created_ms = decoder_u64(&in);
    int rc = token_take_rest(&in, role, &token);
    if (rc == 0)
        *ret_token = token;
    return rc;
}

void replay_row_encode(struct encoder *out, const struct replay *replay)
{
    encoder_u32(out, replay->publisher_id);
    encoder_u8(out, (uint8_t)replay->state);
    encoder_u8(out, replay->any_state);
    encoder_u8(out, (uint8_t)replay->wanted);
    encoder_u64(out, replay->from);
    encoder_u64(out, replay->upto);
    encoder_u64(out, replay->cursor);
    encoder_u64(out, replay->matched);
    encoder_u64(out, replay->done);
    encoder_u64(out, replay->started_ms);
    encoder_u64(out, replay->ended_ms);
    encoder_string(out, replay->filter);
    encoder_string(out, replay->asked_by);
}

int replay_row_decode(uint32_t id, struct slice content,
                      struct replay *ret_replay)
{
    struct decoder in = decoder_of(content);
    struct replay replay = {.id = id, .publisher_id = decoder_u32(&in)};
    uint8_t state = decoder_u8(&in);
    replay.any_state = decoder_u8(&in) != 0;
    uint8_t wanted = decoder_u8(&in);
    replay.from = decoder_u64(&in);
    replay.upto = decoder_u64(&in);
    replay.cursor = decoder_u64(&in);
    replay.matched = decoder_u64(&in);
    replay.done = decoder_u64(&in);
    replay.started_ms = decoder_u64(&in);
    replay.ended_ms = decoder_u64(&in);
    replay.filter = decoder_string(&in);
    replay.asked_by = decoder_string(&in);
    int rc = decoder_end(&in);
    if (rc == 0 && (state > REPLAY_CANCELLED || wanted > DELIVERY_FILTERED))
        rc = ERR_VERSION;
    if (rc != 0)
        return rc;
    replay.state = (enum replay_state)state;
    replay.wanted = (enum delivery_state)wanted;
    *ret_replay = replay;
    return 0;
}
