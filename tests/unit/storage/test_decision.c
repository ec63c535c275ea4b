/* What people decide, and what a circuit leaves behind: short stories. */
#include "story.h"

#include "storage/run.h"

static const int none[] = {-1, -1, -1, -1, -1, -1};
static const uint64_t all[] = {1, 2, 3, 4, 5, 6};

static void begin(struct story *story, uint32_t messages, uint32_t granted)
{
    story_begin(story, ORDERING_NONE, POISON_DEAD_LETTER);
    story_publish(story, none, messages);
    if (granted > 0)
        assert_int_equal(story_grant(story, 1, granted, all, granted, NULL, 0),
                         0);
}

static void test_a_dead_letter_is_redriven(void **state)
{
    struct story story;
    struct error error = {0};
    struct feed_item *items;
    uint32_t count;
    uint64_t next_due;
    (void)state;
    begin(&story, 1, 1);
    assert_int_equal(story_decide(&story, COMMAND_RETRY, 1400, 1).code,
                     ERR_BUSY);
    story_outcome(&story, 1500, 1, DELIVERY_DEAD);
    assert_int_equal(story_explain(&story, 1, 1600).reason, REASON_DEAD);
    assert_int_equal(story_decide(&story, COMMAND_RETRY, 1700, 1).count, 1);
    struct delivery got = story_delivery(&story, 1);
    assert_int_equal(got.state, DELIVERY_RETRYING);
    assert_int_equal(got.next_attempt_ms, 1700);
    assert_int_equal(got.attempts, 1);
    assert_int_equal(got.budget_from, 1);
    assert_int_equal(got.history_count, 1);
    expect_ok(query_due(story_look(&story), 1, 1700, 9, 99, story_arena(&story),
                        &items, &count, &next_due, &error),
              &error);
    assert_int_equal(count, 1);
    assert_int_equal(items[0].budget_from, 1);
    assert_int_equal(story_intent(&story, 1700, 1), 1);
    story_outcome(&story, 1800, 1, DELIVERY_DELIVERED);
    got = story_delivery(&story, 1);
    assert_int_equal(got.state, DELIVERY_DELIVERED);
    assert_int_equal(got.attempts, 2);
    assert_int_equal(story_decide(&story, COMMAND_RETRY, 1900, 1).code,
                     ERR_CONFLICT);
    story_end(&story);
}

static void test_held_attempts_do_not_count(void **state)
{
    struct story story;
    struct outcome outcome = {.position = 1,
                              .state = DELIVERY_RETRYING,
                              .uncounted = true,
                              .held = true,
                              .next_attempt_ms = 2000,
                              .attempt = {.class = ATTEMPT_HTTP_4XX,
                                          .status = 429,
                                          .response = slice_text("slow")}};
    struct command_outcomes outcomes = {
        .publisher_id = 1, .count = 1, .outcomes = &outcome};
    (void)state;
    begin(&story, 1, 1);
    for (uint32_t i = 1; i <= 3; i++) {
        command_outcomes_encode(&story.entry, 1000 * i, &outcomes);
        story_tell(&story);
        struct delivery got = story_delivery(&story, 1);
        assert_int_equal(got.attempts, 0);
        assert_int_equal(got.holds, i);
        assert_int_equal(got.history_count, i);
        assert_int_equal(story_intent(&story, 1000 * i, 1), 1);
    }
    outcome.held = false;
    outcome.uncounted = false;
    command_outcomes_encode(&story.entry, 5000, &outcomes);
    story_tell(&story);
    struct delivery got = story_delivery(&story, 1);
    assert_int_equal(got.attempts, 1);
    assert_int_equal(got.holds, 0);
    story_end(&story);
}

