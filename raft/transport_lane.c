/* A lane: one connection to a peer, dialed again whenever it ends, on which
 * this node writes and the peer only answers the handshake.
 *
 * One timer serves all states: it ends the wait between dials, gives up a dial
 * that takes too long, and looks at an open line now and then, to ping when
 * nothing went out and to cut it when what went out does not get away. */
#include "base/memory.h"
#include "raft/transport_inside.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>

#define TO(state) (1u << LANE_##state)
static const unsigned lane_moves[] = {
    [LANE_WAITING] = TO(RESOLVING),
    [LANE_RESOLVING] = TO(CONNECTING) | TO(WAITING),
    [LANE_CONNECTING] = TO(SHAKING) | TO(CLOSING),
    [LANE_SHAKING] = TO(OPEN) | TO(CLOSING),
    [LANE_OPEN] = TO(CLOSING),
    [LANE_CLOSING] = TO(CONNECTING) | TO(WAITING),
};

static const size_t queue_bytes_max[LANES] = {
    [LANE_ENTRIES] = BOUND_ENTRIES_QUEUE_BYTES,
    [LANE_SMALL] = BOUND_SMALL_QUEUE_BYTES,
    [LANE_CALLS] = BOUND_CALLS_QUEUE_BYTES,
};

static void on_timer(uv_timer_t *timer);

static void move(struct lane *lane, enum lane_state to)
{
    assert(lane_moves[lane->state] & 1u << to);
    lane->state = to;
}

static struct transport *transport_of(const struct lane *lane)
{
    return lane->peer->transport;
}

static const struct transport_times *times_of(const struct lane *lane)
{
    return &transport_of(lane)->times;
}

static void arm(struct lane *lane, uint64_t ms, uint64_t repeat_ms)
{
    uv_timer_start(&lane->timer, on_timer, ms, repeat_ms);
}

/* --- Cutting and waiting ------------------------------------------------ */

static void try_next_address(struct lane *lane);

/* Half of the time is by chance, so that nodes do not dial in step. */
static void wait_and_dial(struct lane *lane)
{
    uint64_t most = times_of(lane)->backoff_ms_max;
    uint64_t ms = times_of(lane)->backoff_ms_min;
    for (unsigned i = 0; i < lane->failures && ms < most; i++)
        ms *= 2;
    ms = ms < most ? ms : most;
    ms = ms / 2 + transport_random(transport_of(lane)) % (ms / 2 + 1);
    lane->failures++;
    move(lane, LANE_WAITING);
    arm(lane, lane->hurried ? 0 : ms, 0);
    lane->hurried = false;
}

static void on_closed(uv_handle_t *handle)
{
    struct lane *lane = handle->data;
    struct peer *peer = lane->peer;
    const struct transport_callbacks *callbacks =
        &transport_of(lane)->callbacks;
    bool was_open = lane->was_open;
    lane->was_open = false;
    if (!peer->leaving && !was_open && !lane->hurried &&
        lane->address_next < peer->found_count)
        try_next_address(lane);
    else if (!peer->leaving)
        wait_and_dial(lane);
    if (!peer->leaving && was_open && callbacks->disconnected != NULL)
        callbacks->disconnected(callbacks->context, peer->id, lane->kind);
    peer_release(peer);
}

static void cut(struct lane *lane)
{
    move(lane, LANE_CLOSING);
    uv_timer_stop(&lane->timer);
    uv_close((uv_handle_t *)&lane->tcp, on_closed);
}

static void fail(struct lane *lane, const struct error *error)
{
    peer_complain(lane->peer, error);
    cut(lane);
}

static void fail_uv(struct lane *lane, int rc, const char *words)
{
    struct error error = {0};
    transport_uv_error(&error, rc, words);
    fail(lane, &error);
}

static bool has_line(const struct lane *lane)
{
    return lane->state == LANE_CONNECTING || lane->state == LANE_SHAKING ||
           lane->state == LANE_OPEN;
}

