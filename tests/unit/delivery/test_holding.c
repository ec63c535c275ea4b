/* What holds messages back: outages, Retry-After, rates, age, filters and
 * orders, each alone and all together under crashes. The world checks at each
 * send what must hold (world.c: check_order, check_holds). */
#include "world.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct publisher_counts counts_of(struct world *world, uint32_t id)
{
    struct arena arena = {0};
    struct publisher_counts counts = world_look(world, id, &arena).counts;
    arena_close(&arena);
    return counts;
}

/* Goes on for so long, and no further. */
static void run_for(struct world *world, uint64_t ms)
{
    uint64_t until_ms = world->now_ms + ms;
    while (world->now_ms < until_ms) {
        bool busy = true;
        while (busy) {
            world_run(world);
            busy = world->proposals != NULL;
            world_apply(world);
            while (world_finish_one(world))
                busy = true;
        }
        uint64_t next_ms = world->wake_ms;
        if (next_ms <= world->now_ms)
            next_ms = world->now_ms + 20; /* The port was not ready. */
        world->now_ms = next_ms < until_ms ? next_ms : until_ms;
    }
}

static uint32_t sends_of(struct world *world, uint32_t id)
{
    uint32_t sends = 0;
    for (uint64_t position = 1; position <= world->position_last; position++)
        sends += world->seen[id][position].sends;
    return sends;
}

/* ---- Outages ---- */

static void test_an_outage_costs_a_cursor(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, 1);
    uint32_t topic = world_topic(&world);
    uint32_t publisher = world_publisher(&world, topic, 8, 3);
    world.receivers[publisher] = RECEIVER_DOWN;
    world_publish(&world, topic, 3000);
    run_for(&world, 1000 * 1000);
    struct publisher_counts counts = counts_of(&world, publisher);
    struct pipeline_statistics now = world_statistics(&world, publisher);
    assert_int_equal(now.circuit.state, CIRCUIT_OPEN);
    assert_int_equal(now.circuit.error.class, ATTEMPT_CONNECT);
    /* Three attempts would be spent long since; none of them is dead. */
    assert_int_equal(counts.dead, 0);
    assert_int_equal(counts.backlog, 3000);
    assert_in_range(counts.retrying, 1, 8 + 64);
    /* One probe each four seconds, with jitter, and the first few. */
    assert_in_range(sends_of(&world, publisher), 200, 300);
    world.receivers[publisher] = RECEIVER_GOOD;
    world_settle(&world);
    assert_int_equal(counts_of(&world, publisher).delivered, 3000);
    assert_int_equal(world_statistics(&world, publisher).circuit.state,
                     CIRCUIT_CLOSED);
    world_close(&world);
}

/* Each new leader goes on with the spacing, and is told what it is about. */
static void test_an_outage_outlives_leaders(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, 2);
    uint32_t topic = world_topic(&world);
    uint32_t publisher = world_publisher(&world, topic, 8, 100);
    world.receivers[publisher] = RECEIVER_DOWN;
    world_publish(&world, topic, 100);
    run_for(&world, 20000);
    for (int i = 0; i < 50; i++) {
        run_for(&world, 20);
        world_apply(&world);
        world_crash(&world);
        assert_int_equal(world_statistics(&world, publisher).circuit.state,
                         CIRCUIT_OPEN);
    }
    assert_true(sends_of(&world, publisher) < 40);
    world_close(&world);
}

/* One message that is always refused, alone under a window of one: the
 * others go on, and it dies by its attempts. */
static void test_a_poisonous_message_holds_nobody(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, 3);
    uint32_t topic = world_topic(&world);
    uint32_t publisher = world_publisher(&world, topic, 1, 12);
    world.receivers[publisher] = RECEIVER_PICKY;
    world_publish(&world, topic, 70);
    run_for(&world, 1000 * 1000);
    struct publisher_counts counts = counts_of(&world, publisher);
    assert_int_equal(counts.delivered, 60);
    assert_int_equal(counts.dead, 10);
    world_close(&world);
}

