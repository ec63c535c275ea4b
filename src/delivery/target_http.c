#include "target_http.h"

#include "base/bounds.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/public_id.h"
#include "curl_loop.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    HEADERS_MAX = 10,
    HEADER_BYTES = 1024,
    /* Idle connections are not used again after this: most servers close
     * theirs later, and a request on a closing one counts as an attempt. */
    IDLE_SECONDS_MAX = 30,
    SPARE_TRANSFERS = 256,
};

/* One request. Kept and used again, with the options that never change. */
struct transfer {
    struct target_http *target;
    struct transfer *next; /* In the list of spare ones or of live ones. */
    struct transfer **link;
    CURL *easy;
    struct letter *letter;
    uint32_t publisher_id;
    uint64_t token;
    uint32_t reign;
    uint64_t started_ms; /* Wall clock. */
    uint64_t started_us;
    bool began; /* The request was handed to a connection. */
    size_t response_length;
    size_t response_seen;
    struct curl_slist headers[HEADERS_MAX];
    uint32_t header_count;
    size_t header_used;
    char header_bytes[HEADER_BYTES];
    char url[BOUND_TARGET + 1];
    char error[CURL_ERROR_SIZE];
    char response[BOUND_RESPONSE_KEPT];
};

struct target_http {
    struct curl_loop *loop;
    target_http_allowed allowed;
    target_http_done done;
    void *context;
    struct transfer *spare;
    uint32_t spare_count;
    struct transfer *live;
    bool closing;
    void (*closed)(void *context);
    void *closed_context;
};

/* The first bytes are kept in case it is a failure; past a bound the rest is
 * not even read. */
static size_t on_response(char *bytes, size_t size, size_t count,
                          void *argument)
{
    struct transfer *transfer = argument;
    size_t length = size * count;
    size_t room = sizeof transfer->response - transfer->response_length;
    size_t kept = length < room ? length : room;
    memcpy(transfer->response + transfer->response_length, bytes, kept);
    transfer->response_length += kept;
    transfer->response_seen += length;
    return transfer->response_seen > BOUND_RESPONSE_READ ? CURL_WRITEFUNC_ERROR
                                                         : length;
}

/* Called when a connection stands and the request is about to go out. A
 * second time means that libcurl repeats it. */
static int on_request(void *argument, char *remote, char *local,
                      int remote_port, int local_port)
{
    (void)remote;
    (void)local;
    (void)remote_port;
    (void)local_port;
    struct transfer *transfer = argument;
    struct target_http *target = transfer->target;
    if (transfer->began || !target->allowed(target->context))
        return CURL_PREREQFUNC_ABORT;
    transfer->began = true;
    return CURL_PREREQFUNC_OK;
}

static void set_constant_options(struct transfer *transfer)
{
    CURL *easy = transfer->easy;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)IDLE_SECONDS_MAX);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_response);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_request);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
}

static struct transfer *transfer_take(struct target_http *target)
{
    struct transfer *transfer = target->spare;
    if (transfer != NULL) {
        target->spare = transfer->next;
        target->spare_count--;
    } else {
        transfer = memory_new_zeroed(1, sizeof *transfer);
        transfer->target = target;
        transfer->easy = curl_easy_init();
        assert(transfer->easy != NULL);
        set_constant_options(transfer);
        curl_loop_prepare(target->loop, transfer->easy);
    }
    transfer->next = target->live;
    transfer->link = &target->live;
    if (target->live != NULL)
        target->live->link = &transfer->next;
    target->live = transfer;
    return transfer;
}

static void transfer_give(struct transfer *transfer)
{
    struct target_http *target = transfer->target;
    *transfer->link = transfer->next;
    if (transfer->next != NULL)
        transfer->next->link = transfer->link;
    letter_unref(transfer->letter);
    transfer->letter = NULL;
    if (target->spare_count >= SPARE_TRANSFERS || target->closing) {
        curl_easy_cleanup(transfer->easy);
        free(transfer);
        return;
    }
    transfer->next = target->spare;
    target->spare = transfer;
    target->spare_count++;
}

