#include "http/event_ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static struct event_ring ring;

static int open_ring(void **state)
{
    (void)state;
    event_ring_init(&ring, 4);
    return 0;
}

static int close_ring(void **state)
{
    (void)state;
    event_ring_close(&ring);
    return 0;
}

static uint64_t add(const char *topic, const char *text)
{
    return event_ring_add(&ring, EVENT_TOPIC, slice_text(topic),
                          slice_text(text));
}

static void expect(uint64_t after, uint64_t number, const char *text)
{
    struct ring_event event;
    assert_true(event_ring_reaches(&ring, after));
    assert_true(event_ring_next(&ring, after, &event));
    assert_int_equal(event.number, number);
    assert_true(slice_is(event.text, text));
}

static void test_read_in_order(void **state)
{
    struct ring_event event;
    (void)state;
    assert_false(event_ring_next(&ring, 0, &event));
    assert_int_equal(add("t", "a"), 1);
    assert_int_equal(add("", ""), 2);
    expect(0, 1, "a");
    expect(1, 2, "");
    assert_true(event_ring_next(&ring, 0, &event));
    assert_true(slice_is(event.topic, "t"));
    assert_int_equal(event.type, EVENT_TOPIC);
    assert_false(event_ring_next(&ring, 2, &event));
}

/* The oldest gives way, and who was to read it next is told. */
static void test_the_oldest_gives_way(void **state)
{
    char text[8];
    (void)state;
    for (int i = 1; i <= 10; i++) {
        snprintf(text, sizeof text, "%d", i);
        add("t", text);
        assert_true(event_ring_reaches(&ring, (uint64_t)i));
        assert_int_equal(event_ring_reaches(&ring, 0), i <= 4);
    }
    assert_false(event_ring_reaches(&ring, 5));
    expect(6, 7, "7");
    expect(9, 10, "10");
}

/* Nobody has read what is not there yet. */
static void test_the_future_is_unknown(void **state)
{
    (void)state;
    assert_true(event_ring_reaches(&ring, 0));
    assert_false(event_ring_reaches(&ring, 1));
    assert_false(event_ring_reaches(&ring, UINT64_MAX));
    add("t", "a");
    assert_false(event_ring_reaches(&ring, 2));
    assert_false(event_ring_reaches(&ring, UINT64_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_read_in_order, open_ring,
                                        close_ring),
        cmocka_unit_test_setup_teardown(test_the_oldest_gives_way, open_ring,
                                        close_ring),
        cmocka_unit_test_setup_teardown(test_the_future_is_unknown, open_ring,
                                        close_ring),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
