/* Each rule of guard.h, by its number. */
#include "raft/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct raft_message entries_of(uint64_t term)
{
    struct raft_message message = {.type = RAFT_APPEND_ENTRIES};
    message.append_entries.term = term;
    return message;
}

static void test_b1_stale_messages_are_answered_without_the_core(void **state)
{
    (void)state;
    struct raft_message message = entries_of(4);
    assert_true(guard_is_stale(5, &message));
    assert_false(guard_is_stale(4, &message));
    assert_false(guard_is_stale(3, &message));
    message.type = RAFT_INSTALL_SNAPSHOT;
    message.install_snapshot.term = 4;
    assert_true(guard_is_stale(5, &message));
    message.type = RAFT_TIMEOUT_NOW;
    message.timeout_now.term = 4;
    assert_true(guard_is_stale(5, &message));
    message = (struct raft_message){.type = RAFT_REQUEST_VOTE};
    assert_false(guard_is_stale(5, &message));
    struct raft_append_entries_result answer = guard_stale_answer(5);
    assert_int_equal(answer.term, 5);
    assert_int_equal(answer.rejected, 0);
    assert_int_equal(answer.last_log_index, 0);
}

static void test_b2_a_change_waits_for_the_own_barrier(void **state)
{
    (void)state;
    assert_true(guard_needs_barrier(3, 2));
    assert_false(guard_needs_barrier(3, 3));
    assert_false(guard_may_change(0, 100, 0));
    assert_false(guard_may_change(11, 10, 0));
    assert_true(guard_may_change(11, 11, 0));
    assert_false(guard_may_change(11, 12, 12));
}

static void test_b3_a_change_is_always_first(void **state)
{
    (void)state;
    struct raft_entry entries[5] = {
        {.type = RAFT_COMMAND}, {.type = RAFT_CHANGE},  {.type = RAFT_CHANGE},
        {.type = RAFT_COMMAND}, {.type = RAFT_BARRIER},
    };
    assert_int_equal(guard_split(entries, 5), 1);
    assert_int_equal(guard_split(entries + 1, 4), 1);
    assert_int_equal(guard_split(entries + 2, 3), 3);
    assert_int_equal(guard_split(entries + 3, 2), 2);
    assert_int_equal(guard_split(entries, 0), 0);
    assert_true(guard_settles_change(7, 8));
    assert_false(guard_settles_change(0, 8));
    assert_false(guard_settles_change(8, 8));
}

static void test_b4_a_sole_voter_is_known(void **state)
{
    (void)state;
    struct raft_configuration configuration;
    raft_configuration_init(&configuration);
    assert_false(guard_is_sole_voter(&configuration, 1));
    raft_configuration_add(&configuration, 1, "a", RAFT_VOTER);
    raft_configuration_add(&configuration, 2, "b", RAFT_STANDBY);
    assert_true(guard_is_sole_voter(&configuration, 1));
    assert_false(guard_is_sole_voter(&configuration, 2));
    raft_configuration_add(&configuration, 3, "c", RAFT_VOTER);
    assert_false(guard_is_sole_voter(&configuration, 1));
    raft_configuration_close(&configuration);
}

static void test_b5_entries_below_the_commit_are_left_out(void **state)
{
    (void)state;
    assert_int_equal(guard_trim(10, 5, 10), 0);
    assert_int_equal(guard_trim(12, 5, 10), 0);
    assert_int_equal(guard_trim(8, 5, 10), 2);
    assert_int_equal(guard_trim(2, 5, 10), 5);
    assert_int_equal(guard_trim(5, 5, 10), 5);
}

static void test_b6_the_commit_never_goes_back(void **state)
{
    (void)state;
    assert_int_equal(guard_commit(5, 3), 5);
    assert_int_equal(guard_commit(5, 8), 8);
}

static void test_b7_a_refusal_tells_the_higher_term(void **state)
{
    (void)state;
    assert_int_equal(guard_refusal_term(4, 9), 9);
    assert_int_equal(guard_refusal_term(9, 4), 9);
}

