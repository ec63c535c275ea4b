#include "target_http.h"

#include "base/bounds.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/public_id.h"
#include "base/table.h"

#include <assert.h>
#include <curl/curl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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

/* One socket that libcurl wants watched. A connection's is ours from its
 * opening to its closing: libcurl lets go of it after each answer and asks for
 * it again with the next request, but the poll stays as it is, so that this
 * costs no system call. Others (its resolver's) are watched as long as it
 * says. */
struct watch {
    uv_poll_t poll;
    struct target_http *target;
    struct watch *next; /* In the list of all. */
    struct watch **link;
    curl_socket_t socket;
    bool kept;  /* A connection's. */
    int polled; /* What the poll watches for; 0: stopped. */
    int wanted; /* What libcurl wants now. */
};

struct target_http {
    uv_loop_t *loop;
    CURLM *multi;
    uv_timer_t timer;
    uv_check_t check; /* Finished transfers are looked at once a turn. */
    bool dirty;
    target_http_done done;
    void *context;
    struct transfer *spare;
    uint32_t spare_count;
    struct transfer *live;
    struct table by_socket; /* Watches by descriptor. */
    struct watch *watches;
    uint32_t watch_count; /* Not freed yet. */
    bool closing;
    void (*closed)(void *context);
    void *closed_context;
};

/* ---- libcurl and the loop ---- */

static void maybe_free(struct target_http *target);

static void on_watch_closed(uv_handle_t *handle)
{
    struct watch *watch = handle->data;
    struct target_http *target = watch->target;
    free(watch);
    target->watch_count--;
    maybe_free(target);
}

static void act(struct target_http *target, curl_socket_t socket, int events)
{
    int running;
    CURLMcode rc =
        curl_multi_socket_action(target->multi, socket, events, &running);
    assert(rc == CURLM_OK);
    (void)rc;
    target->dirty = true;
}

static void on_socket(uv_poll_t *poll, int status, int events);

static int set_poll(struct watch *watch, int events)
{
    watch->polled = events;
    if (events == 0)
        return uv_poll_stop(&watch->poll);
    return uv_poll_start(&watch->poll, events, on_socket);
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    if ((watch->wanted & events) == 0 && status == 0) {
        /* A connection at rest was closed by its server, say: libcurl finds
         * that out when it wants to use it. */
        set_poll(watch, watch->wanted);
        return;
    }
    int flags = 0;
    if (status < 0)
        flags |= CURL_CSELECT_ERR;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    act(watch->target, watch->socket, flags);
}

static struct watch *watch_new(struct target_http *target, curl_socket_t socket,
                               bool kept)
{
    struct watch *watch = memory_new_zeroed(1, sizeof *watch);
    watch->target = target;
    watch->socket = socket;
    watch->kept = kept;
    if (uv_poll_init_socket(target->loop, &watch->poll, socket) != 0) {
        free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    watch->next = target->watches;
    watch->link = &target->watches;
    if (watch->next != NULL)
        watch->next->link = &watch->next;
    target->watches = watch;
    target->watch_count++;
    table_set(&target->by_socket, (uint32_t)socket, watch);
    return watch;
}

static void watch_close(struct watch *watch)
{
    *watch->link = watch->next;
    if (watch->next != NULL)
        watch->next->link = watch->link;
    table_set(&watch->target->by_socket, (uint32_t)watch->socket, NULL);
    uv_poll_stop(&watch->poll);
    uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
}

/* libcurl forgets the watch when it lets go of a socket; ours are found again
 * by their descriptor. */
static struct watch *watch_of(struct target_http *target, curl_socket_t socket)
{
    return socket >= 0 ? table_get(&target->by_socket, (uint32_t)socket) : NULL;
}

static int watch_socket(CURL *easy, curl_socket_t socket, int what,
                        void *argument, void *known)
{
    (void)easy;
    (void)known;
    struct target_http *target = argument;
    struct watch *watch = watch_of(target, socket);
    if (what == CURL_POLL_REMOVE) {
        if (watch != NULL && watch->kept)
            watch->wanted = 0;
        else if (watch != NULL)
            watch_close(watch);
        return 0;
    }
    if (watch == NULL) {
        watch = watch_new(target, socket, false);
        if (watch == NULL)
            return -1;
    }
    watch->wanted = 0;
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        watch->wanted |= UV_READABLE;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        watch->wanted |= UV_WRITABLE;
    if (watch->wanted == watch->polled)
        return 0;
    return set_poll(watch, watch->wanted) == 0 ? 0 : -1;
}

/* libcurl is done with a socket: the poll must go before its descriptor. */
static int close_socket(void *argument, curl_socket_t socket)
{
    struct target_http *target = argument;
    struct watch *watch = watch_of(target, socket);
    if (watch != NULL)
        watch_close(watch);
    return close(socket);
}

static curl_socket_t open_socket(void *argument, curlsocktype purpose,
                                 struct curl_sockaddr *address)
{
    struct target_http *target = argument;
    (void)purpose;
    curl_socket_t made = socket(
        address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (made < 0)
        return CURL_SOCKET_BAD;
    if (watch_new(target, made, true) == NULL) {
        close(made);
        return CURL_SOCKET_BAD;
    }
    return made;
}

static void on_timer(uv_timer_t *timer)
{
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static int set_timer(CURLM *multi, long timeout_ms, void *argument)
{
    (void)multi;
    struct target_http *target = argument;
    if (target->closing)
        return 0;
    if (timeout_ms < 0)
        uv_timer_stop(&target->timer);
    else
        uv_timer_start(&target->timer, on_timer, (uint64_t)timeout_ms, 0);
    return 0;
}

/* ---- One transfer ---- */

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
    if (transfer->began)
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
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer->target);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, transfer->target);
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
    CURLMcode rc = curl_multi_add_handle(target->multi, easy);
    assert(rc == CURLM_OK);
    (void)rc;
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
        return "the connection broke before an answer came";
    return transfer->error[0] != '\0' ? transfer->error
                                      : curl_easy_strerror(code);
}

