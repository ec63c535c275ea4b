/* Messages that come later, and messages that go: schedules, retention, topics
 * that are deleted. Short stories. */
#include "story.h"

#include "base/bounds.h"

static const int none[] = {-1, -1, -1, -1, -1, -1};
static const uint64_t all[] = {1, 2, 3, 4, 5, 6};

/* ---- Schedules ---- */

static struct command_result release(struct story *story, uint64_t time_ms,
                                     uint64_t upto_ms, uint32_t count_max)
{
    struct command_release command = {
        .topic_id = 1, .upto_ms = upto_ms, .count_max = count_max};
    command_release_encode(&story->entry, time_ms, &command);
    return story_tell(story);
}

static void test_scheduled_messages_come_when_they_are_due(void **state)
{
    struct story story;
    struct error error = {0};
    struct schedule *schedules;
    struct feed_item *items;
    uint32_t count;
    (void)state;
    story_begin(&story, ORDERING_NONE, POISON_DEAD_LETTER);
    uint64_t late = story_schedule(&story, 1000, 5000, 0);
    uint64_t early = story_schedule(&story, 1000, 3000, -1);
    uint64_t past = story_schedule(&story, 1000, 900, -1);
    assert_int_equal(story_delivery(&story, past).state, DELIVERY_PENDING);
    assert_int_equal(story_delivery(&story, late).state, DELIVERY_SCHEDULED);
    struct explain why = story_explain(&story, late, 1000);
    assert_int_equal(why.reason, REASON_SCHEDULED);
    assert_int_equal(why.next_attempt_ms, 5000);
    struct publisher_view got = story_publisher(&story);
    assert_int_equal(got.counts.backlog, 1);
    assert_int_equal(got.counts.scheduled, 2);
    expect_ok(query_schedules(story_look(&story), 0, 9, story_arena(&story),
                              &schedules, &count, &error),
              &error);
    assert_int_equal(count, 1);
    assert_int_equal(schedules[0].first_due_ms, 3000);
    /* Never early, whatever the proposer names. */
    assert_int_equal(release(&story, 2999, 9999, 9).count, 0);
    /* In the order of their due times, one at a time if so wished. */
    struct command_result result = release(&story, 6000, 6000, 1);
    assert_int_equal(result.count, 1);
    assert_int_equal(result.position, 4);
    assert_int_equal(release(&story, 6000, 6000, 9).position, 5);
    expect_ok(query_feed(story_look(&story), 1, 0, 9, 99, story_arena(&story),
                         &items, &count, &error),
              &error);
    assert_int_equal(count, 3);
    assert_int_equal(items[1].message.id, early);
    assert_int_equal(items[2].message.id, late);
    assert_int_equal(items[2].position, 5);
    assert_int_equal(items[2].key, fixture_key(0));
    assert_int_equal(story_delivery(&story, late).state, DELIVERY_PENDING);
    assert_int_equal(story_publisher(&story).counts.backlog, 3);
    /* It is known by its id. */
    assert_int_equal(story_decide(&story, COMMAND_DISCARD, 6000, late).count,
                     1);
    assert_int_equal(story_delivery(&story, late).state, DELIVERY_DISCARDED);
    story_end(&story);
}

/* One release in the midst of messages: ids and positions stay apart. */
static void test_a_release_between_messages(void **state)
{
    struct story story;
    struct error error = {0};
    struct feed_item *items;
    uint32_t count;
    (void)state;
    story_begin(&story, ORDERING_NONE, POISON_DEAD_LETTER);
    uint64_t id = story_schedule(&story, 1000, 2000, -1);
    struct command_release command = {
        .topic_id = 1, .upto_ms = 3000, .count_max = 9};
    encode_messages(&story.entry, 3000, 1, 2, "\"before\"");
    command_release_encode(&story.entry, 3000, &command);
    encode_messages(&story.entry, 3000, 1, 2, "\"behind\"");
    fixture_apply(&story.fixture, &story.entry, &count);
    expect_ok(query_feed(story_look(&story), 1, 0, 9, 99, story_arena(&story),
                         &items, &count, &error),
              &error);
    assert_int_equal(count, 5);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(items[i].position, i + 2);
    assert_true(slice_is(items[1].message.payload, "\"before\""));
    assert_int_equal(items[2].message.id, id);
    assert_true(slice_is(items[3].message.payload, "\"behind\""));
    story_end(&story);
}

