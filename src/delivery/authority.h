/* authority.h - the host and the port in a target's URL (RFC 3986, 3.2), which
 * was checked before (http/target.h): a scheme of ours, no credentials.
 * Thread: any; plain data. */
#ifndef POSTOFFICE_DELIVERY_AUTHORITY_H
#define POSTOFFICE_DELIVERY_AUTHORITY_H

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct authority {
    char host[256]; /* Without the brackets of an IPv6 address. */
    uint16_t port;
};

/* False: neither http://... nor https://..., or the host is too long. */
bool authority_of_url(struct slice url, struct authority *ret);

/* HOST:PORT, as settings have it. False: it is not. */
bool authority_of_text(struct slice text, struct authority *ret);

/* Whether the host is an address in any notation, or names this machine
 * ("localhost"), so that it needs no look-up. Sixteen bytes; an IPv4 address as
 * ::ffff:a.b.c.d. */
bool authority_is_literal(const struct authority *authority,
                          uint8_t ret_bytes[16]);

#endif
