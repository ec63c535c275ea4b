#include "address_policy.h"

#include "authority.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* ---- Ranges ---- */

enum { MAPPED_BITS = 96 };

static struct address_bytes mapped(const uint8_t v4[4])
{
    struct address_bytes bytes = {.at = {[10] = 0xff, [11] = 0xff}};
    memcpy(bytes.at + 12, v4, 4);
    return bytes;
}

static bool bits_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8;
    if (memcmp(a, b, whole) != 0)
        return false;
    if (bits % 8 == 0)
        return true;
    uint8_t mask = (uint8_t)(0xff << (8 - bits % 8));
    return (a[whole] & mask) == (b[whole] & mask);
}

static bool in_range(const struct address_bytes *bytes,
                     const struct address_range *range)
{
    return bits_equal(bytes->at, range->bytes.at, range->bits);
}

static bool in_any(const struct address_bytes *bytes,
                   const struct address_range *ranges, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (in_range(bytes, &ranges[i]))
            return true;
    }
    return false;
}

int address_range_parse(const char *text, struct address_range *ret_range,
                        struct error *error)
{
    char host[INET6_ADDRSTRLEN];
    struct address_range range = {.bits = 0};
    struct in_addr v4;
    const char *slash = strchr(text, '/');
    size_t length = slash == NULL ? strlen(text) : (size_t)(slash - text);
    if (length >= sizeof host)
        return error_set(error, ERR_INVALID, "%s is no address range", text);
    memcpy(host, text, length);
    host[length] = '\0';
    bool is_v4 = inet_pton(AF_INET, host, &v4) == 1;
    if (is_v4)
        range.bytes = mapped((const uint8_t *)&v4);
    else if (inet_pton(AF_INET6, host, range.bytes.at) != 1)
        return error_set(error, ERR_INVALID,
                         "%s is no address range, such as 10.0.0.0/8", text);
    unsigned most = is_v4 ? 32 : 128;
    unsigned bits = most;
    if (slash != NULL) {
        char *end;
        unsigned long number = strtoul(slash + 1, &end, 10);
        if (slash[1] < '0' || slash[1] > '9' || *end != '\0' || number > most)
            return error_set(error, ERR_INVALID,
                             "%s: after the slash comes a number up to %u",
                             text, most);
        bits = (unsigned)number;
    }
    range.bits = (uint8_t)(is_v4 ? MAPPED_BITS + bits : bits);
    for (unsigned i = range.bits; i < 128; i++) {
        if ((range.bytes.at[i / 8] & 0x80 >> i % 8) != 0)
            return error_set(error, ERR_INVALID,
                             "%s has bits behind its prefix", text);
    }
    *ret_range = range;
    return 0;
}

/* ---- What is special about an address ---- */

enum special_kind {
    SPECIAL_NEVER,    /* Refused unless allowed by name. */
    SPECIAL_LOOPBACK, /* This machine. */
    SPECIAL_PRIVATE,  /* Refused when strict. */
};

struct special {
    const char *words;
    enum special_kind kind;
    uint8_t bits;
    uint8_t bytes[16];
};

#define V4(a, b, c, d, prefix)                                                 \
    .bits = MAPPED_BITS + (prefix),                                            \
    .bytes = {[10] = 0xff, [11] = 0xff, [12] = (a),                            \
              [13] = (b),  [14] = (c),  [15] = (d)}

/* The registries of special addresses (RFC 6890 and its successors), and where
 * clouds keep their metadata. The first that matches tells. */
