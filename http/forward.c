#include "http/forward.h"

#include "http/identity.h"
#include "http/server_inside.h"

#include "base/clock.h"

#include <assert.h>
#include <stdlib.h>

/* What goes along, besides those that are fields of their own. */
static const char *const carried[] = {"content-type", "idempotency-key",
                                      "traceparent"};
enum { CARRIED = sizeof carried / sizeof carried[0] };

struct forwarded {
    struct request request;
    struct forwarded *next;
    struct forwarded **link;
    http_served done;
    void *context;
    uint64_t id;
    struct slice headers[CARRIED]; /* data NULL: not given. */
    uint8_t bytes[];               /* The encoded request. */
};

/* ---- Sending on ---- */

bool forward_is_needed(const struct request *request)
{
    const struct backend *backend = request_backend(request);
    return request->forwarded == NULL && backend->must_forward != NULL &&
           backend->must_forward(backend->context);
}

static void encode_request(const struct request *request, struct encoder *out)
{
    bool query = request->query_text.data != NULL;
    size_t target = request->path.length;
    if (query)
        target += 1 + request->query_text.length;
    encoder_u8(out, FORWARD_VERSION);
    identity_encode(out, &request->caller);
    encoder_string(out, request->method);
    encoder_u32(out, (uint32_t)target);
    encoder_bytes(out, request->path);
    if (query) {
        encoder_u8(out, '?');
        encoder_bytes(out, request->query_text);
    }
    encoder_string(out, request->id);
    size_t count_at = out->length;
    encoder_u8(out, 0);
    for (unsigned i = 0; i < CARRIED; i++) {
        struct slice value;
        if (!request_find_header(request, carried[i], &value))
            continue;
        encoder_string(out, slice_text(carried[i]));
        encoder_string(out, value);
        out->data[count_at]++;
    }
    encoder_string(out, request->body);
}

/* The leader's answer, passed on. Its x-request-id is ours already. */
static void on_answer(struct request *request,
                      const struct backend_result *result)
{
    struct decoder in = decoder_of(result->forwarded);
    uint8_t version = decoder_u8(&in);
    uint16_t status = decoder_u16(&in);
    struct slice type = arena_copy(&request->arena, decoder_string(&in));
    for (uint8_t left = decoder_u8(&in); left > 0 && !in.failed; left--) {
        struct slice name = arena_copy(&request->arena, decoder_string(&in));
        struct slice value = arena_copy(&request->arena, decoder_string(&in));
        if (request->header_count < REQUEST_HEADERS_MAX)
            request_header(request, (const char *)name.data, value);
    }
    struct slice body = decoder_string(&in);
    if (!decoder_done(&in) || version != FORWARD_VERSION || status < 200 ||
        status > 599) {
        struct problem problem = {0};
        request->header_count = 0;
        problem_from_code(&problem, ERR_UNKNOWN_OUTCOME, NULL,
                          "The leader's answer cannot be read.");
        request_fail(request, &problem);
        return;
    }
    /* The one it was sent to leads no more, or not yet. */
    if (status == 503 && park_request(request))
        return;
    request->answer.length = 0;
    encoder_bytes(&request->answer, body);
    request_send(request, status, (const char *)type.data);
}

void forward_send(struct request *request)
{
    const struct backend *backend = request_backend(request);
    struct encoder *out = request_scratch(request);
    encode_request(request, out);
    uint64_t ticket = request_wait(request, on_answer);
    backend->forward(backend->context, ticket, encoder_slice(out));
}

/* ---- Being sent ---- */

bool forward_find_header(const struct forwarded *forwarded, const char *name,
                         struct slice *ret_value)
{
    for (unsigned i = 0; i < CARRIED; i++) {
        if (forwarded->headers[i].data != NULL &&
            strcmp(carried[i], name) == 0) {
            *ret_value = forwarded->headers[i];
            return true;
        }
    }
    return false;
}

static bool decode_headers(struct decoder *in, struct forwarded *forwarded)
{
    for (uint8_t left = decoder_u8(in); left > 0 && !in->failed; left--) {
        struct slice name = decoder_string(in);
        struct slice value = decoder_string(in);
        for (unsigned i = 0; i < CARRIED; i++) {
            if (slice_is(name, carried[i]))
                forwarded->headers[i] =
                    value.data != NULL ? value : slice_text("");
        }
    }
    return !in->failed;
}

