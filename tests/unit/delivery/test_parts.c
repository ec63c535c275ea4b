/* Backoff, the agenda and the recent messages. */
#include "src/delivery/agenda.h"
#include "src/delivery/backoff.h"
#include "src/delivery/recent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_backoff_doubles_up_to_its_limit(void **state)
{
    (void)state;
    uint64_t random = 7;
    for (uint32_t attempts = 1; attempts < 200; attempts++) {
        uint64_t plain = attempts < 7 ? 30000ull << (attempts - 1) : 1000000;
        plain = plain > 1000000 ? 1000000 : plain;
        uint64_t wait = backoff_ms(30, 1000, attempts, random_next(&random));
        assert_in_range(wait, plain * 9 / 10, plain * 11 / 10);
    }
    assert_int_equal(backoff_ms(0, 0, 1, 5), 1);
    assert_true(backoff_ms(UINT32_MAX, UINT32_MAX, UINT32_MAX, 0) > 0);
}

static void test_jitter_spreads(void **state)
{
    (void)state;
    uint64_t random = 99;
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t wait = backoff_ms(10, 3600, 1, random_next(&random));
        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
    }
    assert_in_range(least, 9000, 9100);
    assert_in_range(most, 10900, 11000);
}

static void test_agenda_in_order_of_time(void **state)
{
    (void)state;
    enum { ITEMS = 500 };
    struct agenda agenda = {0};
    struct agenda_item items[ITEMS] = {{0}};
    uint64_t random = 3;
    for (int round = 0; round < 3000; round++) {
        uint64_t i = random_next(&random) % ITEMS;
        uint64_t at = random_next(&random) % 1000;
        agenda_set(&agenda, &items[i], at); /* 0 takes it out. */
    }
    uint32_t set = 0;
    for (int i = 0; i < ITEMS; i++)
        set += items[i].place != 0;
    assert_int_equal(agenda.count, set);
    uint64_t before = 0;
    uint64_t order = 0;
    struct agenda_item *item;
    while ((item = agenda_take(&agenda, 999)) != NULL) {
        assert_true(item->at_ms >= before);
        if (item->at_ms == before)
            assert_true(item->order > order);
        before = item->at_ms;
        order = item->order;
        assert_int_equal(item->place, 0);
        set--;
    }
    assert_int_equal(set, 0);
    assert_true(agenda_first_ms(&agenda) == 0);
    agenda_close(&agenda);
}

static void test_agenda_waits_for_the_time(void **state)
{
    (void)state;
    struct agenda agenda = {0};
    struct agenda_item item = {0};
    agenda_set(&agenda, &item, 100);
    assert_null(agenda_take(&agenda, 99));
    assert_ptr_equal(agenda_take(&agenda, 100), &item);
    agenda_close(&agenda);
}

static struct letter *letter_at(uint64_t position, size_t size)
{
    static uint8_t bytes[4096];
    struct message message = {.id = position, .payload = slice_of(bytes, size)};
    return letter_new(position, &message);
}

static void test_recent_finds_from_a_position(void **state)
{
    (void)state;
    struct recent recent;
    struct recent_topic topic = {0};
    struct letter *found[8];
    recent_init(&recent, 1 << 20);
    for (uint64_t position = 10; position <= 200; position += 10)
        recent_add(&recent, &topic, letter_at(position, 10));
    assert_true(recent_covers(&topic, 10));
    assert_false(recent_covers(&topic, 9));
    assert_int_equal(recent_find(&topic, 55, found, 8), 8);
    assert_int_equal(found[0]->position, 60);
    assert_int_equal(found[7]->position, 130);
    assert_int_equal(recent_find(&topic, 195, found, 8), 1);
    assert_int_equal(recent_find(&topic, 201, found, 8), 0);
    recent_forget(&recent, &topic);
    assert_false(recent_covers(&topic, 10));
    recent_close(&recent);
}

/* The bound is on all topics together; the oldest letter of all goes. */
static void test_recent_is_bounded(void **state)
{
    (void)state;
    struct recent recent;
    struct recent_topic topics[3] = {{0}};
    uint64_t random = 11;
    recent_init(&recent, 100000);
    for (uint64_t position = 1; position < 5000; position++) {
        uint64_t i = random_next(&random) % 3;
        recent_add(&recent, &topics[i],
                   letter_at(position, random_next(&random) % 4000));
        assert_true(recent.bytes <= 100000);
        if (position % 701 == 0)
            recent_forget(&recent, &topics[random_next(&random) % 3]);
    }
    uint32_t left = topics[0].count + topics[1].count + topics[2].count;
    assert_in_range(left, 20, 100);
    for (int i = 0; i < 3; i++) {
        struct letter *found[100];
        uint32_t count = recent_find(&topics[i], 0, found, 100);
        assert_int_equal(count, topics[i].count);
        for (uint32_t k = 1; k < count; k++)
            assert_true(found[k - 1]->position < found[k]->position);
        recent_forget(&recent, &topics[i]);
    }
    recent_close(&recent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_backoff_doubles_up_to_its_limit),
        cmocka_unit_test(test_jitter_spreads),
        cmocka_unit_test(test_agenda_in_order_of_time),
        cmocka_unit_test(test_agenda_waits_for_the_time),
        cmocka_unit_test(test_recent_finds_from_a_position),
        cmocka_unit_test(test_recent_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
