/* Requests under a key: carried out once, remembered for a day of the log's
 * clock, in bounds. */
#include "fixture.h"

#include "storage/view.h"

#include <stdio.h>

enum { BEGIN_MS = 5000, KEPT_MS = IDEMPOTENCY_KEPT_MS };

struct post {
    struct fixture fixture;
    struct encoder entry;
};

static void open_post(struct post *post)
{
    struct topic_options topic = fixture_topic("orders");
    *post = (struct post){0};
    fixture_open(&post->fixture);
    command_topic_create_encode(&post->entry, 1000, &topic);
    assert_int_equal(fixture_apply_one(&post->fixture, &post->entry).code, 0);
}

static void close_post(struct post *post)
{
    encoder_close(&post->entry);
    fixture_close(&post->fixture);
}

/* One message under the key. */
static struct command_result publish(struct post *post, uint64_t time_ms,
                                     const char *key, const char *body)
{
    struct idempotency request = fixture_request(key, body);
    encode_messages_once(&post->entry, time_ms, &request, 1, 1, "{}");
    return fixture_apply_one(&post->fixture, &post->entry);
}

static struct view *begin_view(struct post *post)
{
    struct view *view;
    struct error error = {0};
    fixture_commit(&post->fixture);
    expect_ok(view_begin(post->fixture.store, &view, &error), &error);
    return view;
}

/* What is kept, in both databases; and that everything is whole. */
static void expect_keys(struct post *post, uint64_t wanted)
{
    struct error error = {0};
    struct verify_report report;
    uint64_t keys;
    uint64_t times;
    struct view *view = begin_view(post);
    expect_ok(verify_all(view, &report, &error), &error);
    expect_ok(
        record_count(&view->transaction, DATABASE_IDEMPOTENCY, &keys, &error),
        &error);
    expect_ok(record_count(&view->transaction, DATABASE_IDEMPOTENCY_TIME,
                           &times, &error),
              &error);
    view_end(view);
    assert_int_equal(keys, wanted);
    assert_int_equal(times, wanted);
}

static uint64_t messages(struct post *post)
{
    struct error error = {0};
    struct topic *topics;
    uint32_t count;
    struct view *view = begin_view(post);
    expect_ok(
        query_topics(view, 0, 1, &post->fixture.arena, &topics, &count, &error),
        &error);
    view_end(view);
    return topics[0].messages;
}

/* ---- Once ---- */

static void test_a_replay_answers_as_the_first_time(void **state)
{
    struct post post;
    struct idempotency request = fixture_request("k", "body");
    (void)state;
    open_post(&post);
    encode_messages(&post.entry, BEGIN_MS, 1, 2, "{}");
    fixture_apply_one(&post.fixture, &post.entry);
    for (int i = 0; i < 3; i++) {
        encode_messages_once(&post.entry, BEGIN_MS + 1, &request, 1, 5, "{}");
        struct command_result result =
            fixture_apply_one(&post.fixture, &post.entry);
        assert_int_equal(result.code, i == 0 ? 0 : ERR_EXISTS);
        assert_int_equal(result.id, 3);
        assert_int_equal(result.count, 5);
        fixture_commit(&post.fixture);
        fixture_reopen(&post.fixture);
    }
    close_post(&post);
}

/* Twenty of one entry: the first is carried out, the others see it. */
static void test_racing_requests_make_one_message(void **state)
{
    struct post post;
    struct idempotency request = fixture_request("k", "body");
    uint32_t count;
    (void)state;
    open_post(&post);
    for (int i = 0; i < 20; i++)
        encode_messages_once(&post.entry, BEGIN_MS, &request, 1, 1, "{}");
    struct command_result *results =
        fixture_apply(&post.fixture, &post.entry, &count);
    assert_int_equal(count, 20);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(results[i].code, i == 0 ? 0 : ERR_EXISTS);
        assert_int_equal(results[i].id, 1);
        assert_int_equal(results[i].count, 1);
    }
    assert_int_equal(messages(&post), 1);
    expect_keys(&post, 1);
    close_post(&post);
}

static void test_another_body_is_a_conflict(void **state)
{
    struct post post;
    (void)state;
    open_post(&post);
    assert_int_equal(publish(&post, BEGIN_MS, "k", "body").code, 0);
    struct command_result result = publish(&post, BEGIN_MS, "k", "body ");
    assert_int_equal(result.code, ERR_CONFLICT);
    assert_int_equal(result.id, 0);
    assert_int_equal(result.count, 0);
    /* It has not taken the first one's place. */
    assert_int_equal(publish(&post, BEGIN_MS, "k", "body").code, ERR_EXISTS);
    assert_int_equal(messages(&post), 1);
    close_post(&post);
}