void lane_restart(struct lane *lane)
{
    lane->hurried = lane->state != LANE_RESOLVING;
    lane->failures = 0;
    if (has_line(lane))
        cut(lane);
    else if (lane->state == LANE_WAITING)
        lane_hurry(lane);
}

void lane_hurry(struct lane *lane)
{
    if (lane->state != LANE_WAITING)
        return;
    lane->hurried = false;
    arm(lane, 0, 0);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct lane *lane = handle->data;
    peer_release(lane->peer);
}

void lane_end(struct lane *lane)
{
    if (has_line(lane))
        cut(lane);
    uv_close((uv_handle_t *)&lane->timer, on_timer_closed);
}

/* --- An open line ------------------------------------------------------- */

/* One frame on its way, with references to what it is made of. */
struct outgoing {
    uv_write_t request;
    struct lane *lane;
    size_t bytes;
    unsigned references_count;
    struct buffer *references[];
    /* Behind them: header and fields. */
};

static void free_outgoing(struct outgoing *outgoing)
{
    for (unsigned i = 0; i < outgoing->references_count; i++)
        buffer_unref(outgoing->references[i]);
    free(outgoing);
}

static void on_written(uv_write_t *request, int status)
{
    struct outgoing *outgoing = (struct outgoing *)(void *)request;
    struct lane *lane = outgoing->lane;
    lane->queued_bytes -= outgoing->bytes;
    free_outgoing(outgoing);
    if (status < 0 && lane->state == LANE_OPEN)
        fail_uv(lane, status, "write");
}

/* Entries that came together lie in one buffer. */
static void refer(struct outgoing *outgoing, struct buffer *buffer)
{
    unsigned count = outgoing->references_count;
    if (buffer == NULL ||
        (count > 0 && outgoing->references[count - 1] == buffer))
        return;
    outgoing->references[outgoing->references_count++] = buffer_ref(buffer);
}

static unsigned add_piece(uv_buf_t *pieces, unsigned count, struct slice bytes)
{
    if (bytes.length == 0)
        return count;
    pieces[count] =
        uv_buf_init((char *)(uintptr_t)bytes.data, (unsigned)bytes.length);
    return count + 1;
}

/* The pieces of a frame in memory, from its head on. */
static unsigned list_pieces(struct outgoing *outgoing,
                            const struct frame *frame,
                            const struct frame_size *size, uint8_t *head,
                            uv_buf_t *pieces)
{
    unsigned count = add_piece(pieces, 0, slice_of(head, size->head));
    if (frame->type != FRAME_APPEND_ENTRIES) {
        refer(outgoing, frame->buffer);
        return add_piece(pieces, count, frame->payload);
    }
    for (unsigned i = 0; i < frame->message.append_entries.n_entries; i++) {
        refer(outgoing, frame->entries[i].buffer);
        count = add_piece(pieces, count, frame->entries[i].payload);
    }
    return count;
}

/* Drops the first bytes of the pieces; returns how many pieces are left. */
static unsigned skip_bytes(uv_buf_t *pieces, unsigned count, size_t bytes)
{
    unsigned first = 0;
    while (first < count && bytes >= pieces[first].len)
        bytes -= pieces[first++].len;
    if (first < count) {
        pieces[first].base += bytes;
        pieces[first].len -= bytes;
    }
    memmove(pieces, pieces + first, (count - first) * sizeof *pieces);
    return count - first;
}

/* Mostly the kernel takes all of it at once; then libuv need not watch the
 * line, which saves an epoll_ctl() and a turn of the loop a frame. */
static int write_pieces(struct outgoing *outgoing, uv_buf_t *pieces,
                        unsigned count)
{
    uv_stream_t *stream = (uv_stream_t *)&outgoing->lane->tcp;
    int taken = uv_try_write(stream, pieces, count);
    if (taken == UV_EAGAIN)
        taken = 0;
    if (taken < 0)
        return taken;
    count = skip_bytes(pieces, count, (size_t)taken);
    if (count > 0)
        return uv_write(&outgoing->request, stream, pieces, count, on_written);
    on_written(&outgoing->request, 0);
    return 0;
}

