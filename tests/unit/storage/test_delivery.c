/* What became of messages, told as short stories. The random model knows the
 * rules; these say what they are for. */
#include "fixture.h"

#include "base/bounds.h"

#include <stdlib.h>

struct story {
    struct fixture fixture;
    struct encoder entry;
    struct view *view;
};

/* Topic 1, publisher 1 at its start, and so many messages. */
static void begin(struct story *story, uint32_t messages,
                  enum guarantee guarantee)
{
    struct topic_options topic = fixture_topic("orders");
    struct command_publisher_create create = {
        .topic_id = 1, .options = fixture_publisher("http://a/")};
    uint32_t count;
    *story = (struct story){0};
    fixture_open(&story->fixture);
    create.options.guarantee = guarantee;
    command_topic_create_encode(&story->entry, 1000, &topic);
    command_publisher_create_encode(&story->entry, 1000, &create);
    encode_messages(&story->entry, 1000, 1, messages, "{}");
    fixture_apply(&story->fixture, &story->entry, &count);
    assert_int_equal(count, 3);
}

static void end(struct story *story)
{
    view_end(story->view);
    encoder_close(&story->entry);
    fixture_close(&story->fixture);
}

/* Applies the one command that was encoded. */
static struct command_result tell(struct story *story)
{
    return fixture_apply_one(&story->fixture, &story->entry);
}

static struct command_result grant_all(struct story *story, uint64_t from,
                                       uint64_t upto)
{
    uint64_t open[BOUND_OPEN_POSITIONS + 1];
    uint32_t count = (uint32_t)(upto - from + 1);
    assert_true(count <= BOUND_OPEN_POSITIONS + 1);
    for (uint32_t i = 0; i < count; i++)
        open[i] = from + i;
    encode_grant(&story->entry, 1000, 1, from, upto, count, open, count);
    return tell(story);
}

static struct view *look(struct story *story)
{
    struct error error = {0};
    fixture_commit(&story->fixture);
    view_end(story->view);
    expect_ok(view_begin(story->fixture.store, &story->view, &error), &error);
    return story->view;
}

static struct delivery delivery_of(struct story *story, uint64_t id)
{
    struct error error = {0};
    struct message_view message;
    expect_ok(
        query_message(look(story), id, &story->fixture.arena, &message, &error),
        &error);
    assert_int_equal(message.delivery_count, 1);
    return message.deliveries[0];
}

static struct publisher_counts counts_of(struct story *story)
{
    struct error error = {0};
    struct publisher_view publisher;
    expect_ok(query_publisher(look(story), 1, &story->fixture.arena, &publisher,
                              &error),
              &error);
    return publisher.counts;
}

/* ---- Stories ---- */

static void test_a_message_goes_through_at_once(void **state)
{
    struct story story;
    (void)state;
    begin(&story, 2, AT_LEAST_ONCE);
    struct delivery got = delivery_of(&story, 1);
    assert_int_equal(got.state, DELIVERY_PENDING);
    assert_false(got.open);
    assert_int_equal(counts_of(&story).backlog, 2);
    assert_int_equal(grant_all(&story, 1, 1).code, 0);
    got = delivery_of(&story, 1);
    assert_int_equal(got.state, DELIVERY_PENDING);
    assert_true(got.open);
    encode_outcome(&story.entry, 1500, 1, 1, DELIVERY_DELIVERED, 204, 0);
    assert_int_equal(tell(&story).count, 1);
    got = delivery_of(&story, 1);
    assert_int_equal(got.state, DELIVERY_DELIVERED);
    assert_int_equal(got.attempts, 1);
    assert_int_equal(got.processed_ms, 1500);
    assert_int_equal(got.history_count, 1);
    assert_int_equal(got.history[0].status, 204);
    assert_int_equal(got.history[0].started_ms, 1499);
    struct publisher_counts counts = counts_of(&story);
    assert_int_equal(counts.backlog, 1);
    assert_int_equal(counts.delivered, 1);
    assert_int_equal(counts.last_delivered_ms, 1500);
    assert_int_equal(counts.last_error_ms, 0);
    end(&story);
}

