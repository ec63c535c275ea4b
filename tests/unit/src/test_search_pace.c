/* What a page of a search takes of the machine: all that it wants while nothing
 * is published, else a few milliseconds and then mostly rest; an end in time.
 */
#include "src/search_pace.h"

#include "base/bounds.h"
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { BEGIN_US = 1000000, QUESTION_US = 50, PAGE_US = BOUND_SEARCH_MS * 1000 };

struct page {
    uint64_t work_us;
    uint64_t first_rest_us; /* After the beginning. */
    uint64_t end_us;
};

/* A search that asks after each QUESTION_US of work, to its end. */
static struct page search(bool busy)
{
    struct search_pace pace;
    struct page page = {0};
    uint64_t now_us = BEGIN_US;
    search_pace_begin(&pace, now_us, busy);
    while (now_us < pace.deadline_us) {
        now_us += QUESTION_US;
        page.work_us += QUESTION_US;
        uint64_t rest_us = search_pace_rest(&pace, now_us);
        if (rest_us > 0 && page.first_rest_us == 0)
            page.first_rest_us = now_us - BEGIN_US;
        now_us += rest_us;
    }
    page.end_us = now_us - BEGIN_US;
    return page;
}

static void test_alone_it_never_rests(void **state)
{
    struct page page = search(false);
    (void)state;
    assert_int_equal(page.first_rest_us, 0);
    assert_int_equal(page.work_us, PAGE_US);
    assert_int_equal(page.end_us, PAGE_US);
}

/* Beside publishing: what is quickly found is found at once, and a scan leaves
 * at least nine tenths of its time to others. */
static void test_beside_publishing_it_rests(void **state)
{
    struct page page = search(true);
    (void)state;
    assert_in_range(page.first_rest_us, 1000, PAGE_US / 10);
    assert_in_range(page.work_us, page.first_rest_us, PAGE_US / 10);
}

static void test_a_rest_ends_with_the_page(void **state)
{
    struct search_pace pace;
    (void)state;
    assert_int_equal(search(true).end_us, PAGE_US);
    search_pace_begin(&pace, BEGIN_US, true);
    assert_int_equal(search_pace_rest(&pace, pace.deadline_us - 1), 1);
    search_pace_begin(&pace, BEGIN_US, true);
    assert_int_equal(search_pace_rest(&pace, pace.deadline_us), 0);
}

/* By the real clock: a rest is slept, not only told of. */
static void test_it_sleeps(void **state)
{
    struct search_pace pace;
    struct search_pace same;
    (void)state;
    search_pace_begin(&pace, clock_us(), true);
    pace.deadline_us += UINT64_C(3600000000);
    pace.rest_us = 0;
    same = pace;
    uint64_t began_us = clock_us();
    assert_false(search_pace_spent(&pace));
    assert_true(clock_us() - began_us >= search_pace_rest(&same, began_us));
    pace.deadline_us = clock_us();
    assert_true(search_pace_spent(&pace));
}

/* ---- How busy it is ---- */

static void test_load_is_of_late(void **state)
{
    struct search_load load = {0};
    uint64_t ms = 5000;
    (void)state;
    assert_false(search_load_look(&load, ms, 900000)); /* Of before: unknown. */
    assert_false(search_load_look(&load, ms += 1000, 900003)); /* A trickle. */
    assert_true(search_load_look(&load, ms += 1000, 901003));
    assert_true(search_load_look(&load, ms += 1000, 902003));
    assert_false(search_load_look(&load, ms += 1000, 902003));
}

/* Two searches in a row ask for the same time, not for none. */
static void test_load_is_kept_for_a_while(void **state)
{
    struct search_load load = {0};
    uint64_t ms = 5000;
    (void)state;
    search_load_look(&load, ms, 100);
    assert_true(search_load_look(&load, ms += 1000, 1100));
    assert_true(search_load_look(&load, ms += 1, 1100));
    assert_true(search_load_look(&load, ms += 1, 1100));
    assert_false(search_load_look(&load, ms += 1000, 1100));
    assert_false(search_load_look(&load, ms += 1, 1500));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone_it_never_rests),
        cmocka_unit_test(test_beside_publishing_it_rests),
        cmocka_unit_test(test_a_rest_ends_with_the_page),
        cmocka_unit_test(test_it_sleeps),
        cmocka_unit_test(test_load_is_of_late),
        cmocka_unit_test(test_load_is_kept_for_a_while),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
