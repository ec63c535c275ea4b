/* The transport itself: listening, the peers by their ids, and the end. */
#include "raft/transport.h"

#include "base/clock.h"
#include "base/logger.h"
#include "base/memory.h"
#include "raft/transport_inside.h"

#include <assert.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
    LISTEN_BACKLOG = 128,
    /* Long enough for a loop that is held up for a moment; short enough that
     * a healed network is used again before TCP would try by itself. */
    IDLE_MS = 3000,
    DIAL_MS = 2000,
    HANDSHAKE_MS = 3000,
    BACKOFF_MS_MIN = 50,
    BACKOFF_MS_MAX = 1000,
};

int transport_uv_error(struct error *error, int rc, const char *words)
{
    return error_set(error, rc == UV_ENOMEM ? ERR_NO_MEMORY : ERR_IO, "%s: %s",
                     words, uv_strerror(rc));
}

uint64_t transport_random(struct transport *transport)
{
    /* xorshift64 (Marsaglia 2003): only spreads dials over time. */
    transport->random ^= transport->random << 13;
    transport->random ^= transport->random >> 7;
    transport->random ^= transport->random << 17;
    return transport->random;
}

/* --- Handshakes --------------------------------------------------------- */

static bool is_loopback(const uv_tcp_t *tcp)
{
    struct sockaddr_storage own = {0};
    struct sockaddr_storage its = {0};
    int length = sizeof own;
    if (uv_tcp_getsockname(tcp, (struct sockaddr *)&own, &length) != 0)
        return false;
    length = sizeof its;
    return uv_tcp_getpeername(tcp, (struct sockaddr *)&its, &length) == 0 &&
           address_is_loopback((struct sockaddr *)&own) &&
           address_is_loopback((struct sockaddr *)&its);
}

int transport_shake(struct transport *transport, uv_tcp_t *tcp,
                    enum handshake_role role, uint64_t wanted,
                    enum frame_lane purpose, struct handshake *ret,
                    struct error *error)
{
    struct handshake_options options = {
        .role = role,
        .secret = slice_of(transport->secret, transport->secret_length),
        .loopback = is_loopback(tcp),
        .raft_id = transport->raft_id,
        .wanted_id = wanted,
        .purpose = purpose,
    };
    memcpy(options.cluster_id, transport->cluster_id,
           sizeof options.cluster_id);
    if (getrandom(options.nonce, sizeof options.nonce, 0) !=
        (ssize_t)sizeof options.nonce)
        return error_set(error, ERR_IO, "no random bytes");
    return handshake_init(ret, &options, error);
}

int transport_say(uv_tcp_t *tcp, struct slice bytes, struct error *error)
{
    if (bytes.length == 0)
        return 0;
    uv_buf_t buffer =
        uv_buf_init((char *)(uintptr_t)bytes.data, (unsigned)bytes.length);
    int written = uv_try_write((uv_stream_t *)tcp, &buffer, 1);
    if (written < 0)
        return transport_uv_error(error, written, "write");
    return (size_t)written == bytes.length
               ? 0
               : error_set(error, ERR_IO, "the line is full at its beginning");
}

/* --- Opening ------------------------------------------------------------ */

static void on_connection(uv_stream_t *listener, int status)
{
    struct transport *transport = listener->data;
    uint64_t silenced;
    if (transport->closing)
        return;
    if (status == 0) {
        guest_accept(transport);
        return;
    }
    if (!complaint_speaks(&transport->guest_complaints, "listener", clock_ms(),
                          &silenced))
        return;
    transport->figures.complaints++;
    LOG_WARN("transport", "a connection could not be accepted",
             FIELD_TEXT("reason", uv_strerror(status)),
             FIELD_U64("not_logged_before", silenced));
}

