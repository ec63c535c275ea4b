#include "own_ports.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

enum { LOOK_MS = 2000, PATIENCE_MS = 10 * 1000 };

static void release(struct own_name *name)
{
    resolver_cancel(name->all->resolver, &name->wait);
    *name = (struct own_name){.all = name->all};
}

/* ---- What is wanted ---- */

static struct own_name *name_of(struct own_ports *ports,
                                const struct authority *authority)
{
    struct own_name *free_one = NULL;
    for (unsigned i = 0; i < OWN_NAMES; i++) {
        struct own_name *name = &ports->names[i];
        if (name->authority.port == authority->port &&
            strcasecmp(name->authority.host, authority->host) == 0)
            return name;
        if (name->authority.port == 0 && free_one == NULL)
            free_one = name;
    }
    if (free_one != NULL)
        free_one->authority = *authority;
    return free_one;
}

static void want(struct own_ports *ports, bool known,
                 const struct authority *authority)
{
    struct own_name *name = NULL;
    if (known && authority->port != 0)
        name = name_of(ports, authority);
    if (name != NULL)
        name->wanted = true;
}

static void want_all(struct own_ports *ports)
{
    struct cluster_member members[PEERS_MAX];
    const struct peers *peers = gateway_peers(ports->gateway);
    struct authority authority;
    unsigned count = cluster_members(ports->cluster, members, PEERS_MAX);
    for (unsigned i = 0; i < OWN_NAMES; i++)
        ports->names[i].wanted = false;
    for (unsigned i = 0; i < count; i++)
        want(ports,
             authority_of_text(slice_text(members[i].address), &authority),
             &authority);
    for (unsigned i = 0; i < peers->count; i++)
        want(ports,
             authority_of_url(slice_text(peers->reports[i].url), &authority),
             &authority);
    want(ports, authority_of_url(slice_text(ports->url), &authority),
         &authority);
    for (unsigned i = 0; i < OWN_NAMES; i++)
        if (ports->names[i].authority.port != 0 && !ports->names[i].wanted)
            release(&ports->names[i]);
}

/* ---- What it leads to ---- */

static void tell_policy(struct own_ports *ports)
{
    ports->policy->own_count = ports->own_count;
    for (unsigned i = 0; i < OWN_NAMES; i++) {
        const struct own_name *name = &ports->names[i];
        for (uint32_t k = 0; k < name->addresses.count; k++) {
            union name_address address = name->addresses.at[k];
            if (address.any.sa_family == AF_INET6)
                address.v6.sin6_port = htons(name->authority.port);
            else
                address.v4.sin_port = htons(name->authority.port);
            address_policy_own(ports->policy, &address.any);
        }
    }
}

static void on_resolved(struct resolver_wait *wait,
                        const struct name_addresses *addresses,
                        const char *words)
{
    struct own_name *name =
        (struct own_name *)((char *)wait - offsetof(struct own_name, wait));
    (void)words; /* What was known counts on. */
    if (addresses == NULL)
        return;
    name->addresses = *addresses;
    tell_policy(name->all);
}

static void take_literal(struct own_name *name, const uint8_t bytes[16])
{
    union name_address *address = &name->addresses.at[0];
    name->addresses.count = 1;
    address->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6};
    memcpy(&address->v6.sin6_addr, bytes, 16);
}

static void resolve(struct own_name *name)
{
    struct resolver *resolver = name->all->resolver;
    uint8_t bytes[16];
    if (authority_is_literal(&name->authority, bytes)) {
        take_literal(name, bytes);
        return;
    }
    const struct name_addresses *known =
        resolver_known(resolver, name->authority.host);
    if (known != NULL)
        name->addresses = *known;
    else if (name->wait.lookup == NULL)
        /* When there are too many names: the next look tries again. */
        (void)resolver_wait(resolver, name->authority.host, PATIENCE_MS,
                            on_resolved, &name->wait);
}

static void on_look(uv_timer_t *timer)
{
    struct own_ports *ports = timer->data;
    want_all(ports);
    for (unsigned i = 0; i < OWN_NAMES; i++)
        if (ports->names[i].authority.port != 0)
            resolve(&ports->names[i]);
    tell_policy(ports);
}

/* ---- Life ---- */

void own_ports_start(struct own_ports *ports,
                     const struct own_ports_parts *parts)
{
    *ports = (struct own_ports){
        .cluster = parts->cluster,
        .gateway = parts->gateway,
        .resolver = parts->resolver,
        .policy = parts->policy,
        .url = parts->url,
        .own_count = parts->policy->own_count,
    };
    for (unsigned i = 0; i < OWN_NAMES; i++)
        ports->names[i].all = ports;
    uv_timer_init(parts->loop, &ports->timer);
    ports->timer.data = ports;
    uv_timer_start(&ports->timer, on_look, 0, LOOK_MS);
}

void own_ports_close(struct own_ports *ports)
{
    for (unsigned i = 0; i < OWN_NAMES; i++)
        release(&ports->names[i]);
    uv_close((uv_handle_t *)&ports->timer, NULL);
}
