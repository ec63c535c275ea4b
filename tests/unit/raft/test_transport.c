/* The transport on a real loop over loopback: what arrives, what is dropped,
 * and how lines break and come back. */
#include "pair.h"

#include "base/bounds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static unsigned seed;

/* --- What arrives ------------------------------------------------------- */

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
    assert_true(one.pings > 0 && two.pings > 0);
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

#define ON_LOOP(test)                                                          \
    cmocka_unit_test_setup_teardown(test, pair_set_up, pair_tear_down)

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
    };
    const char *given = getenv("POSTOFFICE_SEED");
    seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : 1;
    printf("seed %u\n", seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
