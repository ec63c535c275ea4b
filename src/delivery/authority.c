#include "authority.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool split(const char *at, const char *end, unsigned port,
                  struct authority *ret)
{
    struct authority made = {.port = 0};
    size_t length = 0;
    bool bracketed = at < end && *at == '[';
    at += bracketed;
    while (at < end && strchr(bracketed ? "]" : ":/?#", *at) == NULL) {
        if (length + 1 == sizeof made.host)
            return false;
        made.host[length++] = *at++;
    }
    at += bracketed && at < end;
    if (at < end && *at == ':' && at + 1 < end && at[1] >= '0' && at[1] <= '9')
        for (port = 0, at++;
             at < end && *at >= '0' && *at <= '9' && port <= UINT16_MAX; at++)
            port = port * 10 + (unsigned)(*at - '0');
    if (length == 0 || port > UINT16_MAX)
        return false;
    made.port = (uint16_t)port;
    *ret = made;
    return true;
}

bool authority_of_url(struct slice url, struct authority *ret)
{
    const char *at = (const char *)url.data;
    const char *end = at + url.length;
    if (url.length > 8 && strncasecmp(at, "https://", 8) == 0)
        return split(at + 8, end, 443, ret);
    if (url.length > 7 && strncasecmp(at, "http://", 7) == 0)
        return split(at + 7, end, 80, ret);
    return false;
}

bool authority_of_text(struct slice text, struct authority *ret)
{
    const char *at = (const char *)text.data;
    return text.length > 0 && split(at, at + text.length, 0, ret);
}

static bool names_this_machine(const char *host)
{
    size_t length = strlen(host);
    const char local[] = "localhost";
    size_t local_length = sizeof local - 1;
    if (length < local_length ||
        strcasecmp(host + length - local_length, local) != 0)
        return false;
    return length == local_length || host[length - local_length - 1] == '.';
}

/* inet_aton() knows what browsers and libcurl know: 127.1, 0x7f.0.0.1,
 * 017700000001, 2130706433. */
bool authority_is_literal(const struct authority *authority,
                          uint8_t ret_bytes[16])
{
    struct in_addr v4;
    struct authority copy = *authority;
    char *host = copy.host;
    size_t length = strlen(host);
    if (length > 1 && host[length - 1] == '.')
        host[length - 1] = '\0';
    if (inet_pton(AF_INET6, host, ret_bytes) == 1)
        return true;
    if (host[0] == '\0' || strpbrk(host, " \t") != NULL)
        return false;
    if (names_this_machine(host))
        inet_pton(AF_INET, "127.0.0.1", &v4);
    else if (inet_aton(host, &v4) != 1)
        return false;
    memset(ret_bytes, 0, 10);
    memset(ret_bytes + 10, 0xff, 2);
    memcpy(ret_bytes + 12, &v4, 4);
    return true;
}