static void test_silence_is_an_outage(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, 4);
    uint32_t topic = world_topic(&world);
    struct publisher_options options = {.guarantee = AT_MOST_ONCE};
    uint32_t careful = world_publisher_with(&world, topic, &options);
    uint32_t other = world_publisher(&world, topic, 2, 100);
    world.receivers[careful] = RECEIVER_SILENT;
    world.receivers[other] = RECEIVER_SILENT;
    world_publish(&world, topic, 20);
    run_for(&world, 3000);
    /* What may have arrived is never sent again by itself. */
    assert_true(counts_of(&world, careful).ambiguous >= 4);
    for (uint64_t position = 1; position <= 20; position++)
        assert_true(world.seen[careful][position].sends <= 1);
    assert_int_equal(counts_of(&world, other).ambiguous, 0);
    assert_int_equal(world_statistics(&world, other).circuit.state,
                     CIRCUIT_OPEN);
    world_close(&world);
}

/* ---- Retry-After, 410 ---- */

static void test_retry_after_holds_the_publisher(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, 5);
    uint32_t topic = world_topic(&world);
    uint32_t publisher = world_publisher(&world, topic, 1, 1);
    world.receivers[publisher] = RECEIVER_BUSY;
    world_publish(&world, topic, 3);
    run_for(&world, 9000);
    assert_int_equal(counts_of(&world, publisher).dead, 0);
    assert_in_range(sends_of(&world, publisher), 4, 5);
    assert_true(world_statistics(&world, publisher).throttled_until_ms >
                world.now_ms);
    /* Ten times in a row are free of charge; the next one is its last. */
    run_for(&world, 90000);
    assert_true(counts_of(&world, publisher).dead >= 1);
    world.receivers[publisher] = RECEIVER_GOOD;
    world_settle(&world);
    assert_int_equal(counts_of(&world, publisher).backlog, 0);
    world_close(&world);
}

static void test_gone_pauses(void **state)
{
    (void)state;
    struct world world;
    struct arena arena = {0};
    world_open(&world, 6);
    uint32_t topic = world_topic(&world);
    uint32_t publisher = world_publisher(&world, topic, 1, 100);
    world.receivers[publisher] = RECEIVER_GONE;
    world_publish(&world, topic, 10);
    run_for(&world, 20000);
    struct publisher_view found = world_look(&world, publisher, &arena);
    assert_true(found.publisher.paused);
    assert_non_null(
        strstr((const char *)found.publisher.pause_reason.data, "410"));
    assert_int_equal(sends_of(&world, publisher), 1);
    world.receivers[publisher] = RECEIVER_GOOD;
    world_pause(&world, publisher, false);
    world_settle(&world);
    assert_int_equal(counts_of(&world, publisher).delivered, 10);
    arena_close(&arena);
    world_close(&world);
}

/* ---- Rate, age, filter ---- */

static void test_the_rate_is_kept(void **state)
{
    static const uint32_t rates[] = {1, 7, 30};
    (void)state;
    struct world world;
    world_open(&world, 7);
    uint32_t topic = world_topic(&world);
    uint32_t ids[3];
    for (int i = 0; i < 3; i++) {
        struct publisher_options options = {.rate_limit_per_second = rates[i],
                                            .max_in_flight = 16};
        ids[i] = world_publisher_with(&world, topic, &options);
    }
    world_publish(&world, topic, 400);
    run_for(&world, 10000);
    for (int i = 0; i < 3; i++) {
        assert_in_range(sends_of(&world, ids[i]), rates[i] * 9,
                        rates[i] * 10 + 2);
        /* Little more than what goes next is open. */
        assert_true(counts_of(&world, ids[i]).open <= 1 + rates[i] / 4 + 1);
    }
    world_close(&world);
}

static void test_old_messages_expire(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, 8);
    uint32_t topic = world_topic(&world);
    struct publisher_options options = {.expire_after_seconds = 60};
    uint32_t publisher = world_publisher_with(&world, topic, &options);
    world.receivers[publisher] = RECEIVER_PICKY;
    world_publish(&world, topic, 14);
    run_for(&world, 70000); /* Its circuit is open: until the next probe. */
    struct publisher_counts counts = counts_of(&world, publisher);
    assert_int_equal(counts.delivered, 12);
    assert_int_equal(counts.dead, 2);
    assert_int_equal(counts.last_error.class, ATTEMPT_EXPIRED);
    /* What waited behind a pause for too long is not sent at all. */
    world_pause(&world, publisher, true);
    world_publish(&world, topic, 5);
    run_for(&world, 61000);
    world_pause(&world, publisher, false);
    world_settle(&world);
    counts = counts_of(&world, publisher);
    assert_int_equal(counts.dead, 7);
    assert_int_equal(counts.delivered, 12);
    /* A person may ask for one all the same. */
    world.receivers[publisher] = RECEIVER_GOOD;
    world_decide(&world, COMMAND_RETRY, publisher, 15);
    world_settle(&world);
    assert_int_equal(counts_of(&world, publisher).delivered, 13);
    world_close(&world);
}

