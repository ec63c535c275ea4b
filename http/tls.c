#include "http/tls.h"

#include "base/memory.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

/* A key with a passphrase would make OpenSSL ask for it on the terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *context)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)context;
    return 0;
}

/* A client that offers protocols without HTTP/1.1 among them is served it all
 * the same, as one that offers none. */
static int choose_protocol(SSL *ssl, const unsigned char **out,
                           unsigned char *out_length, const unsigned char *in,
                           unsigned in_length, void *context)
{
    static const char wanted[] = "http/1.1";
    (void)ssl;
    (void)context;
    for (unsigned at = 0; at < in_length; at += 1u + in[at]) {
        if (in[at] != sizeof wanted - 1 || at + in[at] >= in_length ||
            memcmp(&in[at + 1], wanted, sizeof wanted - 1) != 0)
            continue;
        *out = &in[at + 1];
        *out_length = in[at];
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_NOACK;
}

/* The first thing that went wrong is the cause; the queue is emptied. */
static int refuse(struct error *error, const char *doing, const char *file)
{
    unsigned long code = ERR_get_error();
    const char *reason = ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code))
                                                : ERR_reason_error_string(code);
    ERR_clear_error();
    return error_set(error, ERR_INVALID, "%s %s: %s", doing, file,
                     reason == NULL ? "it is not usable" : reason);
}

static int fill(SSL_CTX *tls, const char *certificate_file,
                const char *key_file, struct error *error)
{
    SSL_CTX_set_default_passwd_cb(tls, no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(tls, certificate_file) != 1)
        return refuse(error, "read the certificate in", certificate_file);
    if (SSL_CTX_use_PrivateKey_file(tls, key_file, SSL_FILETYPE_PEM) != 1)
        return refuse(error, "read the key in", key_file);
    if (SSL_CTX_check_private_key(tls) != 1)
        return refuse(error, "fit the certificate to the key in", key_file);
    return 0;
}

int tls_load(const char *certificate_file, const char *key_file,
             struct ssl_ctx_st **ret_context, struct error *error)
{
    ERR_clear_error();
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    if (tls == NULL)
        return refuse(error, "begin with", certificate_file);
    SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    /* A client that asks for handshake after handshake would cost us much and
     * itself little. */
    SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    /* Idle connections need no buffers. */
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_alpn_select_cb(tls, choose_protocol, NULL);
    int rc = fill(tls, certificate_file, key_file, error);
    if (rc == 0)
        *ret_context = tls;
    else
        SSL_CTX_free(tls);
    return rc;
}

void tls_free(struct ssl_ctx_st *context)
{
    SSL_CTX_free(context);
}

/* ---- On the pool ---- */

struct loading {
    uv_work_t work; /* First: its callbacks give it back. */
    const char *certificate_file;
    const char *key_file;
    tls_loaded done;
    void *context;
    struct ssl_ctx_st *loaded;
    struct error error;
};

static void load(uv_work_t *work)
{
    struct loading *loading = (struct loading *)work;
    tls_load(loading->certificate_file, loading->key_file, &loading->loaded,
             &loading->error);
}

static void on_loaded(uv_work_t *work, int status)
{
    struct loading *loading = (struct loading *)work;
    (void)status; /* Nobody cancels it. */
    loading->done(loading->context, loading->loaded, &loading->error);
    free(loading);
}

void tls_load_later(uv_loop_t *loop, const char *certificate_file,
                    const char *key_file, tls_loaded done, void *context)
{
    struct loading *loading = memory_new_zeroed(1, sizeof *loading);
    loading->certificate_file = certificate_file;
    loading->key_file = key_file;
    loading->done = done;
    loading->context = context;
    uv_queue_work(loop, &loading->work, load, on_loaded);
}
