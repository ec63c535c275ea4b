#include "target_http.h"

#include "authority.h"
#include "base/bounds.h"
#include "base/clock.h"
#include "base/memory.h"
#include "curl_loop.h"
#include "outgoing.h"
#include "retry_after.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum {
    HEADERS_MAX = BOUND_HEADERS + 20, /* The publisher's own, and ours. */
    /* Idle connections are not used again after this: most servers close
     * theirs later, and a request on a closing one counts as an attempt. */
    IDLE_SECONDS_MAX = 30,
    /* A connection that does not stand by then will hardly do. */
    CONNECT_SECONDS_MAX = 10,
    /* Nor a name become known. */
    LOOKUP_MS_MAX = 10 * 1000,
    SPARE_TRANSFERS = 256,
    /* A request under way holds both of them. Answers are short; what is sent
     * goes out of the body itself as far as the socket takes it. */
    RECEIVE_BUFFER = 4 * 1024,
    SEND_BUFFER = 16 * 1024,
    SPARE_BODY_BYTES = 64 * 1024, /* More is not kept for the next one. */
    RETRY_AFTER_BYTES = 64,
    /* "+HOST:PORT:ADDRESS,..." */
    KNOWN_TEXT = NAME_SIZE + 8 + NAME_ADDRESSES * INET6_ADDRSTRLEN,
};

/* One request. Kept and used again, with the options that never change. */
struct transfer {
    struct curl_door door;     /* First: from it to the transfer. */
    struct resolver_wait wait; /* For the addresses of its target's name. */
    struct target_http *target;
    struct transfer *next; /* In the list of spare ones or of live ones. */
    struct transfer **link;
    CURL *easy;
    struct letter *letter;
    uint32_t publisher_id;
    uint32_t reign;
    uint64_t token;
    uint64_t started_ms; /* Wall clock. */
    uint64_t started_us;
    bool began;          /* The request was handed to a connection. */
    bool reached;        /* Some address was allowed. */
    const char *refused; /* Why an address was not; NULL: none was. */
    size_t response_length;
    size_t response_seen;
    size_t headers_seen;
    char retry_after[RETRY_AFTER_BYTES];
    size_t retry_after_length;
    struct outgoing outgoing;
    struct curl_slist headers[HEADERS_MAX];
    char url[BOUND_TARGET + 1];
    uint32_t timeout_ms; /* For all of it, the look-up too. */
    struct authority authority;
    struct curl_slist known; /* Of the name: what libcurl need not look up. */
    char known_text[KNOWN_TEXT];
    char error[CURL_ERROR_SIZE];
    char response[BOUND_RESPONSE_KEPT];
};

struct target_http {
    struct curl_loop *loop;
    struct target_http_options options;
    struct signer *signer;
    struct transfer *spare;
    uint32_t spare_count;
    struct transfer *live;
    bool closing;
    void (*closed)(void *context);
    void *closed_context;
};

/* ---- What libcurl asks ---- */

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

static bool take_name(struct slice *line, const char *name)
{
    size_t length = strlen(name);
    if (line->length <= length ||
        strncasecmp((const char *)line->data, name, length) != 0)
        return false;
    *line = slice_of(line->data + length, line->length - length);
    return true;
}

/* One line of the answer's headers, those of earlier answers (1xx) too. */
static size_t on_header(char *bytes, size_t size, size_t count, void *argument)
{
    struct transfer *transfer = argument;
    struct slice line = slice_of(bytes, size * count);
    size_t length = line.length;
    transfer->headers_seen += length;
    if (transfer->headers_seen > BOUND_RESPONSE_READ)
        return 0;
    if (take_name(&line, "retry-after:") &&
        line.length <= sizeof transfer->retry_after) {
        memcpy(transfer->retry_after, line.data, line.length);
        transfer->retry_after_length = line.length;
    }
    return length;
}

static bool door_allows(struct curl_door *door, const struct sockaddr *address)
{
    struct transfer *transfer = (struct transfer *)door;
    const char *words =
        address_policy_refuses(transfer->target->options.policy, address);
    if (words == NULL)
        transfer->reached = true;
    else
        transfer->refused = words;
    return words == NULL;
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
    const struct target_http_options *options = &transfer->target->options;
    if (transfer->began || !options->allowed(options->context))
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
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_BUFFER);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)SEND_BUFFER);
    curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    /* Debian's libcurl looks into the system's directory as well. */
    if (transfer->target->options.ca_file != NULL)
        curl_easy_setopt(easy, CURLOPT_CAINFO,
                         transfer->target->options.ca_file);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)IDLE_SECONDS_MAX);
    curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
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
        transfer->door.allows = door_allows;
        curl_loop_prepare(target->loop, transfer->easy, &transfer->door);
    }
    transfer->next = target->live;
    transfer->link = &target->live;
    if (target->live != NULL)
        target->live->link = &transfer->next;
    target->live = transfer;
    return transfer;
}