static bool decode_request(struct forwarded *forwarded, size_t size)
{
    struct request *request = &forwarded->request;
    struct decoder in = decoder_of(slice_of(forwarded->bytes, size));
    if (decoder_u8(&in) != FORWARD_VERSION ||
        !identity_decode(&in, &request->caller))
        return false;
    request->method = decoder_string(&in);
    request->path = decoder_string(&in);
    request->id = decoder_string(&in);
    if (request->id.length > REQUEST_ID_MAX)
        return false;
    if (!decode_headers(&in, forwarded))
        return false;
    request->body = decoder_string(&in);
    const uint8_t *mark =
        request->path.length == 0
            ? NULL
            : memchr(request->path.data, '?', request->path.length);
    if (mark != NULL) {
        size_t length = (size_t)(mark - request->path.data);
        request->query_text =
            slice_of(mark + 1, request->path.length - length - 1);
        request->path.length = length;
    }
    request->head = slice_is(request->method, "HEAD");
    request_find_header(request, "content-type", &request->content_type);
    return decoder_done(&in);
}

static void encode_answer(struct encoder *out, int status, const char *type,
                          const struct request *request)
{
    encoder_u8(out, FORWARD_VERSION);
    encoder_u16(out, (uint16_t)status);
    encoder_string(out, slice_text(type));
    encoder_u8(out, (uint8_t)request->header_count);
    for (uint32_t i = 0; i < request->header_count; i++) {
        encoder_string(out, slice_text(request->headers[i].name));
        encoder_string(out, request->headers[i].value);
    }
    encoder_string(out, encoder_slice(&request->answer));
}

static void forwarded_free(struct forwarded *forwarded)
{
    struct request *request = &forwarded->request;
    if (request->ticket != 0)
        ticket_void(&request->server->tickets, request->ticket);
    *forwarded->link = forwarded->next;
    if (forwarded->next != NULL)
        forwarded->next->link = forwarded->link;
    request->server->forwarded_count--;
    arena_close(&request->arena);
    encoder_close(&request->answer);
    free(forwarded);
}

void forward_answer(struct request *request, int status, const char *type)
{
    struct forwarded *forwarded = request->forwarded;
    struct encoder out = {0};
    encode_answer(&out, status, type, request);
    http_served done = forwarded->done;
    void *context = forwarded->context;
    uint64_t id = forwarded->id;
    forwarded_free(forwarded);
    done(context, id, encoder_slice(&out));
    encoder_close(&out);
}

static void refuse(http_served done, void *context, uint64_t id)
{
    static const char words[] =
        "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\","
        "\"status\":503,\"detail\":\"The leader takes no more requests of "
        "other nodes now.\",\"code\":\"unavailable\"}";
    struct request request = {
        .answer = {.data = (uint8_t *)words, .length = sizeof words - 1}};
    struct encoder out = {0};
    encode_answer(&out, 503, PROBLEM_TYPE, &request);
    done(context, id, encoder_slice(&out));
    encoder_close(&out);
}

void http_server_serve(struct http_server *server, struct slice bytes,
                       http_served done, void *context, uint64_t id)
{
    struct forwarded *forwarded = NULL;
    if (server->state == SERVER_OPEN && server->forwarded_count < FORWARDED_MAX)
        forwarded = malloc(sizeof *forwarded + bytes.length);
    if (forwarded == NULL) {
        refuse(done, context, id);
        return;
    }
    *forwarded = (struct forwarded){.done = done,
                                    .context = context,
                                    .id = id,
                                    .next = server->forwarded,
                                    .link = &server->forwarded};
    if (forwarded->next != NULL)
        forwarded->next->link = &forwarded->next;
    server->forwarded = forwarded;
    server->forwarded_count++;
    if (bytes.length > 0)
        memcpy(forwarded->bytes, bytes.data, bytes.length);
    struct request *request = &forwarded->request;
    request->server = server;
    request->forwarded = forwarded;
    request->started_us = clock_us();
    if (decode_request(forwarded, bytes.length)) {
        dispatch(request);
        return;
    }
    struct problem problem = {0};
    problem_from_code(&problem, ERR_INVALID, NULL,
                      "A node sent on what cannot be read.");
    request_fail(request, &problem);
}

void forward_give_up(struct http_server *server)
{
    while (server->forwarded != NULL)
        request_give_up(&server->forwarded->request);
}
