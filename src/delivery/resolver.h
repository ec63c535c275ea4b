/* resolver.h - looks up the names of targets: c-ares on the loop.
 *
 * libcurl of Debian would start a thread for each look-up, and a name server
 * that is down would hold hundreds of them. Here a look-up is a datagram and
 * an entry in a table, whoever waits for one name waits for the same look-up,
 * and what is known (names.h) is answered at once: what a name server does
 * holds up only those whose names it alone knows. A publisher has one name, so
 * that none has more look-ups than another.
 *
 * Names are looked for in /etc/hosts, then asked of the servers in
 * /etc/resolv.conf, with its search list and options; both are read again when
 * they have changed. They are small and in the page cache: reading them is the
 * one access to files on the loop.
 * Thread: the loop. */
#ifndef POSTOFFICE_DELIVERY_RESOLVER_H
#define POSTOFFICE_DELIVERY_RESOLVER_H

#include "agenda.h"
#include "names.h"

#include <uv.h>

struct resolver;
struct resolver_wait;

/* `addresses` is borrowed during the call; NULL: none, and `words` (static)
 * say why. */
typedef void (*resolver_done)(struct resolver_wait *wait,
                              const struct name_addresses *addresses,
                              const char *words);

/* Embedded in whoever waits. Zero-initialised. */
struct resolver_wait {
    resolver_done done;
    struct lookup *lookup; /* NULL: it does not wait. */
    struct resolver_wait *next;
    struct resolver_wait **link;
    struct agenda_item agenda;
};

struct resolver *resolver_new(uv_loop_t *loop);

/* NULL: it is to be waited for. Valid until the next call. */
const struct name_addresses *resolver_known(struct resolver *resolver,
                                            const char *host);

/* done() comes once, later, at the latest after so many milliseconds. False:
 * no such name can be, or more are wanted than the bound; done() will not
 * come. */
bool resolver_wait(struct resolver *resolver, const char *host,
                   uint64_t patience_ms, resolver_done done,
                   struct resolver_wait *wait);
/* done() will not come. One that does not wait is fine. */
void resolver_cancel(struct resolver *resolver, struct resolver_wait *wait);

/* Nobody waits any more. Calls closed() and frees. */
void resolver_close(struct resolver *resolver, void (*closed)(void *context),
                    void *context);

#endif
