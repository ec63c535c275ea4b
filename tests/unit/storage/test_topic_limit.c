/* A topic's max_backlog_bytes: all that is kept of it. */
#include "fixture.h"

static struct fixture fixture;
static struct encoder entry;

static int set_up(void **state)
{
    (void)state;
    fixture_open(&fixture);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_close(&fixture);
    encoder_close(&entry);
    return 0;
}

static uint32_t make_topic(const char *name, uint64_t limit)
{
    struct topic_options options = fixture_topic(name);
    options.max_backlog_bytes = limit;
    command_topic_create_encode(&entry, 1000, &options);
    return (uint32_t)fixture_apply_one(&fixture, &entry).id;
}

static int publish(uint32_t topic_id, uint32_t count)
{
    encode_messages(&entry, 1000, topic_id, count, "12345678");
    return fixture_apply_one(&fixture, &entry).code;
}

static uint64_t bytes_of(uint32_t topic_id)
{
    struct view *view;
    struct topic topic;
    struct error error;
    fixture_commit(&fixture);
    expect_ok(view_begin(fixture.store, &view, &error), &error);
    expect_ok(query_topic(view, topic_id, &fixture.arena, &topic, &error),
              &error);
    view_end(view);
    return topic.bytes;
}

static void test_limit(void **state)
{
    (void)state;
    uint32_t free_topic = make_topic("free", 0);
    assert_int_equal(publish(free_topic, 1), 0);
    uint64_t one = bytes_of(free_topic);
    uint32_t topic = make_topic("tight", 3 * one);
    assert_int_equal(publish(topic, 2), 0);
    /* All or nothing, and the other topic goes on. */
    assert_int_equal(publish(topic, 2), ERR_NO_SPACE);
    assert_int_equal(bytes_of(topic), 2 * one);
    assert_int_equal(publish(topic, 1), 0);
    assert_int_equal(publish(topic, 1), ERR_NO_SPACE);
    assert_int_equal(publish(free_topic, 5), 0);
    /* The limit is there again after a restart, and can be raised. */
    fixture_commit(&fixture);
    fixture_reopen(&fixture);
    assert_int_equal(publish(topic, 1), ERR_NO_SPACE);
    struct command_topic_update update = {.topic_id = topic,
                                          .options = fixture_topic("tight")};
    update.options.max_backlog_bytes = 4 * one;
    command_topic_update_encode(&entry, 1000, &update);
    assert_int_equal(fixture_apply_one(&fixture, &entry).code, 0);
    assert_int_equal(publish(topic, 1), 0);
    assert_int_equal(publish(topic, 1), ERR_NO_SPACE);
}

/* A refused request is not remembered: it may come through later. */
static void test_limit_under_a_key(void **state)
{
    (void)state;
    uint32_t topic = make_topic("tight", 1);
    struct idempotency request = fixture_request("k", "body");
    encode_messages_once(&entry, 1000, &request, topic, 1, "1");
    assert_int_equal(fixture_apply_one(&fixture, &entry).code, ERR_NO_SPACE);
    struct command_topic_update update = {.topic_id = topic,
                                          .options = fixture_topic("tight")};
    command_topic_update_encode(&entry, 1000, &update);
    assert_int_equal(fixture_apply_one(&fixture, &entry).code, 0);
    encode_messages_once(&entry, 1000, &request, topic, 1, "1");
    assert_int_equal(fixture_apply_one(&fixture, &entry).code, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limit_under_a_key, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