/* Before its turn, and back again; a grant that has not noticed is stale. */
static void test_a_discard_before_its_turn(void **state)
{
    struct story story;
    struct error error = {0};
    struct feed_item *items;
    uint32_t count;
    uint64_t open[] = {1, 3};
    uint64_t second[] = {2};
    (void)state;
    begin(&story, 3, 0);
    assert_int_equal(story_decide(&story, COMMAND_DISCARD, 1500, 2).count, 1);
    assert_int_equal(story_decide(&story, COMMAND_DISCARD, 1500, 2).code, 0);
    struct publisher_view got = story_publisher(&story);
    assert_int_equal(got.counts.backlog, 2);
    assert_int_equal(got.counts.discarded, 1);
    assert_int_equal(story_explain(&story, 2, 1600).reason, REASON_DISCARDED);
    expect_ok(query_ahead(story_look(&story), 1, 0, 9, 99, story_arena(&story),
                          &items, &count, &error),
              &error);
    assert_int_equal(count, 3);
    assert_true(items[1].discarded);
    assert_int_equal(story_grant(&story, 1, 3, open, 2, NULL, 0), ERR_STALE);
    assert_int_equal(story_grant(&story, 1, 3, all, 3, NULL, 0), ERR_STALE);
    assert_int_equal(story_decide(&story, COMMAND_RETRY, 1700, 2).count, 1);
    assert_int_equal(story_publisher(&story).counts.backlog, 3);
    struct command_grant grant = {.publisher_id = 1,
                                  .from = 1,
                                  .upto = 3,
                                  .examined = 3,
                                  .open_count = 2,
                                  .open = open,
                                  .discarded_count = 1,
                                  .discarded = second};
    command_grant_encode(&story.entry, 1700, &grant);
    assert_int_equal(story_tell(&story).code, ERR_STALE);
    story_decide(&story, COMMAND_DISCARD, 1800, 2);
    command_grant_encode(&story.entry, 1800, &grant);
    assert_int_equal(story_tell(&story).code, 0);
    got = story_publisher(&story);
    assert_int_equal(got.counts.backlog, 2);
    assert_int_equal(got.counts.filtered, 0);
    story_end(&story);
}

static void test_all_dead_are_redriven_step_by_step(void **state)
{
    struct story story;
    struct command_decision_step step = {.publisher_id = 1,
                                         .state = DELIVERY_DEAD,
                                         .upto = UINT64_MAX,
                                         .rows_max = 4};
    (void)state;
    begin(&story, 6, 6);
    for (uint64_t p = 1; p <= 6; p++)
        story_outcome(&story, 1500, p, DELIVERY_DEAD);
    command_decision_step_encode(&story.entry, COMMAND_RETRY_STEP, 1600, &step);
    struct command_result result = story_tell(&story);
    assert_int_equal(result.count, 4);
    assert_int_equal(result.position, 5);
    step.from = result.position;
    command_decision_step_encode(&story.entry, COMMAND_RETRY_STEP, 1600, &step);
    result = story_tell(&story);
    assert_int_equal(result.count, 2);
    assert_int_equal(result.position, 0);
    assert_int_equal(story_publisher(&story).counts.retrying, 6);
    step.state = DELIVERY_DELIVERED;
    command_decision_step_encode(&story.entry, COMMAND_RETRY_STEP, 1600, &step);
    assert_int_equal(story_tell(&story).code, ERR_INVALID);
    story_end(&story);
}

/* ---- Circuit ---- */

static void test_a_circuit_outlives_its_leader(void **state)
{
    struct story story;
    struct error error = {0};
    struct pipeline_view pipeline;
    struct command_circuit circuit = {
        .publisher_id = 1,
        .circuit = {.state = CIRCUIT_OPEN,
                    .since_ms = 1500,
                    .failures = 5,
                    .step = 3,
                    .next_probe_ms = 9000,
                    .error = {.number = 4,
                              .class = ATTEMPT_CONNECT,
                              .response = slice_text("refused")}},
        .throttled_until_ms = UINT64_MAX};
    (void)state;
    begin(&story, 1, 0);
    command_circuit_encode(&story.entry, 1500, &circuit);
    assert_int_equal(story_tell(&story).code, 0);
    fixture_commit(&story.fixture);
    view_end(story.view);
    story.view = NULL;
    fixture_reopen(&story.fixture);
    expect_ok(query_pipeline(story_look(&story), 1, story_arena(&story),
                             &pipeline, &error),
              &error);
    assert_int_equal(pipeline.circuit.state, CIRCUIT_OPEN);
    assert_int_equal(pipeline.circuit.failures, 5);
    assert_int_equal(pipeline.circuit.step, 3);
    assert_true(slice_is(pipeline.circuit.error.response, "refused"));
    assert_int_equal(pipeline.throttled_until_ms, 1500 + THROTTLE_MS_MAX);
    struct explain why = story_explain(&story, 1, 1600);
    assert_int_equal(why.reason, REASON_CIRCUIT_OPEN);
    assert_int_equal(why.since_ms, 1500);
    assert_int_equal(why.next_attempt_ms, 9000);
    circuit.circuit.state = CIRCUIT_CLOSED;
    command_circuit_encode(&story.entry, 1700, &circuit);
    story_tell(&story);
    assert_int_equal(story_explain(&story, 1, 1700).reason, REASON_RETRY_AFTER);
    /* Another target is another story. */
    story.options.target = slice_text("http://b/");
    assert_int_equal(story_update(&story, 1800, false), 0);
    assert_int_equal(story_explain(&story, 1, 1800).reason, REASON_QUEUED);
    story_end(&story);
}