static void test_a_retry_keeps_its_history(void **state)
{
    struct story story;
    struct feed_item *items;
    struct error error = {0};
    uint32_t count;
    uint64_t next_due_ms;
    (void)state;
    begin(&story, 1, AT_LEAST_ONCE);
    grant_all(&story, 1, 1);
    encode_outcome(&story.entry, 1500, 1, 1, DELIVERY_RETRYING, 503, 2500);
    tell(&story);
    struct delivery got = delivery_of(&story, 1);
    assert_int_equal(got.state, DELIVERY_RETRYING);
    assert_int_equal(got.next_attempt_ms, 2500);
    assert_int_equal(got.processed_ms, 0);
    assert_true(slice_is(got.history[0].response, "sorry"));
    assert_true(slice_is(counts_of(&story).last_error.response, "sorry"));
    struct view *view = look(&story);
    expect_ok(query_due(view, 1, 2499, 10, 1000, &story.fixture.arena, &items,
                        &count, &next_due_ms, &error),
              &error);
    assert_int_equal(count, 0);
    assert_int_equal(next_due_ms, 2500);
    expect_ok(query_due(view, 1, 2500, 10, 1000, &story.fixture.arena, &items,
                        &count, &next_due_ms, &error),
              &error);
    assert_int_equal(count, 1);
    assert_int_equal(items[0].attempts, 1);
    assert_int_equal(next_due_ms, 0);
    encode_positions(&story.entry, COMMAND_INTENT, 2500, 1, 1);
    assert_int_equal(tell(&story).count, 1);
    got = delivery_of(&story, 1);
    assert_true(got.open);
    assert_int_equal(got.state, DELIVERY_RETRYING);
    assert_int_equal(got.history_count, 1);
    encode_outcome(&story.entry, 2600, 1, 1, DELIVERY_DELIVERED, 200, 0);
    tell(&story);
    got = delivery_of(&story, 1);
    assert_int_equal(got.state, DELIVERY_DELIVERED);
    assert_int_equal(got.attempts, 2);
    assert_int_equal(got.history_count, 2);
    assert_int_equal(got.history[0].status, 503);
    assert_int_equal(got.history[1].status, 200);
    assert_int_equal(got.history[1].number, 2);
    assert_int_equal(counts_of(&story).backlog, 0);
    assert_int_equal(counts_of(&story).oldest_undelivered_ms, 0);
    end(&story);
}

static void test_a_takeover_leaves_doubt(void **state)
{
    struct story story;
    (void)state;
    begin(&story, 1, AT_LEAST_ONCE);
    grant_all(&story, 1, 1);
    command_takeover_encode(&story.entry, 1600, 2);
    assert_int_equal(tell(&story).count, 1);
    struct delivery got = delivery_of(&story, 1);
    assert_true(got.open);
    assert_true(got.maybe_duplicate);
    assert_int_equal(got.attempts, 1);
    /* The doubt outlasts a failure and a withdrawal. */
    encode_outcome(&story.entry, 1700, 1, 1, DELIVERY_RETRYING, 500, 1800);
    tell(&story);
    encode_positions(&story.entry, COMMAND_INTENT, 1800, 1, 1);
    tell(&story);
    encode_positions(&story.entry, COMMAND_WITHDRAW, 1800, 1, 1);
    tell(&story);
    encode_positions(&story.entry, COMMAND_INTENT, 1800, 1, 1);
    tell(&story);
    got = delivery_of(&story, 1);
    assert_true(got.maybe_duplicate);
    assert_int_equal(got.attempts, 2);
    encode_outcome(&story.entry, 1900, 1, 1, DELIVERY_DELIVERED, 200, 0);
    tell(&story);
    got = delivery_of(&story, 1);
    assert_int_equal(got.attempts, 3);
    assert_true(got.history[got.history_count - 1].maybe_duplicate);
    end(&story);
}

static void test_at_most_once_asks_a_person(void **state)
{
    struct story story;
    (void)state;
    begin(&story, 2, AT_MOST_ONCE);
    grant_all(&story, 1, 2);
    command_takeover_encode(&story.entry, 1600, 2);
    assert_int_equal(tell(&story).count, 2);
    struct delivery got = delivery_of(&story, 2);
    assert_int_equal(got.state, DELIVERY_AMBIGUOUS);
    assert_int_equal(got.attempts, 1);
    assert_int_equal(got.history_count, 0);
    assert_int_equal(counts_of(&story).ambiguous, 2);
    assert_int_equal(counts_of(&story).backlog, 0);
    /* It is not retried by itself. */
    encode_positions(&story.entry, COMMAND_INTENT, 1700, 1, 2);
    assert_int_equal(tell(&story).count, 0);
    end(&story);
}

