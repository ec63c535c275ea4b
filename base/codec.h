/* codec.h - fixed-width integers and byte strings to and from memory.
 *
 * Values are little-endian; keys are big-endian, so that bytes compare as
 * numbers do. An encoder grows and never fails (small sizes) or is bounded by
 * its caller; a decoder never reads beyond its end: the first overrun sets
 * `failed`, and everything read after it is zero, so that a caller checks
 * once, at the end.
 * Thread: any. */
#ifndef POSTOFFICE_BASE_CODEC_H
#define POSTOFFICE_BASE_CODEC_H

#include "base/slice.h"

struct encoder {
    uint8_t *data; /* Owned; free with encoder_close(). */
    size_t length;
    size_t capacity;
};

/* Room for `size` more bytes; returns where they start and counts them as
 * used. Aborts when there is no memory. */
uint8_t *encoder_extend(struct encoder *encoder, size_t size);
void encoder_u8(struct encoder *encoder, uint8_t value);
void encoder_u16(struct encoder *encoder, uint16_t value);
void encoder_u32(struct encoder *encoder, uint32_t value);
void encoder_u64(struct encoder *encoder, uint64_t value);
void encoder_bytes(struct encoder *encoder, struct slice bytes);
/* A u32 length, then the bytes. */
void encoder_string(struct encoder *encoder, struct slice bytes);
/* Text as by printf(), of any length; without a terminating NUL. */
void encoder_print(struct encoder *encoder, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* What is there as text: a NUL stands behind it and is not counted. Borrowed
 * until the encoder changes. */
const char *encoder_text(struct encoder *encoder);
void encoder_close(struct encoder *encoder);

static inline struct slice encoder_slice(const struct encoder *encoder)
{
    return slice_of(encoder->data, encoder->length);
}

struct decoder {
    struct slice input; /* Borrowed. */
    size_t offset;
    bool failed;
};

static inline struct decoder decoder_of(struct slice input)
{
    return (struct decoder){.input = input};
}

uint8_t decoder_u8(struct decoder *decoder);
uint16_t decoder_u16(struct decoder *decoder);
uint32_t decoder_u32(struct decoder *decoder);
uint64_t decoder_u64(struct decoder *decoder);
/* Borrowed from the input. */
struct slice decoder_bytes(struct decoder *decoder, size_t length);
struct slice decoder_string(struct decoder *decoder); /* u32 length first. */
/* Everything was read and nothing overran. */
bool decoder_done(const struct decoder *decoder);
/* The same for formats that end where their last field does: 0, or
 * ERR_CORRUPT. */
int decoder_end(const struct decoder *decoder);
static inline size_t decoder_left(const struct decoder *decoder)
{
    return decoder->failed ? 0 : decoder->input.length - decoder->offset;
}

void put_u16(uint8_t *to, uint16_t value);
void put_u32(uint8_t *to, uint32_t value);
void put_u64(uint8_t *to, uint64_t value);
uint16_t get_u16(const uint8_t *from);
uint32_t get_u32(const uint8_t *from);
uint64_t get_u64(const uint8_t *from);
/* Big-endian, for keys. */
void put_key_u32(uint8_t *to, uint32_t value);
void put_key_u64(uint8_t *to, uint64_t value);
uint32_t get_key_u32(const uint8_t *from);
uint64_t get_key_u64(const uint8_t *from);

#endif
