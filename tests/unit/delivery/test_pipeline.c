/* One pipeline, its events given by hand: what only a rare order of answers
 * shows. */
#include "src/delivery/pipeline.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { NOW_MS = 1000000, RETRY = 7, FRESH = 8 };

static struct pipeline *pipeline_with_a_retry(void)
{
    struct pipeline_view view = {
        .publisher = {.id = 1,
                      .topic_id = 1,
                      .options = {.target = slice_text("http://a/"),
                                  .max_in_flight = 4,
                                  .max_attempts = 9}},
        .next = FRESH,
        .last_position = FRESH,
        .retrying = 1,
        .first_due_ms = NOW_MS};
    return pipeline_new(&view, 1);
}

static struct supply supply_at(uint64_t position, uint32_t attempts)
{
    struct message message = {.id = position};
    return (struct supply){.position = position,
                           .examined = 1,
                           .attempts = attempts,
                           .letter = letter_new(position, &message)};
}

/* Of what a step proposes, one may be refused and another not: a retry is
 * sent, and not the message whose grant was refused. */
static void test_a_refused_grant_beside_a_retry(void **state)
{
    (void)state;
    struct pipeline *pipeline = pipeline_with_a_retry();
    struct pipeline_effects effects;
    struct dispatch dispatch;
    struct supply retry = supply_at(RETRY, 1);
    struct supply fresh = supply_at(FRESH, 0);
    pipeline_step(pipeline, NOW_MS, &effects);
    assert_true(effects.read_due && effects.read_feed);
    pipeline_due(pipeline, 0, &retry, 1, 0, NOW_MS);
    pipeline_fed(pipeline, 0, &fresh, 1, NOW_MS);
    pipeline_step(pipeline, NOW_MS, &effects);
    assert_int_equal(effects.intent_count, 1);
    assert_int_equal(effects.grant.open_count, 1);
    pipeline_applied(pipeline, PIPELINE_INTENT, effects.intent_batch, 0, 1,
                     NOW_MS);
    pipeline_applied(pipeline, PIPELINE_GRANT, effects.grant_batch, ERR_STALE,
                     0, NOW_MS);
    assert_true(pipeline_dispatch(pipeline, NOW_MS, &dispatch));
    assert_int_equal(dispatch.letter->position, RETRY);
    assert_false(pipeline_dispatch(pipeline, NOW_MS, &dispatch));
    letter_unref(retry.letter);
    letter_unref(fresh.letter);
    pipeline_free(pipeline);
}

/* A person gives a retry new attempts while it is being read: what was read
 * does not know of them. */
static void test_a_redrive_meets_a_read(void **state)
{
    (void)state;
    struct pipeline *pipeline = pipeline_with_a_retry();
    struct pipeline_effects effects;
    struct supply old = supply_at(RETRY, 8);
    pipeline_step(pipeline, NOW_MS, &effects);
    assert_true(effects.read_due);
    pipeline_decided(pipeline, NOW_MS);
    pipeline_due(pipeline, 0, &old, 1, 0, NOW_MS);
    pipeline_step(pipeline, NOW_MS, &effects);
    assert_int_equal(effects.intent_count, 0);
    assert_true(effects.read_due);
    pipeline_due(pipeline, 0, &old, 1, 0, NOW_MS);
    pipeline_step(pipeline, NOW_MS, &effects);
    assert_int_equal(effects.intent_count, 1);
    letter_unref(old.letter);
    pipeline_free(pipeline);
}

/* A grant is proposed under ORDERING_STRICT and applied under ORDERING_KEY: no
 * key is held by what then fails, as the store has it. */
