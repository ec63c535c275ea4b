/* address.h - HOST:PORT as people write it, and what the kernel makes of it.
 * Thread: any. */
#ifndef POSTOFFICE_RAFT_ADDRESS_H
#define POSTOFFICE_RAFT_ADDRESS_H

#include "base/error.h"

#include <stdbool.h>
#include <sys/socket.h>

enum { ADDRESS_HOST = 256, ADDRESS_PORT = 6, ADDRESS_TEXT = 64 };

struct address {
    char host[ADDRESS_HOST]; /* A name or a number; IPv6 without brackets. */
    char port[ADDRESS_PORT]; /* 0 to 65535. */
};

/* "host:port", "[::1]:port". Errors: ERR_INVALID, with words. */
int address_parse(const char *text, struct address *ret, struct error *error);

/* True and the address itself when its host is a number: no look-up. */
bool address_is_number(const struct address *address,
                       struct sockaddr_storage *ret);

bool address_is_loopback(const struct sockaddr *address);

/* The number without its port; an IPv4 address within IPv6 as IPv4. */
void address_format(const struct sockaddr *address, char text[ADDRESS_TEXT]);

#endif