static void transfer_free(struct transfer *transfer)
{
    curl_easy_cleanup(transfer->easy);
    outgoing_close(&transfer->outgoing);
    free(transfer);
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
        transfer_free(transfer);
        return;
    }
    if (transfer->outgoing.made.capacity > SPARE_BODY_BYTES)
        encoder_close(&transfer->outgoing.made);
    transfer->next = target->spare;
    target->spare = transfer;
    target->spare_count++;
}

/* ---- Sending ---- */

static void link_header(struct transfer *transfer, uint32_t *count, char *line)
{
    assert(*count < HEADERS_MAX);
    struct curl_slist *node = &transfer->headers[(*count)++];
    *node = (struct curl_slist){.data = line, .next = NULL};
    if (node > transfer->headers)
        node[-1].next = node;
}

static void set_headers(struct transfer *transfer)
{
    static char no_expect[] = "Expect:"; /* Nor wait for "100 Continue". */
    char *line = (char *)transfer->outgoing.headers.data;
    uint32_t count = 0;
    for (uint32_t i = 0; i < transfer->outgoing.header_count; i++) {
        link_header(transfer, &count, line);
        line += strlen(line) + 1;
    }
    link_header(transfer, &count, no_expect);
    curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
}

static void begin(struct transfer *transfer, const struct delivery_send *send)
{
    transfer->letter = letter_ref(send->letter);
    transfer->publisher_id = send->publisher_id;
    transfer->reign = send->reign;
    transfer->token = send->token;
    transfer->started_ms = clock_wall_ms();
    transfer->started_us = clock_us();
    transfer->timeout_ms = send->options->timeout_seconds * 1000u;
    transfer->began = false;
    transfer->reached = false;
    transfer->refused = NULL;
    transfer->response_length = 0;
    transfer->response_seen = 0;
    transfer->headers_seen = 0;
    transfer->retry_after_length = 0;
    transfer->error[0] = '\0';
}

static void set_url(struct transfer *transfer, struct slice url)
{
    assert(url.length < sizeof transfer->url);
    memcpy(transfer->url, url.data, url.length);
    transfer->url[url.length] = '\0';
    curl_easy_setopt(transfer->easy, CURLOPT_URL, transfer->url);
}

/* What is left of its time once the name is known. */
static void set_timeouts(const struct transfer *transfer)
{
    uint64_t passed_ms = (clock_us() - transfer->started_us) / 1000u;
    long left_ms = passed_ms < transfer->timeout_ms
                       ? (long)(transfer->timeout_ms - passed_ms)
                       : 1;
    long connect_ms = left_ms < CONNECT_SECONDS_MAX * 1000L
                          ? left_ms
                          : CONNECT_SECONDS_MAX * 1000L;
    curl_easy_setopt(transfer->easy, CURLOPT_TIMEOUT_MS, left_ms);
    curl_easy_setopt(transfer->easy, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
}

/* The addresses stand in libcurl's own cache from then on, for the time that
 * it keeps them; the newest ones replace those of before. */
static void set_known(struct transfer *transfer,
                      const struct name_addresses *addresses)
{
    const struct authority *authority = &transfer->authority;
    size_t length =
        (size_t)snprintf(transfer->known_text, sizeof transfer->known_text,
                         "+%s:%u:", authority->host, authority->port);
    for (uint32_t i = 0; i < addresses->count; i++) {
        const union name_address *address = &addresses->at[i];
        const void *bytes = address->any.sa_family == AF_INET6
                                ? (const void *)&address->v6.sin6_addr
                                : (const void *)&address->v4.sin_addr;
        if (i > 0)
            transfer->known_text[length++] = ',';
        inet_ntop(address->any.sa_family, bytes, transfer->known_text + length,
                  (socklen_t)(sizeof transfer->known_text - length));
        length += strlen(transfer->known_text + length);
    }
    transfer->known = (struct curl_slist){.data = transfer->known_text};
    curl_easy_setopt(transfer->easy, CURLOPT_RESOLVE, &transfer->known);
}

static void start(struct transfer *transfer)
{
    set_timeouts(transfer);
    curl_loop_add(transfer->target->loop, transfer->easy);
}

static void report(struct transfer *transfer, struct attempt *attempt,
                   uint64_t hold_until_ms);

static void fail_unresolved(struct transfer *transfer, const char *words)
{
    char text[NAME_SIZE + 160];
    snprintf(text, sizeof text, "could not resolve %s: %s",
             transfer->authority.host, words);
    struct attempt attempt = {.class = ATTEMPT_DNS,
                              .response = slice_text(text)};
    report(transfer, &attempt, 0);
}

static void on_resolved(struct resolver_wait *wait,
                        const struct name_addresses *addresses,
                        const char *words)
{
    struct transfer *transfer =
        (struct transfer *)((char *)wait - offsetof(struct transfer, wait));
    if (addresses == NULL) {
        fail_unresolved(transfer, words);
        return;
    }
    set_known(transfer, addresses);
    start(transfer);
}

static void resolve(struct transfer *transfer)
{
    struct resolver *resolver = transfer->target->options.resolver;
    uint8_t literal[16];
    curl_easy_setopt(transfer->easy, CURLOPT_RESOLVE, NULL);
    if (!authority_of_url(slice_text(transfer->url), &transfer->authority) ||
        authority_is_literal(&transfer->authority, literal)) {
        start(transfer);
        return;
    }
    const char *host = transfer->authority.host;
    const struct name_addresses *known = resolver_known(resolver, host);
    if (known != NULL) {
        set_known(transfer, known);
        start(transfer);
        return;
    }
    uint64_t patience_ms = transfer->timeout_ms < LOOKUP_MS_MAX
                               ? transfer->timeout_ms
                               : LOOKUP_MS_MAX;
    bool waits = resolver_wait(resolver, host, patience_ms, on_resolved,
                               &transfer->wait);
    /* A request has a name, and there are more names than requests. */
    assert(waits);
    (void)waits;
}

void target_http_send(struct target_http *target,
                      const struct delivery_send *send, const char *public_id)
{
    struct transfer *transfer = transfer_take(target);
    begin(transfer, send);
    struct outgoing_context context = {.public_id = public_id,
                                       .now_ms = transfer->started_ms,
                                       .signer = target->signer};
    outgoing_make(&transfer->outgoing, send, &context);
    set_url(transfer, send->options->target);
    set_headers(transfer);
    struct slice body = transfer->outgoing.body;
    curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     (curl_off_t)body.length);
    curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDS, body.data);
    resolve(transfer);
}

