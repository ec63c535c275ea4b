#include "http/timestamp.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_times(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-01-02T03:04:05Z", 1767323045000},
        {"2026-01-02t03:04:05z", 1767323045000},
        {"2026-01-02 03:04:05Z", 1767323045000},
        {"2026-01-02 03:04:05", 1767323045000},
        {"2026-01-02 03:04:05.123456", 1767323045124},
        {"2026-01-02 03:04:05.123000", 1767323045123},
        {"2026-01-02T03:04:05.5Z", 1767323045500},
        {"2026-01-02T03:04:05.0001Z", 1767323045001},
        {"2026-01-02T04:04:05+01:00", 1767323045000},
        {"2026-01-01T21:34:05-05:30", 1767323045000},
        {"2024-02-29T00:00:00Z", 1709164800000},
        {"2000-02-29T23:59:60Z", 951868800000},
        {"9999-12-31T23:59:59.999Z", 253402300799999},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t ms = 1;
        assert_true(timestamp_parse(slice_text(cases[i].text), &ms));
        assert_int_equal(ms, cases[i].ms);
    }
}

static void test_no_times(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "now",
        "2026-01-02",
        "2026-01-02T03:04:05",
        "2026-01-02T03:04Z",
        "2026-01-02T03:04:05.Z",
        "2026-01-02T03:04:05+0100",
        "2026-01-02T03:04:05+01",
        "2026-01-02T03:04:05Zx",
        "2026-01-02 03:04:05 ",
        "2026-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-02T24:00:00Z",
        "2026-01-02T03:60:00Z",
        "2026-01-02T03:04:60Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01",
        "02026-01-02T03:04:05Z",
        "1767323045",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        uint64_t ms;
        assert_false(timestamp_parse(slice_text(texts[i]), &ms));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_no_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