/* The same key is another one for another caller or on another route; and a
 * key that begins like another is not that one. */
static void test_keys_are_scoped(void **state)
{
    struct post post;
    struct idempotency request = fixture_request("k", "body");
    (void)state;
    open_post(&post);
    for (uint32_t scope = 0; scope < 2; scope++)
        for (uint8_t route = 1; route <= 2; route++) {
            request.scope = scope;
            request.route = route;
            encode_messages_once(&post.entry, BEGIN_MS, &request, 1, 1, "{}");
            assert_int_equal(fixture_apply_one(&post.fixture, &post.entry).code,
                             0);
        }
    assert_int_equal(publish(&post, BEGIN_MS, "k1", "body").code, 0);
    assert_int_equal(publish(&post, BEGIN_MS, "K", "body").code, 0);
    expect_keys(&post, 6);
    close_post(&post);
}

static void test_a_failure_is_not_remembered(void **state)
{
    struct post post;
    struct idempotency request = fixture_request("k", "body");
    (void)state;
    open_post(&post);
    encode_messages_once(&post.entry, BEGIN_MS, &request, 2, 1, "{}");
    assert_int_equal(fixture_apply_one(&post.fixture, &post.entry).code,
                     ERR_NOT_FOUND);
    expect_keys(&post, 0);
    struct command_result result = publish(&post, BEGIN_MS, "k", "other");
    assert_int_equal(result.code, 0);
    assert_int_equal(result.id, 1);
    close_post(&post);
}

/* An empty list is a success too. */
static void test_nothing_is_remembered_as_well(void **state)
{
    struct post post;
    struct idempotency request = fixture_request("k", "[]");
    struct idempotency other = fixture_request("k", "[1]");
    (void)state;
    open_post(&post);
    encode_messages_once(&post.entry, BEGIN_MS, &request, 1, 0, "");
    assert_int_equal(fixture_apply_one(&post.fixture, &post.entry).code, 0);
    encode_messages_once(&post.entry, BEGIN_MS, &request, 1, 0, "");
    struct command_result result =
        fixture_apply_one(&post.fixture, &post.entry);
    assert_int_equal(result.code, ERR_EXISTS);
    assert_int_equal(result.count, 0);
    encode_messages_once(&post.entry, BEGIN_MS, &other, 1, 1, "1");
    assert_int_equal(fixture_apply_one(&post.fixture, &post.entry).code,
                     ERR_CONFLICT);
    close_post(&post);
}

/* ---- For a day ---- */

static void test_a_key_counts_for_a_day(void **state)
{
    struct post post;
    (void)state;
    open_post(&post);
    publish(&post, BEGIN_MS, "k", "body");
    struct command_result result =
        publish(&post, BEGIN_MS + KEPT_MS - 1, "k", "body");
    assert_int_equal(result.code, ERR_EXISTS);
    /* The replay has not prolonged it; and then any body will do. */
    result = publish(&post, BEGIN_MS + KEPT_MS, "k", "other");
    assert_int_equal(result.code, 0);
    assert_int_equal(result.id, 2);
    expect_keys(&post, 1);
    /* The clock of the next proposer is behind; the log's is not. */
    assert_int_equal(publish(&post, BEGIN_MS, "k", "other").code, ERR_EXISTS);
    close_post(&post);
}

/* Four go with each keyed request, whatever comes of it, oldest first; what
 * comes without a key leaves them alone. */
static void test_the_expired_go_in_small_steps(void **state)
{
    struct post post;
    uint64_t late_ms = BEGIN_MS + 10 + KEPT_MS;
    char key[8];
    (void)state;
    open_post(&post);
    for (unsigned i = 0; i < 7; i++) {
        snprintf(key, sizeof key, "k%u", 6 - i);
        publish(&post, BEGIN_MS + i, key, "body");
    }
    publish(&post, BEGIN_MS + 20, "young", "body");
    encode_messages(&post.entry, late_ms, 1, 1, "{}");
    fixture_apply_one(&post.fixture, &post.entry);
    expect_keys(&post, 8);
    assert_int_equal(publish(&post, late_ms, "young", "?").code, ERR_CONFLICT);
    expect_keys(&post, 4);
    assert_int_equal(publish(&post, late_ms, "young", "body").code, ERR_EXISTS);
    expect_keys(&post, 1);
    close_post(&post);
}

/* ---- In bounds ---- */

