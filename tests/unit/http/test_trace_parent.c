/* traceparent as W3C Trace Context has it: what is sound goes on, what is not
 * is as if it had not come. */
#include "http/trace_parent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"

static void expect(const char *value, const char *wanted)
{
    char text[TRACE_PARENT_LENGTH + 1];
    bool sound = trace_parent_read(slice_text(value), text);
    if (wanted == NULL)
        assert_false(sound);
    else
        assert_true(sound && slice_is(slice_text(text), wanted));
}

static void test_sound_ones(void **state)
{
    (void)state;
    expect("00-" TRACE "-" SPAN "-01", "00-" TRACE "-" SPAN "-01");
    expect("00-" TRACE "-" SPAN "-00", "00-" TRACE "-" SPAN "-00");
    /* A flag that a later level added. */
    expect("00-" TRACE "-" SPAN "-03", "00-" TRACE "-" SPAN "-03");
}

static void test_later_versions_become_the_first(void **state)
{
    (void)state;
    expect("01-" TRACE "-" SPAN "-01", "00-" TRACE "-" SPAN "-01");
    expect("cc-" TRACE "-" SPAN "-fe-more", "00-" TRACE "-" SPAN "-00");
    expect("cc-" TRACE "-" SPAN "-01x", NULL);
    expect("ff-" TRACE "-" SPAN "-01", NULL);
}

static void test_junk(void **state)
{
    (void)state;
    static const char *const junk[] = {
        "",
        "00",
        "00-" TRACE "-" SPAN "-01-more",
        "00-" TRACE "-" SPAN "-0",
        "00-" TRACE "-" SPAN "-0g",
        "00-" TRACE "-" SPAN "-0A",
        "00-00000000000000000000000000000000-" SPAN "-01",
        "00-" TRACE "-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01",
        "00-" TRACE "x" SPAN "-01",
        "00x" TRACE "-" SPAN "-01",
        "00-" TRACE "-" SPAN "x01",
        "0x-" TRACE "-" SPAN "-01",
        " 00-" TRACE "-" SPAN "-01",
        /* Given twice. */
        "00-" TRACE "-" SPAN "-01, 00-" TRACE "-" SPAN "-01",
    };
    for (size_t i = 0; i < sizeof junk / sizeof *junk; i++)
        expect(junk[i], NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound_ones),
        cmocka_unit_test(test_later_versions_become_the_first),
        cmocka_unit_test(test_junk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
