/* The transport on a real loop over loopback: what arrives, what is dropped,
 * and what strangers and broken members cannot do. */
#include "station.h"
#include "stranger.h"

#include "base/bounds.h"
#include "base/logger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { SHORT_MS = 200, SLOW_MS = 1000 };
enum { ONE = 1 << 16 | 1, TWO = 1 << 16 | 2, THREE = 1 << 16 | 3 };

static uv_loop_t loop;
static struct station one;
static struct station two;
static unsigned seed;

static int set_up(void **state)
{
    (void)state;
    logger_setup(LOGGER_ERROR + 1, LOGGER_TEXT);
    assert_int_equal(uv_loop_init(&loop), 0);
    station_init(&one, &loop, ONE);
    station_init(&two, &loop, TWO);
    return 0;
}

static void open_both(void)
{
    assert_int_equal(station_open(&one), 0);
    assert_int_equal(station_open(&two), 0);
}

static void meet(void)
{
    open_both();
    station_add(&one, &two);
    station_add(&two, &one);
    station_run_until_met(&one, &two);
}

static int tear_down(void **state)
{
    (void)state;
    if (one.transport != NULL)
        station_close(&one);
    if (two.transport != NULL)
        station_close(&two);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    return 0;
}

static bool all_arrived(void *context)
{
    (void)context;
    return memcmp(one.sent, two.received, sizeof one.sent) == 0 &&
           memcmp(two.sent, one.received, sizeof two.sent) == 0;
}

static void run_until_all_arrived(void)
{
    station_run_until(&loop, all_arrived, NULL);
}

static struct transport_figures figures_of(const struct station *station)
{
    return transport_figures(station->transport);
}

static struct handshake_options
credentials(enum handshake_role role, uint64_t raft_id, enum frame_lane purpose)
{
    struct handshake_options options = {
        .role = role,
        .secret = one.options.secret,
        .loopback = true,
        .raft_id = raft_id,
        .wanted_id = role == HANDSHAKE_DIALER ? ONE : 0,
        .purpose = purpose,
    };
    memcpy(options.cluster_id, one.options.cluster_id,
           sizeof options.cluster_id);
    return options;
}

/* A bare socket that has come in as node 3. */
static int come_in(enum frame_lane purpose)
{
    struct handshake_options options =
        credentials(HANDSHAKE_DIALER, THREE, purpose);
    return stranger_shake(&loop, stranger_dial(transport_port(one.transport)),
                          &options);
}

/* --- What arrives ------------------------------------------------------- */

static void send_some(struct station *from, uint64_t to, size_t length)
{
    for (unsigned lane = 0; lane < LANES; lane++) {
        enum frame_lane kind = (enum frame_lane)lane;
        if (transport_queued(from->transport, to, kind) < 200 * 1024)
            assert_int_equal(station_send(from, to, kind, length), 0);
    }
}

