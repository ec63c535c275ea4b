#include "outgoing.h"

#include "base/json_scan.h"
#include "base/json_write.h"
#include "header_rule.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>

/* ---- Bodies ---- */

static void write_attributes(struct json_writer *json, struct slice attributes)
{
    struct slice name;
    struct slice value;
    json_write_begin(json, '{');
    while (attribute_next(&attributes, &name, &value) == 0) {
        json_write_name_slice(json, name);
        json_write_text(json, value);
    }
    json_write_end(json, '}');
}

static void raw_member(struct json_writer *json, const char *name,
                       struct slice value)
{
    json_write_name(json, name);
    json_write_raw(json, value);
}

/* Members are copied as they stand; anything but an object is as it is. */
static bool write_with_attributes(struct encoder *out,
                                  const struct message *message)
{
    struct json_scan scan = json_scan_of(message->payload);
    struct json_writer json = json_writer_of(out);
    struct json_value name;
    struct json_value value;
    if (json_scan_peek(&scan) != '{')
        return false;
    json_scan_enter(&scan, KIND_OBJECT);
    json_write_begin(&json, '{');
    while (json_scan_member(&scan, &name, &value)) {
        if (json_value_is(&name, "attributes"))
            continue;
        if (json.comma)
            encoder_u8(out, ',');
        encoder_bytes(out, name.span);
        encoder_u8(out, ':');
        encoder_bytes(out, value.span);
        json.comma = true;
    }
    json_write_name(&json, "attributes");
    write_attributes(&json, message->attributes);
    json_write_end(&json, '}');
    return json_scan_end(&scan);
}

/* Names of extensions are lower-case letters and digits (CloudEvents 1.0,
 * naming conventions), and must not be those of the envelope itself. */
static bool is_extension(struct slice name)
{
    static const char *const taken[] = {
        "data",   "database64",  "datacontenttype", "dataschema", "id",
        "source", "specversion", "subject",         "time",       "type"};
    if (name.length == 0 || name.length > 20)
        return false;
    for (size_t i = 0; i < name.length; i++) {
        uint8_t byte = name.data[i];
        if (!(byte >= 'a' && byte <= 'z') && !(byte >= '0' && byte <= '9'))
            return false;
    }
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        if (slice_is(name, taken[i]))
            return false;
    }
    return true;
}

static struct slice attribute_named(struct slice attributes, const char *wanted,
                                    const char *otherwise)
{
    struct slice name;
    struct slice value;
    while (attribute_next(&attributes, &name, &value) == 0) {
        if (slice_is(name, wanted) && value.length > 0)
            return value;
    }
    return slice_text(otherwise);
}

/* Attributes that can be are extensions; the attribute `type` is the event's
 * type. */
static void write_cloudevent(struct encoder *out,
                             const struct delivery_send *send,
                             const char *public_id)
{
    const struct message *message = &send->letter->message;
    struct json_writer json = json_writer_of(out);
    char source[300];
    struct slice attributes = message->attributes;
    struct slice name;
    struct slice value;
    snprintf(source, sizeof source, "/topics/%.*s", (int)send->topic.length,
             (const char *)send->topic.data);
    json_write_begin(&json, '{');
    json_member_string(&json, "specversion", "1.0");
    json_member_string(&json, "id", public_id);
    json_member_string(&json, "source", source);
    json_member_text(&json, "type",
                     attribute_named(attributes, "type", "postoffice.message"));
    json_member_time(&json, "time", message->received_ms);
    if (message->key.length > 0)
        json_member_text(&json, "subject", message->key);
    while (attribute_next(&attributes, &name, &value) == 0) {
        if (!is_extension(name))
            continue;
        json_write_name_slice(&json, name);
        json_write_text(&json, value);
    }
    json_member_string(&json, "datacontenttype", "application/json");
    raw_member(&json, "data", message->payload);
    json_write_end(&json, '}');
}

static void write_envelope(struct encoder *out,
                           const struct delivery_send *send,
                           const char *public_id)
{
    const struct message *message = &send->letter->message;
    struct json_writer json = json_writer_of(out);
    json_write_begin(&json, '{');
    json_member_u64(&json, "id", message->id);
    json_member_string(&json, "public_id", public_id);
    json_member_text(&json, "topic", send->topic);
    json_member_text_or_null(&json, "key", message->key);
    json_member_time(&json, "received_at", message->received_ms);
    json_write_name(&json, "attributes");
    write_attributes(&json, message->attributes);
    raw_member(&json, "payload", message->payload);
    json_write_end(&json, '}');
}

static void make_body(struct outgoing *outgoing,
                      const struct delivery_send *send, const char *public_id)
{
    const struct message *message = &send->letter->message;
    struct encoder *made = &outgoing->made;
    bool use_made = true;
    made->length = 0;
    switch (send->options->body_format) {
    case BODY_PAYLOAD:
        use_made = false;
        break;
    case BODY_PAYLOAD_WITH_ATTRIBUTES:
        use_made = write_with_attributes(made, message);
        break;
    case BODY_CLOUDEVENTS:
        write_cloudevent(made, send, public_id);
        break;
    case BODY_ENVELOPE:
        write_envelope(made, send, public_id);
        break;
    }
    outgoing->body = use_made ? encoder_slice(made) : message->payload;
}