static void write_frame(struct lane *lane, const struct frame *frame,
                        const struct frame_size *size)
{
    uv_buf_t pieces[1 + BOUND_APPEND_ENTRIES];
    struct outgoing *outgoing;
    unsigned references = frame->type == FRAME_APPEND_ENTRIES
                              ? frame->message.append_entries.n_entries
                              : 1;
    size_t fixed = sizeof *outgoing + references * sizeof *outgoing->references;
    outgoing = memory_new(fixed + size->head);
    outgoing->lane = lane;
    outgoing->bytes = size->head + size->payload;
    outgoing->references_count = 0;
    uint8_t *head = (uint8_t *)outgoing + fixed;
    frame_encode(frame, size, head);
    unsigned count = list_pieces(outgoing, frame, size, head, pieces);
    lane->queued_bytes += outgoing->bytes;
    lane->pushed_bytes += outgoing->bytes;
    transport_of(lane)->figures.frames_sent++;
    transport_of(lane)->figures.bytes_sent += outgoing->bytes;
    int rc = write_pieces(outgoing, pieces, count);
    /* As when the line had broken just after: the frame is lost. */
    if (rc != 0)
        on_written(&outgoing->request, rc);
}

int lane_send(struct lane *lane, const struct frame *frame,
              const struct frame_size *size)
{
    size_t bytes = size->head + size->payload;
    if (lane->state != LANE_OPEN)
        return ERR_UNAVAILABLE;
    if (lane->queued_bytes > 0 &&
        bytes + lane->queued_bytes > queue_bytes_max[lane->kind]) {
        transport_of(lane)->figures.frames_dropped++;
        return ERR_BUSY;
    }
    write_frame(lane, frame, size);
    return 0;
}

static void ping(struct lane *lane)
{
    const struct frame frame = {.type = FRAME_PING};
    struct frame_size size;
    int rc = frame_measure(&frame, &size);
    assert(rc == 0);
    write_frame(lane, &frame, &size);
}

static void look(struct lane *lane)
{
    size_t left = uv_stream_get_write_queue_size((uv_stream_t *)&lane->tcp);
    uint64_t gone = lane->pushed_bytes - left;
    bool stuck = lane->queued_bytes > 0 && gone == lane->seen_gone;
    bool quiet = lane->pushed_bytes == lane->seen_pushed;
    lane->stuck_looks = stuck ? lane->stuck_looks + 1 : 0;
    lane->failures = 0;
    lane->seen_gone = gone;
    if (lane->stuck_looks >= IDLE_LOOKS) {
        struct error error = {0};
        error_set(&error, ERR_UNAVAILABLE, "it has taken nothing for %u ms",
                  times_of(lane)->idle_ms);
        fail(lane, &error);
        return;
    }
    if (quiet && lane->queued_bytes == 0)
        ping(lane);
    lane->seen_pushed = lane->pushed_bytes;
}

static void open_up(struct lane *lane)
{
    struct peer *peer = lane->peer;
    const struct transport_callbacks *callbacks =
        &transport_of(lane)->callbacks;
    uint64_t often = times_of(lane)->idle_ms / IDLE_LOOKS + 1;
    move(lane, LANE_OPEN);
    lane->was_open = true;
    lane->stuck_looks = 0;
    lane->seen_pushed = lane->pushed_bytes;
    lane->seen_gone = lane->pushed_bytes;
    arm(lane, often, often);
    peer_reached(peer);
    if (callbacks->connected != NULL)
        callbacks->connected(callbacks->context, peer->id,
                             lane->handshake.peer.raft_id, lane->kind);
}

/* --- Dialing ------------------------------------------------------------ */

static void on_room(uv_handle_t *handle, size_t size, uv_buf_t *ret)
{
    struct lane *lane = handle->data;
    (void)size;
    *ret = uv_buf_init((char *)lane->input, sizeof lane->input);
}

