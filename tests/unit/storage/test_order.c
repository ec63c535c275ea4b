/* Orders, told as short stories: what waits behind what, what it costs, and
 * what a change of the order does to what is parked. */
#include "story.h"

#include "base/bounds.h"

static const int same[] = {0, 0, 0, 0, 0, 0};

static void test_strict_stops_behind_a_failure(void **state)
{
    struct story story;
    uint64_t first[] = {1};
    uint64_t second[] = {2};
    (void)state;
    story_begin(&story, ORDERING_STRICT, POISON_DEAD_LETTER);
    story_publish(&story, same, 3);
    assert_int_equal(story_grant(&story, 1, 1, first, 1, NULL, 0), 0);
    uint64_t before = story_records(&story);
    story_outcome(&story, 1500, 1, DELIVERY_RETRYING);
    assert_int_equal(story_grant(&story, 2, 2, second, 1, NULL, 0),
                     ERR_CONFLICT);
    struct explain why = story_explain(&story, 3, 1600);
    assert_int_equal(why.reason, REASON_WAITING_FOR_ORDER);
    assert_int_equal(why.blocking_id, 1);
    assert_int_equal(story_explain(&story, 1, 1600).reason, REASON_BACKING_OFF);
    /* A retry's three rows, and its key's. */
    assert_int_equal(story_records(&story), before + 4);
    assert_int_equal(story_intent(&story, 2500, 1), 1);
    story_outcome(&story, 2600, 1, DELIVERY_DELIVERED);
    assert_int_equal(story_grant(&story, 2, 2, second, 1, NULL, 0), 0);
    assert_int_equal(story_explain(&story, 3, 2600).reason,
                     REASON_WAITING_FOR_ORDER);
    story_end(&story);
}

static void test_a_dead_letter_lets_the_order_go_on(void **state)
{
    struct story story;
    uint64_t first[] = {1};
    uint64_t second[] = {2};
    (void)state;
    story_begin(&story, ORDERING_STRICT, POISON_DEAD_LETTER);
    story_publish(&story, same, 2);
    story_grant(&story, 1, 1, first, 1, NULL, 0);
    story_outcome(&story, 1500, 1, DELIVERY_DEAD);
    assert_int_equal(story_grant(&story, 2, 2, second, 1, NULL, 0), 0);
    story_end(&story);
}

/* Ambiguous: on_poison says whether it blocks, and may say so later. */
static void test_poison_may_block(void **state)
{
    struct story story;
    uint64_t first[] = {1};
    uint64_t second[] = {2};
    (void)state;
    story_begin(&story, ORDERING_STRICT, POISON_BLOCK);
    story_publish(&story, same, 2);
    story_grant(&story, 1, 1, first, 1, NULL, 0);
    story_outcome(&story, 1500, 1, DELIVERY_AMBIGUOUS);
    assert_int_equal(story_grant(&story, 2, 2, second, 1, NULL, 0),
                     ERR_CONFLICT);
    assert_int_equal(story_explain(&story, 2, 1600).blocking_id, 1);
    story.options.on_poison = POISON_DEAD_LETTER;
    assert_int_equal(story_update(&story, 1700, false), 0);
    assert_int_equal(story_explain(&story, 2, 1700).reason, REASON_QUEUED);
    assert_int_equal(story_grant(&story, 2, 2, second, 1, NULL, 0), 0);
    story_end(&story);
}

/* 1 of k0 waits; 2 and 4 of k0 are parked, 3 of k1 goes on. */
static void begin_blocked(struct story *story)
{
    static const int keys[] = {0, 0, 1, 0};
    uint64_t first[] = {1};
    uint64_t third[] = {3};
    uint64_t parked[] = {2, 4};
    story_begin(story, ORDERING_KEY, POISON_DEAD_LETTER);
    story_publish(story, keys, 4);
    assert_int_equal(story_grant(story, 1, 1, first, 1, NULL, 0), 0);
    story_outcome(story, 1500, 1, DELIVERY_RETRYING);
    assert_int_equal(story_grant(story, 2, 4, third, 1, parked, 2), 0);
}

