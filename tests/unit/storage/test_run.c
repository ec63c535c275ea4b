/* Runs: what a batch wrote together, in one record. */
#include "fixture.h"

#include "storage/run.h"

/* ---- Positions ---- */

static void expect_log_run(const struct log_pair *pairs, uint32_t count,
                           size_t size)
{
    struct encoder out = {0};
    struct log_run run;
    assert_int_equal(log_run_fit(pairs, count), count);
    log_run_encode(&out, pairs, count);
    assert_int_equal(out.length, size);
    assert_int_equal(
        log_run_decode(pairs[0].position, encoder_slice(&out), &run), 0);
    assert_int_equal(run.count, count);
    for (uint32_t i = 0; i < count; i++) {
        struct log_pair got = log_run_pair(&run, i);
        assert_int_equal(got.position, pairs[i].position);
        assert_int_equal(got.id, pairs[i].id);
        assert_int_equal(log_run_find(&run, pairs[i].position), i);
        assert_int_equal(log_run_find(&run, pairs[i].position + 1), i + 1);
    }
    for (size_t cut = 0; cut < out.length; cut++)
        assert_int_equal(
            log_run_decode(pairs[0].position, slice_of(out.data, cut), &run),
            ERR_CORRUPT);
    encoder_close(&out);
}

/* A topic that is alone in a batch costs three bytes, whatever its size. */
static void test_positions_take_the_smallest_form(void **state)
{
    static const struct log_pair range[] = {{5, 5}, {6, 6}, {7, 7}};
    static const struct log_pair gaps[] = {{5, 5}, {8, 8}, {900, 900}};
    static const struct log_pair moved[] = {{5, 5}, {8, 2}, {9, 9}};
    (void)state;
    expect_log_run(range, 3, 3);
    expect_log_run(range, 1, 3);
    expect_log_run(gaps, 3, 3 + 3 * 4);
    expect_log_run(moved, 3, 3 + 3 * 12);
}

static void test_positions_are_split(void **state)
{
    struct log_pair pairs[RUN_POSITIONS_MAX + 5];
    (void)state;
    for (uint32_t i = 0; i < RUN_POSITIONS_MAX + 5; i++)
        pairs[i] = (struct log_pair){10 + i, 10 + i};
    assert_int_equal(log_run_fit(pairs, RUN_POSITIONS_MAX + 5),
                     RUN_POSITIONS_MAX);
    pairs[3].position = pairs[0].position + UINT32_MAX + 1ull;
    assert_int_equal(log_run_fit(pairs, 4), 3);
    pairs[3].position--;
    assert_int_equal(log_run_fit(pairs, 4), 4);
}

static void test_bad_positions_are_corrupt(void **state)
{
    struct encoder out = {0};
    struct log_run run;
    static const struct log_pair gaps[] = {{5, 5}, {8, 8}, {900, 900}};
    (void)state;
    log_run_encode(&out, gaps, 3);
    put_u32(out.data + 3 + 8, 3); /* Not above the one before. */
    assert_int_equal(log_run_decode(5, encoder_slice(&out), &run), ERR_CORRUPT);
    put_u32(out.data + 3, 1); /* The first is not the key's. */
    assert_int_equal(log_run_decode(5, encoder_slice(&out), &run), ERR_CORRUPT);
    out.data[2] = 3; /* A form that is not known. */
    assert_int_equal(log_run_decode(5, encoder_slice(&out), &run), ERR_VERSION);
    put_u16(out.data, 0);
    assert_int_equal(log_run_decode(5, encoder_slice(&out), &run), ERR_CORRUPT);
    encoder_close(&out);
}

/* ---- Messages ---- */

static void test_bad_message_runs_are_corrupt(void **state)
{
    struct message_run run;
    uint8_t bytes[4 + 2 * 4 + 10] = {0};
    (void)state;
    put_u32(bytes, 2);
    put_u32(bytes + 4, 4);
    put_u32(bytes + 8, 10);
    struct slice whole = slice_of(bytes, sizeof bytes);
    assert_int_equal(message_run_decode(whole, &run), 0);
    assert_int_equal(message_run_record(&run, 0).length, 4);
    assert_int_equal(message_run_record(&run, 1).length, 6);
    for (size_t cut = 0; cut < sizeof bytes; cut++)
        assert_int_equal(message_run_decode(slice_of(bytes, cut), &run),
                         ERR_CORRUPT);
    put_u32(bytes + 4, 11); /* Ends behind the next one. */
    assert_int_equal(message_run_decode(whole, &run), ERR_CORRUPT);
    put_u32(bytes, UINT32_MAX);
    assert_int_equal(message_run_decode(whole, &run), ERR_CORRUPT);
}

/* ---- Outcomes ---- */

static struct settled sample(uint64_t position)
{
    return (struct settled){.position = position,
                            .state = DELIVERY_DELIVERED,
                            .attempts = 3,
                            .class = ATTEMPT_OK,
                            .status = 204,
                            .maybe_duplicate = true,
                            .started_ms = 1000 + position,
                            .duration_ms = 7,
                            .processed_ms = 2000 + position};
}

static void test_outcomes_come_back_in_order(void **state)
{
    static const uint64_t positions[] = {100, 4195, 101, 300, 200};
    struct outcome_run run = {.first_position = 100};
    struct outcome_run got;
    struct encoder out = {0};
    (void)state;
    for (int i = 0; i < 5; i++) {
        struct settled item = sample(positions[i]);
        assert_true(outcome_run_takes(&run, item.position));
        outcome_run_add(&run, &item);
    }
    assert_false(outcome_run_takes(&run, 99));
    assert_false(outcome_run_takes(&run, 4196));
    outcome_run_encode(&out, &run);
    assert_int_equal(outcome_run_decode(100, encoder_slice(&out), &got), 0);
    assert_int_equal(got.count, 5);
    for (int i = 0; i < 5; i++) {
        const struct settled *item = outcome_run_find(&got, positions[i]);
        struct settled want = sample(positions[i]);
        assert_non_null(item);
        assert_int_equal(item->attempts, want.attempts);
        assert_int_equal(item->status, want.status);
        assert_int_equal(item->started_ms, want.started_ms);
        assert_int_equal(item->duration_ms, want.duration_ms);
        assert_int_equal(item->processed_ms, want.processed_ms);
        assert_true(item->maybe_duplicate);
    }
    assert_null(outcome_run_find(&got, 102));
    for (size_t cut = 0; cut < out.length; cut++)
        assert_int_equal(outcome_run_decode(100, slice_of(out.data, cut), &got),
                         ERR_CORRUPT);
    encoder_close(&out);
}

static void test_outcome_runs_have_an_end(void **state)
{
    struct outcome_run run = {.first_position = 1};
    struct encoder out = {0};
    (void)state;
    for (uint64_t position = 1; position <= RUN_OUTCOMES_MAX; position++) {
        struct settled item = sample(position);
        assert_true(outcome_run_takes(&run, position));
        outcome_run_add(&run, &item);
    }
    assert_false(outcome_run_takes(&run, RUN_OUTCOMES_MAX + 1));
    outcome_run_encode(&out, &run);
    /* Two of them share an LMDB page. */
    assert_true(out.length + 8 <= 2000);
    encoder_close(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_positions_take_the_smallest_form),
        cmocka_unit_test(test_positions_are_split),
        cmocka_unit_test(test_bad_positions_are_corrupt),
        cmocka_unit_test(test_bad_message_runs_are_corrupt),
        cmocka_unit_test(test_outcomes_come_back_in_order),
        cmocka_unit_test(test_outcome_runs_have_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