/* ---- Retention ---- */

static struct command_result expire(struct story *story, uint64_t time_ms,
                                    uint64_t cutoff_ms)
{
    struct command_expire command = {
        .topic_id = 1, .upto = UINT64_MAX, .cutoff_ms = cutoff_ms};
    command_expire_encode(&story->entry, time_ms, &command);
    return story_tell(story);
}

static struct topic topic_of(struct story *story)
{
    struct error error = {0};
    struct topic topic;
    expect_ok(
        query_topic(story_look(story), 1, story_arena(story), &topic, &error),
        &error);
    return topic;
}

static void test_what_is_settled_goes_in_time(void **state)
{
    struct story story;
    struct error error = {0};
    struct message_view message;
    uint32_t count;
    uint64_t upto;
    uint64_t next;
    (void)state;
    story_begin(&story, ORDERING_NONE, POISON_DEAD_LETTER);
    uint64_t before = story_records(&story);
    story_publish(&story, none, 6);
    uint64_t one = topic_of(&story).bytes / 6;
    assert_int_equal(story_grant(&story, 1, 5, all, 4, NULL, 0), 0);
    story_outcome(&story, 1500, 1, DELIVERY_DELIVERED);
    story_outcome(&story, 1500, 2, DELIVERY_DEAD);
    story_outcome(&story, 9500, 3, DELIVERY_DELIVERED);
    story_outcome(&story, 1500, 4, DELIVERY_RETRYING);
    /* The log's clock stands at 9500. */
    assert_int_equal(expire(&story, 9600, 9601).code, ERR_INVALID);
    expect_ok(query_expirable(story_look(&story), 1, 0, 9000,
                              story_arena(&story), &upto, &count, &next,
                              &error),
              &error);
    assert_int_equal(count, 2); /* 1, and 5, which was filtered. */
    assert_int_equal(next, 0);
    assert_int_equal(expire(&story, 9600, 9000).count, 2);
    assert_int_equal(query_message(story_look(&story), 1, story_arena(&story),
                                   &message, &error),
                     ERR_NOT_FOUND);
    struct topic topic = topic_of(&story);
    assert_int_equal(topic.gone, 2);
    assert_int_equal(topic.first_position, 2);
    assert_int_equal(topic.bytes, 4 * one);
    /* Counters tell what was. */
    assert_int_equal(story_publisher(&story).counts.delivered, 2);
    assert_int_equal(expire(&story, 9700, 9600).count, 1);
    story_decide(&story, COMMAND_DISCARD, 9700, 2);
    story_decide(&story, COMMAND_DISCARD, 9700, 4);
    story_decide(&story, COMMAND_DISCARD, 9700, 6);
    /* The last one has yet to be examined. */
    assert_int_equal(expire(&story, 9800, 9700).count, 2);
    struct command_grant grant = {.publisher_id = 1,
                                  .from = 6,
                                  .upto = 6,
                                  .examined = 1,
                                  .discarded_count = 1,
                                  .discarded = all + 5};
    command_grant_encode(&story.entry, 9800, &grant);
    assert_int_equal(story_tell(&story).code, 0);
    assert_int_equal(expire(&story, 9800, 9700).count, 1);
    topic = topic_of(&story);
    assert_int_equal(topic.bytes, 0);
    assert_int_equal(topic.first_position, 0);
    /* Nothing is left of them but how many they were: in one row, since it
     * was in one hour. */
    assert_int_equal(story_records(&story), before + 1);
    struct audit_query ask = {.limit = 9};
    struct audit_page page;
    expect_ok(query_audit(story_look(&story), &ask, story_arena(&story), &page,
                          &error),
              &error);
    assert_int_equal(page.count, 1);
    assert_int_equal(page.entries[0].row.action, AUDIT_TOPIC_EXPIRE);
    assert_true(slice_is(page.entries[0].row.who, "system"));
    assert_int_equal(page.entries[0].after.removed, 6);
    story_end(&story);
}