static void test_withdrawn_costs_no_attempt(void **state)
{
    struct story story;
    (void)state;
    begin(&story, 1, AT_LEAST_ONCE);
    grant_all(&story, 1, 1);
    encode_positions(&story.entry, COMMAND_WITHDRAW, 1600, 1, 1);
    assert_int_equal(tell(&story).count, 1);
    struct delivery got = delivery_of(&story, 1);
    assert_int_equal(got.state, DELIVERY_RETRYING);
    assert_int_equal(got.attempts, 0);
    assert_int_equal(got.next_attempt_ms, 1600);
    encode_positions(&story.entry, COMMAND_INTENT, 1600, 1, 1);
    tell(&story);
    encode_outcome(&story.entry, 1700, 1, 1, DELIVERY_DELIVERED, 200, 0);
    tell(&story);
    got = delivery_of(&story, 1);
    assert_int_equal(got.state, DELIVERY_DELIVERED);
    assert_int_equal(got.attempts, 1);
    assert_int_equal(got.history[0].number, 1);
    end(&story);
}

static void test_grants_are_fenced(void **state)
{
    struct story story;
    uint64_t open[2] = {1, 2};
    struct command_pause pause = {
        .publisher_id = 1, .paused = true, .reason = slice_text("requested")};
    (void)state;
    begin(&story, 10, AT_LEAST_ONCE);
    assert_int_equal(grant_all(&story, 2, 3).code, ERR_STALE);
    assert_int_equal(grant_all(&story, 1, 3).code, 0);
    assert_int_equal(grant_all(&story, 1, 3).code, ERR_STALE);
    /* What cannot be: more than there are, fewer at the end, beyond it. */
    encode_grant(&story.entry, 1000, 1, 4, 5, 8, open, 0);
    assert_int_equal(tell(&story).code, ERR_INVALID);
    encode_grant(&story.entry, 1000, 1, 4, 10, 6, open, 0);
    assert_int_equal(tell(&story).code, ERR_INVALID);
    encode_grant(&story.entry, 1000, 1, 4, 11, 7, open, 0);
    assert_int_equal(tell(&story).code, ERR_INVALID);
    encode_grant(&story.entry, 1000, 1, 4, 5, 2, open, 1);
    assert_int_equal(tell(&story).code, ERR_INVALID);
    command_pause_encode(&story.entry, 1000, &pause);
    tell(&story);
    assert_int_equal(grant_all(&story, 4, 5).code, ERR_CONFLICT);
    encode_positions(&story.entry, COMMAND_INTENT, 1600, 1, 1);
    assert_int_equal(tell(&story).code, ERR_CONFLICT);
    pause.paused = false;
    command_pause_encode(&story.entry, 1000, &pause);
    tell(&story);
    assert_int_equal(grant_all(&story, 4, 5).code, 0);
    command_publisher_delete_encode(&story.entry, 1000, 1);
    tell(&story);
    assert_int_equal(grant_all(&story, 6, 7).code, ERR_STALE);
    end(&story);
}

static void test_the_open_set_is_bounded(void **state)
{
    struct story story;
    (void)state;
    begin(&story, BOUND_OPEN_POSITIONS + 10, AT_LEAST_ONCE);
    assert_int_equal(grant_all(&story, 1, BOUND_OPEN_POSITIONS + 1).code,
                     ERR_CONFLICT);
    assert_int_equal(grant_all(&story, 1, BOUND_OPEN_POSITIONS).code, 0);
    assert_int_equal(
        grant_all(&story, BOUND_OPEN_POSITIONS + 1, BOUND_OPEN_POSITIONS + 1)
            .code,
        ERR_CONFLICT);
    fixture_commit(&story.fixture);
    fixture_reopen(&story.fixture);
    encode_outcome(&story.entry, 1500, 1, 700, DELIVERY_DELIVERED, 200, 0);
    assert_int_equal(tell(&story).count, 1);
    assert_int_equal(
        grant_all(&story, BOUND_OPEN_POSITIONS + 1, BOUND_OPEN_POSITIONS + 1)
            .code,
        0);
    end(&story);
}

