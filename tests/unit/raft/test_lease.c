/* What a leader knows of the others, event by event: the lease, and what the
 * log is kept for. What no random run meets in time. Member 9 of
 * three (9, 10, 11), whose disk is done at once. */
#include "raft/lease.h"
#include "raft/replica.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { BEGIN_MS = 5000, ELECTION_MS = 1000 };

/* What member 9 sent last, by type. */
struct sent {
    unsigned count;
    uint64_t to;
    struct raft_message message;
    struct frame_stamp stamp;
};
static struct sent sent[RAFT_TIMEOUT_NOW + 1];

static struct replica *start(uint64_t term)
{
    struct raft_configuration configuration;
    struct raft_buffer bytes;
    struct replica *replica = NULL;
    struct error error = {0};
    const char *const addresses[] = {"a:1", "b:1", "c:1"};
    raft_configuration_init(&configuration);
    for (unsigned i = 0; i < 3; i++)
        raft_configuration_add(&configuration, 9 + i, addresses[i], RAFT_VOTER);
    raft_configuration_encode(&configuration, &bytes);
    raft_configuration_close(&configuration);
    struct buffer *buffer = entry_copy(slice_of(bytes.base, bytes.len));
    raft_free(bytes.base);
    struct entry entry = {.index = 1,
                          .term = 1,
                          .type = ENTRY_CHANGE,
                          .payload = buffer_slice(buffer),
                          .buffer = buffer};
    const struct replica_options options = {.id = 9,
                                            .address = "a:1",
                                            .election_timeout_ms = ELECTION_MS,
                                            .heartbeat_ms = 100,
                                            .seed = 1,
                                            .tail_bytes = 1000};
    const struct replica_start found = {
        .now_ms = BEGIN_MS, .term = term, .entries = &entry, .count = 1};
    if (replica_new(&options, &found, &replica, &error) != 0)
        fail_msg("%s", error.text);
    entry_unref(&entry);
    memset(sent, 0, sizeof sent);
    return replica;
}

static void pass_over(struct replica *replica)
{
    struct entry entry;
    while (replica_peek(replica, &entry) != REPLICA_NOTHING)
        replica_handed(replica);
}

/* Performs everything, with a disk that takes no time. */
static void settle(struct replica *replica, uint64_t now_ms)
{
    struct replica_effect effect;
    while (replica_next_effect(replica, &effect)) {
        uint64_t generation = 0;
        if (effect.type == REPLICA_PERSIST_VOTE)
            replica_vote_persisted(replica, now_ms);
        else if (effect.type == REPLICA_APPEND)
            generation = effect.append.generation;
        else
            sent[effect.send.message.type] = (struct sent){
                .count = sent[effect.send.message.type].count + 1,
                .to = effect.send.to,
                .message = effect.send.message,
                .stamp = effect.send.stamp,
            };
        replica_effect_close(&effect);
        if (generation != 0)
            replica_persisted(replica, now_ms, generation);
    }
    pass_over(replica);
}

static void hear(struct replica *replica, uint64_t now_ms, uint64_t from,
                 const struct raft_message *message, uint64_t stamp_ms)
{
    const struct frame_stamp stamp = {.time_ms = stamp_ms};
    replica_receive(replica, now_ms, from, message, &stamp, NULL);
    settle(replica, now_ms);
}

/* --- As a voter --------------------------------------------------------- */

static bool votes(struct replica *replica, uint64_t now_ms, uint64_t term,
                  bool disrupts)
{
    struct raft_message message = {.type = RAFT_REQUEST_VOTE};
    message.request_vote.term = term;
    message.request_vote.candidate_id = 10;
    message.request_vote.last_log_index = 1;
    message.request_vote.last_log_term = 1;
    message.request_vote.disrupt_leader = disrupts;
    unsigned before = sent[RAFT_REQUEST_VOTE_RESULT].count;
    hear(replica, now_ms, 10, &message, 0);
    return sent[RAFT_REQUEST_VOTE_RESULT].count > before &&
           sent[RAFT_REQUEST_VOTE_RESULT]
               .message.request_vote_result.vote_granted;
}

/* Before the restart it may have followed somebody whose lease still runs. */
static void test_a_restarted_voter_waits(void **state)
{
    (void)state;
    struct replica *replica = start(7);
    assert_false(votes(replica, BEGIN_MS + ELECTION_MS - 1, 8, false));
    assert_true(votes(replica, BEGIN_MS + ELECTION_MS, 8, false));
    replica_free(replica);
    replica = start(7);
    assert_true(votes(replica, BEGIN_MS + 1, 8, true));
    replica_free(replica);
}

