/* What nodes say of themselves: what is malformed is ignored, and whose clock
 * is away is told by the median. */
#include "src/peers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { NOW_MS = 1000 };
static const uint64_t WALL_MS = UINT64_C(1790000000000);

static struct slice written(struct encoder *bytes, uint32_t node_id,
                            int64_t ahead_ms)
{
    struct peer_report report = {.node_id = node_id,
                                 .wall_ms = WALL_MS + (uint64_t)ahead_ms,
                                 .url = "http://127.0.0.1:4000",
                                 .version = "1.2.3"};
    bytes->length = 0;
    peer_report_encode(bytes, &report);
    return encoder_slice(bytes);
}

static void hear(struct peers *peers, uint32_t node_id, int64_t ahead_ms)
{
    struct encoder bytes = {0};
    assert_true(
        peers_hear(peers, written(&bytes, node_id, ahead_ms), NOW_MS, WALL_MS));
    encoder_close(&bytes);
}

enum { UNKNOWN = 12345 };

static int64_t ahead(const struct peers *peers, uint64_t now_ms)
{
    static const uint32_t voters[] = {1, 2, 3};
    int64_t ahead_ms = UNKNOWN;
    bool known = peers_clock_ahead(peers, voters, 3, 1, now_ms, &ahead_ms);
    assert_int_equal(known, ahead_ms != UNKNOWN);
    return ahead_ms;
}

static void test_a_report_is_heard(void **state)
{
    struct peers peers = {0};
    (void)state;
    hear(&peers, 2, -40);
    const struct peer_report *report = peers_find(&peers, 2);
    assert_non_null(report);
    assert_string_equal(report->url, "http://127.0.0.1:4000");
    assert_string_equal(report->version, "1.2.3");
    assert_int_equal(report->ahead_ms, -40);
    assert_null(peers_find(&peers, 3));
}

static void test_what_is_malformed_is_ignored(void **state)
{
    struct peers peers = {0};
    struct encoder bytes = {0};
    (void)state;
    struct slice whole = written(&bytes, 2, 0);
    for (size_t length = 0; length < whole.length; length++)
        assert_false(
            peers_hear(&peers, slice_of(whole.data, length), NOW_MS, WALL_MS));
    encoder_u8(&bytes, 0); /* Behind the end. */
    assert_false(peers_hear(&peers, encoder_slice(&bytes), NOW_MS, WALL_MS));
    assert_false(peers_hear(&peers, written(&bytes, 0, 0), NOW_MS, WALL_MS));
    assert_int_equal(peers.count, 0);
    encoder_close(&bytes);
}

/* One of three that is wrong changes nothing, be it another or ourselves. */
static void test_the_median_tells_whose_clock_is_away(void **state)
{
    struct peers peers = {0};
    (void)state;
    hear(&peers, 2, 60000);
    hear(&peers, 3, 30);
    assert_int_equal(ahead(&peers, NOW_MS), 30);
    hear(&peers, 3, 60040);
    assert_int_equal(ahead(&peers, NOW_MS), 60000);
    hear(&peers, 2, -60000);
    hear(&peers, 3, -60040);
    assert_int_equal(ahead(&peers, NOW_MS), -60000);
}

/* Of two that differ, nobody knows which is wrong. */
static void test_two_clocks_tell_nothing(void **state)
{
    struct peers peers = {0};
    (void)state;
    assert_int_equal(ahead(&peers, NOW_MS), UNKNOWN);
    hear(&peers, 2, 60000);
    assert_int_equal(ahead(&peers, NOW_MS), UNKNOWN);
    hear(&peers, 3, 60000);
    assert_int_equal(ahead(&peers, NOW_MS), 60000);
    assert_int_equal(ahead(&peers, NOW_MS + PEERS_FRESH_MS), UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_report_is_heard),
        cmocka_unit_test(test_what_is_malformed_is_ignored),
        cmocka_unit_test(test_the_median_tells_whose_clock_is_away),
        cmocka_unit_test(test_two_clocks_tell_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