static const struct special specials[] = {
    {"cloud metadata", SPECIAL_NEVER, V4(169, 254, 169, 254, 32)},
    {"cloud metadata", SPECIAL_NEVER, V4(169, 254, 170, 2, 32)},
    {"cloud metadata", SPECIAL_NEVER, V4(100, 100, 100, 200, 32)},
    {"cloud metadata", SPECIAL_NEVER, V4(168, 63, 129, 16, 32)},
    {"cloud metadata", SPECIAL_NEVER, V4(192, 0, 0, 192, 32)},
    {"cloud metadata",
     SPECIAL_NEVER,
     128,
     {0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54}},
    {"cloud metadata",
     SPECIAL_NEVER,
     128,
     {0xfd, 0x00, 0x0e, 0xc2, [15] = 0x23}},
    {"cloud metadata",
     SPECIAL_NEVER,
     128,
     {0xfd, 0x20, 0x00, 0xce, [14] = 0x02, [15] = 0x54}},
    {"an unspecified address", SPECIAL_NEVER, V4(0, 0, 0, 0, 8)},
    {"an unspecified address", SPECIAL_NEVER, 128, {0}},
    {"link-local", SPECIAL_NEVER, V4(169, 254, 0, 0, 16)},
    {"link-local", SPECIAL_NEVER, 10, {0xfe, 0x80}},
    {"multicast", SPECIAL_NEVER, V4(224, 0, 0, 0, 4)},
    {"multicast", SPECIAL_NEVER, 8, {0xff}},
    {"a reserved address", SPECIAL_NEVER, V4(240, 0, 0, 0, 4)},
    {"a locally translated address",
     SPECIAL_NEVER,
     48,
     {0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}},
    {"a discarded address", SPECIAL_NEVER, 64, {0x01}},
    {"loopback", SPECIAL_LOOPBACK, V4(127, 0, 0, 0, 8)},
    {"loopback", SPECIAL_LOOPBACK, 128, {[15] = 1}},
    {"a private address", SPECIAL_PRIVATE, V4(10, 0, 0, 0, 8)},
    {"a private address", SPECIAL_PRIVATE, V4(172, 16, 0, 0, 12)},
    {"a private address", SPECIAL_PRIVATE, V4(192, 168, 0, 0, 16)},
    {"a shared address", SPECIAL_PRIVATE, V4(100, 64, 0, 0, 10)},
    {"a private address", SPECIAL_PRIVATE, V4(192, 0, 0, 0, 24)},
    {"a private address", SPECIAL_PRIVATE, V4(198, 18, 0, 0, 15)},
    {"a documentation address", SPECIAL_PRIVATE, V4(192, 0, 2, 0, 24)},
    {"a documentation address", SPECIAL_PRIVATE, V4(198, 51, 100, 0, 24)},
    {"a documentation address", SPECIAL_PRIVATE, V4(203, 0, 113, 0, 24)},
    {"a documentation address", SPECIAL_PRIVATE, 32, {0x20, 0x01, 0x0d, 0xb8}},
    {"a private address", SPECIAL_PRIVATE, 7, {0xfc}},
    {"a private address", SPECIAL_PRIVATE, 10, {0xfe, 0xc0}},
};

/* Prefixes whose addresses hold an IPv4 address, and where. */
static const struct wrapping {
    uint8_t bits;
    uint8_t offset;
    bool inverted;
    uint8_t bytes[16];
} wrappings[] = {
    {96, 12, false, {0}},                      /* Compatible. */
    {96, 12, false, {0x00, 0x64, 0xff, 0x9b}}, /* NAT64, RFC 6052. */
    {16, 2, false, {0x20, 0x02}},              /* 6to4, RFC 3056. */
    {32, 4, false, {0x20, 0x01}},              /* The server of Teredo, */
    {32, 12, true, {0x20, 0x01}},              /* and its client, RFC 4380. */
};

static bool is_isatap(const struct address_bytes *bytes)
{
    return (bytes->at[8] & 0xfd) == 0 && bytes->at[9] == 0 &&
           bytes->at[10] == 0x5e && bytes->at[11] == 0xfe;
}

/* ---- The decision ---- */

static bool is_mapped(const struct address_bytes *bytes)
{
    struct address_range range = {.bits = MAPPED_BITS};
    const uint8_t none[4] = {0};
    range.bytes = mapped(none);
    return in_range(bytes, &range);
}

static const char *refuses_plain(const struct address_policy *policy,
                                 const struct address_bytes *bytes)
{
    if (in_any(bytes, policy->deny, policy->deny_count))
        return "refused by --target-deny";
    if (in_any(bytes, policy->allow, policy->allow_count))
        return NULL;
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++) {
        const struct special *special = &specials[i];
        if (!bits_equal(bytes->at, special->bytes, special->bits))
            continue;
        bool allowed = special->kind == SPECIAL_LOOPBACK
                           ? policy->loopback && !policy->strict
                       : special->kind == SPECIAL_PRIVATE ? !policy->strict
                                                          : false;
        return allowed ? NULL : special->words;
    }
    return NULL;
}

/* What an address wraps is vetted like the address itself: a translator would
 * take the connection there. */
