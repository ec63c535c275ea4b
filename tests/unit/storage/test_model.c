/* Random commands, the store and the naive model side by side.
 *
 * After each entry everything that the queries tell must equal what the
 * arrays say. A second store takes the same entries but commits at other
 * moments and is closed and opened in between: its state hash must be the
 * same. Then one rule of the model is broken at a time, and the comparison
 * must notice. */
#include "trial.h"

#include "base/bounds.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    STEPS = 1500,
    TWISTED_STEPS = 700,
    HISTORIES = 8,
    DEEP_EVERY = 250,
};

/* ---- Steps ---- */

static void make_entry(struct trial *trial)
{
    uint32_t count = 1 + trial_below(trial, OPS_MAX);
    trial->expected_count = 0;
    while (trial->expected_count < count) {
        uint64_t clock = trial->naive->clock_ms;
        /* Proposers' clocks jump about a little. */
        trial->now_ms = clock + trial_below(trial, 300);
        if (trial_below(trial, 5) == 0 && trial->now_ms > 500)
            trial->now_ms -= 500;
        if (trial_below(trial, 60) == 0)
            trial->now_ms += trial_below(trial, IDEMPOTENCY_KEPT_MS);
        naive_tick(trial->naive, trial->now_ms);
        uint32_t before = trial->expected_count;
        trial_do_any(trial);
        if (trial->expected_count == before)
            trial_do_messages(trial);
        if (trial->expected_count == before)
            trial_do_topic(trial);
    }
}

static bool results_equal(struct trial *trial,
                          const struct command_result *results, uint32_t count,
                          char *words, size_t words_size)
{
    assert_int_equal(count, trial->expected_count);
    for (uint32_t i = 0; i < count; i++) {
        const struct command_result *got = &results[i];
        const struct command_result *want = &trial->expected[i];
        if (trial->any_result[i] ||
            (got->code == want->code && got->count == want->count &&
             got->id == want->id && got->position == want->position &&
             got->time_ms == want->time_ms))
            continue;
        snprintf(words, words_size,
                 "result %u: store code %d count %u id %llu at %llu, naive "
                 "model code %d count %u id %llu at %llu",
                 i, got->code, got->count, (unsigned long long)got->id,
                 (unsigned long long)got->position, want->code, want->count,
                 (unsigned long long)want->id,
                 (unsigned long long)want->position);
        return false;
    }
    return true;
}

static void step_second(struct trial *trial)
{
    uint32_t count;
    struct fixture *second = &trial->second;
    fixture_apply(second, &trial->entry, &count);
    if (trial_below(trial, 7) == 0)
        fixture_commit(second);
    if (trial_below(trial, 60) == 0) {
        fixture_commit(second);
        fixture_reopen(second);
    }
    assert_true(state_hash_equal(store_state_hash(trial->first.store),
                                 store_state_hash(second->store)));
    arena_close(&second->arena);
}

static bool step(struct trial *trial, bool deep, char *words, size_t words_size)
{
    struct error error = {0};
    struct view *view;
    uint32_t count;
    make_entry(trial);
    struct encoder copy = {0};
    encoder_bytes(&copy, encoder_slice(&trial->entry));
    struct command_result *results =
        fixture_apply(&trial->first, &copy, &count);
    encoder_close(&copy);
    bool equal = results_equal(trial, results, count, words, words_size);
    fixture_commit(&trial->first);
    if (equal) {
        expect_ok(view_begin(trial->first.store, &view, &error), &error);
        equal = naive_equals(trial->naive, view, &trial->first.arena, deep,
                             &trial->random, words, words_size);
        view_end(view);
    }
    arena_close(&trial->first.arena);
    step_second(trial);
    return equal;
}

static void trial_open(struct trial *trial, uint64_t seed,
                       enum naive_twist twist)
{
    *trial = (struct trial){.random = seed, .naive = naive_new(twist)};
    memset(trial->response, 'r', sizeof trial->response);
    fixture_open(&trial->first);
    fixture_open(&trial->second);
}

static void trial_close(struct trial *trial)
{
    naive_free(trial->naive);
    encoder_close(&trial->entry);
    fixture_close(&trial->first);
    fixture_close(&trial->second);
}

static void expect_whole(struct fixture *fixture)
{
    struct error error = {0};
    struct verify_report report;
    struct view *view;
    expect_ok(view_begin(fixture->store, &view, &error), &error);
    expect_ok(verify_all(view, &report, &error), &error);
    view_end(view);
}

/* ---- Tests ---- */

static void test_store_equals_naive_model(void **state)
{
    uint64_t seed = random_seed(20240607);
    struct trial *trial = memory_new(sizeof *trial);
    char words[200];
    (void)state;
    trial_open(trial, seed, TWIST_NONE);
    for (uint32_t i = 1; i <= STEPS; i++) {
        bool deep = i % DEEP_EVERY == 0;
        if (!step(trial, deep, words, sizeof words))
            fail_msg("step %u: %s", i, words);
        if (deep)
            expect_whole(&trial->first);
    }
    print_message("%llu messages, %u publishers\n",
                  (unsigned long long)trial->naive->sequence,
                  trial->naive->publisher_count);
    trial_close(trial);
    free(trial);
}

/* What it takes to break some of the rules is rare: several histories. */
static bool notices(struct trial *trial, enum naive_twist twist, uint64_t seed,
                    char *words, size_t words_size)
{
    bool noticed = false;
    for (uint64_t history = 0; !noticed && history < HISTORIES; history++) {
        trial_open(trial, seed + history, twist);
        for (uint32_t i = 1; !noticed && i <= TWISTED_STEPS; i++)
            noticed = !step(trial, false, words, words_size);
        trial_close(trial);
    }
    return noticed;
}

static void test_comparison_notices_broken_rules(void **state)
{
    uint64_t seed = random_seed(99);
    struct trial *trial = memory_new(sizeof *trial);
    char words[200];
    (void)state;
    for (int twist = TWIST_NONE + 1; twist < TWIST_COUNT; twist++) {
        if (!notices(trial, (enum naive_twist)twist, seed, words, sizeof words))
            fail_msg("broken rule %d was not noticed", twist);
        print_message("broken rule %d: %s\n", twist, words);
    }
    free(trial);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_equals_naive_model),
        cmocka_unit_test(test_comparison_notices_broken_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