static void test_a_pause_keeps_its_reason(void **state)
{
    struct story story;
    struct error error = {0};
    struct publisher_view got;
    struct command_pause pause = {
        .publisher_id = 1, .paused = true, .reason = slice_text("requested")};
    (void)state;
    begin(&story, 1, AT_LEAST_ONCE);
    command_pause_encode(&story.entry, 1600, &pause);
    tell(&story);
    pause.reason = slice_text("gone");
    command_pause_encode(&story.entry, 1700, &pause);
    tell(&story);
    expect_ok(
        query_publisher(look(&story), 1, &story.fixture.arena, &got, &error),
        &error);
    assert_true(got.publisher.paused);
    assert_int_equal(got.publisher.paused_ms, 1600);
    assert_true(slice_is(got.publisher.pause_reason, "gone"));
    assert_true(slice_is(got.publisher.topic, "orders"));
    pause.paused = false;
    command_pause_encode(&story.entry, 1800, &pause);
    tell(&story);
    expect_ok(
        query_publisher(look(&story), 1, &story.fixture.arena, &got, &error),
        &error);
    assert_false(got.publisher.paused);
    assert_int_equal(got.publisher.pause_reason.length, 0);
    end(&story);
}

static void test_from_now_starts_behind(void **state)
{
    struct story story;
    struct error error = {0};
    struct message_view message;
    struct command_publisher_create create = {
        .topic_id = 1,
        .from_now = true,
        .options = fixture_publisher("http://now/")};
    (void)state;
    begin(&story, 3, AT_LEAST_ONCE);
    command_publisher_create_encode(&story.entry, 1000, &create);
    struct command_result result = tell(&story);
    assert_int_equal(result.id, 2);
    assert_int_equal(result.position, 4);
    encode_messages(&story.entry, 1000, 1, 1, "{}");
    tell(&story);
    struct view *view = look(&story);
    expect_ok(query_message(view, 3, &story.fixture.arena, &message, &error),
              &error);
    assert_int_equal(message.delivery_count, 1);
    expect_ok(query_message(view, 4, &story.fixture.arena, &message, &error),
              &error);
    assert_int_equal(message.delivery_count, 2);
    end(&story);
}

/* Changed and deleted by one entry: nothing of it is written, and what else
 * the entry changed is. */
