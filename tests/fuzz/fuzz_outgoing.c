/* A message of one stranger on its way to another: whatever is sound JSON as a
 * payload gives a sound body in every format, and headers that are lines. An
 * input is a key, an attribute's name, its value, and the payload, a line
 * each. */
#include "fuzz.h"

#include "base/json_scan.h"
#include "src/delivery/outgoing.h"

#include <jansson.h>

static bool is_sound(struct slice text)
{
    struct json_scan scan = json_scan_of(text);
    struct json_value value;
    return json_scan_value(&scan, &value) && json_scan_end(&scan);
}

static bool is_text(struct slice text)
{
    json_t *string = json_stringn(
        text.length == 0 ? "" : (const char *)text.data, text.length);
    json_decref(string);
    return string != NULL;
}

static void check_lines(const struct outgoing *outgoing)
{
    struct slice lines = encoder_slice(&outgoing->headers);
    uint32_t count = 0;
    for (size_t i = 0; i < lines.length; i++) {
        count += lines.data[i] == '\0';
        FUZZ_CHECK(lines.data[i] != '\n' && lines.data[i] != '\r');
    }
    FUZZ_CHECK(count == outgoing->header_count);
}

static void try_formats(struct letter *letter)
{
    static struct signer *signer;
    struct outgoing outgoing = {0};
    struct publisher_options options = {0};
    struct delivery_send send = {.letter = letter,
                                 .options = &options,
                                 .topic = slice_text("orders"),
                                 .attempt = 1};
    if (signer == NULL)
        signer = signer_new();
    struct outgoing_context context = {
        .public_id = "msg_1", .now_ms = 1000000, .signer = signer};
    options.secret = slice_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    for (int format = BODY_PAYLOAD; format <= BODY_ENVELOPE; format++) {
        options.body_format = (enum body_format)format;
        outgoing_make(&outgoing, &send, &context);
        FUZZ_CHECK(is_sound(outgoing.body));
        check_lines(&outgoing);
    }
    outgoing_close(&outgoing);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);
    struct encoder attributes = {0};
    struct slice key = fuzz_line(&input);
    struct slice name = fuzz_line(&input);
    struct slice value = fuzz_line(&input);
    struct letter letter = {.message = {.id = 42, .received_ms = 1000}};
    if (!is_text(key) || !is_text(name) || !is_text(value) ||
        !is_sound(input) || name.length > UINT16_MAX ||
        value.length > UINT16_MAX)
        return 0;
    attribute_encode(&attributes, name, value);
    letter.message.key = key;
    letter.message.attributes = encoder_slice(&attributes);
    letter.message.payload = input;
    try_formats(&letter);
    encoder_close(&attributes);
    return 0;
}