static void test_an_order_changes_under_a_grant(void **state)
{
    (void)state;
    struct publisher_options options = {.target = slice_text("http://a/"),
                                        .ordering = ORDERING_STRICT,
                                        .max_in_flight = 4,
                                        .max_attempts = 9};
    struct open_position open = {.position = FRESH, .attempt = 1};
    struct pipeline_view view = {
        .publisher = {.id = 1, .topic_id = 1, .options = options},
        .next = FRESH,
        .last_position = FRESH + 1};
    struct attempt refused = {.class = ATTEMPT_HTTP_5XX, .status = 503};
    struct supply supplies[] = {supply_at(FRESH, 0), supply_at(FRESH + 1, 0)};
    supplies[0].key = supplies[1].key = 5;
    struct pipeline *pipeline = pipeline_new(&view, 1);
    struct pipeline_effects effects;
    struct dispatch dispatch;
    pipeline_step(pipeline, NOW_MS, &effects);
    pipeline_fed(pipeline, 0, supplies, 2, NOW_MS);
    pipeline_step(pipeline, NOW_MS, &effects);
    assert_int_equal(effects.grant.open_count, 1);
    options.ordering = ORDERING_KEY;
    pipeline_update(pipeline, &options, NOW_MS);
    pipeline_applied(pipeline, PIPELINE_GRANT, effects.grant_batch, 0, 1,
                     NOW_MS);
    pipeline_step(pipeline, NOW_MS, &effects);
    assert_true(effects.read_view);
    view.open = &open;
    view.open_count = 1;
    pipeline_viewed(pipeline, 0, &view, NOW_MS);
    assert_true(pipeline_dispatch(pipeline, NOW_MS, &dispatch));
    pipeline_answered(pipeline, dispatch.token, &refused, NOW_MS);
    pipeline_step(pipeline, NOW_MS, &effects);
    pipeline_applied(pipeline, PIPELINE_OUTCOMES, effects.outcome_batch, 0, 1,
                     NOW_MS);
    pipeline_fed(pipeline, 0, &supplies[1], 1, NOW_MS);
    pipeline_step(pipeline, NOW_MS, &effects);
    assert_int_equal(effects.grant.parked_count, 0);
    assert_int_equal(effects.grant.open_count, 1);
    letter_unref(supplies[0].letter);
    letter_unref(supplies[1].letter);
    pipeline_free(pipeline);
}

/* A person decides while the store's counts are being read: they are read once
 * more. */
static void test_a_decision_meets_a_view(void **state)
{
    (void)state;
    struct publisher_options options = {.target = slice_text("http://a/"),
                                        .ordering = ORDERING_STRICT,
                                        .on_poison = POISON_BLOCK,
                                        .max_in_flight = 4,
                                        .max_attempts = 9};
    struct pipeline_view view = {
        .publisher = {.id = 1, .topic_id = 1, .options = options},
        .next = FRESH,
        .last_position = FRESH};
    struct supply fresh = supply_at(FRESH, 0);
    struct pipeline *pipeline = pipeline_new(&view, 1);
    struct pipeline_effects effects;
    pipeline_update(pipeline, &options, NOW_MS);
    pipeline_step(pipeline, NOW_MS, &effects);
    assert_true(effects.read_view);
    pipeline_decided(pipeline, NOW_MS);
    view.ordered_stuck = 1; /* Until the decision. */
    pipeline_viewed(pipeline, 0, &view, NOW_MS);
    pipeline_step(pipeline, NOW_MS, &effects);
    assert_true(effects.read_view);
    view.ordered_stuck = 0;
    pipeline_viewed(pipeline, 0, &view, NOW_MS);
    pipeline_step(pipeline, NOW_MS, &effects);
    pipeline_fed(pipeline, 0, &fresh, 1, NOW_MS);
    pipeline_step(pipeline, NOW_MS, &effects);
    assert_int_equal(effects.grant.open_count, 1);
    letter_unref(fresh.letter);
    pipeline_free(pipeline);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_refused_grant_beside_a_retry),
        cmocka_unit_test(test_a_redrive_meets_a_read),
        cmocka_unit_test(test_an_order_changes_under_a_grant),
        cmocka_unit_test(test_a_decision_meets_a_view),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
