#include "signature.h"

#include "base/base64.h"
#include "base/memory.h"

#include <assert.h>
#include <inttypes.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

static const char prefix[] = "whsec_";

enum { PREFIX_LENGTH = sizeof prefix - 1, DIGEST_SIZE = 32 };

/* ---- Secrets ---- */

bool signature_key_read(struct slice secret, struct signature_key *ret_key)
{
    enum { TEXT_MAX = (SIGNATURE_KEY_MAX + 2) / 3 * 4 };
    uint8_t bytes[TEXT_MAX / 4 * 3 + 3];
    size_t length = 0;
    if (secret.length < PREFIX_LENGTH ||
        secret.length - PREFIX_LENGTH > TEXT_MAX ||
        memcmp(secret.data, prefix, PREFIX_LENGTH) != 0)
        return false;
    bool good = base64_decode(slice_of(secret.data + PREFIX_LENGTH,
                                       secret.length - PREFIX_LENGTH),
                              bytes, &length) &&
                length >= SIGNATURE_KEY_MIN && length <= SIGNATURE_KEY_MAX;
    if (good) {
        memcpy(ret_key->bytes, bytes, length);
        ret_key->length = length;
    }
    OPENSSL_cleanse(bytes, sizeof bytes);
    return good;
}

void signature_key_wipe(struct signature_key *key)
{
    OPENSSL_cleanse(key, sizeof *key);
}

bool signature_secret_new(char secret[SIGNATURE_SECRET_SIZE])
{
    uint8_t bytes[SIGNATURE_KEY_NEW];
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return false;
    memcpy(secret, prefix, PREFIX_LENGTH);
    EVP_EncodeBlock((uint8_t *)secret + PREFIX_LENGTH, bytes, sizeof bytes);
    OPENSSL_cleanse(bytes, sizeof bytes);
    return true;
}

/* ---- Signing ---- */

/* The algorithm is looked up once: that costs more than a signature. */
struct signer {
    EVP_MAC *hmac;
    EVP_MAC_CTX *context;
};

struct signer *signer_new(void)
{
    struct signer *signer = memory_new_zeroed(1, sizeof *signer);
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};
    signer->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    assert(signer->hmac != NULL);
    signer->context = EVP_MAC_CTX_new(signer->hmac);
    assert(signer->context != NULL);
    int rc = EVP_MAC_CTX_set_params(signer->context, parameters);
    assert(rc == 1);
    (void)rc;
    return signer;
}

void signer_free(struct signer *signer)
{
    if (signer == NULL)
        return;
    EVP_MAC_CTX_free(signer->context);
    EVP_MAC_free(signer->hmac);
    free(signer);
}

static void hmac(struct signer *signer, const struct signature_key *key,
                 struct slice head, struct slice body,
                 uint8_t digest[DIGEST_SIZE])
{
    size_t length = 0;
    int rc = EVP_MAC_init(signer->context, key->bytes, key->length, NULL);
    rc &= EVP_MAC_update(signer->context, head.data, head.length);
    rc &= EVP_MAC_update(signer->context, body.data, body.length);
    rc &= EVP_MAC_final(signer->context, digest, &length, DIGEST_SIZE);
    assert(rc == 1);
    assert(length == DIGEST_SIZE);
    (void)rc;
}

size_t signer_sign(struct signer *signer,
                   const struct signature_key keys[SIGNATURE_KEYS],
                   const char *id, uint64_t timestamp_seconds,
                   struct slice body, char value[SIGNATURE_SIZE])
{
    char head[128];
    uint8_t digest[DIGEST_SIZE];
    int head_length =
        snprintf(head, sizeof head, "%s.%" PRIu64 ".", id, timestamp_seconds);
    assert(head_length > 0 && (size_t)head_length < sizeof head);
    size_t used = 0;
    for (int i = 0; i < SIGNATURE_KEYS; i++) {
        if (keys[i].length == 0)
            continue;
        hmac(signer, &keys[i], slice_of(head, (size_t)head_length), body,
             digest);
        if (used > 0)
            value[used++] = ' ';
        memcpy(value + used, "v1,", 3);
        used += 3;
        used += (size_t)EVP_EncodeBlock((uint8_t *)value + used, digest,
                                        DIGEST_SIZE);
    }
    return used;
}
