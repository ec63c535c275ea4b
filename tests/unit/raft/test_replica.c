/* The replica in simulated clusters of one and of three, and what it does
 * event by event. */
#include "raft/replica.h"
#include "simulation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SEEDS_ALONE = 150, SEEDS_OF_THREE = 60 };

static void run_seeds(unsigned members, uint64_t seeds)
{
    struct simulation_result sum = {.violation = ""};
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct simulation_result result;
        const struct simulation_options options = {
            .members = members, .seed = seed, .milliseconds = 6000};
        simulation_run(&options, &result);
        if (result.violation[0] != '\0')
            fail_msg("seed %lu, %u members: %s", (unsigned long)seed, members,
                     result.violation);
        sum.acknowledged += result.acknowledged;
        sum.crashes += result.crashes;
        sum.elections += result.elections;
        sum.forgotten += result.forgotten;
    }
    print_message("%u members, seeds 1 to %lu: %lu acknowledged, %lu crashes, "
                  "%lu elections, %lu entries forgotten\n",
                  members, (unsigned long)seeds,
                  (unsigned long)sum.acknowledged, (unsigned long)sum.crashes,
                  (unsigned long)sum.elections, (unsigned long)sum.forgotten);
    assert_true(sum.acknowledged > seeds * 100);
    assert_true(sum.crashes > seeds);
    assert_true(sum.forgotten > seeds);
}

static void test_alone_nothing_acknowledged_is_lost(void **state)
{
    (void)state;
    run_seeds(1, SEEDS_ALONE);
}

static void test_of_three_nothing_acknowledged_is_lost(void **state)
{
    (void)state;
    run_seeds(3, SEEDS_OF_THREE);
}

/* The oracle sees a broken rule in most seeds, or it is no oracle. */
static void expect_red(unsigned members, enum simulation_rule broken)
{
    unsigned red = 0;
    char first[200] = "";
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct simulation_result result;
        const struct simulation_options options = {.members = members,
                                                   .seed = seed,
                                                   .milliseconds = 6000,
                                                   .broken = broken};
        simulation_run(&options, &result);
        if (result.violation[0] != '\0' && red++ == 0)
            memcpy(first, result.violation, sizeof first);
    }
    print_message("%u members: %u of 20 seeds are red, first: %s\n", members,
                  red, first);
    assert_true(red >= 10);
}

static void test_acknowledging_early_is_noticed(void **state)
{
    (void)state;
    expect_red(1, SIMULATION_ACKNOWLEDGE_EARLY);
    expect_red(3, SIMULATION_ACKNOWLEDGE_EARLY);
}

static void test_forgetting_votes_is_noticed(void **state)
{
    (void)state;
    expect_red(1, SIMULATION_FORGET_VOTES);
    expect_red(3, SIMULATION_FORGET_VOTES);
}

/* --- Event by event ----------------------------------------------------- */

static struct entry first_entry(void)
{
    struct raft_configuration configuration;
    struct raft_buffer bytes;
    raft_configuration_init(&configuration);
    raft_configuration_add(&configuration, 9, "a:1", RAFT_VOTER);
    raft_configuration_encode(&configuration, &bytes);
    raft_configuration_close(&configuration);
    struct buffer *buffer = entry_copy(slice_of(bytes.base, bytes.len));
    raft_free(bytes.base);
    return (struct entry){.index = 1,
                          .term = 1,
                          .type = ENTRY_CHANGE,
                          .payload = buffer_slice(buffer),
                          .buffer = buffer};
}

static struct replica *start_alone(uint64_t term)
{
    struct replica *replica = NULL;
    struct error error = {0};
    struct entry entry = first_entry();
    const struct replica_options options = {.id = 9,
                                            .address = "a:1",
                                            .election_timeout_ms = 1000,
                                            .heartbeat_ms = 100,
                                            .seed = 1,
                                            .tail_bytes = 1000};
    const struct replica_start start = {
        .now_ms = 5000, .term = term, .entries = &entry, .count = 1};
    if (replica_new(&options, &start, &replica, &error) != 0)
        fail_msg("%s", error.text);
    entry_unref(&entry);
    return replica;
}

/* A sole voter saves its new term, then its barrier, and only then leads. */
static void test_a_sole_voter_saves_its_term_first(void **state)
{
    (void)state;
    struct replica *replica = start_alone(4);
    struct replica_effect effect;
    struct entry entry;
    assert_true(replica_next_effect(replica, &effect));
    assert_int_equal(effect.type, REPLICA_PERSIST_VOTE);
    assert_int_equal(effect.vote.term, 5);
    assert_int_equal(effect.vote.vote, 9);
    assert_false(replica_next_effect(replica, &effect));
    assert_int_equal(replica_leading(replica), 0);
    replica_vote_persisted(replica, 5001);
    assert_true(replica_next_effect(replica, &effect));
    assert_int_equal(effect.type, REPLICA_APPEND);
    assert_int_equal(effect.append.count, 1);
    assert_int_equal(effect.append.entries[0].type, ENTRY_BARRIER);
    assert_int_equal(effect.append.entries[0].term, 5);
    assert_int_equal(effect.append.base.index, 1);
    assert_int_equal(effect.append.base.term, 1);
    assert_int_equal(effect.append.base.configuration_index, 1);
    uint64_t generation = effect.append.generation;
    replica_effect_close(&effect);
    assert_false(replica_next_effect(replica, &effect));
    assert_int_equal(replica_peek(replica, &entry), REPLICA_ABSENT);
    assert_int_equal(entry.index, 1);
    replica_handed(replica);
    assert_int_equal(replica_peek(replica, &entry), REPLICA_NOTHING);
    assert_int_equal(replica_leading(replica), 0);
    replica_persisted(replica, 5002, generation);
    assert_int_equal(replica_peek(replica, &entry), REPLICA_NOTHING);
    assert_int_equal(replica_leading(replica), 5);
    assert_true(replica_status(replica).sole_voter);
    replica_free(replica);
}

/* A leader alone is asked to do nothing most of the time. */
static void test_an_idle_leader_does_not_spin(void **state)
{
    (void)state;
    struct replica *replica = start_alone(1);
    unsigned fired = 0;
    for (uint64_t now = 5000; now < 15000; now++)
        if (replica_deadline_ms(replica) <= now) {
            replica_tick(replica, now);
            fired++;
        }
    assert_in_range(fired, 5, 30);
    replica_free(replica);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_sole_voter_saves_its_term_first),
        cmocka_unit_test(test_an_idle_leader_does_not_spin),
        cmocka_unit_test(test_alone_nothing_acknowledged_is_lost),
        cmocka_unit_test(test_of_three_nothing_acknowledged_is_lost),
        cmocka_unit_test(test_acknowledging_early_is_noticed),
        cmocka_unit_test(test_forgetting_votes_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
