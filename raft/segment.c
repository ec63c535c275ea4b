#include "raft/segment.h"

#include <assert.h>
#include <xxhash.h>

/* The header block. */
enum {
    BLOCK_MAGIC = 0,
    BLOCK_VERSION = 8,
    BLOCK_NUMBER = 16,
    BLOCK_SEED = 24,
    BLOCK_LOG_ID = 32,
    BLOCK_BYTES = 40,
    BLOCK_CHECKSUM = SEGMENT_BLOCK - 8, /* Over all before it. */
};

/* A record's header. */
enum {
    HEADER_CHECKSUM = 0,
    HEADER_CHAIN = 8,
    HEADER_PAYLOAD = 16,
    HEADER_INDEX = 24,
    HEADER_TERM = 32,
    HEADER_LENGTH = 40,
    HEADER_BATCH = 44,
    HEADER_TYPE = 48,
    HEADER_FLAGS = 49,
    HEADER_ZERO = 50,
    HEADER_SIGN = 52,
    FLAG_ENDS_BATCH = 1,
};
_Static_assert(HEADER_SIGN + 4 == RECORD_HEADER, "the fields fill the header");
_Static_assert(RECORD_HEADER % RECORD_ALIGNMENT == 0, "payloads are aligned");

static const uint8_t magic[8] = {'P', 'O', 'S', 'T', 'L', 'O', 'G', '\n'};
static const uint8_t sign[4] = {'P', 'O', 'S', 'R'};

void segment_header_encode(struct segment_header *header,
                           uint8_t block[SEGMENT_BLOCK])
{
    memset(block, 0, SEGMENT_BLOCK);
    memcpy(block + BLOCK_MAGIC, magic, sizeof magic);
    put_u32(block + BLOCK_VERSION, SEGMENT_VERSION);
    put_u64(block + BLOCK_NUMBER, header->number);
    put_u64(block + BLOCK_SEED, header->seed);
    put_u64(block + BLOCK_LOG_ID, header->log_id);
    put_u64(block + BLOCK_BYTES, header->bytes);
    header->chain = XXH3_64bits(block, BLOCK_CHECKSUM);
    put_u64(block + BLOCK_CHECKSUM, header->chain);
}

int segment_header_decode(const uint8_t block[SEGMENT_BLOCK],
                          struct segment_header *ret, struct error *error)
{
    uint64_t checksum = get_u64(block + BLOCK_CHECKSUM);
    if (memcmp(block + BLOCK_MAGIC, magic, sizeof magic) != 0 ||
        XXH3_64bits(block, BLOCK_CHECKSUM) != checksum)
        return error_set(error, ERR_CORRUPT, "the header block is damaged");
    uint32_t version = get_u32(block + BLOCK_VERSION);
    if (version != SEGMENT_VERSION)
        return error_set(error, ERR_VERSION,
                         "format %u, but this program knows format %u only",
                         version, (unsigned)SEGMENT_VERSION);
    *ret = (struct segment_header){
        .number = get_u64(block + BLOCK_NUMBER),
        .seed = get_u64(block + BLOCK_SEED),
        .log_id = get_u64(block + BLOCK_LOG_ID),
        .bytes = get_u64(block + BLOCK_BYTES),
        .chain = checksum,
    };
    return 0;
}

size_t record_size(size_t payload_length)
{
    size_t size = RECORD_HEADER + payload_length;
    return (size + RECORD_ALIGNMENT - 1) & ~(size_t)(RECORD_ALIGNMENT - 1);
}

struct segment_cursor segment_begin(const struct segment_header *header)
{
    return (struct segment_cursor){
        .seed = header->seed,
        .chain = header->chain,
        .offset = SEGMENT_BLOCK,
        .bytes = header->bytes,
        .batch = 0,
        .batch_ended = true,
    };
}

bool segment_fits(const struct segment_cursor *cursor, size_t payload_length)
{
    uint64_t room = cursor->bytes - cursor->offset;
    return room >= SEGMENT_MARK_ROOM &&
           record_size(payload_length) <= room - SEGMENT_MARK_ROOM;
}

/* A batch begins where the one before has ended. */
static uint32_t batch_of_next(const struct segment_cursor *cursor)
{
    return cursor->batch_ended ? cursor->batch + 1 : cursor->batch;
}

static void cursor_pass(struct segment_cursor *cursor,
                        const struct record *record, uint64_t checksum)
{
    cursor->chain = checksum;
    cursor->offset += record_size(record->length);
    cursor->batch = record->batch;
    cursor->batch_ended = record->ends_batch;
}

static uint64_t header_checksum(uint64_t seed, const uint8_t *header)
{
    return XXH3_64bits_withSeed(header + HEADER_CHAIN,
                                RECORD_HEADER - HEADER_CHAIN, seed);
}

