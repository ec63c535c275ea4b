/* The replica, event by event. Whole clusters of it run in tests/sim. */
#include "raft/replica.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct entry first_entry(unsigned voters)
{
    struct raft_configuration configuration;
    struct raft_buffer bytes;
    const char *const addresses[] = {"a:1", "b:1", "c:1"};
    raft_configuration_init(&configuration);
    for (unsigned i = 0; i < voters; i++)
        raft_configuration_add(&configuration, 9 + i, addresses[i], RAFT_VOTER);
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

static struct replica *start(unsigned voters, uint64_t term)
{
    struct replica *replica = NULL;
    struct error error = {0};
    struct entry entry = first_entry(voters);
    const struct replica_options options = {.id = 9,
                                            .address = "a:1",
                                            .election_timeout_ms = 1000,
                                            .heartbeat_ms = 100,
                                            .seed = 1,
                                            .tail_bytes = 1000};
    const struct replica_start found = {
        .now_ms = 5000, .term = term, .entries = &entry, .count = 1};
    if (replica_new(&options, &found, &replica, &error) != 0)
        fail_msg("%s", error.text);
    entry_unref(&entry);
    return replica;
}

/* A sole voter saves its new term, then its barrier, and only then leads. */
static void test_a_sole_voter_saves_its_term_first(void **state)
{
    (void)state;
    struct replica *replica = start(1, 4);
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
    struct replica *replica = start(1, 1);
    unsigned fired = 0;
    for (uint64_t now = 5000; now < 15000; now++)
        if (replica_deadline_ms(replica) <= now) {
            replica_tick(replica, now);
            fired++;
        }
    assert_in_range(fired, 5, 30);
    replica_free(replica);
}

static struct raft_message append_of(uint64_t term, uint64_t prev_index,
                                     uint64_t prev_term, unsigned count)
{
    struct raft_message message = {.type = RAFT_APPEND_ENTRIES};
    message.append_entries.version = 0;
    message.append_entries.term = term;
    message.append_entries.prev_log_index = prev_index;
    message.append_entries.prev_log_term = prev_term;
    message.append_entries.n_entries = count;
    return message;
}

static struct entry command(uint64_t index, uint64_t term)
{
    struct buffer *buffer = entry_copy(slice_of(&index, sizeof index));
    return (struct entry){.index = index,
                          .term = term,
                          .checksum = entry_checksum(buffer_slice(buffer)),
                          .type = ENTRY_COMMAND,
                          .payload = buffer_slice(buffer),
                          .buffer = buffer};
}

/* Performs everything; what was written is left to the caller. Returns the
 * generation of the last append, and the last result that was sent. */
static const struct frame_stamp stamp;

static uint64_t drain(struct replica *replica,
                      struct raft_append_entries_result *ret_result)
{
    struct replica_effect effect;
    uint64_t generation = 0;
    while (replica_next_effect(replica, &effect)) {
        if (effect.type == REPLICA_PERSIST_VOTE)
            replica_vote_persisted(replica, 6000);
        else if (effect.type == REPLICA_APPEND)
            generation = effect.append.generation;
        else if (effect.send.message.type == RAFT_APPEND_ENTRIES_RESULT)
            *ret_result = effect.send.message.append_entries_result;
        replica_effect_close(&effect);
    }
    return generation;
}

/* B1: an old leader's message is answered with the term and nothing else. */
static void test_an_old_leader_learns_the_term_only(void **state)
{
    (void)state;
    struct replica *replica = start(3, 7);
    struct raft_append_entries_result result = {.last_log_index = 99};
    struct raft_message message = append_of(6, 0, 0, 0);
    replica_receive(replica, 6000, 10, &message, &stamp, NULL);
    drain(replica, &result);
    assert_int_equal(result.term, 7);
    assert_int_equal(result.rejected, 0);
    assert_int_equal(result.last_log_index, 0);
    replica_free(replica);
}

/* B14: entries that a newer leader cut off are durable too late: the leader
 * hears only of its own. */
static void test_what_was_cut_is_never_acknowledged(void **state)
{
    (void)state;
    struct replica *replica = start(3, 7);
    struct raft_append_entries_result result = {0};
    struct entry entries[3] = {command(2, 7), command(3, 7), command(4, 7)};
    struct raft_message message = append_of(7, 1, 1, 3);
    replica_receive(replica, 6000, 10, &message, &stamp, entries);
    uint64_t first = drain(replica, &result);
    struct entry other = command(2, 8);
    message = append_of(8, 1, 1, 1);
    replica_receive(replica, 6001, 11, &message, &stamp, &other);
    uint64_t second = drain(replica, &result);
    assert_true(second > first);
    assert_int_equal(replica_status(replica).last_index, 2);
    result.last_log_index = 0;
    replica_persisted(replica, 6002, first);
    drain(replica, &result);
    assert_int_equal(result.last_log_index, 0);
    assert_int_equal(replica_status(replica).persisted_index, 1);
    replica_persisted(replica, 6003, second);
    drain(replica, &result);
    assert_int_equal(result.term, 8);
    assert_int_equal(result.rejected, 0);
    assert_int_equal(result.last_log_index, 2);
    replica_free(replica);
}

/* The first CHANGE takes the place of the configuration in which the sender's
 * address stands; what is stepped after it needs that still. Seen by
 * AddressSanitizer alone. */
static void test_two_changes_come_in_one_message(void **state)
{
    (void)state;
    struct replica *replica = start(3, 7);
    struct raft_append_entries_result result = {0};
    struct entry entries[3] = {first_entry(3), command(3, 7), first_entry(3)};
    for (unsigned i = 0; i < 3; i++) {
        entries[i].index = 2 + i;
        entries[i].term = 7;
        entries[i].checksum = entry_checksum(entries[i].payload);
    }
    struct raft_message message = append_of(7, 1, 1, 3);
    replica_receive(replica, 6000, 10, &message, &stamp, entries);
    uint64_t last = drain(replica, &result);
    for (uint64_t generation = 1; generation <= last; generation++)
        replica_persisted(replica, 6001, generation);
    drain(replica, &result);
    assert_int_equal(result.rejected, 0);
    assert_int_equal(result.last_log_index, 4);
    replica_free(replica);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_sole_voter_saves_its_term_first),
        cmocka_unit_test(test_an_idle_leader_does_not_spin),
        cmocka_unit_test(test_an_old_leader_learns_the_term_only),
        cmocka_unit_test(test_what_was_cut_is_never_acknowledged),
        cmocka_unit_test(test_two_changes_come_in_one_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
