/* A guest: a connection that somebody has dialed to this node. Until its
 * handshake is done it is a stranger, of whom there are only so many and who
 * may stay only so long; then its frames are read.
 *
 *     staging  | rest of a frame | header | begin of a body ...
 *                                    |
 *                                    v
 *     body     | begin, copied | the rest is read right in here |
 *
 * Bytes go to the staging room while no frame has begun, so that a small frame
 * takes one read; the rest of a large one is read into its own buffer. */
#include "base/clock.h"
#include "base/logger.h"
#include "base/memory.h"
#include "raft/transport_inside.h"

#include <assert.h>
#include <stdlib.h>

enum guest_state { GUEST_SHAKING, GUEST_OPEN, GUEST_CLOSING };

struct guest {
    struct transport *transport;
    struct guest *newer;
    struct guest *older;
    enum guest_state state;
    uv_tcp_t tcp;
    uv_timer_t timer; /* Ends the handshake; then looks for silence. */
    unsigned handles;
    struct handshake handshake;
    char source[ADDRESS_TEXT];
    bool heard; /* Something, since the last look. */
    unsigned silent_looks;
    struct frame_header header; /* Of the frame that has begun. */
    struct buffer *body;        /* NULL: none has. */
    size_t staged;
    uint8_t staging[GUEST_STAGING];
};
_Static_assert((int)GUEST_STAGING >= (int)FRAME_HEADER,
               "a header fits in the staging room");

/* --- Going -------------------------------------------------------------- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct guest *guest = handle->data;
    struct transport *transport = guest->transport;
    if (--guest->handles > 0)
        return;
    if (guest->newer != NULL)
        guest->newer->older = guest->older;
    else
        transport->guests = guest->older;
    if (guest->older != NULL)
        guest->older->newer = guest->newer;
    free(guest);
    transport_release(transport);
}

static void end(struct guest *guest)
{
    struct transport_figures *figures = &guest->transport->figures;
    if (guest->state == GUEST_CLOSING)
        return;
    if (guest->state == GUEST_SHAKING)
        figures->strangers--;
    else
        figures->guests--;
    guest->state = GUEST_CLOSING;
    buffer_unref(guest->body);
    guest->body = NULL;
    uv_close((uv_handle_t *)&guest->tcp, on_handle_closed);
    uv_close((uv_handle_t *)&guest->timer, on_handle_closed);
}

static void complain(const struct guest *guest, const char *sentence,
                     const struct error *error)
{
    struct transport *transport = guest->transport;
    uint64_t silenced;
    if (!complaint_speaks(&transport->guest_complaints, guest->source,
                          clock_ms(), &silenced))
        return;
    transport->figures.complaints++;
    LOG_WARN("transport", sentence, FIELD_TEXT("address", guest->source),
             FIELD_TEXT("reason", error->text),
             FIELD_U64("not_logged_before", silenced));
}

static void refuse(struct guest *guest, const struct error *error)
{
    bool stranger = guest->state == GUEST_SHAKING;
    if (guest->state == GUEST_CLOSING)
        return;
    if (stranger)
        guest->transport->figures.strangers_refused++;
    complain(guest,
             stranger ? "a connection to the cluster port was refused"
                      : "a member's connection was cut",
             error);
    end(guest);
}

void guest_end_all(struct transport *transport)
{
    for (struct guest *guest = transport->guests; guest != NULL;
         guest = guest->older)
        end(guest);
}

/* --- Frames ------------------------------------------------------------- */

static void deliver(struct guest *guest)
{
    struct transport *transport = guest->transport;
    const struct transport_callbacks *callbacks = &transport->callbacks;
    struct buffer *body = guest->body;
    struct frame frame;
    struct error error = {0};
    uint64_t from = guest->handshake.peer.raft_id;
    guest->body = NULL;
    int rc = frame_decode(&guest->header, body, from, transport->entries,
                          &frame, &error);
    if (rc != 0) {
        transport->figures.frames_refused++;
        refuse(guest, &error);
    } else {
        if (frame.type != FRAME_PING) {
            transport->figures.frames_received++;
            transport->figures.bytes_received += FRAME_HEADER + body->length;
        }
        callbacks->received(callbacks->context, from, &frame);
    }
    buffer_unref(body);
}

/* Reads the header and makes a buffer for what it announces; NULL: it is not
 * to be taken, with words. */
