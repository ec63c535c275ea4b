/* address_policy.h - which addresses deliveries may reach, so that a target
 * cannot be used to look into the inside of a network (SSRF).
 *
 * What counts is the address that a connection is really made to, after every
 * name look-up: the socket is made for exactly that address, and a kept-alive
 * connection is one that was vetted. What stands in a URL as a literal is
 * looked at when a publisher is created too, to tell its author at once.
 *
 * In this order, and for each form in which an IPv4 address can be wrapped
 * (mapped, compatible, NAT64, 6to4, Teredo, ISATAP) as for the address itself:
 *
 *   a port of the cluster itself        refused, whatever the lists say
 *   --target-deny                       refused
 *   --target-allow                      allowed
 *   link-local, cloud metadata, what is
 *   no host (0/8, multicast, reserved)  refused
 *   loopback                            allowed when the API itself listens on
 *                                       loopback only, unless strict
 *   private ranges                      allowed, unless strict
 *
 * Thread: the loop; plain data. */
#ifndef POSTOFFICE_DELIVERY_ADDRESS_POLICY_H
#define POSTOFFICE_DELIVERY_ADDRESS_POLICY_H

#include "base/bounds.h"
#include "base/error.h"
#include "base/slice.h"

#include <sys/socket.h>

/* Sixteen bytes; an IPv4 address as ::ffff:a.b.c.d. */
struct address_bytes {
    uint8_t at[16];
};

struct address_range {
    struct address_bytes bytes;
    uint8_t bits; /* Of the sixteen bytes. */
};

/* A port that the cluster itself listens on. */
struct own_port {
    struct address_bytes bytes;
    bool any; /* On all of this node's addresses. */
    uint16_t port;
};

struct address_policy {
    bool strict;
    bool loopback; /* Allowed, unless strict. */
    struct address_range allow[BOUND_TARGET_RANGES];
    uint32_t allow_count;
    struct address_range deny[BOUND_TARGET_RANGES];
    uint32_t deny_count;
    struct own_port own[BOUND_OWN_PORTS];
    uint32_t own_count;
};

/* "10.0.0.0/8", "fd00::/8", or one address. ERR_INVALID with words. */
int address_range_parse(const char *text, struct address_range *ret_range,
                        struct error *error);

/* This or another member of the cluster listens here. Ports beyond the bound
 * are left out and false is returned. */
bool address_policy_own(struct address_policy *policy,
                        const struct sockaddr *address);
void address_policy_own_none(struct address_policy *policy);

/* NULL: it may be reached; else why not, in static words. */
const char *address_policy_refuses(const struct address_policy *policy,
                                   const struct sockaddr *address);

/* The same for the host of a URL (http://... or https://..., checked before)
 * when it is a literal address in any notation, or names this machine
 * ("localhost"); NULL for other names, which are vetted once they resolve. */
const char *address_policy_refuses_url(const struct address_policy *policy,
                                       struct slice url);

#endif
