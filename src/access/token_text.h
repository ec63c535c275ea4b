/* token_text.h - tokens as their holders see them.
 *
 * "po_" and 43 letters: 256 bits from the system's randomness in base64url
 * (RFC 4648, section 5), so that a token fits in headers and URLs, and a
 * scanner of sources can tell one. Nothing keeps it: we keep its SHA-256.
 * Thread: any. */
#ifndef POSTOFFICE_ACCESS_TOKEN_TEXT_H
#define POSTOFFICE_ACCESS_TOKEN_TEXT_H

#include "base/error.h"
#include "storage/model.h"

enum { TOKEN_TEXT_LENGTH = 46, TOKEN_TEXT_SIZE = TOKEN_TEXT_LENGTH + 1 };

/* A new token, with a terminating NUL. ERR_IO: the system gives no
 * randomness. */
int token_text_make(char text[TOKEN_TEXT_SIZE], struct error *error);

void token_text_digest(struct slice text,
                       uint8_t ret_digest[TOKEN_DIGEST_SIZE]);
/* Takes the same time for all digests. */
bool token_digest_equal(const uint8_t a[TOKEN_DIGEST_SIZE],
                        const uint8_t b[TOKEN_DIGEST_SIZE]);

#endif