/* --- As the leader ------------------------------------------------------ */

static void grant(struct replica *replica, uint64_t now_ms)
{
    const struct raft_request_vote *asked =
        &sent[RAFT_REQUEST_VOTE].message.request_vote;
    struct raft_message message = {.type = RAFT_REQUEST_VOTE_RESULT};
    message.request_vote_result.version = 2;
    message.request_vote_result.term = asked->term;
    message.request_vote_result.vote_granted = true;
    message.request_vote_result.pre_vote = asked->pre_vote;
    hear(replica, now_ms, 10, &message, 0);
}

/* Member 10 has the log up to here, and answers a request of then. */
static void follow(struct replica *replica, uint64_t now_ms, uint64_t index,
                   uint64_t stamp_ms)
{
    struct raft_message message = {.type = RAFT_APPEND_ENTRIES_RESULT};
    message.append_entries_result.term = replica_status(replica).term;
    message.append_entries_result.last_log_index = index;
    hear(replica, now_ms, 10, &message, stamp_ms);
}

/* Leads with its barrier (entry 2) committed; returns when that was. */
static uint64_t lead(struct replica *replica)
{
    uint64_t now = BEGIN_MS;
    while (sent[RAFT_REQUEST_VOTE].count == 0) {
        replica_tick(replica, ++now);
        settle(replica, now);
    }
    grant(replica, now);
    grant(replica, now);
    assert_int_equal(replica_status(replica).state, RAFT_LEADER);
    assert_int_equal(replica_leading(replica), 0);
    assert_true(sent[RAFT_APPEND_ENTRIES].stamp.time_ms == now);
    follow(replica, now + 5, 2, now);
    assert_int_equal(replica_leading(replica), 8);
    return now;
}

/* It runs from when the request was sent, not from when it was answered; a
 * time to come, or the term before, says nothing. */
static void test_the_lease_counts_from_the_request(void **state)
{
    (void)state;
    struct replica *replica = start(7);
    uint64_t now = lead(replica);
    uint64_t lease = ELECTION_MS - ELECTION_MS / 10;
    assert_int_equal(replica_lease_until_ms(replica, now + 5), now + lease);
    follow(replica, now + 200, 2, now + 150);
    assert_int_equal(replica_lease_until_ms(replica, now + 200),
                     now + 150 + lease);
    follow(replica, now + 210, 2, now + 100);
    assert_int_equal(replica_lease_until_ms(replica, now + 210),
                     now + 150 + lease);
    follow(replica, now + 220, 2, now + 100000);
    assert_int_equal(replica_lease_until_ms(replica, now + 220),
                     now + 150 + lease);
    replica_free(replica);
}

/* The other one may be elected with the log as it was, until more than that
 * is committed: no lease before, whoever answers. */
static void test_no_lease_after_a_transfer_until_a_commit(void **state)
{
    (void)state;
    struct replica *replica = start(7);
    uint64_t now = lead(replica);
    assert_int_equal(replica_transfer(replica, now + 10, 10), 0);
    settle(replica, now + 10);
    assert_int_equal(sent[RAFT_TIMEOUT_NOW].count, 1);
    assert_int_equal(sent[RAFT_TIMEOUT_NOW].to, 10);
    assert_int_equal(replica_lease_until_ms(replica, now + 10), 0);
    uint64_t end = now + 10 + ELECTION_MS + 200;
    for (; now < end; now++) {
        replica_tick(replica, now);
        settle(replica, now);
        if (now % 100 == 0)
            follow(replica, now, 2, now - 1);
    }
    struct replica_status status = replica_status(replica);
    assert_int_equal(status.state, RAFT_LEADER);
    assert_false(status.transferring);
    assert_int_equal(status.last_index, 3); /* A barrier of its own. */
    assert_int_equal(replica_lease_until_ms(replica, now), 0);
    follow(replica, now, 3, now - 1);
    assert_true(replica_lease_until_ms(replica, now) > now);
    replica_free(replica);
}

/* --- What the log is kept for ------------------------------------------- */

static void have(struct replica *replica, uint64_t now_ms, uint64_t from,
                 uint64_t index)
{
    const struct frame_stamp stamp = {0};
    struct raft_message message = {.type = RAFT_APPEND_ENTRIES_RESULT};
    message.append_entries_result.term = replica_status(replica).term;
    message.append_entries_result.last_log_index = index;
    replica_receive(replica, now_ms, from, &message, &stamp, NULL);
}

