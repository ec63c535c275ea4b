/* A whole request as another node sends it on, through the real server with a
 * backend that answers anything: routes, queries, bodies, and the answer. An
 * input is the bytes of such a request, or a text that becomes one:
 *
 *     POST /api/messages?a=b
 *     content-type, empty: none
 *     idempotency key, empty: none
 *     the body
 *
 * With `!` in front it comes from somebody who is limited to a topic. There is
 * one answer, of a status that the contract knows, and its JSON is
 * sound. */
#include "fuzz.h"

#include "base/json_scan.h"
#include "base/logger.h"
#include "http/forward.h"
#include "http/identity.h"
#include "tests/unit/http/fake_backend.h"

enum { TURNS = 64 };

static uv_loop_t loop;
static struct fake_backend fake;
static struct http_server *server;

static void open_server(void)
{
    static const char *const listen[] = {"127.0.0.1:0"};
    struct http_options options = {.listen = listen,
                                   .listen_count = 1,
                                   .body_bytes_max = 1 << 20,
                                   .message_bytes_max = 4096,
                                   .bulk_messages_max = 16,
                                   .connections_max = 4};
    struct backend backend;
    struct error error;
    logger_setup(LOGGER_ERROR, LOGGER_TEXT);
    uv_loop_init(&loop);
    fake_init(&fake);
    fake.list_total = 3;
    backend = fake_backend(&fake);
    FUZZ_CHECK(http_server_open(&loop, &options, &backend, &server, &error) ==
               0);
    fake.server = server;
}

static bool knows(uint16_t status)
{
    static const uint16_t known[] = {200, 201, 202, 204, 304, 400, 401,
                                     403, 404, 405, 406, 409, 413, 415,
                                     422, 429, 501, 503, 504, 507};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i] == status)
            return true;
    return false;
}

static void check_json(struct slice type, struct slice body)
{
    struct json_scan scan = json_scan_of(body);
    struct json_value value;
    if (slice_is(type, "application/json") ||
        slice_is(type, "application/problem+json"))
        FUZZ_CHECK(body.length == 0 ||
                   (json_scan_value(&scan, &value) && json_scan_end(&scan)));
}

static void on_served(void *context, uint64_t id, struct slice answer)
{
    unsigned *answers = context;
    struct decoder in = decoder_of(answer);
    (void)id;
    (*answers)++;
    FUZZ_CHECK(decoder_u8(&in) == FORWARD_VERSION);
    FUZZ_CHECK(knows(decoder_u16(&in)));
    struct slice type = decoder_string(&in);
    for (uint8_t left = decoder_u8(&in); left > 0; left--) {
        decoder_string(&in);
        struct slice value = decoder_string(&in);
        FUZZ_CHECK(value.length == 0 ||
                   (memchr(value.data, '\n', value.length) == NULL &&
                    memchr(value.data, '\r', value.length) == NULL));
    }
    struct slice body = decoder_string(&in);
    FUZZ_CHECK(decoder_done(&in));
    check_json(type, body);
}

static void encode_header(struct encoder *out, const char *name,
                          struct slice value)
{
    encoder_string(out, slice_text(name));
    encoder_string(out, value);
}

static void encode_caller(struct encoder *out, bool limited)
{
    struct encoder topics = {0};
    struct backend_caller caller = {.role = ROLE_ADMIN,
                                    .name = slice_text("anonymous")};
    if (limited) {
        text_list_add(&topics, slice_text("orders"));
        caller = (struct backend_caller){.kind = CALLER_OF_FILE,
                                         .role = ROLE_OPERATE,
                                         .name = slice_text("limited"),
                                         .topics = encoder_slice(&topics)};
    }
    identity_encode(out, &caller);
    encoder_close(&topics);
}

static void encode(struct encoder *out, struct slice text)
{
    bool limited = text.data[0] == '!';
    if (limited)
        text = slice_of(text.data + 1, text.length - 1);
    struct slice first = fuzz_line(&text);
    struct slice type = fuzz_line(&text);
    struct slice key = fuzz_line(&text);
    const uint8_t *space =
        first.length == 0 ? NULL : memchr(first.data, ' ', first.length);
    size_t method = space == NULL ? first.length : (size_t)(space - first.data);
    size_t target = space == NULL ? first.length : method + 1;
    encoder_u8(out, FORWARD_VERSION);
    encode_caller(out, limited);
    encoder_string(out, slice_of(first.data, method));
    encoder_string(out, slice_of(first.data + target, first.length - target));
    encoder_string(out, slice_text("fuzz"));
    encoder_u8(out, (uint8_t)((type.length > 0) + (key.length > 0)));
    if (type.length > 0)
        encode_header(out, "content-type", type);
    if (key.length > 0)
        encode_header(out, "idempotency-key", key);
    encoder_string(out, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);
    struct encoder out = {0};
    unsigned answers = 0;
    if (server == NULL)
        open_server();
    fake.log[0] = '\0';
    if (size > 0 && data[0] >= ' ')
        encode(&out, input);
    else
        encoder_bytes(&out, input);
    http_server_serve(server, encoder_slice(&out), on_served, &answers, 1);
    for (int turn = 0; turn < TURNS && answers == 0; turn++) {
        fake_deliver(&fake);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    FUZZ_CHECK(answers == 1);
    encoder_close(&out);
    return 0;
}
