/* Three members on real loops, sockets, disks and threads: they found a
 * cluster together, elect, replicate, lose and take back members. */
#include "trio.h"

#include "base/clock.h"
#include "raft/cluster_inside.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct trio trio;

static int begin(void **state)
{
    (void)state;
    trio_init(&trio);
    return 0;
}

static int end(void **state)
{
    (void)state;
    trio_close(&trio);
    return 0;
}

static unsigned other_than(unsigned number)
{
    return (number + 1) % TRIO;
}

/* --- Founding ----------------------------------------------------------- */

static void test_all_hand_over_the_same(void **state)
{
    (void)state;
    trio_open_all(&trio);
    trio_submit(&trio, 300, 500);
    trio_submit(&trio, 5, 700 * 1024);
    trio_agree(&trio);
    struct trio_member *leader = trio_leader(&trio);
    for (unsigned i = 0; i < TRIO; i++) {
        struct cluster_status status = cluster_status(trio.members[i].cluster);
        assert_int_equal(status.leader_id, leader->number + 1);
        assert_int_equal(status.term, leader->leading_term);
        assert_false(status.waiting);
    }
}

/* Two of three are a majority, but nothing begins without the third. */
static void test_nothing_begins_before_all_are_there(void **state)
{
    (void)state;
    trio_open(&trio, 0);
    trio_open(&trio, 2);
    trio_run_for(&trio, 1500);
    assert_true(cluster_status(trio.members[0].cluster).waiting);
    assert_true(cluster_status(trio.members[2].cluster).waiting);
    /* Who waits may go and come. */
    trio_stop(&trio, 2);
    trio_open(&trio, 2);
    trio_open(&trio, 1);
    trio_submit(&trio, 3, 100);
    trio_agree(&trio);
}

/* A member whose volume was lost does not vote again under its old id. */
static void test_a_lost_volume_does_not_come_back(void **state)
{
    (void)state;
    trio_open_all(&trio);
    trio_submit(&trio, 3, 100);
    trio_agree(&trio);
    unsigned lost = other_than(trio_leader(&trio)->number);
    trio_stop(&trio, lost);
    trio_wipe(&trio, lost);
    trio_open(&trio, lost);
    trio_submit(&trio, 3, 100);
    trio_run_for(&trio, 1500);
    assert_true(cluster_status(trio.members[lost].cluster).waiting);
    assert_int_equal(trio.members[lost].entries, 0);
}

/* At whatever moment one goes down, it comes back into the same cluster. */
static void test_founding_may_be_interrupted(void **state)
{
    (void)state;
    trio_open_all(&trio);
    for (unsigned round = 0; round < 24; round++) {
        for (unsigned turn = 0; turn < 3 + round % 5; turn++)
            uv_run(&trio.loop, UV_RUN_ONCE);
        trio_stop(&trio, round % TRIO);
        trio_open(&trio, round % TRIO);
    }
    trio_submit(&trio, 10, 100);
    trio_agree(&trio);
}

