/* Who comes in on the transport: members that misbehave, and strangers. None of
 * them harms those who do not. */
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

#define ON_LOOP(test)                                                          \
    cmocka_unit_test_setup_teardown(test, pair_set_up, pair_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
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