static void test_b8_late_votes_do_not_count(void **state)
{
    (void)state;
    struct raft_request_vote_result result = {.pre_vote = true};
    assert_true(guard_counts_vote(true, true, &result));
    assert_false(guard_counts_vote(true, false, &result));
    assert_false(guard_counts_vote(false, true, &result));
    result.pre_vote = false;
    assert_true(guard_counts_vote(true, false, &result));
    assert_false(guard_counts_vote(true, true, &result));
}

static void test_b10_only_who_has_all_and_answers_is_promoted(void **state)
{
    (void)state;
    assert_true(guard_may_promote(9, 9, 1000, 1199, 200));
    assert_false(guard_may_promote(8, 9, 1000, 1199, 200));
    assert_false(guard_may_promote(9, 9, 1000, 1200, 200));
    assert_false(guard_may_promote(9, 9, 0, 100, 200));
}

static void test_b12_stale_rejections_are_clamped(void **state)
{
    (void)state;
    struct raft_append_entries_result result = {
        .term = 3, .rejected = 10, .last_log_index = 4};
    assert_false(guard_takes_rejection(3, 10, &result));
    assert_true(guard_takes_rejection(3, 9, &result));
    assert_int_equal(result.last_log_index, 9);
    result.last_log_index = 9;
    assert_true(guard_takes_rejection(3, 5, &result));
    assert_int_equal(result.last_log_index, 9);
    result = (struct raft_append_entries_result){.term = 3, .rejected = 0};
    assert_true(guard_takes_rejection(3, 10, &result));
    result = (struct raft_append_entries_result){.term = 2, .rejected = 1};
    assert_true(guard_takes_rejection(3, 10, &result));
}

static void test_b13_the_timer_does_not_spin(void **state)
{
    (void)state;
    assert_int_equal(guard_deadline(500, 400, 100), 500);
    assert_int_equal(guard_deadline(400, 400, 100), 500);
    assert_int_equal(guard_deadline(0, 400, 100), 500);
}

static void test_b14_what_was_cut_is_not_durable(void **state)
{
    (void)state;
    struct guard_writes writes = {0};
    uint64_t first = guard_writes_begin(&writes, 5, 9);
    uint64_t second = guard_writes_begin(&writes, 7, 8);
    uint64_t third = guard_writes_begin(&writes, 9, 9);
    uint64_t fourth = guard_writes_begin(&writes, 9, 12);
    assert_int_equal(guard_writes_end(&writes, first), 6);
    assert_int_equal(guard_writes_end(&writes, second), 8);
    assert_int_equal(guard_writes_end(&writes, third), 0);
    assert_int_equal(guard_writes_end(&writes, fourth), 12);
    guard_writes_close(&writes);
}

static void test_b15_what_does_not_fit_the_role_is_dropped(void **state)
{
    (void)state;
    struct raft_message message = entries_of(3);
    assert_false(guard_fits_role(3, true, false, &message));
    assert_true(guard_fits_role(2, true, false, &message));
    assert_true(guard_fits_role(3, false, true, &message));
    message.type = RAFT_INSTALL_SNAPSHOT;
    message.install_snapshot.term = 3;
    assert_false(guard_fits_role(3, false, true, &message));
    assert_true(guard_fits_role(3, false, false, &message));
    message = (struct raft_message){.type = RAFT_REQUEST_VOTE};
    assert_true(guard_fits_role(3, true, false, &message));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_b1_stale_messages_are_answered_without_the_core),
        cmocka_unit_test(test_b2_a_change_waits_for_the_own_barrier),
        cmocka_unit_test(test_b3_a_change_is_always_first),
        cmocka_unit_test(test_b4_a_sole_voter_is_known),
        cmocka_unit_test(test_b5_entries_below_the_commit_are_left_out),
        cmocka_unit_test(test_b6_the_commit_never_goes_back),
        cmocka_unit_test(test_b7_a_refusal_tells_the_higher_term),
        cmocka_unit_test(test_b8_late_votes_do_not_count),
        cmocka_unit_test(test_b10_only_who_has_all_and_answers_is_promoted),
        cmocka_unit_test(test_b12_stale_rejections_are_clamped),
        cmocka_unit_test(test_b13_the_timer_does_not_spin),
        cmocka_unit_test(test_b14_what_was_cut_is_not_durable),
        cmocka_unit_test(test_b15_what_does_not_fit_the_role_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
