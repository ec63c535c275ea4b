/* signature.h - Standard Webhooks v1 (standardwebhooks.com): a receiver can
 * tell that a request is ours, unchanged and recent.
 *
 *     webhook-id: msg_...
 *     webhook-timestamp: 1614265330           (seconds, of this attempt)
 *     webhook-signature: v1,BASE64 v1,BASE64
 *
 * Each signature is HMAC-SHA256 over "id.timestamp.body" with the bytes that
 * a secret's base64 stands for. While a secret is being rotated both sign,
 * the new one first; a receiver takes whichever it knows.
 *
 * Secrets are never shown in errors or logs; keys are wiped when they go.
 * Thread: the loop. */
#ifndef POSTOFFICE_DELIVERY_SIGNATURE_H
#define POSTOFFICE_DELIVERY_SIGNATURE_H

#include "base/slice.h"

enum {
    /* Of a secret's bytes, by the specification. */
    SIGNATURE_KEY_MIN = 24,
    SIGNATURE_KEY_MAX = 64,
    SIGNATURE_KEY_NEW = 32, /* Of those that we make. */
    /* "whsec_" and base64, with a terminating NUL. */
    SIGNATURE_SECRET_SIZE = 6 + 44 + 1,
    SIGNATURE_KEYS = 2,
    /* "v1,BASE64 v1,BASE64" with a terminating NUL. */
    SIGNATURE_SIZE = SIGNATURE_KEYS * (3 + 44 + 1),
};

struct signature_key {
    uint8_t bytes[SIGNATURE_KEY_MAX];
    size_t length; /* 0: no key. */
};

/* From "whsec_" and the standard base64 of 24 to 64 bytes, with padding or
 * without. False: it is none. */
bool signature_key_read(struct slice secret, struct signature_key *ret_key);
void signature_key_wipe(struct signature_key *key);

/* A new random secret. False: the system gives no random bytes. */
bool signature_secret_new(char secret[SIGNATURE_SECRET_SIZE]);

struct signer;

struct signer *signer_new(void);
void signer_free(struct signer *signer); /* NULL is fine. */

/* Writes the header's value: a signature for each key that is there, in their
 * order. Returns its length; 0 when no key is there. */
size_t signer_sign(struct signer *signer,
                   const struct signature_key keys[SIGNATURE_KEYS],
                   const char *id, uint64_t timestamp_seconds,
                   struct slice body, char value[SIGNATURE_SIZE]);

#endif
