#include "storage/idempotency.h"

#include <assert.h>
#include <xxhash.h>

enum { FIXED_SIZE = 4 + 1 + REQUEST_HASH_SIZE };

void idempotency_hash(struct slice body, uint8_t ret_hash[REQUEST_HASH_SIZE])
{
    XXH128_canonical_t hash;
    static_assert(sizeof hash.digest == REQUEST_HASH_SIZE, "128 bits");
    XXH128_canonicalFromHash(&hash, XXH3_128bits(body.data, body.length));
    memcpy(ret_hash, hash.digest, sizeof hash.digest);
}

size_t idempotency_encoded_size(const struct idempotency *request)
{
    return 2 + FIXED_SIZE + request->key.length;
}

void idempotency_encode(struct encoder *out, const struct idempotency *request)
{
    assert(request->key.length > 0 &&
           request->key.length <= IDEMPOTENCY_KEY_MAX);
    encoder_u16(out, (uint16_t)(FIXED_SIZE + request->key.length));
    encoder_u32(out, request->scope);
    encoder_u8(out, request->route);
    encoder_bytes(
        out, slice_of(request->request_hash, sizeof request->request_hash));
    encoder_bytes(out, request->key);
}

int idempotency_decode(struct slice field, struct idempotency *ret_request)
{
    struct decoder in = decoder_of(field);
    struct idempotency request = {.scope = decoder_u32(&in)};
    request.route = decoder_u8(&in);
    struct slice hash = decoder_bytes(&in, sizeof request.request_hash);
    request.key = decoder_bytes(&in, decoder_left(&in));
    if (in.failed || request.key.length == 0 ||
        request.key.length > IDEMPOTENCY_KEY_MAX)
        return ERR_CORRUPT;
    memcpy(request.request_hash, hash.data, hash.length);
    *ret_request = request;
    return 0;
}
