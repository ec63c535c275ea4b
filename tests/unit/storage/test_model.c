/* Random commands, the store and the naive model side by side.
 *
 * After each entry everything that the queries tell must equal what the
 * arrays say. A second store takes the same entries but commits at other
 * moments and is closed and opened in between: its state hash must be the
 * same. Then one rule of the model is broken at a time, and the comparison
 * must notice. */
#include "naive.h"

#include "base/bounds.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    STEPS = 2000,
    TWISTED_STEPS = 1000,
    DEEP_EVERY = 250,
    OPS_MAX = 4,
    LIST_MAX = 40,
};

struct trial {
    uint64_t random;
    struct naive *naive;
    struct fixture first;
    struct fixture second;
    struct encoder entry;
    struct command_result expected[OPS_MAX];
    bool any_result[OPS_MAX]; /* Not modelled: any answer will do. */
    uint32_t expected_count;
    uint64_t now_ms;
    char response[5000];
};

static uint32_t below(struct trial *trial, uint32_t limit)
{
    return random_below(&trial->random, limit);
}

/* ---- Choices ---- */

/* Mostly one that exists or existed, sometimes one that never did. */
static uint32_t any_publisher(struct trial *trial)
{
    return 1 + below(trial, trial->naive->publisher_count + 1);
}

static uint32_t live_publisher(struct trial *trial)
{
    uint32_t id = 0;
    for (int i = 0; i < 20; i++) {
        id = any_publisher(trial);
        if (id <= trial->naive->publisher_count &&
            trial->naive->publishers[id].exists)
            break;
    }
    return id;
}

/* Positions of a publisher in a status, in order, from a random place on; a
 * few that are wrong among them. */
static uint32_t pick(struct trial *trial, uint32_t id, enum naive_status status,
                     uint64_t *positions, uint32_t count_max)
{
    struct naive *naive = trial->naive;
    uint32_t count = 0;
    uint32_t skip = 0;
    if (id > naive->publisher_count || !naive->publishers[id].exists) {
        positions[0] = 1 + below(trial, 10);
        return 1;
    }
    uint32_t there = naive_count(naive, id, status);
    if (there > count_max)
        skip = below(trial, there - count_max);
    for (uint64_t p = 1; p <= naive->message_count && count < count_max; p++) {
        bool hit = naive_wants(naive, id, p) &&
                   naive->publishers[id].cells[p].status == status;
        if (hit && skip > 0)
            skip--;
        else if (hit || below(trial, 400) == 0)
            positions[count++] = p;
    }
    return count;
}

/* ---- Operations ---- */

typedef void operation(struct trial *trial);

static void expect(struct trial *trial, struct command_result result)
{
    trial->any_result[trial->expected_count] = false;
    trial->expected[trial->expected_count++] = result;
}

static void do_topic(struct trial *trial)
{
    char name[8];
    snprintf(name, sizeof name, "t%u", below(trial, NAIVE_TOPICS));
    struct topic_options options = fixture_topic(name);
    command_topic_create_encode(&trial->entry, trial->now_ms, 0, &options);
    expect(trial, naive_topic_create(trial->naive, name));
}

static void do_publisher(struct trial *trial)
{
    char target[16];
    if (trial->naive->publisher_count == NAIVE_PUBLISHERS)
        return;
    snprintf(target, sizeof target, "http://%u", below(trial, 4));
    struct command_publisher_create create = {
        .topic_id = 1 + below(trial, trial->naive->topic_count + 1),
        .from_now = below(trial, 2) == 0,
        .paused = below(trial, 6) == 0,
        .options = fixture_publisher(target),
    };
    create.options.guarantee =
        below(trial, 3) == 0 ? AT_MOST_ONCE : AT_LEAST_ONCE;
    command_publisher_create_encode(&trial->entry, trial->now_ms, 0, &create);
    expect(trial, naive_publisher_create(trial->naive, create.topic_id, target,
                                         create.from_now, create.paused,
                                         create.options.guarantee));
}

static void do_delete(struct trial *trial)
{
    uint32_t id = any_publisher(trial);
    command_publisher_delete_encode(&trial->entry, trial->now_ms, 0, id);
    expect(trial, naive_publisher_delete(trial->naive, id));
}

static void do_pause(struct trial *trial)
{
    struct command_pause pause = {
        .publisher_id = any_publisher(trial),
        .paused = below(trial, 3) == 0,
        .reason = slice_text("requested"),
    };
    command_pause_encode(&trial->entry, trial->now_ms, 0, &pause);
    expect(trial, naive_pause(trial->naive, pause.publisher_id, pause.paused));
}