static struct buffer *new_body(struct guest *guest, const uint8_t *bytes,
                               struct error *error)
{
    struct frame_header *header = &guest->header;
    if (frame_header_decode(bytes, header, error) != 0)
        return NULL;
    if (header->type != FRAME_PING &&
        header->lane != guest->handshake.peer.purpose) {
        error_set(error, ERR_INVALID, "%s on the wrong connection",
                  frame_type_name(header->type));
        return NULL;
    }
    struct buffer *body = buffer_new(frame_body_bytes(header));
    if (body == NULL)
        error_set(error, ERR_NO_MEMORY, "%s of %zu bytes: no memory",
                  frame_type_name(header->type), frame_body_bytes(header));
    return body;
}

/* Begins a frame, if its header is there, with what there is of its body.
 * Returns how many bytes that were. */
static size_t begin_frame(struct guest *guest, struct slice bytes)
{
    struct error error = {0};
    if (bytes.length < FRAME_HEADER)
        return 0;
    struct buffer *body = new_body(guest, bytes.data, &error);
    if (body == NULL) {
        guest->transport->figures.frames_refused++;
        refuse(guest, &error);
        return 0;
    }
    guest->body = body;
    size_t there = bytes.length - FRAME_HEADER;
    body->length = there < body->capacity ? there : body->capacity;
    memcpy(body->data, bytes.data + FRAME_HEADER, body->length);
    size_t used = FRAME_HEADER + body->length;
    if (body->length == body->capacity)
        deliver(guest);
    return used;
}

/* --- The handshake ------------------------------------------------------ */

/* A peer that dials again has given up its connection of before, of which
 * this node may not have heard yet. */
static void end_predecessor(struct guest *guest)
{
    const struct handshake_peer *peer = &guest->handshake.peer;
    struct guest *other = guest->transport->guests;
    for (; other != NULL; other = other->older)
        if (other != guest && other->state == GUEST_OPEN &&
            other->handshake.peer.raft_id == peer->raft_id &&
            other->handshake.peer.purpose == peer->purpose)
            end(other);
}

static void hurry_peers(struct transport *transport, uint64_t raft_id)
{
    for (unsigned i = 0; i < transport->peers_count; i++)
        if (handshake_means(transport->peers[i]->id, raft_id))
            peer_hurry(transport->peers[i]);
}

static void on_look(uv_timer_t *timer)
{
    struct guest *guest = timer->data;
    uint32_t idle_ms = guest->transport->times.idle_ms;
    struct error error = {0};
    guest->silent_looks = guest->heard ? 0 : guest->silent_looks + 1;
    guest->heard = false;
    if (guest->silent_looks < IDLE_LOOKS)
        return;
    error_set(&error, ERR_UNAVAILABLE, "nothing came for %u ms", idle_ms);
    refuse(guest, &error);
}

static void come_in(struct guest *guest)
{
    struct transport *transport = guest->transport;
    struct transport_figures *figures = &transport->figures;
    uint64_t often = transport->times.idle_ms / IDLE_LOOKS + 1;
    struct error error = {0};
    end_predecessor(guest);
    if (figures->guests == BOUND_GUESTS) {
        error_set(&error, ERR_BUSY, "%u connections are open already",
                  BOUND_GUESTS);
        refuse(guest, &error);
        return;
    }
    figures->strangers--;
    figures->guests++;
    guest->state = GUEST_OPEN;
    uv_timer_start(&guest->timer, on_look, often, often);
    hurry_peers(transport, guest->handshake.peer.raft_id);
}

/* What it has to say is sent even when the other side is refused: so that one
 * can say for itself what does not fit. */
static size_t shake(struct guest *guest, struct slice bytes)
{
    struct error error = {0};
    size_t used = 0;
    int rc = handshake_receive(&guest->handshake, bytes, &used, &error);
    struct error unsaid = {0};
    int said = transport_say(&guest->tcp, handshake_output(&guest->handshake),
                             &unsaid);
    if (rc != 0 || said != 0)
        refuse(guest, rc != 0 ? &error : &unsaid);
    else if (handshake_done(&guest->handshake))
        come_in(guest);
    return used;
}

/* --- Reading ------------------------------------------------------------ */

static void on_room(uv_handle_t *handle, size_t size, uv_buf_t *ret)
{
    struct guest *guest = handle->data;
    struct buffer *body = guest->body;
    (void)size;
    if (body != NULL)
        *ret = uv_buf_init((char *)body->data + body->length,
                           (unsigned)(body->capacity - body->length));
    else
        *ret = uv_buf_init((char *)guest->staging + guest->staged,
                           (unsigned)(GUEST_STAGING - guest->staged));
}