static const char *const only_a = "{\"attributes\":{\"kind\":\"a\"}}";

static void expect_filtered(struct world *world, uint32_t id, uint64_t upto)
{
    uint64_t wanted = 0;
    for (uint64_t position = 1; position <= upto; position++)
        wanted += world->messages[position].wanted;
    struct publisher_counts counts = counts_of(world, id);
    assert_int_equal(counts.delivered, wanted);
    assert_int_equal(counts.filtered, upto - wanted);
    assert_int_equal(counts.backlog, 0);
}

/* From memory, and from the store. */
static void test_a_filter_lets_through_what_it_wants(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, 9);
    uint32_t topic = world_topic(&world);
    struct publisher_options options = {.filter = slice_text(only_a)};
    uint32_t recent = world_publisher_with(&world, topic, &options);
    world_publish(&world, topic, 2000);
    world_settle(&world);
    uint32_t stored = world_publisher_with(&world, topic, &options);
    world_settle(&world);
    expect_filtered(&world, recent, 2000);
    expect_filtered(&world, stored, 2000);
    world_close(&world);
}

/* Changed options count for what waits. */
static void test_a_new_filter_counts_at_once(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, 10);
    uint32_t topic = world_topic(&world);
    struct publisher_options options = {.max_in_flight = 1};
    uint32_t publisher = world_publisher_with(&world, topic, &options);
    world_publish(&world, topic, 300);
    for (int i = 0; i < 100; i++) {
        world_run(&world);
        world_apply(&world);
        world_finish_one(&world);
    }
    uint32_t before = sends_of(&world, publisher);
    assert_in_range(before, 2, 200);
    options.filter = slice_text(only_a);
    options.target = slice_text("http://moved/");
    world_update(&world, publisher, &options);
    world.options[publisher].filter = slice_of(NULL, 0); /* One was open. */
    world_settle(&world);
    uint64_t wanted = 0;
    for (uint64_t position = before + 2; position <= 300; position++)
        wanted += world.messages[position].wanted;
    assert_in_range(sends_of(&world, publisher), before + wanted,
                    before + wanted + 2);
    world_close(&world);
}

/* ---- Orders ---- */

static void test_strict_waits_for_its_head(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, 11);
    uint32_t topic = world_topic(&world);
    struct publisher_options options = {.ordering = ORDERING_STRICT,
                                        .on_poison = POISON_BLOCK,
                                        .max_attempts = 2};
    uint32_t blocks = world_publisher_with(&world, topic, &options);
    options.on_poison = POISON_DEAD_LETTER;
    uint32_t goes_on = world_publisher_with(&world, topic, &options);
    world.receivers[blocks] = RECEIVER_PICKY;
    world.receivers[goes_on] = RECEIVER_PICKY;
    world_publish(&world, topic, 70);
    run_for(&world, 100 * 1000);
    struct publisher_counts counts = counts_of(&world, blocks);
    assert_int_equal(counts.delivered, 6);
    assert_int_equal(counts.dead, 0);
    assert_int_equal(counts.retrying, 1);
    counts = counts_of(&world, goes_on);
    assert_int_equal(counts.delivered, 60);
    assert_int_equal(counts.dead, 10);
    /* A person gives the head up; the others go on. */
    world_decide(&world, COMMAND_DISCARD, blocks, 7);
    run_for(&world, 10 * 1000);
    assert_int_equal(counts_of(&world, blocks).delivered, 12);
    world_close(&world);
}

