/* idempotency.h - requests that are carried out once, however often they are
 * sent.
 *
 * A client gives its request a key and sends it again under the same key when
 * it does not know what came of it. The state machine remembers what the first
 * one gave, for IDEMPOTENCY_KEPT_MS of the log's clock, and answers the others
 * with that. Because apply decides, requests that race, a restart and a change
 * of leader make no difference.
 *
 * In a command the key stands as
 *
 *     length u16 | scope u32 | route u8 | request hash 16 | key
 *
 * where `length` counts what is behind it. The hash is XXH3_128 of the
 * request's body as received, and tells the same request from another one
 * under the same key. It is computed on the loop over bodies of up to 16 MiB,
 * where XXH3 takes a millisecond or two and SHA-256 ten to forty; that XXH3
 * does not withstand an adversary costs nothing, for who could make two bodies
 * with one hash is who chose the key: keys are scoped by their caller.
 * Thread: any. */
#ifndef POSTOFFICE_STORAGE_IDEMPOTENCY_H
#define POSTOFFICE_STORAGE_IDEMPOTENCY_H

#include "base/bounds.h"
#include "storage/command.h"

enum {
    IDEMPOTENCY_KEPT_MS = 24 * 60 * 60 * 1000,
    /* A line of a request may add its number to the request's key. */
    IDEMPOTENCY_KEY_MAX = BOUND_IDEMPOTENCY_KEY + 16,
};

void idempotency_hash(struct slice body, uint8_t ret_hash[REQUEST_HASH_SIZE]);

/* Its size in a command, exactly. */
size_t idempotency_encoded_size(const struct idempotency *request);
void idempotency_encode(struct encoder *out, const struct idempotency *request);
/* What is behind the length (struct command's `idempotency`). The key borrows.
 * ERR_CORRUPT. */
int idempotency_decode(struct slice field, struct idempotency *ret_request);

#endif