static void test_secrets_rotate(void **state)
{
    struct story story;
    (void)state;
    begin(&story, 1, 0);
    story.options.secret = slice_text("one");
    assert_int_equal(story_update(&story, 1500, false), 0);
    assert_int_equal(
        story_publisher(&story).publisher.options.previous_secret.length, 0);
    story.options.secret = slice_text("two");
    assert_int_equal(story_update(&story, 2000, true), 0);
    struct publisher_view got = story_publisher(&story);
    assert_true(slice_is(got.publisher.options.secret, "two"));
    assert_true(slice_is(got.publisher.options.previous_secret, "one"));
    assert_int_equal(got.publisher.options.previous_secret_until_ms,
                     2000 + SECRET_OVERLAP_MS);
    assert_int_equal(got.publisher.updated_ms, 2000);
    story.options.type = PUBLISHER_PUBSUB;
    assert_int_equal(story_update(&story, 2100, false), ERR_INVALID);
    story_end(&story);
}

static void test_a_pause_knows_who(void **state)
{
    struct story story;
    struct command_pause pause = {
        .publisher_id = 1, .paused = true, .reason = slice_text("gone")};
    (void)state;
    begin(&story, 1, 0);
    const struct author boss = {.who = slice_text("boss")};
    command_pause_encode(&story.entry, 1500, &pause);
    command_sign(&story.entry, 0, &boss);
    story_tell(&story);
    struct explain why = story_explain(&story, 1, 1600);
    assert_int_equal(why.reason, REASON_PAUSED);
    assert_int_equal(why.since_ms, 1500);
    assert_true(slice_is(why.publisher.publisher.paused_by, "boss"));
    assert_true(slice_is(why.publisher.publisher.pause_reason, "gone"));
    story_end(&story);
}

/* ---- Replay ---- */

static uint32_t replay_start(struct story *story, uint64_t from, uint64_t upto,
                             enum delivery_state wanted)
{
    struct command_replay_start start = {
        .publisher_id = 1, .from = from, .upto = upto, .wanted = wanted};
    command_replay_start_encode(&story->entry, 2000, &start);
    struct command_result result = story_tell(story);
    assert_int_equal(result.code, 0);
    return (uint32_t)result.id;
}

static struct replay replay_of(struct story *story, uint32_t id)
{
    struct error error = {0};
    struct replay replay;
    expect_ok(query_replay(story_look(story), id, story_arena(story), &replay,
                           &error),
              &error);
    return replay;
}

static void test_what_was_delivered_is_sent_again(void **state)
{
    struct story story;
    struct error error = {0};
    struct feed_item *items;
    uint32_t count;
    uint64_t upto;
    uint64_t positions[2];
    (void)state;
    begin(&story, 6, 4);
    story_outcome(&story, 1500, 1, DELIVERY_DELIVERED);
    story_outcome(&story, 1500, 2, DELIVERY_RETRYING);
    story_outcome(&story, 1500, 3, DELIVERY_DEAD);
    story_outcome(&story, 1500, 4, DELIVERY_DELIVERED);
    uint32_t id = replay_start(&story, 1, 100, DELIVERY_DELIVERED);
    struct replay job = replay_of(&story, id);
    assert_int_equal(job.upto, 4); /* The others come by themselves. */
    assert_int_equal(job.state, REPLAY_RUNNING);
    expect_ok(query_replay_feed(story_look(&story), &job, job.cursor, 9, 99,
                                story_arena(&story), &items, &count, &upto,
                                &error),
              &error);
    assert_int_equal(count, 2);
    assert_int_equal(upto, 4);
    positions[0] = items[0].position;
    positions[1] = items[1].position;
    struct command_replay_step step = {.replay_id = id,
                                       .from = job.cursor,
                                       .upto = upto,
                                       .count = 2,
                                       .positions = positions};
    command_replay_step_encode(&story.entry, 2100, &step);
    assert_int_equal(story_tell(&story).count, 2);
    command_replay_step_encode(&story.entry, 2100, &step);
    assert_int_equal(story_tell(&story).code, ERR_STALE);
    struct delivery got = story_delivery(&story, 4);
    assert_int_equal(got.state, DELIVERY_RETRYING);
    assert_int_equal(got.replay_id, id);
    assert_int_equal(got.history_count, 1);
    assert_int_equal(story_publisher(&story).counts.delivered, 0);
    for (uint64_t p = 1; p <= 4; p += 3) {
        assert_int_equal(replay_of(&story, id).state, REPLAY_RUNNING);
        assert_int_equal(story_intent(&story, 2200, p), 1);
        story_outcome(&story, 2300, p, DELIVERY_DELIVERED);
    }
    job = replay_of(&story, id);
    assert_int_equal(job.state, REPLAY_DONE);
    assert_int_equal(job.matched, 2);
    assert_int_equal(job.done, 2);
    got = story_delivery(&story, 4);
    assert_int_equal(got.state, DELIVERY_DELIVERED);
    assert_int_equal(got.attempts, 2);
    assert_int_equal(got.history_count, 2);
    story_end(&story);
}

