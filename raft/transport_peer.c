/* A peer: its address, looked up at most once at a time for all its lanes, and
 * what is said about it. */
#include "base/clock.h"
#include "base/logger.h"
#include "base/memory.h"
#include "raft/transport_inside.h"

#include <assert.h>
#include <stdlib.h>

/* --- Coming, moving and leaving ----------------------------------------- */

static int take_address(struct peer *peer, const char *text,
                        struct error *error)
{
    struct address address;
    int rc = address_parse(text, &address, error);
    if (rc != 0)
        return rc;
    assert(strlen(text) < sizeof peer->text);
    memcpy(peer->text, text, strlen(text) + 1);
    peer->address = address;
    return 0;
}

struct peer *peer_new(struct transport *transport, uint64_t id,
                      const char *address, struct error *error)
{
    struct peer *peer = memory_new_zeroed(1, sizeof *peer);
    peer->transport = transport;
    peer->id = id;
    if (take_address(peer, address, error) != 0) {
        free(peer);
        return NULL;
    }
    transport->holds++;
    for (unsigned i = 0; i < LANES; i++)
        lane_init(&peer->lanes[i], peer, (enum frame_lane)i);
    return peer;
}

int peer_move(struct peer *peer, const char *address, struct error *error)
{
    if (strcmp(peer->text, address) == 0)
        return 0;
    int rc = take_address(peer, address, error);
    if (rc != 0)
        return rc;
    peer->moved = peer->looking;
    peer_restart(peer);
    return 0;
}

void peer_restart(struct peer *peer)
{
    peer->found_count = 0;
    if (!peer->leaving)
        for (unsigned i = 0; i < LANES; i++)
            lane_restart(&peer->lanes[i]);
}

void peer_hurry(struct peer *peer)
{
    if (!peer->leaving)
        for (unsigned i = 0; i < LANES; i++)
            lane_hurry(&peer->lanes[i]);
}

void peer_leave(struct peer *peer)
{
    if (peer->leaving)
        return;
    peer->leaving = true;
    if (peer->looking)
        uv_cancel((uv_req_t *)&peer->lookup);
    for (unsigned i = 0; i < LANES; i++)
        lane_end(&peer->lanes[i]);
}

void peer_release(struct peer *peer)
{
    struct transport *transport = peer->transport;
    if (--peer->holds > 0)
        return;
    assert(peer->leaving);
    unsigned at = 0;
    while (transport->peers[at] != peer)
        at++;
    transport->peers[at] = transport->peers[--transport->peers_count];
    free(peer);
    transport_release(transport);
}

/* --- Its address -------------------------------------------------------- */

static void look_up(struct peer *peer);

static void take_found(struct peer *peer, const struct addrinfo *found)
{
    peer->found_count = 0;
    for (; found != NULL && peer->found_count < PEER_ADDRESSES;
         found = found->ai_next)
        memcpy(&peer->found[peer->found_count++], found->ai_addr,
               found->ai_addrlen);
}

static void tell_lanes(struct peer *peer, int status)
{
    if (peer->found_count == 0) {
        struct error error = {0};
        transport_uv_error(&error, status, "look up its address");
        peer_complain(peer, &error);
    }
    for (unsigned i = 0; i < LANES; i++) {
        struct lane *lane = &peer->lanes[i];
        if (lane->state != LANE_RESOLVING)
            continue;
        if (peer->found_count > 0)
            lane_connect(lane);
        else
            lane_unresolved(lane);
    }
}

static void on_looked_up(uv_getaddrinfo_t *lookup, int status,
                         struct addrinfo *found)
{
    struct peer *peer = lookup->data;
    peer->looking = false;
    take_found(peer, found);
    uv_freeaddrinfo(found);
    if (!peer->leaving && peer->moved)
        look_up(peer);
    else if (!peer->leaving)
        tell_lanes(peer, status < 0 ? status : UV_EAI_NODATA);
    peer_release(peer);
}

static void look_up(struct peer *peer)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    peer->moved = false;
    peer->found_count = 0;
    int rc = uv_getaddrinfo(peer->transport->loop, &peer->lookup, on_looked_up,
                            peer->address.host, peer->address.port, &hints);
    if (rc != 0) {
        tell_lanes(peer, rc);
        return;
    }
    peer->lookup.data = peer;
    peer->looking = true;
    peer->holds++;
}

void peer_resolve(struct peer *peer, struct lane *lane)
{
    if (peer->looking)
        return;
    if (!address_is_number(&peer->address, &peer->found[0])) {
        look_up(peer);
        return;
    }
    peer->found_count = 1;
    lane_connect(lane);
}

/* --- What is said about it ---------------------------------------------- */

void peer_complain(struct peer *peer, const struct error *error)
{
    struct transport *transport = peer->transport;
    uint64_t silenced;
    if (!complaint_speaks(&transport->peer_complaints, peer->text, clock_ms(),
                          &silenced))
        return;
    peer->told = false;
    transport->figures.complaints++;
    LOG_WARN("transport", "a member cannot be reached",
             FIELD_U64("node", handshake_node(peer->id)),
             FIELD_TEXT("address", peer->text),
             FIELD_TEXT("reason", error->text),
             FIELD_U64("not_logged_before", silenced));
}

void peer_reached(struct peer *peer)
{
    for (unsigned i = 0; i < LANES; i++)
        if (peer->lanes[i].state != LANE_OPEN)
            return;
    if (peer->told)
        return;
    peer->told = true;
    LOG_INFO("transport", "connected to a member",
             FIELD_U64("node", handshake_node(peer->id)),
             FIELD_TEXT("address", peer->text));
}