static void finish(struct transfer *transfer, CURLcode code)
{
    struct target_http *target = transfer->target;
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
    curl_multi_remove_handle(target->multi, transfer->easy);
    target->done(target->context, transfer->publisher_id, transfer->token,
                 &attempt);
    transfer_give(transfer);
}

static void on_check(uv_check_t *check)
{
    struct target_http *target = check->data;
    while (target->dirty) {
        target->dirty = false;
        CURLMsg *message;
        int left;
        while ((message = curl_multi_info_read(target->multi, &left)) != NULL) {
            struct transfer *transfer;
            if (message->msg != CURLMSG_DONE)
                continue;
            CURLcode code = message->data.result;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE,
                              &transfer);
            finish(transfer, code);
        }
    }
}

/* ---- Life ---- */

struct target_http *target_http_new(uv_loop_t *loop, uint32_t sends_max,
                                    target_http_done done, void *context)
{
    struct target_http *target = memory_new_zeroed(1, sizeof *target);
    target->loop = loop;
    target->done = done;
    target->context = context;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    target->multi = curl_multi_init();
    assert(target->multi != NULL);
    curl_multi_setopt(target->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(target->multi, CURLMOPT_SOCKETDATA, target);
    curl_multi_setopt(target->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(target->multi, CURLMOPT_TIMERDATA, target);
    curl_multi_setopt(target->multi, CURLMOPT_MAXCONNECTS, (long)sends_max);
    uv_timer_init(loop, &target->timer);
    target->timer.data = target;
    uv_check_init(loop, &target->check);
    target->check.data = target;
    uv_check_start(&target->check, on_check);
    return target;
}

/* Handles that are still open: the timer, the check and the watches. */
static void maybe_free(struct target_http *target)
{
    if (!target->closing || target->watch_count > 0 ||
        target->timer.data != NULL || target->check.data != NULL)
        return;
    void (*closed)(void *) = target->closed;
    void *context = target->closed_context;
    free(target);
    curl_global_cleanup();
    closed(context);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct target_http *target = handle->data;
    handle->data = NULL;
    maybe_free(target);
}

void target_http_close(struct target_http *target,
                       void (*closed)(void *context), void *context)
{
    target->closing = true;
    target->closed = closed;
    target->closed_context = context;
    while (target->live != NULL) {
        curl_multi_remove_handle(target->multi, target->live->easy);
        transfer_give(target->live);
    }
    while (target->spare != NULL) {
        struct transfer *transfer = target->spare;
        target->spare = transfer->next;
        curl_easy_cleanup(transfer->easy);
        free(transfer);
    }
    curl_multi_cleanup(target->multi); /* Closes what was kept alive. */
    while (target->watches != NULL)
        watch_close(target->watches);
    table_close(&target->by_socket);
    uv_close((uv_handle_t *)&target->timer, on_handle_closed);
    uv_close((uv_handle_t *)&target->check, on_handle_closed);
}
