#include "header_rule.h"

#include <strings.h>

/* Ours, and those of the connection: hop-by-hop ones, framing, and what would
 * make the receiver wait or another server answer. */
static const char *const reserved[] = {
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "message-id",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "traceparent",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
};

static bool is_token_byte(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
           (byte >= 'A' && byte <= 'Z') ||
           (byte != '\0' && strchr("!#$%&'*+-.^_`|~", byte) != NULL);
}

/* Visible ASCII, spaces and tabs between, and bytes above ASCII. */
bool header_value_is_safe(struct slice value)
{
    for (size_t i = 0; i < value.length; i++) {
        uint8_t byte = value.data[i];
        if ((byte < ' ' && byte != '\t') || byte == 0x7f)
            return false;
    }
    return value.length == 0 ||
           (value.data[0] > ' ' && value.data[value.length - 1] > ' ');
}

static bool is_named(struct slice name, const char *text)
{
    return name.length == strlen(text) &&
           strncasecmp((const char *)name.data, text, name.length) == 0;
}

const char *header_check(struct slice name, struct slice value)
{
    const char prefix[] = "postoffice-";
    if (name.length == 0 || name.length > BOUND_HEADER_NAME)
        return "must have a name of 1 to 128 bytes";
    for (size_t i = 0; i < name.length; i++) {
        if (!is_token_byte(name.data[i]))
            return "has a name with characters that a header cannot have";
    }
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
        if (is_named(name, reserved[i]))
            return "is not the publisher's to set";
    }
    if (name.length >= sizeof prefix - 1 &&
        strncasecmp((const char *)name.data, prefix, sizeof prefix - 1) == 0)
        return "is not the publisher's to set";
    if (value.length > BOUND_HEADER_VALUE)
        return "must have a value of at most 1024 bytes";
    return header_value_is_safe(value)
               ? NULL
               : "has a value with line breaks, control "
                 "characters or space at its ends";
}

const char *header_check_basic(struct slice credentials)
{
    if (credentials.length > BOUND_HEADER_VALUE)
        return "must have at most 1024 bytes";
    if (credentials.length == 0 ||
        memchr(credentials.data, ':', credentials.length) == NULL)
        return "must be user:password";
    for (size_t i = 0; i < credentials.length; i++) {
        if (credentials.data[i] < ' ' || credentials.data[i] == 0x7f)
            return "has control characters";
    }
    return NULL;
}

const char *header_check_bearer(struct slice token)
{
    if (token.length == 0 || token.length > BOUND_BEARER_TOKEN)
        return "must have 1 to 4096 bytes";
    for (size_t i = 0; i < token.length; i++) {
        if (token.data[i] <= ' ' || token.data[i] >= 0x7f)
            return "must be visible ASCII";
    }
    return NULL;
}