/* More keys than are kept, and few enough to meet again. */
static struct idempotency any_request(struct trial *trial, char key[8])
{
    snprintf(key, 8, "k%u", below(trial, 6));
    struct idempotency request =
        fixture_request(key, below(trial, 4) == 0 ? "other" : "body");
    request.scope = below(trial, 8) == 0;
    request.route = below(trial, 3) == 0 ? IDEMPOTENT_BULK : IDEMPOTENT_MESSAGE;
    return request;
}

static void do_messages(struct trial *trial)
{
    uint32_t topics[LIST_MAX];
    uint32_t count = below(trial, 10) == 0 ? LIST_MAX : below(trial, 6);
    uint32_t one = 1 + below(trial, trial->naive->topic_count + 1);
    if (trial->naive->message_count + count > NAIVE_MESSAGES)
        return;
    char key[8];
    struct idempotency request = any_request(trial, key);
    bool once = below(trial, 3) == 0;
    size_t begun = command_messages_begin_once(&trial->entry, trial->now_ms, 0,
                                               once ? &request : NULL, count);
    for (uint32_t i = 0; i < count; i++) {
        topics[i] = trial->naive->topic_count == 0 || below(trial, 3) != 0
                        ? one
                        : 1 + below(trial, trial->naive->topic_count);
        struct message message = {
            .topic_id = topics[i],
            .payload = slice_of(trial->response, below(trial, 300))};
        message_encode(&trial->entry, &message);
    }
    command_end(&trial->entry, begun);
    expect(trial,
           once ? naive_messages_once(trial->naive, &request, topics, count)
                : naive_messages(trial->naive, topics, count));
}

/* An honest grant, which a few random changes then make dishonest. The naive
 * model counts positions; apply can only check whether the count may be, so
 * wrong counts are kept to those that it must notice. */
static void do_grant(struct trial *trial)
{
    struct naive *naive = trial->naive;
    uint64_t open[LIST_MAX];
    struct command_grant grant = {.publisher_id = live_publisher(trial),
                                  .from = 1,
                                  .upto = 1,
                                  .open = open};
    if (grant.publisher_id <= naive->publisher_count &&
        naive->publishers[grant.publisher_id].exists) {
        grant.from = naive->publishers[grant.publisher_id].next;
        grant.upto = grant.from + below(trial, 60);
        if (grant.upto > naive->message_count)
            grant.upto = naive->message_count;
        for (uint64_t p = grant.from; p <= grant.upto; p++) {
            if (!naive_wants(naive, grant.publisher_id, p))
                continue;
            grant.examined++;
            if (grant.open_count < LIST_MAX && below(trial, 4) != 0)
                open[grant.open_count++] = p;
        }
    }
    uint32_t lie = below(trial, 30);
    if (lie == 0 && grant.from > 1)
        grant.from--;
    if (lie == 1)
        grant.examined += 100000;
    if (lie == 2)
        grant.upto = naive->message_count + 1;
    if (lie == 3 && grant.open_count > 1)
        open[0] = open[1];
    command_grant_encode(&trial->entry, trial->now_ms, &grant);
    expect(trial, naive_grant(naive, &grant));
}

static struct attempt random_attempt(struct trial *trial,
                                     enum delivery_state state)
{
    struct attempt attempt = {
        .number = 1 + below(trial, 100), /* The store knows better. */
        .started_ms = trial->now_ms,
        .duration_ms = below(trial, 1000),
        .response = slice_of(trial->response,
                             below(trial, 4) == 0 ? below(trial, 5000) : 9),
    };
    if (state != DELIVERY_DELIVERED) {
        attempt.class = (enum attempt_class)(1 + below(trial, 10));
        attempt.status = (uint16_t)(400 + below(trial, 200));
    } else {
        attempt.status = 200;
    }
    return attempt;
}

