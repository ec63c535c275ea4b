/* names.h - what is known of the names of targets: their addresses, and until
 * when; without I/O.
 *
 *   unknown --answered--> fresh --ttl is over--> old --answered--> fresh
 *                                                 |
 *                                                 `--no name server answers-->
 *                                                    stale: used for a while
 *
 * An old answer is asked for again before it is used. Where no server answers,
 * it serves on (RFC 8767): a name server that is down is no reason not to
 * deliver. That a name does not exist is an answer, and forgets what was known.
 *
 * Of more names than the bound the one goes that was wanted longest ago.
 * Times are milliseconds that never run back. Thread: the loop. */
#ifndef POSTOFFICE_DELIVERY_NAMES_H
#define POSTOFFICE_DELIVERY_NAMES_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    NAME_SIZE = 256,
    NAME_ADDRESSES = 8, /* More of one name are not tried. */
    /* Between these is what a server's TTL says: an answer is good for the
     * messages that follow at once, and a target that moves is found. */
    NAME_FRESH_MS_MIN = 1000,
    NAME_FRESH_MS_MAX = 60 * 1000,
    NAME_STALE_MS = 3600 * 1000,
    /* Without an answer, a server is not asked again for so long. */
    NAME_PATIENCE_MS = 5000,
};

union name_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

struct name_addresses {
    uint32_t count; /* In the order in which they are to be tried. */
    union name_address at[NAME_ADDRESSES];
};

struct name {
    char host[NAME_SIZE];
    struct name_addresses addresses; /* None: not known. */
    uint64_t fresh_until_ms;
    uint64_t known_until_ms; /* It may be used as long, fresh or stale. */
    uint32_t busy;           /* Whoever holds a pointer; it is kept then. */
    void *lookup;            /* The resolver's. */
    struct name *newer;      /* By the time at which they were wanted. */
    struct name *older;
};

struct names {
    void *tree; /* By host, of tsearch(3). */
    struct name *newest;
    struct name *oldest;
    uint32_t count;
    uint32_t most; /* The bound. */
};

void names_init(struct names *names, uint32_t most);

/* Finds or adds it, in any case of its letters. Valid until the next call,
 * longer while it is busy. NULL: it is no name (too long), or all are busy. */
struct name *names_want(struct names *names, const char *host);

/* A server has answered. No address: there is no such name. */
void name_answered(struct name *name, const struct name_addresses *addresses,
                   uint64_t ttl_ms, uint64_t now_ms);
/* None has. What is known is stale from now on. */
void name_unanswered(struct name *name, uint64_t now_ms);

/* It has addresses, be they old: they serve when no server answers. */
bool name_is_stale(const struct name *name, uint64_t now_ms);

/* Its addresses may be used without asking. */
bool name_is_known(const struct name *name, uint64_t now_ms);

void names_close(struct names *names);

#endif