static int resolve_own(uv_loop_t *loop, const char *listen,
                       struct sockaddr_storage *ret, struct error *error)
{
    struct address address;
    int rc = address_parse(listen, &address, error);
    if (rc != 0 || address_is_number(&address, ret))
        return rc;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    uv_getaddrinfo_t lookup;
    rc =
        uv_getaddrinfo(loop, &lookup, NULL, address.host, address.port, &hints);
    if (rc != 0)
        return error_set(error, ERR_INVALID, "look up '%.100s': %s",
                         address.host, uv_strerror(rc));
    memcpy(ret, lookup.addrinfo->ai_addr, lookup.addrinfo->ai_addrlen);
    uv_freeaddrinfo(lookup.addrinfo);
    return 0;
}

static int listen_on(struct transport *transport,
                     const struct sockaddr_storage *address,
                     struct error *error)
{
    struct sockaddr_storage bound = {0};
    int length = sizeof bound;
    int rc =
        uv_tcp_bind(&transport->listener, (const struct sockaddr *)address, 0);
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&transport->listener, LISTEN_BACKLOG,
                       on_connection);
    if (rc == 0)
        rc = uv_tcp_getsockname(&transport->listener, (struct sockaddr *)&bound,
                                &length);
    if (rc != 0)
        return transport_uv_error(error, rc, "listen");
    /* The port is at the same place for both families. */
    transport->port = ntohs(((struct sockaddr_in *)(void *)&bound)->sin_port);
    return 0;
}

static void set_times(struct transport_times *times,
                      const struct transport_times *wanted)
{
    const struct transport_times *w = wanted;
    times->idle_ms = w->idle_ms != 0 ? w->idle_ms : IDLE_MS;
    times->dial_ms = w->dial_ms != 0 ? w->dial_ms : DIAL_MS;
    times->handshake_ms = w->handshake_ms != 0 ? w->handshake_ms : HANDSHAKE_MS;
    times->backoff_ms_min =
        w->backoff_ms_min != 0 ? w->backoff_ms_min : BACKOFF_MS_MIN;
    times->backoff_ms_max =
        w->backoff_ms_max != 0 ? w->backoff_ms_max : BACKOFF_MS_MAX;
}

static struct transport *make(uv_loop_t *loop,
                              const struct transport_options *options,
                              const struct transport_callbacks *callbacks)
{
    struct transport *transport = memory_new_zeroed(1, sizeof *transport);
    transport->loop = loop;
    transport->callbacks = *callbacks;
    transport->raft_id = options->raft_id;
    memcpy(transport->cluster_id, options->cluster_id,
           sizeof transport->cluster_id);
    transport->secret_length = options->secret.length;
    transport->secret = memory_new(options->secret.length);
    if (options->secret.length > 0)
        memcpy(transport->secret, options->secret.data, options->secret.length);
    set_times(&transport->times, &options->times);
    transport->random = clock_us() ^ options->raft_id << 48 ^ 1;
    transport->holds = 1;
    uv_tcp_init(loop, &transport->listener);
    transport->listener.data = transport;
    return transport;
}

static void on_listener_closed(uv_handle_t *handle)
{
    transport_release(handle->data);
}

int transport_open(uv_loop_t *loop, const struct transport_options *options,
                   const struct transport_callbacks *callbacks,
                   struct transport **ret, struct error *error)
{
    struct sockaddr_storage address = {0};
    int rc = resolve_own(loop, options->listen, &address, error);
    if (rc == 0 && options->secret.length == 0 &&
        !address_is_loopback((struct sockaddr *)&address))
        rc = error_set(error, ERR_INVALID,
                       "the address is not loopback, so that the nodes need "
                       "a common secret: give --cluster-secret-file");
    if (rc != 0)
        return error_wrap(error, rc, "cluster address %s", options->listen);
    /* A line that is gone is an error of its write. */
    signal(SIGPIPE, SIG_IGN);
    struct transport *transport = make(loop, options, callbacks);
    rc = listen_on(transport, &address, error);
    if (rc != 0) {
        transport->closing = true;
        uv_close((uv_handle_t *)&transport->listener, on_listener_closed);
        return error_wrap(error, rc, "cluster address %s", options->listen);
    }
    *ret = transport;
    return 0;
}