static void on_heard(struct lane *lane, size_t length)
{
    struct error error = {0};
    size_t used = 0;
    int rc = handshake_receive(&lane->handshake, slice_of(lane->input, length),
                               &used, &error);
    if (rc == 0)
        rc = transport_say(&lane->tcp, handshake_output(&lane->handshake),
                           &error);
    if (rc == 0 && used < length)
        rc = error_set(&error, ERR_INVALID,
                       "it says more than the handshake has");
    if (rc != 0)
        fail(lane, &error);
    else if (handshake_done(&lane->handshake))
        open_up(lane);
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    struct lane *lane = stream->data;
    struct error error = {0};
    (void)buffer;
    if (length == 0 || !has_line(lane))
        return;
    if (lane->state == LANE_SHAKING && length > 0) {
        on_heard(lane, (size_t)length);
        return;
    }
    if (length > 0)
        error_set(&error, ERR_INVALID, "it speaks where it should listen");
    else if (lane->state == LANE_SHAKING)
        handshake_interrupted(&lane->handshake, &error);
    else
        transport_uv_error(&error, (int)length, "it closed the connection");
    fail(lane, &error);
}

/* The kernel gives the line up when what was sent stays unacknowledged, as
 * when the other machine has gone without a word. Without the option, only
 * later. */
static void set_options(struct lane *lane)
{
    uv_os_fd_t fd;
    unsigned ms = times_of(lane)->idle_ms;
    uv_tcp_nodelay(&lane->tcp, 1);
    if (uv_fileno((uv_handle_t *)&lane->tcp, &fd) == 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct lane *lane = connect->data;
    struct error error = {0};
    if (lane->state != LANE_CONNECTING)
        return;
    if (status < 0) {
        fail_uv(lane, status, "connect");
        return;
    }
    move(lane, LANE_SHAKING);
    set_options(lane);
    int rc =
        transport_shake(transport_of(lane), &lane->tcp, HANDSHAKE_DIALER,
                        lane->peer->id, lane->kind, &lane->handshake, &error);
    if (rc == 0)
        rc = transport_say(&lane->tcp, handshake_output(&lane->handshake),
                           &error);
    if (rc == 0) {
        int code = uv_read_start((uv_stream_t *)&lane->tcp, on_room, on_read);
        rc = code == 0 ? 0 : transport_uv_error(&error, code, "read");
    }
    if (rc != 0)
        fail(lane, &error);
}

static void try_next_address(struct lane *lane)
{
    struct peer *peer = lane->peer;
    const struct sockaddr_storage *address = &peer->found[lane->address_next++];
    uv_tcp_init(transport_of(lane)->loop, &lane->tcp);
    lane->tcp.data = lane;
    lane->connect.data = lane;
    peer->holds++;
    transport_of(lane)->figures.dials++;
    move(lane, LANE_CONNECTING);
    arm(lane, times_of(lane)->dial_ms, 0);
    int rc = uv_tcp_connect(&lane->connect, &lane->tcp,
                            (const struct sockaddr *)address, on_connected);
    if (rc != 0)
        fail_uv(lane, rc, "connect");
}

void lane_connect(struct lane *lane)
{
    lane->address_next = 0;
    try_next_address(lane);
}

void lane_unresolved(struct lane *lane)
{
    wait_and_dial(lane);
}

static void on_timer(uv_timer_t *timer)
{
    struct lane *lane = timer->data;
    struct error error = {0};
    switch (lane->state) {
    case LANE_WAITING:
        move(lane, LANE_RESOLVING);
        peer_resolve(lane->peer, lane);
        break;
    case LANE_CONNECTING:
    case LANE_SHAKING:
        error_set(&error, ERR_UNAVAILABLE, "no answer within %u ms",
                  times_of(lane)->dial_ms);
        fail(lane, &error);
        break;
    case LANE_OPEN:
        look(lane);
        break;
    case LANE_RESOLVING:
    case LANE_CLOSING:
        break;
    }
}

void lane_init(struct lane *lane, struct peer *peer, enum frame_lane kind)
{
    lane->peer = peer;
    lane->kind = kind;
    lane->state = LANE_WAITING;
    uv_timer_init(peer->transport->loop, &lane->timer);
    lane->timer.data = lane;
    peer->holds++;
    arm(lane, 0, 0);
}