/* ---- What came of it ---- */

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

static enum attempt_class class_of_failure(const struct transfer *transfer,
                                           CURLcode code)
{
    if (transfer->refused != NULL && !transfer->reached)
        return ATTEMPT_POLICY;
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        /* A TLS handshake that does not end is a connection that does not
         * come to stand. */
        return transfer->began ? ATTEMPT_TIMEOUT : ATTEMPT_CONNECT;
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

/* Into `text`, which has room; the words live there or are static. */
static const char *failure_words(const struct transfer *transfer, CURLcode code,
                                 char *text, size_t room)
{
    if (transfer->refused != NULL && !transfer->reached) {
        snprintf(text, room, "the target's address may not be reached: %s",
                 transfer->refused);
        return text;
    }
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return transfer->began ? "the connection broke before an answer came"
                               : "not sent: this node leads no more";
    if (transfer->headers_seen > BOUND_RESPONSE_READ)
        return "the answer's headers are longer than 64 KiB";
    return transfer->error[0] != '\0' ? transfer->error
                                      : curl_easy_strerror(code);
}

static uint64_t hold_until_ms(const struct transfer *transfer, long status)
{
    if (status != 429 && status != 503)
        return 0;
    return retry_after_ms(
        slice_of(transfer->retry_after, transfer->retry_after_length),
        clock_wall_ms());
}

static void report(struct transfer *transfer, struct attempt *attempt,
                   uint64_t hold_until_ms)
{
    const struct target_http_options *options = &transfer->target->options;
    attempt->started_ms = transfer->started_ms;
    attempt->duration_ms =
        (uint32_t)((clock_us() - transfer->started_us) / 1000u);
    options->done(options->context, transfer->reign, transfer->publisher_id,
                  transfer->token, attempt, hold_until_ms);
    transfer_give(transfer);
}

static void on_finished(void *context, CURL *easy, CURLcode code)
{
    struct target_http *target = context;
    struct transfer *transfer;
    char words[160];
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
    long status = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    /* An answer that was longer than anybody wants to read is an answer. */
    bool answered =
        code == CURLE_OK || transfer->response_seen > BOUND_RESPONSE_READ;
    struct attempt attempt = {
        .class = answered ? class_of_status(status)
                          : class_of_failure(transfer, code),
        .status = (uint16_t)(answered ? status : 0),
    };
    if (!answered)
        attempt.response =
            slice_text(failure_words(transfer, code, words, sizeof words));
    else if (attempt.class != ATTEMPT_OK)
        attempt.response =
            slice_of(transfer->response, transfer->response_length);
    curl_loop_remove(target->loop, transfer->easy);
    report(transfer, &attempt, answered ? hold_until_ms(transfer, status) : 0);
}

/* ---- Life ---- */

struct target_http *target_http_new(uv_loop_t *loop,
                                    const struct target_http_options *options)
{
    struct target_http *target = memory_new_zeroed(1, sizeof *target);
    target->options = *options;
    target->signer = signer_new();
    target->loop =
        curl_loop_new(loop, (long)options->sends_max, on_finished, target);
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
        resolver_cancel(target->options.resolver, &target->live->wait);
        curl_loop_remove(target->loop, target->live->easy);
        transfer_give(target->live);
    }
    while (target->spare != NULL) {
        struct transfer *transfer = target->spare;
        target->spare = transfer->next;
        transfer_free(transfer);
    }
    signer_free(target->signer);
    curl_loop_close(target->loop, on_closed, target);
}