static void expect_refusal(const struct cluster_options *options,
                           const char *words)
{
    struct cluster *cluster = NULL;
    struct error error = {0};
    const struct cluster_callbacks none = {.context = NULL};
    assert_int_equal(cluster_open(&trio.loop, options, &none, &cluster, &error),
                     ERR_INVALID);
    if (strstr(error.text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error.text, words);
}

static void test_senseless_first_members_are_refused(void **state)
{
    (void)state;
    struct cluster_address twice[2] = {{1, "127.0.0.1:1"}, {1, "127.0.0.1:2"}};
    struct cluster_address same[2] = {{1, "127.0.0.1:1"}, {2, "127.0.0.1:1"}};
    struct cluster_address bad[2] = {{1, "127.0.0.1:1"}, {2, "nowhere"}};
    struct cluster_options options = trio.options;
    options.directory = trio.members[0].directory;
    options.node_id = 1;
    options.address = options.listen = trio.members[0].address;
    options.members = twice;
    options.members_count = 2;
    expect_refusal(&options, "twice among the first members");
    options.members = same;
    expect_refusal(&options, "twice among the first members");
    options.members = bad;
    expect_refusal(&options, "nowhere");
    options.members = trio.addresses;
    options.node_id = 3;
    expect_refusal(&options, "not among the first members");
    options.node_id = 1;
    options.listen = NULL;
    expect_refusal(&options, "need a listening address");
    /* Off loopback members must have a secret. */
    options.listen = "0.0.0.0:0";
    options.secret = slice_of(NULL, 0);
    expect_refusal(&options, "secret");
}

/* --- Leaders ------------------------------------------------------------ */

static void test_a_leader_goes_and_comes_back(void **state)
{
    (void)state;
    trio_open_all(&trio);
    for (unsigned round = 0; round < 3; round++) {
        trio_submit(&trio, 50, 200);
        unsigned old = trio_leader(&trio)->number;
        trio_stop(&trio, old);
        uint64_t began = clock_ms();
        struct trio_member *leader = trio_lead(&trio);
        print_message("another leads after %lu ms\n",
                      (unsigned long)(clock_ms() - began));
        assert_int_not_equal(leader->number, old);
        trio_submit(&trio, 50, 200);
        uint64_t term = leader->leading_term;
        trio_open(&trio, old);
        trio_agree(&trio);
        /* It came back without a word against the new one. */
        assert_int_equal(leader->leading_term, term);
    }
}

/* --- Followers ---------------------------------------------------------- */

/* Away for a while: what it lacks is still in memory, or read from disk. */
static void follow_after(unsigned count, size_t bytes)
{
    trio_open_all(&trio);
    trio_submit(&trio, 10, 100);
    unsigned away = other_than(trio_leader(&trio)->number);
    trio_stop(&trio, away);
    trio_submit(&trio, count, bytes);
    trio_open(&trio, away);
    trio_agree(&trio);
    trio_submit(&trio, 10, 100);
    trio_agree(&trio);
}

static void test_a_follower_catches_up_from_memory(void **state)
{
    (void)state;
    follow_after(200, 300);
}

static void test_a_follower_catches_up_from_disk(void **state)
{
    (void)state;
    trio.options.tail_bytes = 64 * 1024;
    follow_after(400, 20000);
}

/* What the core would have sent at once is more than is read at once. */
static void test_a_follower_catches_up_on_large_entries(void **state)
{
    (void)state;
    trio.options.tail_bytes = 64 * 1024;
    follow_after(24, 900 * 1024);
}

static unsigned state_of(unsigned node_id);
static unsigned away_node;

/* All stores have everything. */
static void save_stores(void)
{
    for (unsigned i = 0; i < TRIO; i++)
        if (trio.members[i].cluster != NULL)
            cluster_durable(trio.members[i].cluster,
                            trio.members[i].last_index);
}

static bool is_too_far(struct trio *three)
{
    (void)three;
    return state_of(away_node) == CLUSTER_MEMBER_TOO_FAR;
}

static uint64_t first_index_of(const struct trio_member *member)
{
    return cluster_status(member->cluster).first_index;
}

/* The log is kept for an absent member, on all who may have to feed it; beyond
 * the bound it is not, and then it is said plainly that it must be rebuilt. */
static void test_the_log_is_kept_up_to_a_bound(void **state)
{
    (void)state;
    trio.options.segment_bytes = 64 * 1024;
    trio.options.kept_log_bytes = 1024 * 1024;
    trio.options.tail_bytes = 64 * 1024;
    trio_open_all(&trio);
    trio_submit(&trio, 10, 100);
    trio_agree(&trio);
    struct trio_member *leader = trio_leader(&trio);
    unsigned away = other_than(leader->number);
    away_node = away + 1;
    trio_stop(&trio, away);
    for (unsigned round = 0; round < 10; round++) {
        trio_submit(&trio, 5, 16000);
        save_stores();
    }
    trio_agree(&trio);
    assert_int_equal(first_index_of(leader), 1);
    trio_open(&trio, away);
    trio_agree(&trio);
    trio_stop(&trio, away);
    for (unsigned round = 0; round < 40; round++) {
        trio_submit(&trio, 5, 16000);
        save_stores();
    }
    assert_true(first_index_of(leader) > 20);
    assert_true(cluster_status(leader->cluster).log_bytes < 2 * 1024 * 1024);
    uint64_t term = leader->leading_term;
    trio.options.applied_index = trio.members[away].last_index;
    trio_open(&trio, away);
    trio_run_until(&trio, is_too_far, "a member that must be rebuilt");
    trio_submit(&trio, 5, 100);
    trio_run_for(&trio, 1500);
    assert_int_equal(leader->leading_term, term);
    assert_int_equal(state_of(away_node), CLUSTER_MEMBER_TOO_FAR);
}

/* --- Minorities --------------------------------------------------------- */

static bool has_no_leader(struct trio *three)
{
    return trio_leader(three) == NULL;
}

/* Alone it commits nothing, its lease ends, and it steps down; its entry is
 * lost to what the others go on with. */
static void test_a_minority_commits_nothing(void **state)
{
    (void)state;
    uint64_t index;
    trio_open_all(&trio);
    trio_submit(&trio, 10, 100);
    trio_agree(&trio);
    struct trio_member *leader = trio_leader(&trio);
    assert_true(cluster_lease_until_ms(leader->cluster) > clock_ms());
    trio_stop(&trio, other_than(leader->number));
    trio_stop(&trio, other_than(other_than(leader->number)));
    struct buffer *entry = buffer_new(8);
    assert_non_null(entry);
    entry->length = 8;
    memset(entry->data, 1, 8);
    if (cluster_submit(leader->cluster, entry, &index) != 0)
        buffer_unref(entry);
    uint64_t before = leader->last_index;
    trio_run_until(&trio, has_no_leader,
                   "the end of the leader without voters");
    assert_true(cluster_lease_until_ms(leader->cluster) <= clock_ms());
    trio_run_for(&trio, 500);
    assert_int_equal(leader->last_index, before);
    trio_open(&trio, other_than(leader->number));
    trio_submit(&trio, 10, 100);
    trio_open(&trio, other_than(other_than(leader->number)));
    trio_agree(&trio);
}

/* --- Transfer ----------------------------------------------------------- */

static int transferred;
static struct error transfer_error;

static void on_transferred(void *context, const struct error *error)
{
    (void)context;
    transferred++;
    transfer_error = *error;
}

static bool is_transferred(struct trio *three)
{
    (void)three;
    return transferred > 0;
}

static bool is_led_by_another(struct trio *three)
{
    struct trio_member *leader = trio_leader(three);
    return transferred > 0 && leader != NULL &&
           cluster_status(leader->cluster).leading;
}

/* To whom it is asked for, back and forth, while entries go through. */
static void test_leadership_is_given_away(void **state)
{
    (void)state;
    trio_open_all(&trio);
    trio_submit(&trio, 10, 100);
    trio_agree(&trio);
    for (unsigned round = 0; round < 6; round++) {
        struct trio_member *old = trio_leader(&trio);
        uint32_t to = round % 2 == 0 ? other_than(old->number) + 1 : 0;
        transferred = 0;
        uint64_t began = clock_ms();
        assert_int_equal(
            cluster_transfer(old->cluster, to, on_transferred, NULL), 0);
        assert_int_equal(transferred, 0); /* Never within the call. */
        assert_false(cluster_can_submit(old->cluster));
        trio_run_until(&trio, is_led_by_another, "another leader");
        print_message("another leads after %lu ms\n",
                      (unsigned long)(clock_ms() - began));
        assert_int_equal(transfer_error.code, 0);
        struct trio_member *leader = trio_leader(&trio);
        assert_ptr_not_equal(leader, old);
        assert_true(cluster_lease_until_ms(old->cluster) == 0);
        if (to != 0)
            assert_int_equal(leader->number + 1, to);
        trio_submit(&trio, 10, 100);
        trio_agree(&trio);
    }
}

static bool has_lease(struct trio *three)
{
    struct trio_member *leader = trio_leader(three);
    return leader != NULL &&
           cluster_lease_until_ms(leader->cluster) > clock_ms();
}

/* A member that is not there takes nothing: the leader goes on, and its lease
 * comes back. */
static void test_a_transfer_to_nobody_fails_with_words(void **state)
{
    (void)state;
    trio_open_all(&trio);
    trio_submit(&trio, 10, 100);
    trio_agree(&trio);
    struct trio_member *leader = trio_leader(&trio);
    unsigned away = other_than(leader->number);
    uint64_t term = leader->leading_term;
    trio_stop(&trio, away);
    transferred = 0;
    assert_int_equal(cluster_transfer(leader->cluster, 9, on_transferred, NULL),
                     ERR_NOT_FOUND);
    assert_int_equal(cluster_transfer(leader->cluster, leader->number + 1,
                                      on_transferred, NULL),
                     ERR_NOT_FOUND);
    assert_int_equal(
        cluster_transfer(
            trio.members[other_than(away)].cluster == leader->cluster
                ? trio.members[other_than(other_than(away))].cluster
                : trio.members[other_than(away)].cluster,
            0, on_transferred, NULL),
        ERR_NOT_LEADER);
    trio_submit(&trio, 1, 100);
    assert_int_equal(
        cluster_transfer(leader->cluster, away + 1, on_transferred, NULL), 0);
    assert_int_equal(
        cluster_transfer(leader->cluster, away + 1, on_transferred, NULL),
        ERR_BUSY);
    trio_run_until(&trio, is_transferred, "the end of a transfer");
    assert_int_equal(transferred, 1);
    assert_int_equal(transfer_error.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(transfer_error.text, "not handed over"));
    assert_int_equal(leader->leading_term, term);
    trio_submit(&trio, 10, 100);
    trio_run_until(&trio, has_lease, "a lease again");
    trio_open(&trio, away);
    trio_agree(&trio);
}

static const struct trio_member *stalled;

static bool another_leads_with_lease(struct trio *three)
{
    return has_lease(three) && trio_leader(three) != stalled;
}

/* As if a write had begun a while ago and did not end. */
static void test_a_leader_with_a_stalled_disk_gives_way(void **state)
{
    (void)state;
    trio_open_all(&trio);
    trio_submit(&trio, 10, 100);
    trio_agree(&trio);
    struct trio_member *leader = trio_leader(&trio);
    leader->cluster->appends++;
    leader->cluster->appends_since_ms = clock_ms() - 1000;
    stalled = leader;
    trio_run_until(&trio, another_leads_with_lease, "another leader");
    assert_int_equal(leader->failed, 0);
    leader->cluster->appends--;
    trio_submit(&trio, 10, 100);
    trio_agree(&trio);
}

/* The process stood still with a write under way: when it wakes up, its timer
 * may come before the news that the write has long ended. */
static void test_a_leader_that_stood_still_does_not_blame_its_disk(void **state)
{
    (void)state;
    trio_open_all(&trio);
    trio_submit(&trio, 10, 100);
    trio_agree(&trio);
    struct trio_member *leader = trio_leader(&trio);
    uint64_t long_ago = clock_ms() - 60000;
    leader->cluster->appends++;
    leader->cluster->appends_since_ms = long_ago;
    leader->cluster->watched_ms = long_ago + 10;
    transfer_run(leader->cluster);
    assert_int_equal(leader->failed, 0);
    assert_false(leader->cluster->transfer.active);
    leader->cluster->appends--;
    trio_submit(&trio, 10, 100);
    trio_agree(&trio);
}

static int answer_code;

static void on_no_answer(void *context, int rc,
                         const struct cluster_answer *answer)
{
    (void)context;
    assert_null(answer);
    answer_code = rc;
}

/* Its connections stay, and it says nothing more: as long as that has lasted
 * for one look alone, it is this node that may have stood still. */
static void test_who_asks_a_member_that_stands_still_is_told(void **state)
{
    (void)state;
    trio_open_all(&trio);
    trio_submit(&trio, 10, 100);
    trio_agree(&trio);
    struct trio_member *leader = trio_leader(&trio);
    struct trio_member *asker = &trio.members[other_than(leader->number)];
    struct member *asked = members_find(asker->cluster, leader->number + 1);
    struct buffer *body = buffer_new(1);
    body->length = 1;
    leader->keeps_requests = true;
    answer_code = 1;
    assert_int_equal(cluster_request(asker->cluster, leader->number + 1, body,
                                     60000, on_no_answer, NULL),
                     0);
    buffer_unref(body);
    uint64_t now = clock_ms();
    asked->contact_ms = now - 60000;
    asker->cluster->looked_ms = now - 1000;
    calls_expire(asker->cluster, now);
    assert_int_equal(answer_code, 1);
    calls_expire(asker->cluster, now + 1);
    assert_int_equal(answer_code, 1);
    asker->cluster->looked_ms -= 1000;
    calls_expire(asker->cluster, now + 2);
    assert_int_equal(answer_code, ERR_UNKNOWN_OUTCOME);
}

/* --- Status ------------------------------------------------------------- */

static unsigned state_of(unsigned node_id)
{
    struct cluster_member members[TRIO];
    struct trio_member *leader = trio_leader(&trio);
    unsigned count = cluster_members(leader->cluster, members, TRIO);
    assert_int_equal(count, TRIO);
    for (unsigned i = 0; i < count; i++)
        if (members[i].node_id == node_id) {
            assert_true(members[i].voter);
            assert_string_equal(members[i].address,
                                trio.members[node_id - 1].address);
            return members[i].state;
        }
    fail_msg("node %u is not among the members", node_id);
    return 0;
}

static bool is_unreachable(struct trio *three)
{
    (void)three;
    return state_of(away_node) == CLUSTER_MEMBER_UNREACHABLE;
}

static bool is_follower(struct trio *three)
{
    (void)three;
    return state_of(away_node) == CLUSTER_MEMBER_FOLLOWER;
}

static void test_the_leader_knows_its_members(void **state)
{
    (void)state;
    struct cluster_member members[TRIO];
    trio_open_all(&trio);
    trio_submit(&trio, 10, 100);
    trio_agree(&trio);
    struct trio_member *leader = trio_leader(&trio);
    away_node = other_than(leader->number) + 1;
    assert_int_equal(state_of(leader->number + 1), CLUSTER_MEMBER_LEADER);
    trio_run_until(&trio, is_follower, "a follower");
    trio_stop(&trio, away_node - 1);
    trio_run_until(&trio, is_unreachable, "a member away");
    trio_submit(&trio, 10, 100);
    assert_int_equal(cluster_members(leader->cluster, members, TRIO), TRIO);
    for (unsigned i = 0; i < TRIO; i++)
        assert_true(members[i].lag >=
                    (members[i].node_id == away_node ? 10 : 0));
    trio_open(&trio, away_node - 1);
    trio_run_until(&trio, is_follower, "a follower again");
}

/* --- Requests ----------------------------------------------------------- */

struct answer {
    unsigned count;
    int rc;
    size_t length;
    char start[12];
};

static void on_answered(void *context, int rc,
                        const struct cluster_answer *answer)
{
    struct answer *noted = context;
    noted->count++;
    noted->rc = rc;
    if (answer == NULL)
        return;
    noted->length = answer->body.length;
    memcpy(noted->start, answer->body.data, sizeof noted->start - 1);
}

static int ask(unsigned from, uint32_t node, size_t length, uint32_t timeout_ms,
               struct answer *answer)
{
    struct buffer *body = buffer_new(length);
    assert_non_null(body);
    *answer = (struct answer){.rc = 1};
    body->length = length;
    memset(body->data, 'q', length);
    int rc = cluster_request(trio.members[from].cluster, node, body, timeout_ms,
                             on_answered, answer);
    assert_int_equal(answer->count, 0); /* Never before the call returns. */
    buffer_unref(body);
    return rc;
}

static struct answer answers[3];

static bool are_answered(struct trio *three)
{
    (void)three;
    return answers[0].count > 0 && answers[1].count > 0;
}

static bool is_requested(struct trio *three)
{
    return three->members[1].requests > 0;
}

static void test_requests_are_answered(void **state)
{
    (void)state;
    /* All three copy the large body on one loop, and on a busy machine. */
    trio.options.election_timeout_ms = 2000;
    trio.options.heartbeat_ms = 100;
    trio_open_all(&trio);
    trio_submit(&trio, 1, 100);
    trio_agree(&trio);
    assert_int_equal(ask(0, 2, 100, 20000, &answers[0]), 0);
    assert_int_equal(ask(2, 1, 40 * 1024 * 1024, 20000, &answers[1]), 0);
    trio_run_until(&trio, are_answered, "two answers");
    assert_int_equal(answers[0].rc, 0);
    assert_int_equal(answers[0].length, 104);
    assert_string_equal(answers[0].start, "re: qqqqqqq");
    assert_int_equal(answers[1].rc, 0);
    assert_int_equal(answers[1].length, 40 * 1024 * 1024 + 4);
    /* A large body has not cost the leader its office. */
    assert_int_equal(trio_leader(&trio)->leadings, 1);
    assert_int_equal(ask(0, 9, 100, 1000, &answers[0]), ERR_UNAVAILABLE);
    assert_int_equal(ask(0, 2, 50 * 1024 * 1024, 1000, &answers[0]),
                     ERR_TOO_LARGE);
}

/* No answer in time, or none ever since the other one is gone. */
static void test_requests_without_answer_are_unknown(void **state)
{
    (void)state;
    trio_open_all(&trio);
    trio_submit(&trio, 1, 100);
    trio_agree(&trio);
    trio.members[1].keeps_requests = true;
    trio.members[1].requests = 0;
    assert_int_equal(ask(0, 2, 100, 50, &answers[0]), 0);
    assert_int_equal(ask(0, 2, 100, 60000, &answers[1]), 0);
    trio_run_until(&trio, is_requested, "a request");
    trio_run_for(&trio, 200);
    assert_int_equal(answers[0].count, 1);
    assert_int_equal(answers[0].rc, ERR_UNKNOWN_OUTCOME);
    assert_int_equal(answers[1].count, 0);
    trio_stop(&trio, 1);
    trio_run_until(&trio, are_answered, "the end of a request");
    assert_int_equal(answers[1].rc, ERR_UNKNOWN_OUTCOME);
    assert_int_equal(answers[0].count, 1);
    assert_int_equal(ask(0, 2, 100, 1000, &answers[0]), ERR_UNAVAILABLE);
    /* What still waits at the end hears of it. */
    trio.members[2].keeps_requests = true;
    assert_int_equal(ask(0, 3, 100, 60000, &answers[0]), 0);
    trio_stop(&trio, 0);
    assert_int_equal(answers[0].count, 1);
    assert_int_equal(answers[0].rc, ERR_UNKNOWN_OUTCOME);
}

/* Followers have nothing to say to each other, and live. */
static void test_a_quiet_member_is_not_silent(void **state)
{
    (void)state;
    trio_open_all(&trio);
    trio_submit(&trio, 1, 100);
    trio_agree(&trio);
    unsigned asker = other_than(trio_leader(&trio)->number);
    unsigned asked = other_than(asker);
    trio.members[asked].keeps_requests = true;
    assert_int_equal(ask(asker, asked + 1, 100, 60000, &answers[0]), 0);
    trio_run_for(&trio, 5000);
    assert_int_equal(answers[0].count, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_all_hand_over_the_same),
        TEST(test_nothing_begins_before_all_are_there),
        TEST(test_a_lost_volume_does_not_come_back),
        TEST(test_founding_may_be_interrupted),
        TEST(test_senseless_first_members_are_refused),
        TEST(test_a_leader_goes_and_comes_back),
        TEST(test_a_follower_catches_up_from_memory),
        TEST(test_a_follower_catches_up_from_disk),
        TEST(test_a_follower_catches_up_on_large_entries),
        TEST(test_the_log_is_kept_up_to_a_bound),
        TEST(test_a_minority_commits_nothing),
        TEST(test_leadership_is_given_away),
        TEST(test_a_transfer_to_nobody_fails_with_words),
        TEST(test_a_leader_with_a_stalled_disk_gives_way),
        TEST(test_a_leader_that_stood_still_does_not_blame_its_disk),
        TEST(test_who_asks_a_member_that_stands_still_is_told),
        TEST(test_the_leader_knows_its_members),
        TEST(test_requests_are_answered),
        TEST(test_requests_without_answer_are_unknown),
        TEST(test_a_quiet_member_is_not_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