static void test_deleted_while_changed(void **state)
{
    struct story story;
    struct error error = {0};
    struct verify_report report;
    struct publisher_view got;
    struct command_publisher_create create = {
        .topic_id = 1, .options = fixture_publisher("http://b/")};
    uint64_t open[] = {1, 2};
    uint32_t count;
    (void)state;
    begin(&story, 5, AT_LEAST_ONCE);
    command_publisher_create_encode(&story.entry, 1000, &create);
    create.options = fixture_publisher("http://c/");
    command_publisher_create_encode(&story.entry, 1000, &create);
    fixture_apply(&story.fixture, &story.entry, &count);
    for (uint32_t id = 1; id <= 3; id++)
        encode_grant(&story.entry, 1000, id, 1, 2, 2, open, 2);
    command_publisher_delete_encode(&story.entry, 1000, 1);
    command_publisher_delete_encode(&story.entry, 1000, 3);
    struct command_result *results =
        fixture_apply(&story.fixture, &story.entry, &count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(results[i].code, 0);
    fixture_commit(&story.fixture);
    fixture_reopen(&story.fixture);
    struct view *view = look(&story);
    expect_ok(verify_all(view, &report, &error), &error);
    expect_ok(query_publisher(view, 2, &story.fixture.arena, &got, &error),
              &error);
    assert_int_equal(got.counts.open, 2);
    assert_int_equal(
        query_publisher(view, 1, &story.fixture.arena, &got, &error),
        ERR_NOT_FOUND);
    end(&story);
}

/* The rows of a deleted publisher go in bounded steps, and all of them; what
 * others own stays. */
static void test_purge_takes_every_row(void **state)
{
    struct story story;
    struct error error = {0};
    struct verify_report before;
    struct verify_report after;
    uint32_t *ids;
    uint32_t count;
    uint32_t rows = 0;
    uint32_t steps = 0;
    (void)state;
    begin(&story, 600, AT_LEAST_ONCE);
    expect_ok(verify_all(look(&story), &before, &error), &error);
    grant_all(&story, 1, 600);
    for (uint64_t p = 1; p <= 590; p++) {
        encode_outcome(&story.entry, 1500, 1, p,
                       p % 3 == 0   ? DELIVERY_RETRYING
                       : p % 7 == 0 ? DELIVERY_DEAD
                                    : DELIVERY_DELIVERED,
                       500, 1000 + p);
        tell(&story);
    }
    command_publisher_delete_encode(&story.entry, 1600, 1);
    tell(&story);
    expect_ok(query_purges(look(&story), 10, &story.fixture.arena, &ids, &count,
                           &error),
              &error);
    assert_int_equal(count, 1);
    assert_int_equal(ids[0], 1);
    do {
        command_purge_encode(&story.entry, 1700, 1, 50);
        struct command_result result = tell(&story);
        assert_int_equal(result.code, 0);
        assert_true(result.count <= 50);
        count = result.count;
        rows += count;
        steps++;
    } while (count == 50);
    /* 196 retries with three rows each, 56 dead with two, and the runs. */
    assert_true(rows > 196 * 3 + 56 * 2);
    assert_true(steps > rows / 50);
    expect_ok(query_purges(look(&story), 10, &story.fixture.arena, &ids, &count,
                           &error),
              &error);
    assert_int_equal(count, 0);
    command_purge_encode(&story.entry, 1700, 1, 50);
    assert_int_equal(tell(&story).code, ERR_NOT_FOUND);
    expect_ok(verify_all(look(&story), &after, &error), &error);
    /* pub, topic_pub, pub_triple and hot went with the publisher. */
    assert_int_equal(after.records, before.records - 4);
    end(&story);
}

/* A feed stops at its bounds, but always brings something. */
static void test_feeds_are_bounded(void **state)
{
    struct story story;
    struct error error = {0};
    struct feed_item *items;
    uint32_t count;
    uint64_t wanted[] = {2, 5, 77, 2000};
    (void)state;
    begin(&story, 100, AT_LEAST_ONCE);
    encode_messages(&story.entry, 1000, 1, 3, "0123456789");
    tell(&story);
    struct view *view = look(&story);
    struct arena *arena = &story.fixture.arena;
    expect_ok(query_feed(view, 1, 50, 7, 1000, arena, &items, &count, &error),
              &error);
    assert_int_equal(count, 7);
    assert_int_equal(items[0].position, 50);
    assert_int_equal(items[6].position, 56);
    expect_ok(query_feed(view, 1, 101, 7, 1, arena, &items, &count, &error),
              &error);
    assert_int_equal(count, 1);
    expect_ok(query_feed(view, 1, 101, 7, 20, arena, &items, &count, &error),
              &error);
    assert_int_equal(count, 2);
    expect_ok(query_feed(view, 1, 104, 7, 20, arena, &items, &count, &error),
              &error);
    assert_int_equal(count, 0);
    expect_ok(query_feed(view, 9, 1, 7, 20, arena, &items, &count, &error),
              &error);
    assert_int_equal(count, 0);
    expect_ok(
        query_positions(view, 1, wanted, 4, arena, &items, &count, &error),
        &error);
    assert_int_equal(count, 3);
    assert_int_equal(items[2].position, 77);
    end(&story);
}

/* Outcomes that come in the worst order are all found again. */
static void test_outcomes_in_any_order_are_found(void **state)
{
    struct story story;
    (void)state;
    begin(&story, 900, AT_LEAST_ONCE);
    grant_all(&story, 1, 900);
    /* Downwards, and every third one later, upwards. */
    for (uint64_t i = 0; i < 900; i++) {
        uint64_t position =
            i < 600 ? 900 - (i / 2 * 3 + i % 2) : 1 + (i - 600) * 3;
        encode_outcome(&story.entry, 1500, 1, position, DELIVERY_DELIVERED, 200,
                       0);
        assert_int_equal(tell(&story).count, 1);
    }
    struct view *view = look(&story);
    for (uint64_t p = 1; p <= 900; p++) {
        struct error error = {0};
        struct message_view message;
        expect_ok(
            query_message(view, p, &story.fixture.arena, &message, &error),
            &error);
        assert_int_equal(message.deliveries[0].state, DELIVERY_DELIVERED);
        assert_int_equal(message.deliveries[0].processed_ms, 1500);
    }
    end(&story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_message_goes_through_at_once),
        cmocka_unit_test(test_a_retry_keeps_its_history),
        cmocka_unit_test(test_a_takeover_leaves_doubt),
        cmocka_unit_test(test_at_most_once_asks_a_person),
        cmocka_unit_test(test_withdrawn_costs_no_attempt),
        cmocka_unit_test(test_grants_are_fenced),
        cmocka_unit_test(test_the_open_set_is_bounded),
        cmocka_unit_test(test_a_pause_keeps_its_reason),
        cmocka_unit_test(test_from_now_starts_behind),
        cmocka_unit_test(test_deleted_while_changed),
        cmocka_unit_test(test_purge_takes_every_row),
        cmocka_unit_test(test_feeds_are_bounded),
        cmocka_unit_test(test_outcomes_in_any_order_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
