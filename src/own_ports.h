/* own_ports.h - keeps the target policy told of where the cluster itself
 * listens, so that nobody can make it deliver to itself.
 *
 * What this node listens on is in its settings (target_policy.h). Where the
 * other members are is known by names that may come to mean something else:
 * their Raft addresses by the configuration, their API by what they say of
 * themselves. They are looked up again and again; until a look-up has ended,
 * what it gave the last time counts. A target is vetted against all of them
 * once its own name is resolved, whatever it is called.
 * Thread: the loop. */
#ifndef POSTOFFICE_OWN_PORTS_H
#define POSTOFFICE_OWN_PORTS_H

#include "delivery/address_policy.h"
#include "delivery/authority.h"
#include "delivery/resolver.h"
#include "gateway.h"

enum { OWN_NAMES = 2 * PEERS_MAX };

/* A place where a member listens. */
struct own_name {
    struct authority authority; /* Of port 0: free. */
    struct name_addresses addresses;
    struct resolver_wait wait;
    struct own_ports *all;
    bool wanted;
};

struct own_ports {
    uv_timer_t timer;
    struct cluster *cluster;
    const struct gateway *gateway;
    struct resolver *resolver;
    struct address_policy *policy;
    const char *url;    /* Of this node's API. */
    uint32_t own_count; /* Of the policy, by the settings. */
    struct own_name names[OWN_NAMES];
};

struct own_ports_parts {
    uv_loop_t *loop;
    struct cluster *cluster;
    const struct gateway *gateway;
    struct resolver *resolver;
    struct address_policy *policy; /* Filled by target_policy_fill(). */
    const char *url;
};

/* All that is given must be there until it is closed. */
void own_ports_start(struct own_ports *ports,
                     const struct own_ports_parts *parts);
void own_ports_close(struct own_ports *ports);

#endif