static void test_other_keys_go_on(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, 12);
    uint32_t topic = world_topic(&world);
    struct publisher_options options = {.ordering = ORDERING_KEY,
                                        .on_poison = POISON_BLOCK,
                                        .max_in_flight = 8,
                                        .max_attempts = 2};
    uint32_t publisher = world_publisher_with(&world, topic, &options);
    world.receivers[publisher] = RECEIVER_PICKY;
    world_publish_keyed(&world, topic, 300);
    run_for(&world, 120 * 1000);
    /* Each key is stuck at its first position that is refused; messages
     * without a key only lose those. */
    struct publisher_counts counts = counts_of(&world, publisher);
    uint64_t expected = 0;
    uint64_t stuck[8] = {0};
    for (uint64_t position = 1; position <= 300; position++) {
        uint64_t key = world.messages[position].key;
        bool held = false;
        for (int i = 0; i < 8 && key != 0; i++)
            held |= stuck[i] == key;
        if (!held && position % 7 == 0 && key != 0)
            for (int i = 0; i < 8; i++)
                if (stuck[i] == 0) {
                    stuck[i] = key;
                    break;
                }
        expected += !held && position % 7 != 0;
    }
    assert_int_equal(counts.delivered, expected);
    assert_true(counts.parked > 100);
    world.receivers[publisher] = RECEIVER_GOOD;
    world_settle(&world);
    counts = counts_of(&world, publisher);
    assert_int_equal(counts.parked, 0);
    assert_int_equal(counts.backlog, 0);
    world_close(&world);
}

/* What is parked when the order changes comes back first, and all of it. */
static void test_an_order_is_changed(void **state)
{
    static const enum ordering others[] = {ORDERING_NONE, ORDERING_STRICT};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct world world;
        world_open(&world, 13);
        uint32_t topic = world_topic(&world);
        struct publisher_options options = {.ordering = ORDERING_KEY,
                                            .filter = slice_text(only_a),
                                            .max_in_flight = 8};
        uint32_t publisher = world_publisher_with(&world, topic, &options);
        world.receivers[publisher] = RECEIVER_PICKY;
        world_publish_keyed(&world, topic, 300);
        run_for(&world, 60 * 1000);
        assert_true(counts_of(&world, publisher).parked > 50);
        options.ordering = others[i];
        options.target = world.options[publisher].target;
        world_update(&world, publisher, &options);
        world.options[publisher].ordering = ORDERING_NONE; /* For checks. */
        world.receivers[publisher] = RECEIVER_GOOD;
        world_settle(&world);
        expect_filtered(&world, publisher, 300);
        world_close(&world);
    }
}

/* ---- Scheduled messages ---- */

/* Of a clock that the other voters do not share nothing is believed; what was
 * due meanwhile goes when they agree again. */
static void test_a_wrong_clock_releases_and_expires_nothing(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, 15);
    uint32_t topic = world_topic(&world);
    struct publisher_options options = {.expire_after_seconds = 60};
    uint32_t publisher = world_publisher_with(&world, topic, &options);
    world_pause(&world, publisher, true);
    world_publish(&world, topic, 5);
    scheduler_trust_clock(world.scheduler, false);
    world_schedule(&world, topic, world.now_ms + 5000);
    run_for(&world, 61000);
    assert_int_equal(world.released, 0);
    world_pause(&world, publisher, false);
    run_for(&world, 1000);
    struct publisher_counts counts = counts_of(&world, publisher);
    assert_int_equal(counts.dead, 0);
    assert_int_equal(counts.delivered, 5);
    assert_int_equal(counts.scheduled, 1);
    world.late_ms_max = 70000;
    scheduler_trust_clock(world.scheduler, true);
    run_for(&world, 1000);
    assert_int_equal(world.released, 1);
    world_close(&world);
}

static void test_scheduled_messages_are_on_time(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, 14);
    uint32_t topic = world_topic(&world);
    uint32_t publisher = world_publisher(&world, topic, 16, 100);
    world.late_ms_max = 1000;
    for (int i = 0; i < 300; i++) {
        uint64_t due_ms = world.now_ms + 1 + world_random(&world, 30000);
        world_schedule(&world, topic, due_ms);
        if (i % 30 == 0)
            run_for(&world, world_random(&world, 2000));
        if (i % 100 == 99) {
            world_apply(&world);
            world_crash(&world); /* The next leader keeps the times. */
        }
    }
    run_for(&world, 60000);
    assert_int_equal(world.released, 300);
    struct publisher_counts counts = counts_of(&world, publisher);
    assert_int_equal(counts.delivered, 300);
    assert_int_equal(counts.scheduled, 0);
    world_close(&world);
}

/* ---- All together ---- */