static void add_header(struct transfer *transfer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void add_header(struct transfer *transfer, const char *format, ...)
{
    char *start = transfer->header_bytes + transfer->header_used;
    size_t room = sizeof transfer->header_bytes - transfer->header_used;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(start, room, format, arguments);
    va_end(arguments);
    /* All values are bounded: names of topics, numbers and ids. */
    assert(length > 0 && (size_t)length < room);
    assert(transfer->header_count < HEADERS_MAX);
    struct curl_slist *node = &transfer->headers[transfer->header_count];
    *node = (struct curl_slist){.data = start, .next = NULL};
    if (transfer->header_count > 0)
        node[-1].next = node;
    transfer->header_count++;
    transfer->header_used += (size_t)length + 1;
}

static void set_headers(struct transfer *transfer,
                        const struct delivery_send *send, const char *public_id)
{
    transfer->header_count = 0;
    transfer->header_used = 0;
    add_header(transfer, "content-type: application/json");
    add_header(transfer, "user-agent: Postoffice/" POSTOFFICE_VERSION);
    add_header(transfer, "message-id: %" PRIu64, send->letter->message.id);
    add_header(transfer, "webhook-id: %s", public_id);
    add_header(transfer, "webhook-timestamp: %" PRIu64,
               transfer->started_ms / 1000u);
    add_header(transfer, "postoffice-topic: %.*s", (int)send->topic.length,
               (const char *)send->topic.data);
    add_header(transfer, "postoffice-attempt: %" PRIu32, send->attempt);
    if (send->doubt)
        add_header(transfer, "postoffice-maybe-duplicate: true");
    add_header(transfer, "Expect:"); /* Nor wait for "100 Continue". */
}

void target_http_send(struct target_http *target,
                      const struct delivery_send *send, const char *public_id)
{
    struct transfer *transfer = transfer_take(target);
    const struct slice *url = &send->options->target;
    const struct slice *payload = &send->letter->message.payload;
    assert(url->length < sizeof transfer->url);
    memcpy(transfer->url, url->data, url->length);
    transfer->url[url->length] = '\0';
    transfer->letter = letter_ref(send->letter);
    transfer->publisher_id = send->publisher_id;
    transfer->token = send->token;
    transfer->reign = send->reign;
    transfer->started_ms = clock_wall_ms();
    transfer->started_us = clock_us();
    transfer->began = false;
    transfer->response_length = 0;
    transfer->response_seen = 0;
    transfer->error[0] = '\0';
    set_headers(transfer, send, public_id);
    CURL *easy = transfer->easy;
    curl_easy_setopt(easy, CURLOPT_URL, transfer->url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     (curl_off_t)payload->length);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, payload->data);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                     (long)send->options->timeout_seconds * 1000L);
    curl_loop_add(target->loop, easy);
}

static enum attempt_class class_of_status(long status)
{
    if (status >= 200 && status < 300)
        return ATTEMPT_OK;
    if (status >= 500)
        return ATTEMPT_HTTP_5XX;
    if (status >= 400)
        return ATTEMPT_HTTP_4XX;
    return status >= 300 ? ATTEMPT_HTTP_3XX : ATTEMPT_HTTP_1XX;
}

static enum attempt_class class_of_failure(CURLcode code)
{
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return ATTEMPT_TIMEOUT;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return ATTEMPT_DNS;
    case CURLE_COULDNT_CONNECT:
        return ATTEMPT_CONNECT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return ATTEMPT_TLS;
    default:
        return ATTEMPT_PROTOCOL;
    }
}

static const char *failure_words(const struct transfer *transfer, CURLcode code)
{
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return transfer->began ? "the connection broke before an answer came"
                               : "not sent: this node leads no more";
    return transfer->error[0] != '\0' ? transfer->error
                                      : curl_easy_strerror(code);
}

static void on_finished(void *context, CURL *easy, CURLcode code)
{
    struct target_http *target = context;
    struct transfer *transfer;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
    long status = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    /* An answer that was longer than anybody wants to read is an answer. */
    bool answered =
        code == CURLE_OK || transfer->response_seen > BOUND_RESPONSE_READ;
    struct attempt attempt = {
        .class = answered ? class_of_status(status) : class_of_failure(code),
        .status = (uint16_t)(answered ? status : 0),
        .started_ms = transfer->started_ms,
        .duration_ms = (uint32_t)((clock_us() - transfer->started_us) / 1000u),
    };
    if (!answered)
        attempt.response = slice_text(failure_words(transfer, code));
    else if (attempt.class != ATTEMPT_OK)
        attempt.response =
            slice_of(transfer->response, transfer->response_length);
    curl_loop_remove(target->loop, transfer->easy);
    target->done(target->context, transfer->reign, transfer->publisher_id,
                 transfer->token, &attempt);
    transfer_give(transfer);
}

struct target_http *target_http_new(uv_loop_t *loop, uint32_t sends_max,
                                    target_http_allowed allowed,
                                    target_http_done done, void *context)
{
    struct target_http *target = memory_new_zeroed(1, sizeof *target);
    target->allowed = allowed;
    target->done = done;
    target->context = context;
    target->loop = curl_loop_new(loop, (long)sends_max, on_finished, target);
    return target;
}

static void on_closed(void *context)
{
    struct target_http *target = context;
    void (*closed)(void *) = target->closed;
    void *closed_context = target->closed_context;
    free(target);
    closed(closed_context);
}

void target_http_close(struct target_http *target,
                       void (*closed)(void *context), void *context)
{
    target->closing = true;
    target->closed = closed;
    target->closed_context = context;
    while (target->live != NULL) {
        curl_loop_remove(target->loop, target->live->easy);
        transfer_give(target->live);
    }
    while (target->spare != NULL) {
        struct transfer *transfer = target->spare;
        target->spare = transfer->next;
        curl_easy_cleanup(transfer->easy);
        free(transfer);
    }
    curl_loop_close(target->loop, on_closed, target);
}