static void test_a_key_waits_and_others_go_on(void **state)
{
    struct story story;
    struct error error = {0};
    struct blocked_key *keys;
    struct feed_item *items;
    uint32_t count;
    (void)state;
    begin_blocked(&story);
    struct explain why = story_explain(&story, 4, 1600);
    assert_int_equal(why.reason, REASON_WAITING_FOR_KEY);
    assert_int_equal(why.blocking_id, 1);
    assert_true(why.delivery.parked);
    assert_int_equal(why.delivery.state, DELIVERY_PENDING);
    assert_int_equal(story_publisher(&story).counts.backlog, 4);
    expect_ok(query_blocked(story_look(&story), 1, 0, 9, story_arena(&story),
                            &keys, &count, &error),
              &error);
    assert_int_equal(count, 1);
    assert_int_equal(keys[0].head, 1);
    assert_int_equal(keys[0].parked, 2);
    /* Not before the head is through. */
    assert_int_equal(story_unpark(&story, 0, 2, 2, 1, 2), ERR_CONFLICT);
    assert_int_equal(story_intent(&story, 2500, 1), 1);
    story_outcome(&story, 2600, 1, DELIVERY_DELIVERED);
    assert_int_equal(story_explain(&story, 2, 2600).reason, REASON_QUEUED);
    expect_ok(query_parked(story_look(&story), 1, fixture_key(0), 0, 9, 99,
                           story_arena(&story), &items, &count, &error),
              &error);
    assert_int_equal(count, 2);
    assert_int_equal(items[0].position, 2);
    assert_int_equal(story_unpark(&story, 0, 4, 4, 1, 4), ERR_STALE);
    assert_int_equal(story_unpark(&story, 0, 2, 2, 1, 2), 0);
    story_outcome(&story, 2700, 2, DELIVERY_DELIVERED);
    /* The filter is asked when they are walked. */
    assert_int_equal(story_unpark(&story, 0, 4, 4, 1, 0), 0);
    assert_int_equal(story_delivery(&story, 4).state, DELIVERY_FILTERED);
    expect_ok(query_blocked(story_look(&story), 1, 0, 9, story_arena(&story),
                            &keys, &count, &error),
              &error);
    assert_int_equal(count, 0);
    story_end(&story);
}

/* A held key cannot be opened, whatever a leader may think. */
static void test_a_held_key_is_not_opened(void **state)
{
    struct story story;
    uint64_t fifth[] = {5};
    (void)state;
    begin_blocked(&story);
    story_publish(&story, same, 1);
    assert_int_equal(story_grant(&story, 5, 5, fifth, 1, NULL, 0),
                     ERR_CONFLICT);
    assert_int_equal(story_grant(&story, 5, 5, NULL, 0, fifth, 1), 0);
    assert_int_equal(story_publisher(&story).counts.parked, 3);
    story_end(&story);
}

/* However many are parked, the rows are one key's. */
static void test_parked_messages_cost_no_rows(void **state)
{
    struct story story;
    uint64_t head[] = {1};
    uint64_t parked[60];
    int keys[61] = {0};
    (void)state;
    story_begin(&story, ORDERING_KEY, POISON_DEAD_LETTER);
    story_publish(&story, keys, 61);
    for (uint64_t i = 0; i < 60; i++)
        parked[i] = i + 2;
    story_grant(&story, 1, 1, head, 1, NULL, 0);
    story_outcome(&story, 1500, 1, DELIVERY_RETRYING);
    assert_int_equal(story_grant(&story, 2, 2, NULL, 0, parked, 1), 0);
    uint64_t records = story_records(&story);
    assert_int_equal(story_grant(&story, 3, 61, NULL, 0, parked + 1, 59), 0);
    assert_int_equal(story_records(&story), records);
    assert_int_equal(story_publisher(&story).counts.parked, 60);
    story_end(&story);
}

