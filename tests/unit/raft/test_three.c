/* Three members on real loops, sockets, disks and threads: they found a
 * cluster together, elect, replicate, lose and take back members. */
#include "trio.h"

#include "base/clock.h"

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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_all_hand_over_the_same),
        TEST(test_nothing_begins_before_all_are_there),
        TEST(test_a_lost_volume_does_not_come_back),
        TEST(test_a_leader_goes_and_comes_back),
        TEST(test_a_follower_catches_up_from_memory),
        TEST(test_a_follower_catches_up_from_disk),
        TEST(test_a_minority_commits_nothing),
        TEST(test_requests_are_answered),
        TEST(test_requests_without_answer_are_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
