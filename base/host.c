#include "base/host.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

struct slice host_of(struct slice authority)
{
    const uint8_t *colon = authority.length == 0
                               ? NULL
                               : memrchr(authority.data, ':', authority.length);
    if (colon == NULL || authority.data[authority.length - 1] == ']')
        return authority;
    return slice_of(authority.data, (size_t)(colon - authority.data));
}

bool host_is(struct slice host, struct slice other)
{
    return host.length > 0 && host.length == other.length &&
           strncasecmp((const char *)host.data, (const char *)other.data,
                       host.length) == 0;
}

bool host_is_loopback(struct slice host)
{
    char text[INET_ADDRSTRLEN];
    struct in_addr address;
    if (host_is(host, slice_text("localhost")) ||
        host_is(host, slice_text("[::1]")))
        return true;
    if (host.length == 0 || host.length >= sizeof text)
        return false;
    memcpy(text, host.data, host.length);
    text[host.length] = '\0';
    return inet_pton(AF_INET, text, &address) == 1 &&
           ntohl(address.s_addr) >> 24 == IN_LOOPBACKNET;
}
