#include "src/news/series.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct series series;

/* A minute that has just begun. */
static const uint64_t start_ms = 28333333ull * 60000;

static int open_series(void **state)
{
    (void)state;
    series_init(&series, start_ms);
    return 0;
}

static int close_series(void **state)
{
    (void)state;
    series_close(&series);
    return 0;
}

static uint32_t count(uint32_t step)
{
    struct backend_stats stats = {0};
    series_read(&series, step, &stats);
    return stats.parts[0].count + stats.parts[1].count;
}

/* The point `index`, from the oldest. */
static struct backend_point point(uint32_t step, uint32_t index)
{
    struct backend_stats stats = {0};
    series_read(&series, step, &stats);
    return index < stats.parts[0].count
               ? stats.parts[0].points[index]
               : stats.parts[1].points[index - stats.parts[0].count];
}

static void tick_seconds(uint32_t seconds, uint64_t published)
{
    static uint64_t now_ms;
    if (series.seconds.count == 0)
        now_ms = start_ms;
    for (uint32_t i = 0; i < seconds; i++) {
        series_add(&series, &(struct backend_point){.published = published,
                                                    .failed = 1});
        series_tick(&series, now_ms += 1000, i);
    }
}

static void test_seconds(void **state)
{
    (void)state;
    assert_int_equal(count(1), 0);
    assert_int_equal(count(60), 0);
    series_add(&series, &(struct backend_point){.published = 2, .dead = 1});
    series_add(&series,
               &(struct backend_point){.published = 3, .delivered = 4});
    const struct backend_point *closed =
        series_tick(&series, start_ms + 1000, 9);
    assert_int_equal(closed->published, 5);
    series_tick(&series, start_ms + 2000, 8);
    assert_int_equal(count(1), 2);
    assert_int_equal(point(1, 0).published, 5);
    assert_int_equal(point(1, 0).delivered, 4);
    assert_int_equal(point(1, 0).dead, 1);
    assert_int_equal(point(1, 0).backlog, 9);
    assert_int_equal(point(1, 0).at_ms, start_ms + 1000);
    assert_int_equal(point(1, 1).published, 0);
    assert_int_equal(point(1, 1).backlog, 8);
}

static void test_minutes(void **state)
{
    (void)state;
    tick_seconds(59, 1);
    assert_int_equal(count(60), 0);
    tick_seconds(62, 1);
    assert_int_equal(count(60), 2);
    assert_int_equal(point(60, 0).published, 60);
    assert_int_equal(point(60, 0).failed, 60);
    assert_int_equal(point(60, 0).at_ms, start_ms + 60000);
    assert_int_equal(point(60, 1).published, 60);
    assert_int_equal(point(60, 1).at_ms, start_ms + 120000);
}

/* The newest are kept, in order, wherever the ring's end lies. */
static void test_the_oldest_gives_way(void **state)
{
    (void)state;
    tick_seconds(SERIES_SECONDS + 7, 1);
    assert_int_equal(count(1), SERIES_SECONDS);
    for (uint32_t i = 0; i < SERIES_SECONDS; i++)
        assert_int_equal(point(1, i).at_ms, start_ms + (i + 8) * 1000ull);
}

/* A clock that is set back makes no minute endless and no point negative. */
static void test_a_clock_that_jumps(void **state)
{
    (void)state;
    tick_seconds(61, 1);
    series_tick(&series, start_ms + 3600000, 0);
    series_tick(&series, start_ms + 3601000, 0);
    assert_int_equal(count(60), 2);
    series_tick(&series, start_ms, 0);
    for (uint32_t i = 1; i <= 120; i++)
        series_tick(&series, start_ms + i * 1000ull, 0);
    assert_true(count(60) >= 3);
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, open_series, close_series)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_seconds),
        TEST(test_minutes),
        TEST(test_the_oldest_gives_way),
        TEST(test_a_clock_that_jumps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
