#include "raft/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_port(const char *text)
{
    size_t length = strlen(text);
    return length >= 1 && length < ADDRESS_PORT &&
           strspn(text, "0123456789") == length &&
           strtoul(text, NULL, 10) <= 65535;
}

int address_parse(const char *text, struct address *ret, struct error *error)
{
    const char *colon = strrchr(text, ':');
    const char *host = text;
    const char *end = colon;
    if (colon != NULL && *text == '[' && colon > text && colon[-1] == ']') {
        host = text + 1;
        end = colon - 1;
    } else if (colon != NULL && memchr(text, ':', (size_t)(colon - text))) {
        colon = NULL;
    }
    if (colon == NULL || !is_port(colon + 1) || end == host ||
        (size_t)(end - host) >= sizeof ret->host)
        return error_set(error, ERR_INVALID, "'%.100s' is not HOST:PORT", text);
    *ret = (struct address){0};
    memcpy(ret->host, host, (size_t)(end - host));
    memcpy(ret->port, colon + 1, strlen(colon + 1));
    return 0;
}

bool address_is_number(const struct address *address,
                       struct sockaddr_storage *ret)
{
    const struct addrinfo hints = {
        .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
        .ai_socktype = SOCK_STREAM,
    };
    struct addrinfo *found;
    if (getaddrinfo(address->host, address->port, &hints, &found) != 0)
        return false;
    memcpy(ret, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return true;
}

/* The IPv4 address within, also when IPv6 carries it. */
static bool as_ipv4(const struct sockaddr *address, struct in_addr *ret)
{
    if (address->sa_family == AF_INET) {
        *ret = ((const struct sockaddr_in *)(const void *)address)->sin_addr;
        return true;
    }
    const struct sockaddr_in6 *six =
        (const struct sockaddr_in6 *)(const void *)address;
    if (address->sa_family != AF_INET6 ||
        !IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
        return false;
    memcpy(ret, six->sin6_addr.s6_addr + 12, sizeof *ret);
    return true;
}

bool address_is_loopback(const struct sockaddr *address)
{
    struct in_addr four;
    if (as_ipv4(address, &four))
        return ntohl(four.s_addr) >> 24 == 127;
    const struct sockaddr_in6 *six =
        (const struct sockaddr_in6 *)(const void *)address;
    return address->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
}

void address_format(const struct sockaddr *address, char text[ADDRESS_TEXT])
{
    struct in_addr four;
    const struct sockaddr_in6 *six =
        (const struct sockaddr_in6 *)(const void *)address;
    const char *made = NULL;
    if (as_ipv4(address, &four))
        made = inet_ntop(AF_INET, &four, text, ADDRESS_TEXT);
    else if (address->sa_family == AF_INET6)
        made = inet_ntop(AF_INET6, &six->sin6_addr, text, ADDRESS_TEXT);
    if (made == NULL)
        snprintf(text, ADDRESS_TEXT, "unknown");
}