void record_encode(struct segment_cursor *cursor, struct record *record,
                   uint8_t header[RECORD_HEADER])
{
    record->batch = batch_of_next(cursor);
    put_u64(header + HEADER_CHAIN, cursor->chain);
    put_u64(header + HEADER_PAYLOAD, record->payload_checksum);
    put_u64(header + HEADER_INDEX, record->index);
    put_u64(header + HEADER_TERM, record->term);
    put_u32(header + HEADER_LENGTH, record->length);
    put_u32(header + HEADER_BATCH, record->batch);
    header[HEADER_TYPE] = (uint8_t)record->type;
    header[HEADER_FLAGS] = record->ends_batch ? FLAG_ENDS_BATCH : 0;
    put_u16(header + HEADER_ZERO, 0);
    memcpy(header + HEADER_SIGN, sign, sizeof sign);
    uint64_t checksum = header_checksum(cursor->seed, header);
    put_u64(header + HEADER_CHECKSUM, checksum);
    cursor_pass(cursor, record, checksum);
}

bool record_decode(uint64_t seed, const uint8_t header[RECORD_HEADER],
                   struct record *ret, uint64_t *ret_chain,
                   uint64_t *ret_checksum)
{
    if (memcmp(header + HEADER_SIGN, sign, sizeof sign) != 0)
        return false;
    *ret_checksum = get_u64(header + HEADER_CHECKSUM);
    if (header_checksum(seed, header) != *ret_checksum)
        return false;
    *ret_chain = get_u64(header + HEADER_CHAIN);
    *ret = (struct record){
        .index = get_u64(header + HEADER_INDEX),
        .term = get_u64(header + HEADER_TERM),
        .payload_checksum = get_u64(header + HEADER_PAYLOAD),
        .length = get_u32(header + HEADER_LENGTH),
        .batch = get_u32(header + HEADER_BATCH),
        .type = header[HEADER_TYPE],
        .ends_batch = (header[HEADER_FLAGS] & FLAG_ENDS_BATCH) != 0,
    };
    return true;
}

/* The record at the cursor, wholly good. */
static bool take_record(struct segment_cursor *cursor, struct slice bytes,
                        struct record *ret, struct slice *ret_payload)
{
    struct record record;
    uint64_t chain;
    uint64_t checksum;
    uint64_t room = cursor->bytes - cursor->offset;
    if (room < RECORD_HEADER)
        return false;
    const uint8_t *header = bytes.data + cursor->offset;
    if (!record_decode(cursor->seed, header, &record, &chain, &checksum))
        return false;
    if (chain != cursor->chain || record.batch != batch_of_next(cursor) ||
        record_size(record.length) > room)
        return false;
    struct slice payload = slice_of(header + RECORD_HEADER, record.length);
    if (entry_checksum(payload) != record.payload_checksum)
        return false;
    *ret = record;
    *ret_payload = payload;
    cursor_pass(cursor, &record, checksum);
    return true;
}

enum segment_verdict segment_next(struct segment_cursor *cursor,
                                  struct slice bytes, struct record *ret,
                                  struct slice *ret_payload)
{
    assert(bytes.length == cursor->bytes);
    if (take_record(cursor, bytes, ret, ret_payload))
        return SEGMENT_RECORD;
    enum segment_verdict verdict = SEGMENT_END;
    uint32_t unfinished = batch_of_next(cursor);
    for (uint64_t offset = cursor->offset;
         offset + RECORD_HEADER <= cursor->bytes; offset += RECORD_ALIGNMENT) {
        struct record record;
        uint64_t chain;
        uint64_t checksum;
        if (!record_decode(cursor->seed, bytes.data + offset, &record, &chain,
                           &checksum))
            continue;
        if (record.batch > unfinished)
            return SEGMENT_DAMAGED;
        if (record.batch == unfinished)
            verdict = SEGMENT_TORN;
    }
    return verdict;
}

void base_encode(const struct log_base *base, struct encoder *encoder)
{
    encoder_u64(encoder, base->configuration_index);
    if (base->configuration != NULL)
        encoder_bytes(encoder, buffer_slice(base->configuration));
}

int base_decode(const struct record *record, struct slice payload,
                struct log_base *ret)
{
    struct decoder decoder = decoder_of(payload);
    struct log_base base = {.index = record->index, .term = record->term};
    base.configuration_index = decoder_u64(&decoder);
    if (decoder.failed || base.configuration_index > base.index)
        return ERR_CORRUPT;
    size_t length = decoder_left(&decoder);
    if (length > 0) {
        base.configuration = entry_copy(decoder_bytes(&decoder, length));
        if (base.configuration == NULL)
            return ERR_NO_MEMORY;
    }
    *ret = base;
    return 0;
}
