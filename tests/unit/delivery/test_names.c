/* What is known of names: fresh, old, stale, forgotten; and never too many. */
#include "src/delivery/names.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct name_addresses none = {.count = 0};

static struct name_addresses one(const char *text)
{
    struct name_addresses addresses = {.count = 1};
    addresses.at[0].v4.sin_family = AF_INET;
    assert_int_equal(inet_pton(AF_INET, text, &addresses.at[0].v4.sin_addr), 1);
    return addresses;
}

static void test_an_answer_is_fresh_for_its_time(void **state)
{
    (void)state;
    struct names names;
    names_init(&names, 10);
    struct name *name = names_want(&names, "a.test");
    struct name_addresses address = one("192.0.2.1");
    assert_false(name_is_known(name, 100));
    name_answered(name, &address, 5000, 100);
    assert_true(name_is_known(name, 5099));
    assert_false(name_is_known(name, 5100));
    assert_ptr_equal(names_want(&names, "A.TEST"), name);

    name_answered(name, &address, 0, 6000);
    assert_true(name_is_known(name, 6000 + NAME_FRESH_MS_MIN - 1));
    name_answered(name, &address, 86400000, 6000);
    assert_false(name_is_known(name, 6000 + NAME_FRESH_MS_MAX));
    names_close(&names);
}

static void test_stale_serves_while_nobody_answers(void **state)
{
    (void)state;
    struct names names;
    names_init(&names, 10);
    struct name *name = names_want(&names, "a.test");
    struct name_addresses address = one("192.0.2.1");
    name_unanswered(name, 50);
    assert_false(name_is_known(name, 50));
    name_answered(name, &address, 5000, 100);
    uint64_t now_ms = 5100;
    for (; now_ms < 100 + NAME_STALE_MS; now_ms += NAME_PATIENCE_MS) {
        assert_false(name_is_known(name, now_ms)); /* Asked again, ... */
        name_unanswered(name, now_ms);             /* ... in vain. */
        assert_true(name_is_known(name, now_ms));
        assert_true(name_is_known(name, now_ms + NAME_PATIENCE_MS - 1));
    }
    name_unanswered(name, now_ms);
    assert_int_equal(name->addresses.count, 0);
    names_close(&names);
}

/* That there is no such name is an answer. */
static void test_a_name_that_goes_is_forgotten(void **state)
{
    (void)state;
    struct names names;
    names_init(&names, 10);
    struct name *name = names_want(&names, "a.test");
    struct name_addresses address = one("192.0.2.1");
    name_answered(name, &address, 5000, 100);
    name_answered(name, &none, 0, 200);
    assert_false(name_is_known(name, 201));
    name_unanswered(name, 202);
    assert_false(name_is_known(name, 203));
    names_close(&names);
}

static void test_the_oldest_gives_way(void **state)
{
    (void)state;
    struct names names;
    struct name_addresses address = one("192.0.2.1");
    char host[32];
    names_init(&names, 3);
    struct name *busy = names_want(&names, "busy.test");
    busy->busy = 1;
    name_answered(names_want(&names, "kept.test"), &address, 5000, 100);
    for (int i = 0; i < 100; i++) {
        snprintf(host, sizeof host, "n%d.test", i);
        assert_non_null(names_want(&names, host));
        assert_true(name_is_known(names_want(&names, "kept.test"), 101));
        assert_int_equal(names.count, 3);
    }
    assert_ptr_equal(names_want(&names, "busy.test"), busy);
    names_want(&names, "kept.test")->busy = 1;
    names_want(&names, "n99.test")->busy = 1;
    assert_null(names_want(&names, "one.more.test"));
    names_close(&names);
}

static void test_what_is_no_name(void **state)
{
    (void)state;
    struct names names;
    char host[NAME_SIZE + 1];
    names_init(&names, 3);
    memset(host, 'a', sizeof host);
    host[NAME_SIZE] = '\0';
    assert_null(names_want(&names, host));
    assert_null(names_want(&names, ""));
    host[NAME_SIZE - 1] = '\0';
    assert_non_null(names_want(&names, host));
    names_close(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_answer_is_fresh_for_its_time),
        cmocka_unit_test(test_stale_serves_while_nobody_answers),
        cmocka_unit_test(test_a_name_that_goes_is_forgotten),
        cmocka_unit_test(test_the_oldest_gives_way),
        cmocka_unit_test(test_what_is_no_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