/* What is parked goes before what was never examined, by the same walk. */
static void test_parked_ones_survive_a_change_of_order(void **state)
{
    struct story story;
    struct error error = {0};
    struct blocked_key first;
    uint64_t fifth[] = {5};
    (void)state;
    begin_blocked(&story);
    story_publish(&story, same, 1);
    story.options.ordering = ORDERING_NONE;
    assert_int_equal(story_update(&story, 1700, false), 0);
    assert_int_equal(story_grant(&story, 5, 5, fifth, 1, NULL, 0),
                     ERR_CONFLICT);
    assert_int_equal(story_explain(&story, 2, 1700).reason, REASON_QUEUED);
    expect_ok(query_first_blocked(story_look(&story), 1, &first, &error),
              &error);
    assert_int_equal(first.first_parked, 2);
    /* At once, though 1 still waits; and one by one or together. */
    assert_int_equal(story_unpark(&story, 0, 2, 4, 2, 4), 0);
    assert_int_equal(query_first_blocked(story_look(&story), 1, &first, &error),
                     ERR_NOT_FOUND);
    assert_int_equal(story_grant(&story, 5, 5, fifth, 1, NULL, 0), 0);
    assert_int_equal(story_publisher(&story).counts.backlog, 4);
    story_end(&story);
}

static void test_strict_walks_parked_ones_in_order(void **state)
{
    static const int keys[] = {0, 1, 1, 0, 1};
    struct story story;
    uint64_t heads[] = {1, 2};
    uint64_t parked[] = {3, 4, 5};
    (void)state;
    story_begin(&story, ORDERING_KEY, POISON_DEAD_LETTER);
    story_publish(&story, keys, 5);
    assert_int_equal(story_grant(&story, 1, 5, heads, 2, parked, 3), 0);
    story_outcome(&story, 1500, 1, DELIVERY_DELIVERED);
    story_outcome(&story, 1500, 2, DELIVERY_DELIVERED);
    story.options.ordering = ORDERING_STRICT;
    assert_int_equal(story_update(&story, 1600, false), 0);
    assert_int_equal(story_unpark(&story, 0, 4, 4, 1, 4), ERR_CONFLICT);
    /* One by one: the key's next one may come behind another key's. */
    assert_int_equal(story_unpark(&story, 1, 3, 5, 2, 5), ERR_CONFLICT);
    assert_int_equal(story_unpark(&story, 1, 3, 3, 1, 3), 0);
    story_outcome(&story, 1700, 3, DELIVERY_RETRYING);
    assert_int_equal(story_unpark(&story, 0, 4, 4, 1, 4), ERR_CONFLICT);
    assert_int_equal(story_explain(&story, 4, 1700).blocking_id, 3);
    story_end(&story);
}

/* A pause takes back what was granted; all of it holds its place. */
static void test_what_is_withdrawn_keeps_its_place(void **state)
{
    static const int keys[] = {0, 0, 0};
    struct story story;
    uint64_t open[] = {1, 2};
    uint64_t third[] = {3};
    struct error error = {0};
    struct blocked_key *blocked;
    uint32_t count;
    (void)state;
    story_begin(&story, ORDERING_KEY, POISON_DEAD_LETTER);
    story_publish(&story, keys, 3);
    assert_int_equal(story_grant(&story, 1, 2, open, 2, NULL, 0), 0);
    for (uint64_t p = 1; p <= 2; p++) {
        encode_positions(&story.entry, COMMAND_WITHDRAW, 1500, 1, p);
        story_tell(&story);
    }
    assert_int_equal(story_grant(&story, 3, 3, third, 1, NULL, 0),
                     ERR_CONFLICT);
    expect_ok(query_blocked(story_look(&story), 1, 0, 9, story_arena(&story),
                            &blocked, &count, &error),
              &error);
    assert_int_equal(blocked[0].waits, 2);
    assert_int_equal(blocked[0].head, 1);
    assert_int_equal(story_intent(&story, 1600, 1), 1);
    expect_ok(query_blocked(story_look(&story), 1, 0, 9, story_arena(&story),
                            &blocked, &count, &error),
              &error);
    assert_int_equal(blocked[0].head, 2);
    assert_int_equal(story_explain(&story, 2, 1600).blocking_id, 1);
    story_end(&story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strict_stops_behind_a_failure),
        cmocka_unit_test(test_a_dead_letter_lets_the_order_go_on),
        cmocka_unit_test(test_poison_may_block),
        cmocka_unit_test(test_a_key_waits_and_others_go_on),
        cmocka_unit_test(test_a_held_key_is_not_opened),
        cmocka_unit_test(test_parked_messages_cost_no_rows),
        cmocka_unit_test(test_parked_ones_survive_a_change_of_order),
        cmocka_unit_test(test_strict_walks_parked_ones_in_order),
        cmocka_unit_test(test_what_is_withdrawn_keeps_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
