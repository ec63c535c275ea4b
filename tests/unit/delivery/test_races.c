/* What a person changes while something else is on its way: a read through the
 * old filter, a grant, an attempt, what is told of an old target. And what is
 * left when an outage has nothing to probe with. */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct publisher_counts counts_of(struct world *world, uint32_t id)
{
    struct arena arena = {0};
    struct publisher_counts counts = world_look(world, id, &arena).counts;
    arena_close(&arena);
    return counts;
}

/* A turn of the loop, with or without what it led to. */
static void turn(struct world *world)
{
    world_run(world);
    world_apply(world);
    world_finish_one(world);
}

static void run_for(struct world *world, uint64_t ms)
{
    for (uint64_t until_ms = world->now_ms + ms; world->now_ms < until_ms;
         world->now_ms += 20) {
        world_run(world);
        world_apply(world);
        while (world_finish_one(world))
            ;
    }
}

/* Whatever is under way when the filter changes: but for what is granted by
 * then, nothing goes out that the new one does not want. */
static void test_a_new_filter_meets_what_is_under_way(void **state)
{
    (void)state;
    for (int turns = 0; turns < 60; turns++) {
        struct world world;
        world_open(&world, 21);
        uint32_t topic = world_topic(&world);
        struct publisher_options options = {.max_in_flight = 1};
        world_publish(&world, topic, 40);
        uint32_t id = world_publisher_with(&world, topic, &options);
        for (int i = 0; i < turns; i++)
            turn(&world);
        world_run(&world);
        options.filter = slice_text("{\"attributes\":{\"kind\":\"a\"}}");
        options.target = world.options[id].target;
        world.overtakes = true;
        world_update(&world, id, &options);
        world.options[id].filter = slice_of(NULL, 0); /* What is open. */
        struct publisher_counts counts = counts_of(&world, id);
        uint64_t granted = counts.delivered + counts.open + counts.retrying;
        world_settle(&world);
        for (uint64_t position = granted + 1; position <= 40; position++)
            assert_int_equal(world.seen[id][position].delivered,
                             world.messages[position].wanted);
        world_close(&world);
    }
}

/* What is told of the old target comes behind its change: no successor holds
 * the new one back for it. */
static void test_a_new_target_is_not_held_for_the_old_one(void **state)
{
    (void)state;
    struct world world;
    struct arena arena = {0};
    world_open(&world, 22);
    uint32_t topic = world_topic(&world);
    uint32_t id = world_publisher(&world, topic, 1, 100);
    world.receivers[id] = RECEIVER_BUSY;
    world_publish(&world, topic, 1);
    while (world_statistics(&world, id).throttled_until_ms == 0) {
        world_run(&world);
        world_apply(&world);
        world_finish_one(&world);
    }
    world_run(&world); /* Proposes what the answer means. */
    assert_non_null(world.proposals);
    struct publisher_options options = {.target = slice_text("http://new/")};
    world.overtakes = true;
    world_update(&world, id, &options);
    world_run(&world);
    world_apply(&world);
    assert_int_equal(world_look(&world, id, &arena).throttled_until_ms, 0);
    arena_close(&arena);
    world_close(&world);
}

/* Its attempt is being granted while somebody gives it new ones. */
static void test_a_redrive_meets_an_attempt(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, 23);
    uint32_t topic = world_topic(&world);
    uint32_t id = world_publisher(&world, topic, 1, 2);
    world.receivers[id] = RECEIVER_PICKY;
    world_publish(&world, topic, 7);
    while (counts_of(&world, id).retrying == 0)
        turn(&world);
    while (world.proposals == NULL) {
        world_finish_one(&world);
        world.now_ms += 10;
        world_run(&world);
    }
    world.overtakes = true;
    world_decide(&world, COMMAND_RETRY, id, 7);
    while (counts_of(&world, id).open > 0 || world.seen[id][7].sends < 2)
        turn(&world);
    assert_int_equal(counts_of(&world, id).dead, 0);
    assert_int_equal(counts_of(&world, id).retrying, 1);
    world_close(&world);
}

/* The same, and leadership is given away before its row was read. */
static void test_a_redrive_meets_a_handover(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, 26);
    uint32_t topic = world_topic(&world);
    uint32_t id = world_publisher(&world, topic, 1, 9);
    world.receivers[id] = RECEIVER_PICKY;
    world_publish(&world, topic, 7);
    while (counts_of(&world, id).retrying == 0)
        turn(&world);
    while (world.proposals == NULL) {
        world_finish_one(&world);
        world.now_ms += 10;
        world_run(&world);
    }
    world.overtakes = true;
    world_decide(&world, COMMAND_RETRY, id, 7);
    assert_int_equal(counts_of(&world, id).open, 1);
    scheduler_drain(world.scheduler);
    while (!scheduler_is_drained(world.scheduler))
        turn(&world);
    assert_int_equal(counts_of(&world, id).open, 0);
    world_close(&world);
}

/* In an outage a person discards what waits: what is parked behind it is all
 * that is left to probe with. */
static void test_an_outage_ends_though_all_is_parked(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, 24);
    uint32_t topic = world_topic(&world);
    struct publisher_options options = {.ordering = ORDERING_KEY,
                                        .max_in_flight = 8};
    uint32_t id = world_publisher_with(&world, topic, &options);
    world.receivers[id] = RECEIVER_DOWN;
    world_publish_keyed(&world, topic, 60);
    run_for(&world, 200 * 1000);
    assert_int_equal(world_statistics(&world, id).circuit.state, CIRCUIT_OPEN);
    for (uint64_t position = 1; position <= 60; position++)
        if (world.seen[id][position].sends > 0)
            world_decide(&world, COMMAND_DISCARD, id, position);
    assert_int_equal(counts_of(&world, id).retrying, 0);
    assert_true(counts_of(&world, id).parked > 10);
    world.receivers[id] = RECEIVER_GOOD;
    world_settle(&world);
    assert_int_equal(counts_of(&world, id).backlog, 0);
    world_close(&world);
}

/* In an outage all that probes could be made with expires unsent. */
static void test_an_outage_ends_though_all_expires(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, 25);
    uint32_t topic = world_topic(&world);
    struct publisher_options options = {.expire_after_seconds = 5,
                                        .max_in_flight = 8};
    uint32_t id = world_publisher_with(&world, topic, &options);
    world.receivers[id] = RECEIVER_DOWN;
    world_publish(&world, topic, 200);
    run_for(&world, 100 * 1000);
    assert_int_equal(counts_of(&world, id).dead, 200);
    world.receivers[id] = RECEIVER_GOOD;
    world_publish(&world, topic, 1);
    world_settle(&world);
    assert_int_equal(counts_of(&world, id).delivered, 1);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_filter_meets_what_is_under_way),
        cmocka_unit_test(test_a_new_target_is_not_held_for_the_old_one),
        cmocka_unit_test(test_a_redrive_meets_an_attempt),
        cmocka_unit_test(test_a_redrive_meets_a_handover),
        cmocka_unit_test(test_an_outage_ends_though_all_is_parked),
        cmocka_unit_test(test_an_outage_ends_though_all_expires),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
