#include "base/codec.h"

#include "base/error.h"
#include "base/memory.h"

#include <endian.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void put_u16(uint8_t *to, uint16_t value)
{
    value = htole16(value);
    memcpy(to, &value, sizeof value);
}

void put_u32(uint8_t *to, uint32_t value)
{
    value = htole32(value);
    memcpy(to, &value, sizeof value);
}

void put_u64(uint8_t *to, uint64_t value)
{
    value = htole64(value);
    memcpy(to, &value, sizeof value);
}

uint16_t get_u16(const uint8_t *from)
{
    uint16_t value;
    memcpy(&value, from, sizeof value);
    return le16toh(value);
}

uint32_t get_u32(const uint8_t *from)
{
    uint32_t value;
    memcpy(&value, from, sizeof value);
    return le32toh(value);
}

uint64_t get_u64(const uint8_t *from)
{
    uint64_t value;
    memcpy(&value, from, sizeof value);
    return le64toh(value);
}

void put_key_u32(uint8_t *to, uint32_t value)
{
    value = htobe32(value);
    memcpy(to, &value, sizeof value);
}

void put_key_u64(uint8_t *to, uint64_t value)
{
    value = htobe64(value);
    memcpy(to, &value, sizeof value);
}

uint32_t get_key_u32(const uint8_t *from)
{
    uint32_t value;
    memcpy(&value, from, sizeof value);
    return be32toh(value);
}

uint64_t get_key_u64(const uint8_t *from)
{
    uint64_t value;
    memcpy(&value, from, sizeof value);
    return be64toh(value);
}

uint8_t *encoder_extend(struct encoder *encoder, size_t size)
{
    if (encoder->capacity - encoder->length < size) {
        size_t capacity = encoder->capacity == 0 ? 256 : encoder->capacity * 2;
        if (capacity < encoder->length + size)
            capacity = encoder->length + size;
        encoder->data = memory_resize(encoder->data, capacity);
        encoder->capacity = capacity;
    }
    uint8_t *start = encoder->data + encoder->length;
    encoder->length += size;
    return start;
}

void encoder_u8(struct encoder *encoder, uint8_t value)
{
    *encoder_extend(encoder, 1) = value;
}

void encoder_u16(struct encoder *encoder, uint16_t value)
{
    put_u16(encoder_extend(encoder, 2), value);
}

void encoder_u32(struct encoder *encoder, uint32_t value)
{
    put_u32(encoder_extend(encoder, 4), value);
}

void encoder_u64(struct encoder *encoder, uint64_t value)
{
    put_u64(encoder_extend(encoder, 8), value);
}

void encoder_bytes(struct encoder *encoder, struct slice bytes)
{
    if (bytes.length > 0)
        memcpy(encoder_extend(encoder, bytes.length), bytes.data, bytes.length);
}

void encoder_string(struct encoder *encoder, struct slice bytes)
{
    encoder_u32(encoder, (uint32_t)bytes.length);
    encoder_bytes(encoder, bytes);
}

void encoder_print(struct encoder *encoder, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    /* One byte more for the NUL, which is then given back. */
    if (length > 0) {
        uint8_t *to = encoder_extend(encoder, (size_t)length + 1);
        vsnprintf((char *)to, (size_t)length + 1, format, again);
        encoder->length--;
    }
    va_end(again);
}

const char *encoder_text(struct encoder *encoder)
{
    encoder_u8(encoder, '\0');
    encoder->length--;
    return (const char *)encoder->data;
}

void encoder_close(struct encoder *encoder)
{
    free(encoder->data);
    *encoder = (struct encoder){0};
}

static const uint8_t *decoder_take(struct decoder *decoder, size_t size)
{
    if (decoder->failed || decoder->input.length - decoder->offset < size) {
        decoder->failed = true;
        return NULL;
    }
    const uint8_t *start = decoder->input.data + decoder->offset;
    decoder->offset += size;
    return start;
}

uint8_t decoder_u8(struct decoder *decoder)
{
    const uint8_t *from = decoder_take(decoder, 1);
    return from == NULL ? 0 : *from;
}

uint16_t decoder_u16(struct decoder *decoder)
{
    const uint8_t *from = decoder_take(decoder, 2);
    return from == NULL ? 0 : get_u16(from);
}

uint32_t decoder_u32(struct decoder *decoder)
{
    const uint8_t *from = decoder_take(decoder, 4);
    return from == NULL ? 0 : get_u32(from);
}

uint64_t decoder_u64(struct decoder *decoder)
{
    const uint8_t *from = decoder_take(decoder, 8);
    return from == NULL ? 0 : get_u64(from);
}

struct slice decoder_bytes(struct decoder *decoder, size_t length)
{
    if (length == 0)
        return slice_of(NULL, 0);
    const uint8_t *from = decoder_take(decoder, length);
    return from == NULL ? slice_of(NULL, 0) : slice_of(from, length);
}

struct slice decoder_string(struct decoder *decoder)
{
    return decoder_bytes(decoder, decoder_u32(decoder));
}

bool decoder_done(const struct decoder *decoder)
{
    return !decoder->failed && decoder->offset == decoder->input.length;
}

int decoder_end(const struct decoder *decoder)
{
    return decoder_done(decoder) ? 0 : ERR_CORRUPT;
}