/* ---- Headers ---- */

static void end_line(struct outgoing *outgoing)
{
    encoder_u8(&outgoing->headers, '\0');
    outgoing->header_count++;
}

static void line(struct outgoing *outgoing, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void line(struct outgoing *outgoing, const char *format, ...)
{
    char text[640];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    /* Names of topics, numbers, ids, signatures: all are bounded. */
    if (length > (int)sizeof text - 1)
        length = (int)sizeof text - 1;
    encoder_bytes(&outgoing->headers, slice_of(text, (size_t)length));
    end_line(outgoing);
}

static void line_of(struct outgoing *outgoing, struct slice name,
                    struct slice value)
{
    encoder_bytes(&outgoing->headers, name);
    /* libcurl takes "name;" for a header without a value. */
    encoder_bytes(&outgoing->headers,
                  slice_text(value.length > 0 ? ": " : ";"));
    encoder_bytes(&outgoing->headers, value);
    end_line(outgoing);
}

static bool is_authorization(struct slice name)
{
    const char text[] = "authorization";
    if (name.length != sizeof text - 1)
        return false;
    for (size_t i = 0; i < name.length; i++) {
        if ((name.data[i] | 0x20) != text[i])
            return false;
    }
    return true;
}

/* What was asked for as credentials wins over a header of that name. */
static void own_lines(struct outgoing *outgoing,
                      const struct publisher_options *options)
{
    struct slice list = options->headers;
    struct slice name;
    struct slice value;
    bool credentials =
        options->basic_auth.length > 0 || options->bearer_token.length > 0;
    while (text_list_next(&list, &name) == 0 &&
           text_list_next(&list, &value) == 0) {
        if (!credentials || !is_authorization(name))
            line_of(outgoing, name, value);
    }
}

static void credentials_line(struct outgoing *outgoing,
                             const struct publisher_options *options)
{
    struct encoder *headers = &outgoing->headers;
    if (options->bearer_token.length > 0) {
        encoder_bytes(headers, slice_text("authorization: Bearer "));
        encoder_bytes(headers, options->bearer_token);
        end_line(outgoing);
    } else if (options->basic_auth.length > 0) {
        size_t length = options->basic_auth.length;
        encoder_bytes(headers, slice_text("authorization: Basic "));
        uint8_t *to = encoder_extend(headers, (length + 2) / 3 * 4 + 1);
        EVP_EncodeBlock(to, options->basic_auth.data, (int)length);
        outgoing->header_count++; /* Its NUL is in place. */
    }
}

/* The old secret signs beside the new one for a day. */
static void signature_lines(struct outgoing *outgoing,
                            const struct publisher_options *options,
                            const struct outgoing_context *context)
{
    struct signature_key keys[SIGNATURE_KEYS] = {0};
    char value[SIGNATURE_SIZE];
    line(outgoing, "webhook-id: %s", context->public_id);
    line(outgoing, "webhook-timestamp: %" PRIu64, context->now_ms / 1000u);
    if (options->secret.length == 0)
        return;
    signature_key_read(options->secret, &keys[0]);
    if (options->previous_secret.length > 0 &&
        options->previous_secret_until_ms > context->now_ms)
        signature_key_read(options->previous_secret, &keys[1]);
    size_t length = signer_sign(context->signer, keys, context->public_id,
                                context->now_ms / 1000u, outgoing->body, value);
    if (length > 0)
        line(outgoing, "webhook-signature: %.*s", (int)length, value);
    for (int i = 0; i < SIGNATURE_KEYS; i++)
        signature_key_wipe(&keys[i]);
}

static void make_headers(struct outgoing *outgoing,
                         const struct delivery_send *send,
                         const struct outgoing_context *context)
{
    const struct message *message = &send->letter->message;
    outgoing->headers.length = 0;
    outgoing->header_count = 0;
    line(outgoing, "content-type: application/%sjson",
         send->options->body_format == BODY_CLOUDEVENTS ? "cloudevents+" : "");
    line(outgoing, "user-agent: Postoffice/" POSTOFFICE_VERSION);
    line(outgoing, "message-id: %" PRIu64, message->id);
    signature_lines(outgoing, send->options, context);
    line(outgoing, "postoffice-topic: %.*s", (int)send->topic.length,
         (const char *)send->topic.data);
    line(outgoing, "postoffice-attempt: %" PRIu32, send->attempt);
    if (send->doubt)
        line(outgoing, "postoffice-maybe-duplicate: true");
    if (send->replay_id != 0)
        line(outgoing, "postoffice-replay: %" PRIu32, send->replay_id);
    if (send->test)
        line(outgoing, "postoffice-test: true");
    if (message->traceparent.length > 0 &&
        header_value_is_safe(message->traceparent))
        line_of(outgoing, slice_text("traceparent"), message->traceparent);
    credentials_line(outgoing, send->options);
    own_lines(outgoing, send->options);
}

void outgoing_make(struct outgoing *outgoing, const struct delivery_send *send,
                   const struct outgoing_context *context)
{
    make_body(outgoing, send, context->public_id);
    make_headers(outgoing, send, context);
}

void outgoing_close(struct outgoing *outgoing)
{
    encoder_close(&outgoing->made);
    encoder_close(&outgoing->headers);
}