static void test_a_topic_has_its_own_rule(void **state)
{
    struct story story;
    struct command_topic_update update = {.topic_id = 1,
                                          .options = fixture_topic("orders")};
    (void)state;
    story_begin(&story, ORDERING_NONE, POISON_DEAD_LETTER);
    story_publish(&story, none, 1);
    story_grant(&story, 1, 1, NULL, 0, NULL, 0);
    update.options.retention_seconds = 10;
    update.options.indexed_fields = slice_of("\2\0/a", 4);
    command_topic_update_encode(&story.entry, 1500, &update);
    assert_int_equal(story_tell(&story).code, 0);
    assert_int_equal(topic_of(&story).options.indexed_fields.length, 4);
    assert_int_equal(expire(&story, 10000, 1000).code, ERR_INVALID);
    assert_int_equal(expire(&story, 11000, 1000).count, 1);
    update.options.name = slice_text("bills");
    command_topic_update_encode(&story.entry, 11000, &update);
    assert_int_equal(story_tell(&story).code, ERR_INVALID);
    story_end(&story);
}

/* ---- Topics ---- */

static void test_a_topic_goes_with_all_it_has(void **state)
{
    static const int keys[] = {0, 1, -1};
    struct story story;
    struct error error = {0};
    struct command_topic_delete deletion = {.topic_id = 1};
    struct message_view message;
    struct topic_options again = fixture_topic("orders");
    uint32_t *ids;
    uint32_t count;
    (void)state;
    story_begin(&story, ORDERING_KEY, POISON_DEAD_LETTER);
    story_publish(&story, keys, 3);
    story_schedule(&story, 1000, 5000, 0);
    story_schedule(&story, 1000, 1500, 0);
    release(&story, 2000, 2000, 9);
    story_grant(&story, 1, 1, all, 1, NULL, 0);
    story_outcome(&story, 2000, 1, DELIVERY_RETRYING);
    command_topic_delete_encode(&story.entry, 2000, &deletion);
    assert_int_equal(story_tell(&story).code, ERR_CONFLICT);
    deletion.force = true;
    command_topic_delete_encode(&story.entry, 2000, &deletion);
    struct command_result result = story_tell(&story);
    assert_int_equal(result.code, 0);
    assert_int_equal(result.count, 1);
    assert_int_equal(query_message(story_look(&story), 2, story_arena(&story),
                                   &message, &error),
                     ERR_NOT_FOUND);
    /* The name is free at once. */
    command_topic_create_encode(&story.entry, 2000, &again);
    assert_int_equal(story_tell(&story).id, 2);
    expect_ok(query_topic_purges(story_look(&story), 9, story_arena(&story),
                                 &ids, &count, &error),
              &error);
    assert_int_equal(count, 1);
    assert_int_equal(ids[0], 1);
    do {
        command_topic_purge_encode(&story.entry, 2000, 1, 2);
        result = story_tell(&story);
        assert_int_equal(result.code, 0);
    } while (result.count > 0);
    do {
        command_purge_encode(&story.entry, 2000, 1, 2);
        result = story_tell(&story);
    } while (result.code == 0 && result.count == 2);
    expect_ok(query_topic_purges(story_look(&story), 9, story_arena(&story),
                                 &ids, &count, &error),
              &error);
    assert_int_equal(count, 0);
    /* meta's two, global, the new topic and its name. */
    assert_int_equal(story_records(&story), 5);
    story_end(&story);
}

/* Published and deleted by one entry: the purge finds it all the same. */
static void test_published_while_deleted(void **state)
{
    struct story story;
    uint32_t count;
    struct command_topic_delete deletion = {.topic_id = 1, .force = true};
    (void)state;
    story_begin(&story, ORDERING_NONE, POISON_DEAD_LETTER);
    encode_messages(&story.entry, 1000, 1, 3, "{}");
    command_topic_delete_encode(&story.entry, 1000, &deletion);
    fixture_apply(&story.fixture, &story.entry, &count);
    command_topic_purge_encode(&story.entry, 1000, 1, 100);
    assert_int_equal(story_tell(&story).count, 3);
    story_end(&story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scheduled_messages_come_when_they_are_due),
        cmocka_unit_test(test_a_release_between_messages),
        cmocka_unit_test(test_what_is_settled_goes_in_time),
        cmocka_unit_test(test_a_topic_has_its_own_rule),
        cmocka_unit_test(test_a_topic_goes_with_all_it_has),
        cmocka_unit_test(test_published_while_deleted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
