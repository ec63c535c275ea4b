/* Places for requests are few, and targets that hang keep theirs: the others
 * are served all the same. */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PLACES = 40, HANGING = 50, FAST = 8, WINDOW = 4 };

/* Fast publishers on one topic, hanging ones on another, which are more than
 * there are places. */
struct crowd {
    struct world world;
    uint32_t fast_topic;
    uint32_t slow_topic;
    uint32_t fast[FAST];
    uint32_t slow[HANGING];
};

static void crowd_open(struct crowd *crowd, uint64_t seed)
{
    world_open_with(&crowd->world, seed, PLACES);
    crowd->fast_topic = world_topic(&crowd->world);
    crowd->slow_topic = world_topic(&crowd->world);
    for (int i = 0; i < FAST; i++)
        crowd->fast[i] =
            world_publisher(&crowd->world, crowd->fast_topic, WINDOW, 100);
    for (int i = 0; i < HANGING; i++) {
        crowd->slow[i] =
            world_publisher(&crowd->world, crowd->slow_topic, WINDOW, 100);
        crowd->world.receivers[crowd->slow[i]] = RECEIVER_HANGS;
    }
}

static uint32_t places_taken(struct crowd *crowd, const uint32_t *publishers,
                             uint32_t count)
{
    uint32_t taken = 0;
    for (uint32_t i = 0; i < count; i++)
        taken += crowd->world.open[publishers[i]];
    return taken;
}

static void assert_fast_delivered(struct crowd *crowd, uint64_t messages)
{
    for (int i = 0; i < FAST; i++) {
        struct arena arena = {0};
        struct publisher_view found =
            world_look(&crowd->world, crowd->fast[i], &arena);
        assert_int_equal(found.counts.delivered, messages);
        arena_close(&arena);
    }
}

static void test_hanging_targets_leave_places(void **state)
{
    (void)state;
    struct crowd crowd;
    crowd_open(&crowd, 1);
    world_publish(&crowd.world, crowd.fast_topic, 1);
    world_settle(&crowd.world);
    world_publish(&crowd.world, crowd.slow_topic, 20);
    world_settle(&crowd.world);
    assert_int_equal(places_taken(&crowd, crowd.slow, HANGING), PLACES * 3 / 4);
    world_publish(&crowd.world, crowd.fast_topic, 200);
    world_settle(&crowd.world);
    assert_fast_delivered(&crowd, 201);
    world_close(&crowd.world);
}

/* A target that nobody has tried yet waits for a place as the hanging ones do;
 * when they time out it has its turn, and from then on keeps it. */
static void test_a_new_target_has_its_turn(void **state)
{
    (void)state;
    struct crowd crowd;
    crowd_open(&crowd, 2);
    world_publish(&crowd.world, crowd.slow_topic, 20);
    world_settle(&crowd.world);
    world_publish(&crowd.world, crowd.fast_topic, 100);
    world_settle(&crowd.world);
    for (int i = 0; i < HANGING; i++)
        crowd.world.receivers[crowd.slow[i]] = RECEIVER_SILENT;
    for (int i = 0; i < 200; i++) {
        world_run(&crowd.world);
        world_apply(&crowd.world);
        world_finish_one(&crowd.world);
    }
    for (int i = 0; i < HANGING; i++)
        crowd.world.receivers[crowd.slow[i]] = RECEIVER_HANGS;
    world_settle(&crowd.world);
    assert_fast_delivered(&crowd, 100);
    world_close(&crowd.world);
}

/* Below an eighth of the places those that have not answered yet may use their
 * whole window; beyond it one place each, as long as there is one. */
static void test_nobody_takes_more_than_a_share(void **state)
{
    (void)state;
    struct crowd crowd;
    crowd_open(&crowd, 3);
    world_publish(&crowd.world, crowd.slow_topic, 20);
    world_settle(&crowd.world);
    uint32_t served = 0;
    uint32_t more = 0;
    for (int i = 0; i < HANGING; i++) {
        assert_in_range(crowd.world.open[crowd.slow[i]], 0, WINDOW);
        served += crowd.world.open[crowd.slow[i]] > 0;
        more += crowd.world.open[crowd.slow[i]] > 1;
    }
    assert_in_range(more, 1, (PLACES / 8 + WINDOW - 1) / WINDOW);
    assert_in_range(served, PLACES * 3 / 4 - more * (WINDOW - 1),
                    PLACES * 3 / 4);
    world_close(&crowd.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hanging_targets_leave_places),
        cmocka_unit_test(test_a_new_target_has_its_turn),
        cmocka_unit_test(test_nobody_takes_more_than_a_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
