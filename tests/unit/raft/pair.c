#include "pair.h"

#include "base/logger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

uv_loop_t loop;
struct station one;
struct station two;

int pair_set_up(void **state)
{
    (void)state;
    logger_setup(LOGGER_ERROR + 1, LOGGER_TEXT);
    assert_int_equal(uv_loop_init(&loop), 0);
    station_init(&one, &loop, ONE);
    station_init(&two, &loop, TWO);
    return 0;
}

void open_both(void)
{
    assert_int_equal(station_open(&one), 0);
    assert_int_equal(station_open(&two), 0);
}

void meet(void)
{
    open_both();
    station_add(&one, &two);
    station_add(&two, &one);
    station_run_until_met(&one, &two);
}

int pair_tear_down(void **state)
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

struct transport_figures figures_of(const struct station *station)
{
    return transport_figures(station->transport);
}

struct handshake_options credentials(enum handshake_role role, uint64_t raft_id,
                                     enum frame_lane purpose)
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

int come_in(enum frame_lane purpose)
{
    struct handshake_options options =
        credentials(HANDSHAKE_DIALER, THREE, purpose);
    return stranger_shake(&loop, stranger_dial(transport_port(one.transport)),
                          &options);
}

void send_some(struct station *from, uint64_t to, size_t length)
{
    for (unsigned lane = 0; lane < LANES; lane++) {
        enum frame_lane kind = (enum frame_lane)lane;
        if (transport_queued(from->transport, to, kind) < 200 * 1024)
            assert_int_equal(station_send(from, to, kind, length), 0);
    }
}

static bool all_arrived(void *context)
{
    (void)context;
    return memcmp(one.sent, two.received, sizeof one.sent) == 0 &&
           memcmp(two.sent, one.received, sizeof two.sent) == 0;
}

void run_until_all_arrived(void)
{
    station_run_until(&loop, all_arrived, NULL);
}