static void do_outcomes(struct trial *trial)
{
    static const enum delivery_state states[] = {
        DELIVERY_DELIVERED, DELIVERY_DELIVERED, DELIVERY_RETRYING,
        DELIVERY_RETRYING,  DELIVERY_RETRYING,  DELIVERY_RETRYING,
        DELIVERY_DEAD,      DELIVERY_AMBIGUOUS,
    };
    uint64_t positions[LIST_MAX];
    struct outcome list[LIST_MAX];
    struct command_outcomes outcomes = {.publisher_id = live_publisher(trial),
                                        .outcomes = list};
    outcomes.count = pick(trial, outcomes.publisher_id, NAIVE_OPEN, positions,
                          1 + below(trial, LIST_MAX));
    bool well = below(trial, 3) == 0;
    for (uint32_t i = 0; i < outcomes.count; i++) {
        enum delivery_state state =
            well ? DELIVERY_DELIVERED : states[below(trial, 8)];
        list[i] = (struct outcome){
            .position = positions[outcomes.count - 1 - i],
            .state = state,
            .attempt = random_attempt(trial, state),
            .next_attempt_ms = trial->now_ms + below(trial, 2000)};
    }
    command_outcomes_encode(&trial->entry, trial->now_ms, &outcomes);
    expect(trial, naive_outcomes(trial->naive, &outcomes));
}

static void do_positions(struct trial *trial, enum command_type type)
{
    uint64_t positions[LIST_MAX];
    struct command_positions list = {.publisher_id = live_publisher(trial),
                                     .positions = positions};
    bool intent = type == COMMAND_INTENT;
    list.count =
        pick(trial, list.publisher_id, intent ? NAIVE_WAITING : NAIVE_OPEN,
             positions, 1 + below(trial, intent ? LIST_MAX : 6));
    command_positions_encode(&trial->entry, type, trial->now_ms, &list);
    expect(trial, intent ? naive_intent(trial->naive, &list)
                         : naive_withdraw(trial->naive, &list));
}

static void do_intent(struct trial *trial)
{
    do_positions(trial, COMMAND_INTENT);
}

static void do_withdraw(struct trial *trial)
{
    do_positions(trial, COMMAND_WITHDRAW);
}

static void do_takeover(struct trial *trial)
{
    uint32_t node = 1 + below(trial, 3);
    command_takeover_encode(&trial->entry, trial->now_ms, node);
    expect(trial, naive_takeover(trial->naive, node));
}

static void do_purge(struct trial *trial)
{
    command_purge_encode(&trial->entry, trial->now_ms, any_publisher(trial),
                         1 + below(trial, 50));
    trial->any_result[trial->expected_count++] = true;
}

static const struct {
    operation *run;
    uint32_t weight;
} operations[] = {
    {do_topic, 2},     {do_publisher, 4}, {do_delete, 1},    {do_pause, 6},
    {do_messages, 30}, {do_grant, 40},    {do_outcomes, 50}, {do_intent, 40},
    {do_withdraw, 6},  {do_takeover, 1},  {do_purge, 2},
};

static void do_any(struct trial *trial)
{
    uint32_t total = 0;
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++)
        total += operations[i].weight;
    uint32_t at = below(trial, total);
    size_t i = 0;
    while (at >= operations[i].weight)
        at -= operations[i++].weight;
    operations[i].run(trial);
}

/* ---- Steps ---- */

static void make_entry(struct trial *trial)
{
    uint32_t count = 1 + below(trial, OPS_MAX);
    trial->expected_count = 0;
    while (trial->expected_count < count) {
        uint64_t clock = trial->naive->clock_ms;
        /* Proposers' clocks jump about a little. */
        trial->now_ms = clock + below(trial, 300);
        if (below(trial, 5) == 0 && trial->now_ms > 500)
            trial->now_ms -= 500;
        if (below(trial, 60) == 0)
            trial->now_ms += below(trial, IDEMPOTENCY_KEPT_MS);
        naive_tick(trial->naive, trial->now_ms);
        uint32_t before = trial->expected_count;
        do_any(trial);
        if (trial->expected_count == before)
            do_messages(trial);
        if (trial->expected_count == before)
            do_topic(trial);
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
    if (below(trial, 7) == 0)
        fixture_commit(second);
    if (below(trial, 60) == 0) {
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
                  (unsigned long long)trial->naive->message_count,
                  trial->naive->publisher_count);
    trial_close(trial);
    free(trial);
}

static void test_comparison_notices_broken_rules(void **state)
{
    uint64_t seed = random_seed(99);
    struct trial *trial = memory_new(sizeof *trial);
    char words[200];
    (void)state;
    for (int twist = TWIST_NONE + 1; twist < TWIST_COUNT; twist++) {
        bool noticed = false;
        trial_open(trial, seed, (enum naive_twist)twist);
        for (uint32_t i = 1; !noticed && i <= TWISTED_STEPS; i++)
            noticed = !step(trial, false, words, sizeof words);
        trial_close(trial);
        if (!noticed)
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