static struct publisher_options any_options(struct world *world)
{
    struct publisher_options options = {
        .max_in_flight = 1 + (uint32_t)world_random(world, 8),
        .ordering = (enum ordering)world_random(world, 3),
        .on_poison = POISON_BLOCK,
    };
    if (world_random(world, 3) == 0)
        options.filter = slice_text(only_a);
    if (world_random(world, 4) == 0)
        options.rate_limit_per_second = 20 + (uint32_t)world_random(world, 50);
    return options;
}

static void any_event(struct world *world, const uint32_t topics[2])
{
    static const enum receiver receivers[] = {RECEIVER_GOOD, RECEIVER_FLAKY,
                                              RECEIVER_DOWN, RECEIVER_BUSY,
                                              RECEIVER_PICKY};
    uint64_t dice = world_random(world, 1000);
    uint32_t any = 1 + (uint32_t)world_random(world, world->publishers);
    if (dice < 60 && world->position_last < 1500)
        world_publish_keyed(world, topics[world_random(world, 2)],
                            1 + (uint32_t)world_random(world, 8));
    else if (dice < 400)
        world_finish_one(world);
    else if (dice < 600)
        world_apply(world);
    else if (dice < 740)
        world_wait(world, world_random(world, 900));
    else if (dice < 750)
        world_pause(world, any, world_random(world, 2) == 0);
    else if (dice < 756)
        world_crash(world);
    else if (dice < 766)
        world->receivers[any] = receivers[world_random(world, 5)];
    else if (dice < 772 && world->position_last > 0)
        world_decide(world,
                     world_random(world, 2) == 0 ? COMMAND_RETRY
                                                 : COMMAND_DISCARD,
                     any, 1 + world_random(world, world->position_last));
    else
        world_run(world);
}

static void run_chaos(uint64_t seed)
{
    struct world world;
    uint32_t topics[2];
    printf("seed %llu\n", (unsigned long long)seed);
    world_open(&world, seed);
    for (int i = 0; i < 2; i++)
        topics[i] = world_topic(&world);
    for (int i = 0; i < 6; i++) {
        struct publisher_options options = any_options(&world);
        world_publisher_with(&world, topics[i % 2], &options);
    }
    for (int i = 0; i < 4000; i++)
        any_event(&world, topics);
    for (uint32_t id = 1; id <= world.publishers; id++) {
        world.receivers[id] = RECEIVER_GOOD;
        world_pause(&world, id, false);
    }
    world_apply(&world);
    world_settle(&world);
    for (uint32_t id = 1; id <= world.publishers; id++) {
        struct publisher_counts counts = counts_of(&world, id);
        assert_int_equal(counts.backlog, 0);
        assert_int_equal(counts.open + counts.parked + counts.retrying, 0);
        for (uint64_t p = 1; p <= world.position_last; p++) {
            const struct seen *seen = &world.seen[id][p];
            if (world.messages[p].topic != topics[(id - 1) % 2] ||
                (world.options[id].filter.length > 0 &&
                 !world.messages[p].wanted))
                assert_int_equal(seen->sends, 0);
            else if (!seen->redriven)
                assert_true(seen->delivered > 0);
        }
    }
    world_close(&world);
}

static void test_chaos(void **state)
{
    (void)state;
    const char *one = getenv("SEED");
    if (one != NULL) {
        run_chaos(strtoull(one, NULL, 10));
        return;
    }
    for (uint64_t seed = 500; seed < 520; seed++)
        run_chaos(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_outage_costs_a_cursor),
        cmocka_unit_test(test_an_outage_outlives_leaders),
        cmocka_unit_test(test_a_poisonous_message_holds_nobody),
        cmocka_unit_test(test_silence_is_an_outage),
        cmocka_unit_test(test_retry_after_holds_the_publisher),
        cmocka_unit_test(test_gone_pauses),
        cmocka_unit_test(test_the_rate_is_kept),
        cmocka_unit_test(test_old_messages_expire),
        cmocka_unit_test(test_a_filter_lets_through_what_it_wants),
        cmocka_unit_test(test_a_new_filter_counts_at_once),
        cmocka_unit_test(test_strict_waits_for_its_head),
        cmocka_unit_test(test_other_keys_go_on),
        cmocka_unit_test(test_an_order_is_changed),
        cmocka_unit_test(test_a_wrong_clock_releases_and_expires_nothing),
        cmocka_unit_test(test_scheduled_messages_are_on_time),
        cmocka_unit_test(test_chaos),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
