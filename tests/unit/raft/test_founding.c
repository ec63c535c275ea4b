/* First members agree: in any order, with late ones, without lost ones. */
#include "raft/founding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct cluster_address members[3] = {
    {2, "b:1"}, {1, "a:1"}, {3, "c:1"}};
static const struct cluster_address others[3] = {
    {1, "a:1"}, {2, "b:2"}, {3, "c:1"}};

/* What `from` says, heard by `to`. */
static int tell(const struct founding *from, struct founding *to,
                uint64_t *ret_log_id)
{
    uint8_t statement[FOUNDING_STATEMENT];
    struct error error = {0};
    founding_state(from, statement);
    int rc =
        founding_hear(to, from->node_id, slice_of(statement, sizeof statement),
                      ret_log_id, &error);
    assert_true((rc == 0) == (error.text[0] == '\0'));
    return rc;
}

static void test_all_come_to_the_same_id(void **state)
{
    (void)state;
    struct founding three[3];
    uint64_t ids[3] = {0};
    uint64_t id;
    for (uint32_t i = 0; i < 3; i++)
        founding_init(&three[i], i + 1, 100 + i, members, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(tell(&three[(i + 1) % 3], &three[i], &id), 0);
        assert_int_equal(id, 0); /* One has not spoken. */
        assert_int_equal(tell(&three[(i + 2) % 3], &three[i], &ids[i]), 0);
        assert_int_not_equal(ids[i], 0);
    }
    assert_true(ids[0] == ids[1] && ids[1] == ids[2]);
}

/* Node 3 was slower: the others have begun, with what it had said. After a
 * loss of its volume it would say something else. */
static void hear_late(uint64_t nonce, int expected)
{
    struct founding first;
    struct founding second;
    struct founding late;
    uint64_t id;
    uint64_t late_id;
    founding_init(&first, 1, 100, members, 3);
    founding_init(&second, 2, 101, members, 3);
    founding_init(&late, 3, 102, members, 3);
    assert_int_equal(tell(&second, &first, &id), 0);
    assert_int_equal(tell(&late, &first, &id), 0);
    assert_int_not_equal(id, 0);
    founding_done(&first, 1, 100, id);
    founding_done(&second, 2, 101, id);
    founding_init(&late, 3, nonce, members, 3);
    assert_int_equal(tell(&first, &late, &late_id), 0);
    assert_int_equal(late_id, 0);
    assert_int_equal(tell(&second, &late, &late_id), expected);
    if (expected == 0)
        assert_true(late_id == id);
    /* Who has begun listens to nobody. */
    assert_int_equal(tell(&late, &first, &id), 0);
    assert_int_equal(id, 0);
}

static void test_a_late_one_follows(void **state)
{
    (void)state;
    hear_late(102, 0);
}

static void test_a_lost_one_does_not(void **state)
{
    (void)state;
    hear_late(103, ERR_CONFLICT);
}

static void test_strangers_are_refused(void **state)
{
    (void)state;
    struct founding own;
    struct founding other;
    uint64_t id;
    uint8_t statement[FOUNDING_STATEMENT];
    struct error error = {0};
    founding_init(&own, 1, 100, members, 3);
    founding_init(&other, 2, 101, others, 3);
    assert_int_equal(tell(&other, &own, &id), ERR_CONFLICT);
    /* A cluster of its own. */
    founding_done(&other, 2, 0, 77);
    assert_int_equal(tell(&other, &own, &id), ERR_CONFLICT);
    /* Nobody of the list. */
    founding_done(&other, 4, 5, 77);
    assert_int_equal(tell(&other, &own, &id), ERR_CONFLICT);
    founding_state(&other, statement);
    assert_false(founding_waits(slice_of(statement, sizeof statement)));
    assert_int_equal(
        founding_hear(&own, 2, slice_of(statement, 7), &id, &error),
        ERR_CORRUPT);
    statement[0] = 9;
    assert_int_equal(founding_hear(&own, 2,
                                   slice_of(statement, sizeof statement), &id,
                                   &error),
                     ERR_VERSION);
    assert_false(founding_waits(slice_of(statement, 7)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_come_to_the_same_id),
        cmocka_unit_test(test_a_late_one_follows),
        cmocka_unit_test(test_a_lost_one_does_not),
        cmocka_unit_test(test_strangers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
