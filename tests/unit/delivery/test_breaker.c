/* The circuit and the token bucket, event by event. */
#include "src/delivery/breaker.h"
#include "src/delivery/bucket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct breaker_options options = {
    .retry_seconds = 10, .retry_seconds_max = 60, .max_in_flight = 8};

static struct breaker fresh(void)
{
    struct breaker breaker;
    struct circuit closed = {.state = CIRCUIT_CLOSED};
    breaker_init(&breaker, &closed);
    return breaker;
}

static bool fail_with(struct breaker *breaker, uint64_t position,
                      enum attempt_class class, bool probe, uint64_t now_ms)
{
    struct attempt attempt = {.number = 1,
                              .class = class,
                              .status = class == ATTEMPT_HTTP_5XX ? 500 : 0,
                              .response = slice_text("words")};
    return breaker_failed(breaker, &options, position, &attempt, probe, 500,
                          now_ms);
}

static void test_five_failures_of_two_messages_open_it(void **state)
{
    (void)state;
    struct breaker breaker = fresh();
    for (uint64_t i = 0; i < 4; i++)
        assert_false(
            fail_with(&breaker, 1 + i % 2, ATTEMPT_HTTP_5XX, false, 1));
    assert_int_equal(breaker_window(&breaker, &options, 1), 8);
    assert_true(fail_with(&breaker, 1, ATTEMPT_HTTP_5XX, false, 1));
    assert_true(breaker_is_open(&breaker));
    assert_int_equal(breaker_window(&breaker, &options, 1), 0);
    assert_true(breaker_told(&breaker));
    assert_false(breaker_told(&breaker));
    assert_int_equal(breaker.circuit.error.status, 500);
    assert_true(slice_is(breaker.circuit.error.response, "words"));
}

/* One message that a receiver does not like says nothing of the target. */
static void test_one_message_alone_does_not_open_it(void **state)
{
    (void)state;
    struct breaker breaker = fresh();
    for (int i = 0; i < 50; i++)
        assert_false(fail_with(&breaker, 7, ATTEMPT_HTTP_4XX, false, 1));
    assert_true(fail_with(&breaker, 8, ATTEMPT_HTTP_4XX, false, 1));
}

static void test_an_outage_opens_it_by_one_message(void **state)
{
    static const enum attempt_class outages[] = {ATTEMPT_CONNECT, ATTEMPT_DNS,
                                                 ATTEMPT_TLS, ATTEMPT_TIMEOUT,
                                                 ATTEMPT_POLICY};
    (void)state;
    struct breaker breaker = fresh();
    for (int i = 0; i < 5; i++)
        assert_int_equal(fail_with(&breaker, 7, outages[i], false, 1), i == 4);
    breaker = fresh();
    for (int i = 0; i < 4; i++)
        assert_false(fail_with(&breaker, 7, ATTEMPT_TIMEOUT, false, 1));
    assert_false(fail_with(&breaker, 7, ATTEMPT_PROTOCOL, false, 1));
    assert_false(fail_with(&breaker, 7, ATTEMPT_TIMEOUT, false, 1));
}

static void test_a_success_between_counts(void **state)
{
    (void)state;
    struct breaker breaker = fresh();
    for (int i = 0; i < 20; i++) {
        for (uint64_t k = 0; k < 4; k++)
            assert_false(fail_with(&breaker, k, ATTEMPT_CONNECT, false, 1));
        breaker_succeeded(&breaker, &options, 1);
    }
    assert_false(breaker_told(&breaker));
}

static struct breaker opened(uint64_t now_ms)
{
    struct breaker breaker = fresh();
    for (int i = 0; i < 5; i++)
        fail_with(&breaker, 7, ATTEMPT_CONNECT, false, now_ms);
    assert_true(breaker_is_open(&breaker));
    breaker_told(&breaker);
    return breaker;
}

static void test_probes_are_spaced(void **state)
{
    (void)state;
    uint64_t now_ms = 1000;
    struct breaker breaker = opened(now_ms);
    static const uint64_t waits_ms[] = {10000, 20000, 40000, 60000, 60000};
    for (int i = 0; i < 5; i++) {
        uint64_t next = breaker_wake_ms(&breaker, now_ms);
        assert_in_range(next - now_ms, waits_ms[i] * 9 / 10,
                        waits_ms[i] * 11 / 10);
        assert_int_equal(breaker_window(&breaker, &options, next - 1), 0);
        assert_int_equal(breaker_window(&breaker, &options, next), 1);
        now_ms = next;
        assert_int_equal(breaker_wake_ms(&breaker, now_ms), 0);
        /* What was on its way before it opened moves nothing. */
        fail_with(&breaker, 3, ATTEMPT_HTTP_5XX, false, now_ms);
        assert_int_equal(breaker_window(&breaker, &options, now_ms), 1);
        assert_false(breaker_told(&breaker));
        assert_false(fail_with(&breaker, 7, ATTEMPT_DNS, true, now_ms));
        assert_true(breaker_told(&breaker));
        assert_int_equal(breaker.circuit.error.class, ATTEMPT_DNS);
    }
}

