#include "http/target.h"

#include "base/bounds.h"

#include <arpa/inet.h>
#include <strings.h>

static bool take_prefix(struct slice *text, const char *prefix)
{
    size_t length = strlen(prefix);
    if (text->length < length ||
        strncasecmp((const char *)text->data, prefix, length) != 0)
        return false;
    *text = slice_of(text->data + length, text->length - length);
    return true;
}

/* Visible ASCII without what a URL must encode. */
static bool bytes_are_plain(struct slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        uint8_t byte = text.data[i];
        if (byte <= ' ' || byte >= 0x7f || strchr("\"<>\\^`{|}", byte) != NULL)
            return false;
    }
    return true;
}

static bool port_is_valid(struct slice port)
{
    uint32_t number = 0;
    if (port.length > 5)
        return false;
    for (size_t i = 0; i < port.length; i++) {
        if (port.data[i] < '0' || port.data[i] > '9')
            return false;
        number = number * 10 + (uint32_t)(port.data[i] - '0');
    }
    /* "host:" without digits means the scheme's own port. */
    return port.length == 0 || (number >= 1 && number <= 65535);
}

static bool literal_is_valid(struct slice inside)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (inside.length == 0 || inside.length >= sizeof text)
        return false;
    memcpy(text, inside.data, inside.length);
    text[inside.length] = '\0';
    return inet_pton(AF_INET6, text, &address) == 1;
}

static bool name_is_valid(struct slice host)
{
    if (host.length == 0 || host.length > 253 || host.data[0] == '.' ||
        host.data[0] == '-')
        return false;
    for (size_t i = 0; i < host.length; i++) {
        uint8_t byte = host.data[i];
        bool letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
        bool digit = byte >= '0' && byte <= '9';
        bool dot = byte == '.' && host.data[i - 1] != '.';
        if (!letter && !digit && !dot && byte != '-' && byte != '_')
            return false;
    }
    return true;
}

static bool authority_is_valid(struct slice authority)
{
    struct slice host = authority;
    struct slice port = slice_of(NULL, 0);
    if (authority.length > 0 && authority.data[0] == '[') {
        const uint8_t *close = memchr(authority.data, ']', authority.length);
        if (close == NULL)
            return false;
        size_t inside = (size_t)(close - authority.data) - 1;
        size_t rest = authority.length - inside - 2;
        if (!literal_is_valid(slice_of(authority.data + 1, inside)) ||
            (rest > 0 && close[1] != ':'))
            return false;
        return rest == 0 || port_is_valid(slice_of(close + 2, rest - 1));
    }
    const uint8_t *colon =
        host.length == 0 ? NULL : memchr(host.data, ':', host.length);
    if (colon != NULL) {
        host.length = (size_t)(colon - host.data);
        port = slice_of(colon + 1, authority.length - host.length - 1);
    }
    /* Credentials would need an @, which no host and no port holds. */
    return name_is_valid(host) && port_is_valid(port);
}

bool target_is_valid(struct slice text)
{
    if (text.length > BOUND_TARGET || !bytes_are_plain(text))
        return false;
    if (!take_prefix(&text, "http://") && !take_prefix(&text, "https://"))
        return false;
    size_t length = 0;
    while (length < text.length && strchr("/?#", text.data[length]) == NULL)
        length++;
    return authority_is_valid(slice_of(text.data, length));
}