static void test_a_cancelled_replay_makes_no_more_steps(void **state)
{
    struct story story;
    uint64_t first[] = {1};
    (void)state;
    begin(&story, 2, 2);
    story_outcome(&story, 1500, 1, DELIVERY_DELIVERED);
    uint32_t id = replay_start(&story, 1, 100, DELIVERY_DELIVERED);
    command_replay_cancel_encode(&story.entry, 2100, id);
    assert_int_equal(story_tell(&story).count, 1);
    assert_int_equal(replay_of(&story, id).state, REPLAY_CANCELLED);
    struct command_replay_step step = {
        .replay_id = id, .from = 1, .upto = 1, .count = 1, .positions = first};
    command_replay_step_encode(&story.entry, 2200, &step);
    assert_int_equal(story_tell(&story).code, ERR_STALE);
    assert_int_equal(story_delivery(&story, 1).state, DELIVERY_DELIVERED);
    story_end(&story);
}

/* The first outcome of a full run is taken out, another one takes its room,
 * and then it comes back. */
static void test_a_replay_leaves_other_outcomes_alone(void **state)
{
    struct story story;
    uint64_t first[] = {1};
    uint64_t positions[RUN_OUTCOMES_MAX + 1];
    int keys[RUN_OUTCOMES_MAX + 1];
    (void)state;
    for (int i = 0; i <= RUN_OUTCOMES_MAX; i++) {
        positions[i] = (uint64_t)i + 1;
        keys[i] = -1;
    }
    story_begin(&story, ORDERING_NONE, POISON_DEAD_LETTER);
    story_publish(&story, keys, RUN_OUTCOMES_MAX + 1);
    assert_int_equal(story_grant(&story, 1, RUN_OUTCOMES_MAX + 1, positions,
                                 RUN_OUTCOMES_MAX + 1, NULL, 0),
                     0);
    for (uint64_t p = 1; p <= RUN_OUTCOMES_MAX; p++)
        story_outcome(&story, 1500, p, DELIVERY_DELIVERED);
    uint32_t id = replay_start(&story, 1, 1, DELIVERY_DELIVERED);
    struct command_replay_step step = {
        .replay_id = id, .from = 1, .upto = 1, .count = 1, .positions = first};
    command_replay_step_encode(&story.entry, 2100, &step);
    assert_int_equal(story_tell(&story).count, 1);
    story_outcome(&story, 2200, RUN_OUTCOMES_MAX + 1, DELIVERY_DELIVERED);
    assert_int_equal(story_intent(&story, 2300, 1), 1);
    story_outcome(&story, 2400, 1, DELIVERY_DELIVERED);
    for (uint64_t p = 1; p <= RUN_OUTCOMES_MAX + 1; p++)
        assert_int_equal(story_delivery(&story, p).state, DELIVERY_DELIVERED);
    story_end(&story);
}

static void test_a_replay_ends_with_its_publisher(void **state)
{
    struct story story;
    uint64_t first[] = {1};
    (void)state;
    begin(&story, 2, 2);
    story_outcome(&story, 1500, 1, DELIVERY_DELIVERED);
    uint32_t id = replay_start(&story, 1, 100, DELIVERY_DELIVERED);
    struct command_replay_step step = {
        .replay_id = id, .from = 1, .upto = 2, .count = 1, .positions = first};
    command_replay_step_encode(&story.entry, 2100, &step);
    assert_int_equal(story_tell(&story).count, 1);
    command_publisher_delete_encode(&story.entry, 2200, 1);
    assert_int_equal(story_tell(&story).code, 0);
    assert_int_equal(replay_of(&story, id).state, REPLAY_CANCELLED);
    assert_int_equal(replay_of(&story, id).ended_ms, 2200);
    story_end(&story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_dead_letter_is_redriven),
        cmocka_unit_test(test_held_attempts_do_not_count),
        cmocka_unit_test(test_a_discard_before_its_turn),
        cmocka_unit_test(test_all_dead_are_redriven_step_by_step),
        cmocka_unit_test(test_a_circuit_outlives_its_leader),
        cmocka_unit_test(test_secrets_rotate),
        cmocka_unit_test(test_a_pause_knows_who),
        cmocka_unit_test(test_what_was_delivered_is_sent_again),
        cmocka_unit_test(test_a_cancelled_replay_makes_no_more_steps),
        cmocka_unit_test(test_a_replay_leaves_other_outcomes_alone),
        cmocka_unit_test(test_a_replay_ends_with_its_publisher),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