/* The entry that somebody has last is kept, for only behind it can more be
 * sent. The leader is one of them: what others have and it has not on its own
 * disk it must find with them after a crash. */
static void test_the_log_is_kept_for_the_slowest_disk(void **state)
{
    (void)state;
    struct replica *replica = start(7);
    uint64_t now = lead(replica);
    uint64_t index;
    struct replica_effect effect;
    assert_int_equal(replica_keep_index(replica), 0);
    have(replica, now + 6, 11, 2);
    assert_int_equal(replica_keep_index(replica), 1);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(replica_submit(replica, now + 7,
                                        entry_copy(slice_text("x")), &index),
                         0);
        while (replica_next_effect(replica, &effect))
            replica_effect_close(&effect); /* Never ends on the own disk. */
    }
    have(replica, now + 8, 10, 5);
    have(replica, now + 8, 11, 4);
    assert_int_equal(replica_status(replica).commit_index, 4);
    assert_int_equal(replica_status(replica).persisted_index, 2);
    assert_int_equal(replica_keep_index(replica), 1);
    replica_free(replica);
}

/* --- When asked to take over -------------------------------------------- */

/* It may disturb in the term that it was asked for, and in no later one. */
static void test_a_leave_to_disturb_is_for_one_term(void **state)
{
    (void)state;
    struct replica *replica = start(7);
    struct raft_message append = {.type = RAFT_APPEND_ENTRIES};
    append.append_entries.term = 7;
    append.append_entries.prev_log_index = 1;
    append.append_entries.prev_log_term = 1;
    hear(replica, BEGIN_MS, 10, &append, 77);
    assert_int_equal(sent[RAFT_APPEND_ENTRIES_RESULT].stamp.time_ms, 77);
    struct raft_message now = {.type = RAFT_TIMEOUT_NOW};
    now.timeout_now.term = 7;
    now.timeout_now.last_log_index = 1;
    now.timeout_now.last_log_term = 1;
    hear(replica, BEGIN_MS + 1, 10, &now, 0);
    const struct raft_request_vote *asked =
        &sent[RAFT_REQUEST_VOTE].message.request_vote;
    assert_int_equal(sent[RAFT_REQUEST_VOTE].count, 2);
    assert_int_equal(asked->term, 8);
    assert_true(asked->disrupt_leader);
    for (uint64_t ms = BEGIN_MS + 2; sent[RAFT_REQUEST_VOTE].count == 2; ms++) {
        replica_tick(replica, ms);
        settle(replica, ms);
    }
    assert_int_equal(asked->term, 9);
    assert_false(asked->disrupt_leader);
    replica_free(replica);
}

/* --- The sum ------------------------------------------------------------ */

static void test_a_majority_of_voters_counts(void **state)
{
    (void)state;
    struct lease lease = {0};
    struct raft_server servers[5] = {
        {.id = 1, .role = RAFT_VOTER},   {.id = 2, .role = RAFT_VOTER},
        {.id = 3, .role = RAFT_VOTER},   {.id = 4, .role = RAFT_VOTER},
        {.id = 5, .role = RAFT_STANDBY},
    };
    const struct raft_configuration five = {.servers = servers, .n = 5};
    const struct raft_configuration three = {.servers = servers, .n = 3};
    assert_int_equal(lease_until_ms(&lease, &five, 1, 900, 100), 0);
    lease_answered(&lease, 5, 800);
    lease_answered(&lease, 2, 500);
    assert_int_equal(lease_until_ms(&lease, &five, 1, 900, 100), 0);
    assert_int_equal(lease_until_ms(&lease, &three, 1, 900, 100), 590);
    lease_answered(&lease, 3, 400);
    assert_int_equal(lease_until_ms(&lease, &five, 1, 900, 100), 490);
    lease_answered(&lease, 4, 600);
    assert_int_equal(lease_until_ms(&lease, &five, 1, 900, 100), 590);
    lease_answered(&lease, 2, 300); /* An older one: nothing changes. */
    assert_int_equal(lease_until_ms(&lease, &five, 1, 900, 100), 590);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_restarted_voter_waits),
        cmocka_unit_test(test_the_lease_counts_from_the_request),
        cmocka_unit_test(test_no_lease_after_a_transfer_until_a_commit),
        cmocka_unit_test(test_the_log_is_kept_for_the_slowest_disk),
        cmocka_unit_test(test_a_leave_to_disturb_is_for_one_term),
        cmocka_unit_test(test_a_majority_of_voters_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