static void test_frames_arrive_whole_and_in_order(void **state)
{
    (void)state;
    meet();
    for (unsigned i = 0; i < 600; i++) {
        /* Around the staging room's size, and small and large ones. */
        size_t length = i % 3 == 0   ? (size_t)rand_r(&seed) % 300
                        : i % 3 == 1 ? 3900 + (size_t)rand_r(&seed) % 400
                                     : (size_t)rand_r(&seed) % 300000;
        send_some(&one, TWO, length);
        send_some(&two, ONE, length);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    run_until_all_arrived();
    assert_true(two.received[LANE_ENTRIES] > 200);
    assert_true(one.received[LANE_SMALL] == 600);
    assert_int_equal(two.last_from, ONE);
    assert_int_equal(figures_of(&two).frames_received,
                     one.sent[LANE_ENTRIES] + one.sent[LANE_SMALL] +
                         one.sent[LANE_CALLS]);
    assert_int_equal(figures_of(&one).frames_dropped, 0);
    assert_int_equal(one.disconnects + two.disconnects, 0);
}

static void test_the_largest_entry_arrives(void **state)
{
    (void)state;
    meet();
    assert_int_equal(
        station_send(&one, TWO, LANE_ENTRIES, BOUND_ENTRY_BYTES_MAX), 0);
    assert_int_equal(
        station_send(&one, TWO, LANE_ENTRIES, BOUND_ENTRY_BYTES_MAX + 1),
        ERR_TOO_LARGE);
    run_until_all_arrived();
}

/* Entries are sent from the memory in which they are, and no longer held than
 * it takes. */
static void test_payloads_are_lent_not_copied(void **state)
{
    (void)state;
    meet();
    struct buffer *buffer = buffer_new(8 * 1024 * 1024);
    assert_non_null(buffer);
    buffer->length = buffer->capacity;
    memset(buffer->data, 7, buffer->length);
    assert_int_equal(station_send_buffer(&one, TWO, LANE_ENTRIES, buffer), 0);
    assert_int_equal(buffer->references, 2);
    run_until_all_arrived();
    station_run_ms(&loop, 1);
    assert_int_equal(buffer->references, 1);
    buffer_unref(buffer);
}

static struct buffer *kept;
static struct entry kept_entry;

static void keep(struct station *station, const struct frame *frame)
{
    (void)station;
    kept_entry = frame->entries[0];
    entry_ref(&kept_entry);
    kept = kept_entry.buffer;
}

static void test_a_receiver_may_keep_what_came(void **state)
{
    (void)state;
    meet();
    two.on_frame = keep;
    assert_int_equal(station_send(&one, TWO, LANE_ENTRIES, 100000), 0);
    run_until_all_arrived();
    station_close(&two);
    assert_int_equal(kept->references, 1);
    assert_true(entry_checksum(kept_entry.payload) == kept_entry.checksum);
    entry_unref(&kept_entry);
}

static bool small_arrived(void *context)
{
    (void)context;
    return two.received[LANE_SMALL] == one.sent[LANE_SMALL];
}

/* A heartbeat, and a call, that are sent after 40 MiB of entries arrive before
 * them. */
static void test_small_frames_overtake_large_ones(void **state)
{
    (void)state;
    meet();
    assert_int_equal(station_send(&one, TWO, LANE_ENTRIES, 40 * 1024 * 1024),
                     0);
    assert_int_equal(station_send(&one, TWO, LANE_SMALL, 0), 0);
    station_run_until(&loop, small_arrived, NULL);
    assert_int_equal(two.received[LANE_ENTRIES], 0);
    assert_int_equal(station_send(&one, TWO, LANE_CALLS, 10), 0);
    run_until_all_arrived();
}

static void test_the_stamp_travels(void **state)
{
    (void)state;
    meet();
    struct frame result = {
        .type = FRAME_REQUEST, .stamp = {UINT64_MAX, 77}, .call = {.id = 1}};
    assert_int_equal(transport_send(one.transport, TWO, &result), 0);
    one.sent[LANE_CALLS] = 1;
    run_until_all_arrived();
    assert_true(two.last_stamp.sequence == UINT64_MAX);
    assert_int_equal(two.last_stamp.time_ms, 77);
}

/* --- Going and coming back ---------------------------------------------- */

static bool one_has_lost_two(void *context)
{
    (void)context;
    return one.disconnects == LANES;
}

static void test_a_peer_restarts(void **state)
{
    (void)state;
    char address[32];
    meet();
    snprintf(address, sizeof address, "127.0.0.1:%u",
             transport_port(two.transport));
    for (int round = 0; round < 3; round++) {
        one.disconnects = 0;
        station_close(&two);
        station_run_until(&loop, one_has_lost_two, NULL);
        assert_int_equal(station_send(&one, TWO, LANE_SMALL, 0),
                         ERR_UNAVAILABLE);
        two.options.listen = address;
        assert_int_equal(station_open(&two), 0);
        station_add(&two, &one);
        station_run_until_met(&one, &two);
        memset(two.received, 0, sizeof two.received);
        memset(one.sent, 0, sizeof one.sent);
        send_some(&one, TWO, 1000);
        run_until_all_arrived();
    }
    /* One address and one window: one line in the log. */
    assert_true(figures_of(&one).complaints <= 2);
}

static void test_a_silent_line_is_kept_by_pings(void **state)
{
    (void)state;
    one.options.times.idle_ms = SHORT_MS;
    two.options.times.idle_ms = SHORT_MS;
    meet();
    station_run_ms(&loop, SHORT_MS * 3);
    assert_int_equal(one.disconnects + two.disconnects, 0);
    assert_int_equal(figures_of(&one).guests, LANES);
    send_some(&one, TWO, 10);
    run_until_all_arrived();
}

static void test_a_peer_is_found_by_its_name(void **state)
{
    (void)state;
    char address[32];
    open_both();
    snprintf(address, sizeof address, "localhost:%u",
             transport_port(two.transport));
    assert_int_equal(
        transport_set_peer(one.transport, TWO, address, &one.error), 0);
    station_add(&two, &one);
    station_run_until_met(&one, &two);
}

static void test_a_look_up_under_way_is_waited_for(void **state)
{
    (void)state;
    open_both();
    assert_int_equal(
        transport_set_peer(one.transport, TWO, "localhost:9", &one.error), 0);
    uv_run(&loop, UV_RUN_NOWAIT);
    transport_remove_peer(one.transport, TWO);
    assert_int_equal(
        transport_set_peer(one.transport, TWO, "localhost:9", &one.error), 0);
    uv_run(&loop, UV_RUN_NOWAIT);
    station_close(&one);
}

static void test_a_peer_moves(void **state)
{
    (void)state;
    open_both();
    /* First to a port where nobody is, then by a name, then rightly. */
    assert_int_equal(
        transport_set_peer(one.transport, TWO, "127.0.0.1:9", &one.error), 0);
    station_run_ms(&loop, 20);
    assert_int_equal(
        transport_set_peer(one.transport, TWO, "localhost:9", &one.error), 0);
    uv_run(&loop, UV_RUN_NOWAIT);
    station_add(&one, &two);
    station_add(&two, &one);
    station_run_until_met(&one, &two);
    assert_int_equal(
        transport_set_peer(one.transport, TWO, "nonsense", &one.error),
        ERR_INVALID);
    assert_true(transport_connected(one.transport, TWO, LANE_SMALL));
}

/* What a look-up for the address before finds is of no more interest. */
static void test_a_peer_moves_during_a_look_up(void **state)
{
    (void)state;
    char address[32];
    open_both();
    snprintf(address, sizeof address, "localhost:%u",
             transport_port(two.transport));
    assert_int_equal(
        transport_set_peer(one.transport, TWO, address, &one.error), 0);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(
        transport_set_peer(one.transport, TWO, "127.0.0.1:9", &one.error), 0);
    while (figures_of(&one).dials < 3 * LANES)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(one.connects, 0);
    assert_int_equal(figures_of(&two).guests, 0);
}

/* Whoever dials can be dialed: that is not left to the next try. */
static void test_a_peer_that_comes_is_dialed_at_once(void **state)
{
    (void)state;
    char address[32];
    one.options.times.backoff_ms_min = 60000;
    one.options.times.backoff_ms_max = 60000;
    open_both();
    station_add(&one, &two);
    snprintf(address, sizeof address, "127.0.0.1:%u",
             transport_port(two.transport));
    station_close(&two);
    while (figures_of(&one).dials < LANES)
        uv_run(&loop, UV_RUN_ONCE);
    station_run_ms(&loop, 20);
    assert_int_equal(one.connects, 0);
    two.options.listen = address;
    assert_int_equal(station_open(&two), 0);
    station_add(&two, &one);
    station_run_until_met(&one, &two);
}

static bool one_is_in_another_life(void *context)
{
    (void)context;
    return two.last_from == (2 << 16 | 1);
}

static void test_a_node_takes_another_identity(void **state)
{
    (void)state;
    one.options.raft_id = 1; /* No state yet. */
    memset(one.options.cluster_id, 0, sizeof one.options.cluster_id);
    open_both();
    station_add(&one, &two);
    assert_int_equal(
        transport_set_peer(two.transport, 1, "127.0.0.1:9", &two.error), 0);
    station_add(&two, &one);
    station_run_until_met(&one, &two);
    send_some(&one, TWO, 10);
    run_until_all_arrived();
    assert_int_equal(two.last_from, 1);
    transport_identify(one.transport, two.options.cluster_id, 2 << 16 | 1);
    two.gaps = true;
    while (!one_is_in_another_life(NULL)) {
        (void)station_send(&one, TWO, LANE_SMALL, 0);
        uv_run(&loop, UV_RUN_ONCE);
    }
    /* The answer finds the node in whatever life. */
    assert_int_equal(station_send(&two, 2 << 16 | 1, LANE_SMALL, 0), 0);
}

static void leave(struct station *station, uint64_t peer)
{
    transport_remove_peer(station->transport, peer);
}

static void test_a_callback_may_remove_the_peer(void **state)
{
    (void)state;
    meet();
    one.on_disconnected = leave;
    station_close(&two);
    while (one.disconnects == 0)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(station_send(&one, TWO, LANE_SMALL, 0), ERR_NOT_FOUND);
}

static void on_gone(void *context)
{
    struct station *station = context;
    station->closed = true;
}

static void go(struct station *station, const struct frame *frame)
{
    (void)frame;
    transport_close(station->transport, on_gone, station);
}

static void test_a_callback_may_close_everything(void **state)
{
    (void)state;
    meet();
    two.on_frame = go;
    assert_int_equal(station_send(&one, TWO, LANE_SMALL, 0), 0);
    assert_int_equal(station_send(&one, TWO, LANE_SMALL, 0), 0);
    while (!two.closed)
        uv_run(&loop, UV_RUN_ONCE);
    two.transport = NULL;
    assert_int_equal(two.received[LANE_SMALL], 1);
}

static void test_peers_are_bounded(void **state)
{
    (void)state;
    open_both();
    for (uint64_t i = 0; i < BOUND_PEERS; i++)
        assert_int_equal(transport_set_peer(one.transport, 100 + i,
                                            "127.0.0.1:9", &one.error),
                         0);
    assert_int_equal(
        transport_set_peer(one.transport, 99, "127.0.0.1:9", &one.error),
        ERR_BUSY);
}

/* --- Peers that take nothing -------------------------------------------- */

/* A member 2 that is a bare socket: its three lines are through, and nothing
 * is read from them. */
static void meet_stranger(int fds[LANES], int *listener)
{
    uint16_t port;
    char address[32];
    struct handshake_options options =
        credentials(HANDSHAKE_LISTENER, TWO, LANE_SMALL);
    assert_int_equal(station_open(&one), 0);
    *listener = stranger_listen(&port);
    snprintf(address, sizeof address, "127.0.0.1:%u", port);
    assert_int_equal(
        transport_set_peer(one.transport, TWO, address, &one.error), 0);
    /* In the order in which they were dialed: that of the lanes. */
    for (unsigned i = 0; i < LANES; i++)
        fds[i] = stranger_shake(&loop, *listener, &options);
    while (one.connects < LANES)
        uv_run(&loop, UV_RUN_ONCE);
}

static void close_stranger(int fds[LANES], int listener)
{
    close(listener);
    for (unsigned i = 0; i < LANES; i++)
        close(fds[i]);
}

static void test_what_does_not_fit_is_dropped(void **state)
{
    (void)state;
    int fds[LANES];
    int listener;
    int rc = 0;
    meet_stranger(fds, &listener);
    struct buffer *buffer = buffer_new(1024 * 1024);
    assert_non_null(buffer);
    buffer->length = buffer->capacity;
    memset(buffer->data, 0, buffer->length);
    while (rc == 0)
        rc = station_send_buffer(&one, TWO, LANE_ENTRIES, buffer);
    assert_int_equal(rc, ERR_BUSY);
    size_t queued = transport_queued(one.transport, TWO, LANE_ENTRIES);
    assert_in_range(queued, BOUND_ENTRIES_QUEUE_BYTES - 1024 * 1024 - 1024,
                    BOUND_ENTRIES_QUEUE_BYTES);
    assert_int_equal(figures_of(&one).frames_dropped, 1);
    /* The other lanes are not affected. */
    assert_int_equal(station_send(&one, TWO, LANE_SMALL, 0), 0);
    assert_int_equal(station_send(&one, TWO, LANE_CALLS, 1000), 0);
    /* Once something was taken, there is room again. */
    while (station_send_buffer(&one, TWO, LANE_ENTRIES, buffer) == ERR_BUSY) {
        stranger_read(fds[LANE_ENTRIES], 1024 * 1024);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    /* And nothing is held when all is over. */
    close_stranger(fds, listener);
    station_close(&one);
    assert_int_equal(buffer->references, 1);
    buffer_unref(buffer);
}

static void test_heartbeats_are_bounded_too(void **state)
{
    (void)state;
    int fds[LANES];
    int listener;
    meet_stranger(fds, &listener);
    int rc = 0;
    for (int i = 0; rc == 0 && i < 1000000; i++)
        rc = station_send(&one, TWO, LANE_SMALL, 0);
    assert_int_equal(rc, ERR_BUSY);
    assert_true(transport_queued(one.transport, TWO, LANE_SMALL) <=
                BOUND_SMALL_QUEUE_BYTES);
    close_stranger(fds, listener);
}

static bool is_lost(void *context)
{
    (void)context;
    return one.disconnects > 0;
}

static void test_a_peer_that_takes_nothing_is_cut(void **state)
{
    (void)state;
    int fds[LANES];
    int listener;
    one.options.times.idle_ms = SHORT_MS;
    meet_stranger(fds, &listener);
    struct buffer *buffer = buffer_new(BOUND_ENTRY_BYTES_MAX);
    assert_non_null(buffer);
    buffer->length = buffer->capacity;
    memset(buffer->data, 0, buffer->length);
    assert_int_equal(station_send_buffer(&one, TWO, LANE_ENTRIES, buffer), 0);
    assert_int_equal(buffer->references, 2);
    station_run_until(&loop, is_lost, NULL);
    assert_int_equal(buffer->references, 1);
    assert_int_equal(transport_queued(one.transport, TWO, LANE_ENTRIES), 0);
    assert_false(transport_connected(one.transport, TWO, LANE_ENTRIES));
    buffer_unref(buffer);
    close_stranger(fds, listener);
}

/* Slow is not stuck: a line that moves is kept, however long it takes. */
static void test_a_slow_peer_is_kept(void **state)
{
    (void)state;
    int fds[LANES];
    int listener;
    one.options.times.idle_ms = SLOW_MS;
    meet_stranger(fds, &listener);
    assert_int_equal(station_send(&one, TWO, LANE_ENTRIES, 32 * 1024 * 1024),
                     0);
    for (int i = 0; i < 15; i++) {
        station_run_ms(&loop, SLOW_MS / 10);
        stranger_read(fds[LANE_ENTRIES], 2 * 1024 * 1024);
    }
    assert_int_equal(one.disconnects, 0);
    close_stranger(fds, listener);
}

static void test_a_listener_that_speaks_is_cut(void **state)
{
    (void)state;
    int fds[LANES];
    int listener;
    meet_stranger(fds, &listener);
    stranger_send(fds[LANE_SMALL], "x", 1);
    station_run_until(&loop, is_lost, NULL);
    close_stranger(fds, listener);
}

/* --- Guests that misbehave ---------------------------------------------- */

static void test_a_silent_guest_is_cut(void **state)
{
    (void)state;
    one.options.times.idle_ms = SHORT_MS;
    open_both();
    int fd = come_in(LANE_SMALL);
    assert_int_equal(figures_of(&one).guests, 1);
    stranger_run_until_cut(&loop, fd);
    assert_int_equal(figures_of(&one).guests, 0);
    close(fd);
}

static bool no_strangers(void *context)
{
    const struct station *station = context;
    return figures_of(station).strangers == 0;
}

static void test_half_a_handshake_is_cut(void **state)
{
    (void)state;
    struct handshake_options options =
        credentials(HANDSHAKE_DIALER, THREE, LANE_SMALL);
    struct handshake handshake;
    struct error error = {0};
    one.options.times.handshake_ms = SHORT_MS;
    open_both();
    int fd = stranger_dial(transport_port(one.transport));
    handshake_init(&handshake, &options, &error);
    struct slice hello = handshake_output(&handshake);
    stranger_send(fd, hello.data, hello.length);
    stranger_run_until_cut(&loop, fd);
    close(fd);
    assert_int_equal(figures_of(&one).strangers_refused, 1);
}

static size_t frame_bytes(const struct frame *frame, uint8_t *bytes)
{
    struct frame_size size;
    assert_int_equal(frame_measure(frame, &size), 0);
    frame_encode(frame, &size, bytes);
    if (frame->payload.length > 0)
        memcpy(bytes + size.head, frame->payload.data, frame->payload.length);
    return size.head + size.payload;
}

static struct frame heartbeat_of(uint64_t number)
{
    struct frame frame = {.type = FRAME_APPEND_ENTRIES,
                          .stamp = {number, number}};
    frame.message.append_entries.term = 1;
    return frame;
}

static struct frame request_of(uint64_t number)
{
    return (struct frame){.type = FRAME_REQUEST, .call.id = number};
}

static bool second_arrived(void *context)
{
    (void)context;
    return one.received[LANE_SMALL] == 2;
}

static void test_frames_come_in_any_pieces(void **state)
{
    (void)state;
    uint8_t bytes[256];
    open_both();
    int fd = come_in(LANE_SMALL);
    struct frame first = heartbeat_of(1);
    struct frame second = heartbeat_of(2);
    size_t length = frame_bytes(&first, bytes);
    length += frame_bytes(&second, bytes + length);
    for (size_t i = 0; i < length; i++) {
        stranger_send(fd, bytes + i, 1);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    station_run_until(&loop, second_arrived, NULL);
    assert_int_equal(one.last_from, THREE);
    close(fd);
}

/* Bytes from somebody who is through the handshake: the connection ends, and
 * nothing of it is handed on. */
static void expect_cut(enum frame_lane lane, const void *bytes, size_t length)
{
    uint64_t refused = figures_of(&one).frames_refused;
    int fd = come_in(lane);
    stranger_send(fd, bytes, length);
    stranger_run_until_cut(&loop, fd);
    assert_int_equal(figures_of(&one).frames_refused, refused + 1);
    assert_int_equal(figures_of(&one).frames_received, 0);
    assert_int_equal(figures_of(&one).guests, 0);
    close(fd);
}

static void test_a_damaged_frame_ends_the_connection(void **state)
{
    (void)state;
    uint8_t bytes[256];
    open_both();
    struct frame frame = heartbeat_of(1);
    size_t length = frame_bytes(&frame, bytes);
    expect_cut(LANE_ENTRIES, bytes, length); /* The wrong lane. */
    expect_cut(LANE_CALLS, bytes, length);
    frame = request_of(1);
    length = frame_bytes(&frame, bytes);
    expect_cut(LANE_SMALL, bytes, length);
    bytes[length - 1] ^= 1; /* In the fields. */
    expect_cut(LANE_CALLS, bytes, length);
    bytes[36] ^= 0x80; /* A length in the header. */
    expect_cut(LANE_CALLS, bytes, length);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)rand_r(&seed);
    expect_cut(LANE_CALLS, bytes, sizeof bytes);
    /* One address, one window, one line. */
    assert_int_equal(figures_of(&one).complaints, 1);
}

static void test_a_member_that_dials_again_replaces_itself(void **state)
{
    (void)state;
    open_both();
    int first = come_in(LANE_SMALL);
    int other_lane = come_in(LANE_CALLS);
    assert_int_equal(figures_of(&one).guests, 2);
    int second = come_in(LANE_SMALL);
    stranger_run_until_cut(&loop, first);
    assert_int_equal(figures_of(&one).guests, 2);
    close(first);
    close(second);
    close(other_lane);
}

/* --- Strangers ---------------------------------------------------------- */

static void test_garbage_harms_nobody(void **state)
{
    (void)state;
    enum { CROWD = 200 };
    static int fds[CROWD];
    uint8_t garbage[300];
    meet();
    for (unsigned i = 0; i < CROWD; i++) {
        for (size_t b = 0; b < sizeof garbage; b++)
            garbage[b] = (uint8_t)(rand_r(&seed) >> 5);
        fds[i] = stranger_dial(transport_port(one.transport));
        stranger_send(fds[i], garbage, 1 + (size_t)rand_r(&seed) % 300);
        send_some(&one, TWO, 2000);
        send_some(&two, ONE, 2000);
        uv_run(&loop, UV_RUN_NOWAIT);
        assert_true(figures_of(&one).strangers <= BOUND_STRANGERS);
    }
    for (unsigned i = 0; i < CROWD; i++) {
        stranger_run_until_cut(&loop, fds[i]);
        close(fds[i]);
    }
    run_until_all_arrived();
    assert_int_equal(figures_of(&one).strangers_refused, CROWD);
    assert_int_equal(figures_of(&one).complaints, 1);
    assert_int_equal(one.disconnects + two.disconnects, 0);
}

static void test_a_crowd_of_strangers_keeps_no_member_out(void **state)
{
    (void)state;
    enum { CROWD = 2 * BOUND_STRANGERS };
    static int fds[CROWD];
    one.options.times.handshake_ms = 60000; /* Only the bound ends them. */
    open_both();
    for (unsigned i = 0; i < CROWD; i++) {
        fds[i] = stranger_dial(transport_port(one.transport));
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    while (figures_of(&one).strangers < BOUND_STRANGERS)
        uv_run(&loop, UV_RUN_ONCE);
    station_add(&one, &two);
    station_add(&two, &one);
    station_run_until_met(&one, &two);
    assert_true(figures_of(&one).strangers <= BOUND_STRANGERS);
    stranger_run_until_cut(&loop, fds[0]);
    assert_int_equal(figures_of(&one).complaints, 1);
    for (unsigned i = 0; i < CROWD; i++)
        close(fds[i]);
    station_run_until(&loop, no_strangers, &one);
}

static bool has_refused_five(void *context)
{
    const struct station *station = context;
    return figures_of(station).strangers_refused >= 5;
}

static void test_a_wrong_secret_keeps_out(void **state)
{
    (void)state;
    two.options.secret = slice_text("another secret");
    open_both();
    station_add(&two, &one);
    station_run_until(&loop, has_refused_five, &one);
    assert_int_equal(two.connects, 0);
    assert_int_equal(figures_of(&one).guests, 0);
    assert_int_equal(station_send(&two, ONE, LANE_SMALL, 0), ERR_UNAVAILABLE);
    assert_int_equal(figures_of(&one).complaints, 1);
    assert_int_equal(figures_of(&two).complaints, 1);
}

static void test_another_cluster_keeps_out(void **state)
{
    (void)state;
    two.options.cluster_id[0] ^= 1;
    open_both();
    station_add(&two, &one);
    station_run_until(&loop, has_refused_five, &one);
    assert_int_equal(two.connects, 0);
}

static void test_an_address_that_leads_back_is_refused(void **state)
{
    (void)state;
    assert_int_equal(station_open(&one), 0);
    station_add(&one, &one);
    station_run_until(&loop, has_refused_five, &one);
    assert_int_equal(one.connects, 0);
}

static void test_loopback_goes_without_a_secret(void **state)
{
    (void)state;
    one.options.secret = slice_of(NULL, 0);
    two.options.secret = slice_of(NULL, 0);
    two.options.listen = "[::1]:0";
    if (station_open(&two) != 0)
        two.options.listen = "127.0.0.1:0"; /* No IPv6 on this machine. */
    else
        station_close(&two);
    two.options.listen = "127.0.0.1:0";
    meet();
    send_some(&one, TWO, 10);
    run_until_all_arrived();
}

static void test_other_addresses_need_a_secret(void **state)
{
    (void)state;
    one.options.listen = "0.0.0.0:0";
    one.options.secret = slice_of(NULL, 0);
    assert_int_equal(station_open(&one), ERR_INVALID);
    assert_non_null(strstr(one.error.text, "--cluster-secret-file"));
    one.options.listen = "[::]:0";
    assert_int_equal(station_open(&one), ERR_INVALID);
    one.options.listen = "0.0.0.0:0";
    one.options.secret = slice_text("a secret of tests");
    assert_int_equal(station_open(&one), 0);
    station_close(&one);
    one.transport = NULL;
}

static void test_an_address_in_use_is_said(void **state)
{
    (void)state;
    char address[32];
    assert_int_equal(station_open(&one), 0);
    snprintf(address, sizeof address, "127.0.0.1:%u",
             transport_port(one.transport));
    two.options.listen = address;
    assert_int_equal(station_open(&two), ERR_IO);
    assert_non_null(strstr(two.error.text, address));
    two.options.listen = "nonsense";
    assert_int_equal(station_open(&two), ERR_INVALID);
}

#define ON_LOOP(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_LOOP(test_frames_arrive_whole_and_in_order),
        ON_LOOP(test_the_largest_entry_arrives),
        ON_LOOP(test_payloads_are_lent_not_copied),
        ON_LOOP(test_a_receiver_may_keep_what_came),
        ON_LOOP(test_small_frames_overtake_large_ones),
        ON_LOOP(test_the_stamp_travels),
        ON_LOOP(test_a_peer_restarts),
        ON_LOOP(test_a_silent_line_is_kept_by_pings),
        ON_LOOP(test_a_peer_is_found_by_its_name),
        ON_LOOP(test_a_look_up_under_way_is_waited_for),
        ON_LOOP(test_a_peer_moves),
        ON_LOOP(test_a_peer_moves_during_a_look_up),
        ON_LOOP(test_a_peer_that_comes_is_dialed_at_once),
        ON_LOOP(test_a_node_takes_another_identity),
        ON_LOOP(test_a_callback_may_remove_the_peer),
        ON_LOOP(test_a_callback_may_close_everything),
        ON_LOOP(test_peers_are_bounded),
        ON_LOOP(test_what_does_not_fit_is_dropped),
        ON_LOOP(test_heartbeats_are_bounded_too),
        ON_LOOP(test_a_peer_that_takes_nothing_is_cut),
        ON_LOOP(test_a_slow_peer_is_kept),
        ON_LOOP(test_a_listener_that_speaks_is_cut),
        ON_LOOP(test_a_silent_guest_is_cut),
        ON_LOOP(test_half_a_handshake_is_cut),
        ON_LOOP(test_frames_come_in_any_pieces),
        ON_LOOP(test_a_damaged_frame_ends_the_connection),
        ON_LOOP(test_a_member_that_dials_again_replaces_itself),
        ON_LOOP(test_garbage_harms_nobody),
        ON_LOOP(test_a_crowd_of_strangers_keeps_no_member_out),
        ON_LOOP(test_a_wrong_secret_keeps_out),
        ON_LOOP(test_another_cluster_keeps_out),
        ON_LOOP(test_an_address_that_leads_back_is_refused),
        ON_LOOP(test_loopback_goes_without_a_secret),
        ON_LOOP(test_other_addresses_need_a_secret),
        ON_LOOP(test_an_address_in_use_is_said),
    };
    const char *given = getenv("POSTOFFICE_SEED");
    seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : 1;
    printf("seed %u\n", seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