uint16_t transport_port(const struct transport *transport)
{
    return transport->port;
}

/* --- The end ------------------------------------------------------------ */

void transport_release(struct transport *transport)
{
    if (--transport->holds > 0)
        return;
    assert(transport->closing);
    void (*done)(void *context) = transport->done;
    void *context = transport->done_context;
    OPENSSL_cleanse(transport->secret, transport->secret_length);
    free(transport->secret);
    free(transport);
    if (done != NULL)
        done(context);
}

void transport_close(struct transport *transport, void (*done)(void *context),
                     void *context)
{
    assert(!transport->closing);
    transport->closing = true;
    transport->done = done;
    transport->done_context = context;
    guest_end_all(transport);
    for (unsigned i = 0; i < transport->peers_count; i++)
        peer_leave(transport->peers[i]);
    uv_close((uv_handle_t *)&transport->listener, on_listener_closed);
}

/* --- Peers -------------------------------------------------------------- */

/* By exactly this id; or else a peer that means any life of the node. */
static struct peer *find_peer(const struct transport *transport, uint64_t id)
{
    struct peer *any = NULL;
    for (unsigned i = 0; i < transport->peers_count; i++) {
        struct peer *peer = transport->peers[i];
        if (peer->leaving)
            continue;
        if (peer->id == id)
            return peer;
        if (handshake_means(peer->id, id))
            any = peer;
    }
    return any;
}

static struct peer *find_exactly(const struct transport *transport, uint64_t id)
{
    struct peer *peer = find_peer(transport, id);
    return peer != NULL && peer->id == id ? peer : NULL;
}

int transport_set_peer(struct transport *transport, uint64_t id,
                       const char *address, struct error *error)
{
    assert(!transport->closing);
    struct peer *peer = find_exactly(transport, id);
    if (peer != NULL)
        return peer_move(peer, address, error);
    if (transport->peers_count == BOUND_PEERS)
        return error_set(error, ERR_BUSY, "more than %u members", BOUND_PEERS);
    peer = peer_new(transport, id, address, error);
    if (peer == NULL)
        return ERR_INVALID;
    transport->peers[transport->peers_count++] = peer;
    return 0;
}

void transport_remove_peer(struct transport *transport, uint64_t id)
{
    struct peer *peer = find_exactly(transport, id);
    if (peer != NULL)
        peer_leave(peer);
}

void transport_identify(struct transport *transport,
                        const uint8_t cluster_id[HANDSHAKE_CLUSTER_ID],
                        uint64_t raft_id)
{
    if (transport->raft_id == raft_id &&
        memcmp(transport->cluster_id, cluster_id, HANDSHAKE_CLUSTER_ID) == 0)
        return;
    transport->raft_id = raft_id;
    memcpy(transport->cluster_id, cluster_id, HANDSHAKE_CLUSTER_ID);
    for (unsigned i = 0; i < transport->peers_count; i++)
        peer_restart(transport->peers[i]);
}

int transport_send(struct transport *transport, uint64_t to,
                   const struct frame *frame)
{
    struct frame_size size;
    int rc = frame_measure(frame, &size);
    struct peer *peer = find_peer(transport, to);
    if (rc != 0)
        return rc;
    if (peer == NULL)
        return ERR_NOT_FOUND;
    return lane_send(&peer->lanes[size.lane], frame, &size);
}

bool transport_connected(const struct transport *transport, uint64_t id,
                         enum frame_lane lane)
{
    const struct peer *peer = find_peer(transport, id);
    return peer != NULL && peer->lanes[lane].state == LANE_OPEN;
}

size_t transport_queued(const struct transport *transport, uint64_t id,
                        enum frame_lane lane)
{
    const struct peer *peer = find_peer(transport, id);
    return peer == NULL ? 0 : peer->lanes[lane].queued_bytes;
}

struct transport_figures transport_figures(const struct transport *transport)
{
    return transport->figures;
}
