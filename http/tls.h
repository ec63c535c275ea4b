/* tls.h - the certificate that the API is served with.
 *
 * TLS 1.2 and 1.3; of application protocols (ALPN, RFC 7301) HTTP/1.1 alone,
 * because HTTP/2 of our h2o has known attacks. A new pair of files takes the
 * place of the old one for connections that begin afterwards; those that
 * stand keep theirs.
 * Thread: any for _load and _free; the loop for the rest. */
#ifndef POSTOFFICE_HTTP_TLS_H
#define POSTOFFICE_HTTP_TLS_H

#include "base/error.h"

#include <uv.h>

struct ssl_ctx_st; /* OpenSSL's SSL_CTX */

/* Reads a chain of certificates, the server's own first, and its private key,
 * both PEM. Blocks on the disk. ERR_INVALID, with the file and what is wrong
 * with it. */
int tls_load(const char *certificate_file, const char *key_file,
             struct ssl_ctx_st **ret_context, struct error *error);
void tls_free(struct ssl_ctx_st *context); /* NULL is fine. */

/* Loads on a thread of libuv's pool, then calls done() on the loop: the new
 * context, owned by the one called, or NULL and why. The file names must live
 * until then. */
typedef void (*tls_loaded)(void *context, struct ssl_ctx_st *loaded,
                           const struct error *error);
void tls_load_later(uv_loop_t *loop, const char *certificate_file,
                    const char *key_file, tls_loaded done, void *context);

#endif