static void test_the_bound_refuses_new_keys_only(void **state)
{
    struct post post;
    char key[8];
    (void)state;
    open_post(&post);
    for (unsigned i = 0; i < FIXTURE_IDEMPOTENCY_KEYS; i++) {
        snprintf(key, sizeof key, "k%u", i);
        assert_int_equal(publish(&post, BEGIN_MS + i, key, "body").code, 0);
    }
    assert_int_equal(publish(&post, BEGIN_MS, "new", "body").code, ERR_BUSY);
    assert_int_equal(publish(&post, BEGIN_MS, "k0", "body").code, ERR_EXISTS);
    assert_int_equal(publish(&post, BEGIN_MS, "k0", "?").code, ERR_CONFLICT);
    encode_messages(&post.entry, BEGIN_MS, 1, 1, "{}");
    assert_int_equal(fixture_apply_one(&post.fixture, &post.entry).code, 0);
    expect_keys(&post, FIXTURE_IDEMPOTENCY_KEYS);
    /* One expires, one has room. */
    uint64_t later_ms = BEGIN_MS + KEPT_MS;
    assert_int_equal(publish(&post, later_ms, "new", "body").code, 0);
    assert_int_equal(publish(&post, later_ms, "newer", "body").code, ERR_BUSY);
    expect_keys(&post, FIXTURE_IDEMPOTENCY_KEYS);
    close_post(&post);
}

/* An expired key that is still there is renewed, not refused, in a store that
 * is full of such. */
static void test_an_expired_key_is_renewed(void **state)
{
    struct post post;
    char key[8];
    (void)state;
    open_post(&post);
    for (unsigned i = 0; i < FIXTURE_IDEMPOTENCY_KEYS; i++) {
        snprintf(key, sizeof key, "k%u", i);
        publish(&post, BEGIN_MS + i, key, "body");
    }
    assert_int_equal(publish(&post, BEGIN_MS + 7 + KEPT_MS, "k7", "?").code, 0);
    expect_keys(&post, FIXTURE_IDEMPOTENCY_KEYS - 4);
    assert_int_equal(publish(&post, BEGIN_MS, "k7", "?").code, ERR_EXISTS);
    expect_keys(&post, 1);
    close_post(&post);
}

/* ---- The log and the state ---- */

static void test_a_key_that_cannot_be_read_stops_the_store(void **state)
{
    struct post post;
    struct error error = {0};
    struct command_result *results;
    uint32_t count;
    struct idempotency request = fixture_request("k", "body");
    (void)state;
    open_post(&post);
    fixture_commit(&post.fixture);
    encode_messages_once(&post.entry, BEGIN_MS, &request, 1, 1, "{}");
    /* The field ends before its key. */
    put_u16(post.entry.data + COMMAND_ENVELOPE_SIZE, 4 + 1 + REQUEST_HASH_SIZE);
    assert_int_equal(store_apply(post.fixture.store, post.fixture.index + 1,
                                 encoder_slice(&post.entry),
                                 &post.fixture.arena, &results, &count, &error),
                     ERR_CORRUPT);
    assert_non_null(strstr(error.text, "messages command"));
    close_post(&post);
}

/* The rows' formats, and what apply makes of a history with keys. */
static void test_the_state_of_a_history_is_frozen(void **state)
{
    struct post post;
    (void)state;
    open_post(&post);
    publish(&post, BEGIN_MS, "a", "body");
    publish(&post, BEGIN_MS + 1, "b", "body");
    publish(&post, BEGIN_MS + 1, "b", "body");
    publish(&post, BEGIN_MS + KEPT_MS, "c", "body");
    struct state_hash hash = store_state_hash(post.fixture.store);
    assert_int_equal(hash.high, 0xb4d4f55bb580bfc8);
    assert_int_equal(hash.low, 0xaeed2f667554bf05);
    close_post(&post);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_replay_answers_as_the_first_time),
        cmocka_unit_test(test_racing_requests_make_one_message),
        cmocka_unit_test(test_another_body_is_a_conflict),
        cmocka_unit_test(test_keys_are_scoped),
        cmocka_unit_test(test_a_failure_is_not_remembered),
        cmocka_unit_test(test_nothing_is_remembered_as_well),
        cmocka_unit_test(test_a_key_counts_for_a_day),
        cmocka_unit_test(test_the_expired_go_in_small_steps),
        cmocka_unit_test(test_the_bound_refuses_new_keys_only),
        cmocka_unit_test(test_an_expired_key_is_renewed),
        cmocka_unit_test(test_a_key_that_cannot_be_read_stops_the_store),
        cmocka_unit_test(test_the_state_of_a_history_is_frozen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
