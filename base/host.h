/* host.h - the host in an authority, HOST or HOST:PORT (RFC 3986, 3.2), to the
 * letter: what only looks like an address is a name, and a name may be
 * anybody's.
 * Thread: any; plain data. */
#ifndef POSTOFFICE_BASE_HOST_H
#define POSTOFFICE_BASE_HOST_H

#include "base/slice.h"

#include <stdbool.h>

/* What stands before the port, with the brackets of an IPv6 address. */
struct slice host_of(struct slice authority);
/* Hosts have no case. An empty one is the same as none. */
bool host_is(struct slice host, struct slice other);
/* "localhost", an address of 127.0.0.0/8 or "[::1]". */
bool host_is_loopback(struct slice host);

#endif
