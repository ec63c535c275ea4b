/* What the log is told of a target's troubles: each change once, and never
 * too much. */
#include "src/delivery/trouble.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct attempt ok = {.class = ATTEMPT_OK, .status = 200};
static const struct attempt created = {.class = ATTEMPT_OK, .status = 201};
static const struct attempt refused = {.class = ATTEMPT_CONNECT};
static const struct attempt broken = {.class = ATTEMPT_HTTP_5XX, .status = 500};
static const struct attempt busy = {.class = ATTEMPT_HTTP_5XX, .status = 503};

static void test_an_outage_is_two_lines(void **state)
{
    (void)state;
    struct trouble trouble = {0};
    assert_int_equal(trouble_note(&trouble, &ok, 1), TROUBLE_NO_NEWS);
    assert_int_equal(trouble_note(&trouble, &refused, 2), TROUBLE_FAILS);
    for (uint64_t hour = 1; hour < 200; hour++)
        assert_int_equal(trouble_note(&trouble, &refused, hour * 3600000),
                         TROUBLE_NO_NEWS);
    uint64_t end = 200 * 3600000ull;
    assert_int_equal(trouble_note(&trouble, &ok, end), TROUBLE_OVER);
    assert_int_equal(trouble_note(&trouble, &created, end + 1),
                     TROUBLE_NO_NEWS);
}

static void test_another_cause_is_news(void **state)
{
    (void)state;
    struct trouble trouble = {0};
    assert_int_equal(trouble_note(&trouble, &refused, 1), TROUBLE_FAILS);
    assert_int_equal(trouble_note(&trouble, &broken, 2), TROUBLE_FAILS);
    assert_int_equal(trouble_note(&trouble, &broken, 3), TROUBLE_NO_NEWS);
    assert_int_equal(trouble_note(&trouble, &busy, 4), TROUBLE_FAILS);
}

/* Every second attempt fails, ten a second for an hour; what it is at the end
 * is told at the latest a minute later. */
static void test_a_changing_mind_is_bounded(void **state)
{
    (void)state;
    struct trouble trouble = {0};
    uint64_t now_ms = 1000000;
    unsigned lines = 0;
    for (int i = 0; i < 36000; i++, now_ms += 100)
        lines += trouble_note(&trouble, i % 2 == 0 ? &busy : &ok, now_ms) !=
                 TROUBLE_NO_NEWS;
    assert_in_range(lines, 120, 60 * TROUBLE_LINES_MAX);
    now_ms += TROUBLE_WINDOW_MS;
    enum trouble_news news = trouble_note(&trouble, &refused, now_ms);
    assert_int_equal(news, TROUBLE_FAILS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_outage_is_two_lines),
        cmocka_unit_test(test_another_cause_is_news),
        cmocka_unit_test(test_a_changing_mind_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
