#include "token_text.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <sys/random.h>

enum { RANDOM_BYTES = 32, PREFIX_LENGTH = 3 };

/* Without padding. */
static void base64url(const uint8_t *bytes, size_t count, char *text)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz0123456789-_";
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < count; i++) {
        bits = bits << 8 | bytes[i];
        held += 8;
        for (; held >= 6; held -= 6)
            *text++ = letters[bits >> (held - 6) & 63];
    }
    if (held > 0)
        *text++ = letters[bits << (6 - held) & 63];
    *text = '\0';
}

int token_text_make(char text[TOKEN_TEXT_SIZE], struct error *error)
{
    uint8_t random[RANDOM_BYTES];
    static_assert(PREFIX_LENGTH + (RANDOM_BYTES * 8 + 5) / 6 ==
                      TOKEN_TEXT_LENGTH,
                  "prefix and six bits a letter");
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return error_system(error, errno, "randomness for a token");
    memcpy(text, "po_", PREFIX_LENGTH);
    base64url(random, sizeof random, text + PREFIX_LENGTH);
    OPENSSL_cleanse(random, sizeof random);
    return 0;
}

void token_text_digest(struct slice text, uint8_t ret_digest[TOKEN_DIGEST_SIZE])
{
    static_assert(TOKEN_DIGEST_SIZE == SHA256_DIGEST_LENGTH, "SHA-256");
    SHA256(text.data, text.length, ret_digest);
}

bool token_digest_equal(const uint8_t a[TOKEN_DIGEST_SIZE],
                        const uint8_t b[TOKEN_DIGEST_SIZE])
{
    return CRYPTO_memcmp(a, b, TOKEN_DIGEST_SIZE) == 0;
}