static const char *refuses_bytes(const struct address_policy *policy,
                                 const struct address_bytes *bytes)
{
    const char *words = refuses_plain(policy, bytes);
    if (words != NULL || is_mapped(bytes))
        return words;
    bool loopback = bits_equal(bytes->at, (const uint8_t[16]){[15] = 1}, 128);
    for (size_t i = 0; i < sizeof wrappings / sizeof *wrappings; i++) {
        const struct wrapping *wrapping = &wrappings[i];
        uint8_t inner[4];
        if (loopback || !bits_equal(bytes->at, wrapping->bytes, wrapping->bits))
            continue;
        for (int k = 0; k < 4; k++)
            inner[k] = (uint8_t)(bytes->at[wrapping->offset + k] ^
                                 (wrapping->inverted ? 0xff : 0));
        struct address_bytes wrapped = mapped(inner);
        words = refuses_plain(policy, &wrapped);
        if (words != NULL)
            return words;
    }
    if (!is_isatap(bytes))
        return NULL;
    struct address_bytes wrapped = mapped(bytes->at + 12);
    return refuses_plain(policy, &wrapped);
}

static bool bytes_of(const struct sockaddr *address,
                     struct address_bytes *ret_bytes, uint16_t *ret_port)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        *ret_bytes = mapped((const uint8_t *)&v4.sin_addr);
        *ret_port = ntohs(v4.sin_port);
        return true;
    }
    if (address->sa_family != AF_INET6)
        return false;
    struct sockaddr_in6 v6;
    memcpy(&v6, address, sizeof v6);
    memcpy(ret_bytes->at, &v6.sin6_addr, sizeof ret_bytes->at);
    *ret_port = ntohs(v6.sin6_port);
    return true;
}

static bool is_unspecified(const struct address_bytes *bytes)
{
    static const struct address_bytes none;
    const uint8_t zero[4] = {0};
    struct address_bytes none_v4 = mapped(zero);
    return memcmp(bytes, &none, sizeof none) == 0 ||
           memcmp(bytes, &none_v4, sizeof none_v4) == 0;
}

static bool is_this_machine(const struct address_bytes *bytes)
{
    static const struct address_bytes loopback = {.at = {[15] = 1}};
    struct ifaddrs *all = NULL;
    if ((is_mapped(bytes) && bytes->at[12] == 127) || is_unspecified(bytes) ||
        memcmp(bytes, &loopback, sizeof loopback) == 0)
        return true;
    bool found = false;
    if (getifaddrs(&all) != 0)
        return true; /* Not known: the safe answer. */
    for (struct ifaddrs *one = all; one != NULL && !found;
         one = one->ifa_next) {
        struct address_bytes mine;
        uint16_t port;
        found = one->ifa_addr != NULL &&
                bytes_of(one->ifa_addr, &mine, &port) &&
                memcmp(&mine, bytes, sizeof mine) == 0;
    }
    freeifaddrs(all);
    return found;
}

/* The interfaces are only looked at when the port is one of ours. */
static bool is_own(const struct address_policy *policy,
                   const struct address_bytes *bytes, uint16_t port)
{
    for (uint32_t i = 0; i < policy->own_count; i++) {
        const struct own_port *own = &policy->own[i];
        if (own->port != port)
            continue;
        if (own->any ? is_this_machine(bytes)
                     : memcmp(&own->bytes, bytes, sizeof *bytes) == 0 ||
                           is_unspecified(bytes))
            return true;
    }
    return false;
}

static const char *refuses(const struct address_policy *policy,
                           const struct address_bytes *bytes, uint16_t port)
{
    if (is_own(policy, bytes, port))
        return "a port of the cluster itself";
    return refuses_bytes(policy, bytes);
}

const char *address_policy_refuses(const struct address_policy *policy,
                                   const struct sockaddr *address)
{
    struct address_bytes bytes;
    uint16_t port;
    if (!bytes_of(address, &bytes, &port))
        return "not an internet address";
    return refuses(policy, &bytes, port);
}

bool address_policy_own(struct address_policy *policy,
                        const struct sockaddr *address)
{
    struct own_port own;
    if (!bytes_of(address, &own.bytes, &own.port))
        return true;
    if (policy->own_count == BOUND_OWN_PORTS)
        return false;
    own.any = is_unspecified(&own.bytes);
    policy->own[policy->own_count++] = own;
    return true;
}

void address_policy_own_none(struct address_policy *policy)
{
    policy->own_count = 0;
}

/* ---- Literals in URLs ---- */

const char *address_policy_refuses_url(const struct address_policy *policy,
                                       struct slice url)
{
    struct authority authority;
    struct address_bytes bytes;
    if (!authority_of_url(url, &authority) ||
        !authority_is_literal(&authority, bytes.at))
        return NULL;
    return refuses(policy, &bytes, authority.port);
}