static void test_it_ramps_up(void **state)
{
    (void)state;
    struct breaker breaker = opened(1000);
    breaker_succeeded(&breaker, &options, 20000);
    assert_int_equal(breaker.circuit.state, CIRCUIT_RAMPING);
    uint32_t before = breaker_window(&breaker, &options, 20000);
    assert_int_equal(before, 2);
    while (breaker.circuit.state == CIRCUIT_RAMPING) {
        breaker_succeeded(&breaker, &options, 20001);
        uint32_t window = breaker_window(&breaker, &options, 20001);
        assert_int_equal(window, before + 1);
        before = window;
    }
    assert_int_equal(breaker.circuit.state, CIRCUIT_CLOSED);
    assert_int_equal(breaker.circuit.error.number, 0);
    assert_true(breaker_told(&breaker));
}

/* It goes on with its spacing when the target falls again at once. */
static void test_a_relapse_goes_on(void **state)
{
    (void)state;
    struct breaker breaker = opened(1000);
    fail_with(&breaker, 7, ATTEMPT_CONNECT, true, 20000);
    breaker_succeeded(&breaker, &options, 60000);
    for (int i = 0; i < 5; i++)
        fail_with(&breaker, 7, ATTEMPT_CONNECT, false, 60000);
    assert_true(breaker_is_open(&breaker));
    assert_in_range(breaker.circuit.next_probe_ms, 60000 + 36000,
                    60000 + 44000);
}

static void test_another_leader_goes_on(void **state)
{
    (void)state;
    struct breaker old = opened(1000);
    fail_with(&old, 7, ATTEMPT_CONNECT, true, 20000);
    struct breaker breaker;
    breaker_init(&breaker, &old.circuit);
    assert_int_equal(breaker.circuit.next_probe_ms, old.circuit.next_probe_ms);
    assert_true(slice_is(breaker.circuit.error.response, "words"));
    assert_ptr_equal(breaker.circuit.error.response.data, breaker.text);
    assert_false(breaker_told(&breaker));
    breaker_close(&breaker, 30000);
    assert_int_equal(breaker_window(&breaker, &options, 30000), 8);
    assert_true(breaker_told(&breaker));
}

static void test_retry_after_delays_the_probe(void **state)
{
    (void)state;
    struct breaker breaker = opened(1000);
    breaker_held(&breaker, 500000);
    assert_int_equal(breaker_wake_ms(&breaker, 2000), 500000);
    breaker_held(&breaker, 400000);
    assert_int_equal(breaker_wake_ms(&breaker, 2000), 500000);
}

/* ---- The bucket ---- */

static uint32_t taken_in(struct bucket *bucket, uint64_t from_ms,
                         uint64_t upto_ms)
{
    uint32_t taken = 0;
    for (uint64_t now_ms = from_ms; now_ms < upto_ms; now_ms++)
        while (bucket_take(bucket, now_ms))
            taken++;
    return taken;
}

static void test_the_rate_is_kept(void **state)
{
    static const uint32_t rates[] = {1, 3, 7, 20, 100, 999, 15000};
    (void)state;
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        struct bucket bucket = {0};
        bucket_limit(&bucket, rates[i], 1000);
        uint32_t first = taken_in(&bucket, 1000, 2000);
        assert_in_range(first, rates[i] - rates[i] / 1000,
                        rates[i] + rates[i] / 20);
        assert_in_range(taken_in(&bucket, 2000, 12000), rates[i] * 10 - 1,
                        rates[i] * 10 + 1);
        /* A long rest allows no more than what it holds. */
        assert_in_range(taken_in(&bucket, 1000000, 1001000), rates[i],
                        rates[i] + rates[i] / 20 + 1);
    }
}

static void test_the_next_token_is_told(void **state)
{
    struct bucket bucket = {0};
    (void)state;
    assert_int_equal(bucket_level(&bucket, 5), UINT32_MAX);
    assert_int_equal(bucket_next_ms(&bucket, 5), 5);
    bucket_limit(&bucket, 3, 1000);
    for (int i = 0; i < 20; i++) {
        uint64_t next = bucket_next_ms(&bucket, 1000);
        assert_true(next == 1000 || !bucket_take(&bucket, next - 1));
        assert_true(bucket_take(&bucket, next));
        bucket.at_ms = 1000;
        bucket.filled = 0;
    }
    bucket_limit(&bucket, 0, 2000);
    assert_true(bucket_take(&bucket, 2000));
}

static void test_a_clock_set_back_gives_nothing(void **state)
{
    struct bucket bucket = {0};
    (void)state;
    bucket_limit(&bucket, 10, 100000);
    assert_true(bucket_take(&bucket, 100000));
    assert_false(bucket_take(&bucket, 50000));
    assert_false(bucket_take(&bucket, 100000));
    assert_true(bucket_take(&bucket, 100100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_five_failures_of_two_messages_open_it),
        cmocka_unit_test(test_one_message_alone_does_not_open_it),
        cmocka_unit_test(test_an_outage_opens_it_by_one_message),
        cmocka_unit_test(test_a_success_between_counts),
        cmocka_unit_test(test_probes_are_spaced),
        cmocka_unit_test(test_it_ramps_up),
        cmocka_unit_test(test_a_relapse_goes_on),
        cmocka_unit_test(test_another_leader_goes_on),
        cmocka_unit_test(test_retry_after_delays_the_probe),
        cmocka_unit_test(test_the_rate_is_kept),
        cmocka_unit_test(test_the_next_token_is_told),
        cmocka_unit_test(test_a_clock_set_back_gives_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
