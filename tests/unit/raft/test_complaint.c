/* What of repeated trouble goes to the log. */
#include "raft/complaint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { START_MS = 1000 };

static void test_a_source_speaks_once_in_a_window(void **state)
{
    (void)state;
    struct complaints complaints = {0};
    uint64_t silenced = 99;
    uint64_t now = START_MS;
    assert_true(complaint_speaks(&complaints, "10.0.0.1", now, &silenced));
    assert_int_equal(silenced, 0);
    for (int i = 0; i < 5; i++)
        assert_false(
            complaint_speaks(&complaints, "10.0.0.1", now + 1, &silenced));
    assert_true(complaint_speaks(&complaints, "10.0.0.2", now, &silenced));
    assert_int_equal(silenced, 0);
    now += COMPLAINT_WINDOW_MS - 1;
    assert_false(complaint_speaks(&complaints, "10.0.0.1", now, &silenced));
    assert_true(complaint_speaks(&complaints, "10.0.0.1", now + 1, &silenced));
    assert_int_equal(silenced, 6);
    assert_false(complaint_speaks(&complaints, "10.0.0.1", now + 2, &silenced));
}

static void test_many_sources_stay_bounded(void **state)
{
    (void)state;
    struct complaints complaints = {0};
    uint64_t silenced = 0;
    unsigned spoken = 0;
    char source[32];
    for (unsigned i = 0; i < 10000; i++) {
        snprintf(source, sizeof source, "source %u", i);
        spoken += complaint_speaks(&complaints, source, START_MS, &silenced);
    }
    assert_int_equal(spoken, BOUND_COMPLAINTS);
    /* The next window tells how many were not heard. */
    assert_true(complaint_speaks(&complaints, "another",
                                 START_MS + COMPLAINT_WINDOW_MS, &silenced));
    assert_int_equal(silenced, 10000 - BOUND_COMPLAINTS);
}

static void test_a_long_source_is_cut(void **state)
{
    (void)state;
    struct complaints complaints = {0};
    uint64_t silenced;
    char source[200];
    memset(source, 'a', sizeof source);
    source[sizeof source - 1] = '\0';
    assert_true(complaint_speaks(&complaints, source, START_MS, &silenced));
    assert_false(complaint_speaks(&complaints, source, START_MS, &silenced));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_source_speaks_once_in_a_window),
        cmocka_unit_test(test_many_sources_stay_bounded),
        cmocka_unit_test(test_a_long_source_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