/* Everything in the staging room that makes sense without more. */
static void take_staged(struct guest *guest)
{
    size_t offset = 0;
    size_t used = 0;
    do {
        struct slice rest =
            slice_of(guest->staging + offset, guest->staged - offset);
        used = 0;
        if (guest->state == GUEST_SHAKING)
            used = shake(guest, rest);
        else if (guest->state == GUEST_OPEN)
            used = begin_frame(guest, rest);
        offset += used;
    } while (used > 0 && offset < guest->staged);
    guest->staged -= offset;
    memmove(guest->staging, guest->staging + offset, guest->staged);
}

static void on_end(struct guest *guest)
{
    struct error error = {0};
    if (guest->state == GUEST_SHAKING) {
        handshake_interrupted(&guest->handshake, &error);
        refuse(guest, &error);
        return;
    }
    LOG_DEBUG("transport", "a member has closed a connection",
              FIELD_TEXT("address", guest->source));
    end(guest);
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    struct guest *guest = stream->data;
    (void)buffer;
    if (length == 0 || guest->state == GUEST_CLOSING)
        return;
    if (length < 0) {
        on_end(guest);
        return;
    }
    guest->heard = true;
    if (guest->body == NULL) {
        guest->staged += (size_t)length;
        take_staged(guest);
        return;
    }
    guest->body->length += (size_t)length;
    if (guest->body->length == guest->body->capacity)
        deliver(guest);
}

/* --- Coming ------------------------------------------------------------- */

static void on_patience_end(uv_timer_t *timer)
{
    struct guest *guest = timer->data;
    struct error error = {0};
    error_set(&error, ERR_UNAVAILABLE, "no whole handshake within %u ms",
              guest->transport->times.handshake_ms);
    refuse(guest, &error);
}

/* The oldest gives way: a real peer is through sooner than strangers can come
 * in such numbers. */
static void make_room(struct transport *transport)
{
    struct guest *oldest = NULL;
    struct error error = {0};
    if (transport->figures.strangers <= BOUND_STRANGERS)
        return;
    for (struct guest *guest = transport->guests; guest != NULL;
         guest = guest->older)
        if (guest->state == GUEST_SHAKING)
            oldest = guest;
    assert(oldest != NULL);
    error_set(&error, ERR_BUSY, "more than %u connections without handshake",
              BOUND_STRANGERS);
    refuse(oldest, &error);
}

static struct guest *make(struct transport *transport)
{
    struct guest *guest = memory_new_zeroed(1, sizeof *guest);
    guest->transport = transport;
    guest->older = transport->guests;
    if (guest->older != NULL)
        guest->older->newer = guest;
    transport->guests = guest;
    transport->holds++;
    transport->figures.strangers++;
    guest->state = GUEST_SHAKING;
    uv_tcp_init(transport->loop, &guest->tcp);
    uv_timer_init(transport->loop, &guest->timer);
    guest->tcp.data = guest;
    guest->timer.data = guest;
    guest->handles = 2;
    return guest;
}

static void name_source(struct guest *guest)
{
    struct sockaddr_storage address = {0};
    int length = sizeof address;
    (void)uv_tcp_getpeername(&guest->tcp, (struct sockaddr *)&address, &length);
    address_format((struct sockaddr *)&address, guest->source);
}

void guest_accept(struct transport *transport)
{
    struct guest *guest = make(transport);
    struct error error = {0};
    int code = uv_accept((uv_stream_t *)&transport->listener,
                         (uv_stream_t *)&guest->tcp);
    if (code != 0) {
        end(guest);
        return;
    }
    name_source(guest);
    uv_tcp_nodelay(&guest->tcp, 1);
    uv_timer_start(&guest->timer, on_patience_end,
                   transport->times.handshake_ms, 0);
    int rc = transport_shake(transport, &guest->tcp, HANDSHAKE_LISTENER, 0,
                             LANE_SMALL, &guest->handshake, &error);
    if (rc == 0) {
        code = uv_read_start((uv_stream_t *)&guest->tcp, on_room, on_read);
        rc = code == 0 ? 0 : transport_uv_error(&error, code, "read");
    }
    if (rc != 0)
        refuse(guest, &error);
    make_room(transport);
}
