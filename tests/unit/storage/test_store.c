/* The store as a machine: open, apply, commit, come back. */
#include "fixture.h"

#include "base/bounds.h"
#include "storage/record.h"

#include <lmdb.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static uint32_t make_topic(struct fixture *fixture, struct encoder *entry,
                           const char *name)
{
    struct topic_options options = fixture_topic(name);
    command_topic_create_encode(entry, 1000, &options);
    struct command_result result = fixture_apply_one(fixture, entry);
    assert_int_equal(result.code, 0);
    return (uint32_t)result.id;
}

static struct command_result make_publisher(struct fixture *fixture,
                                            struct encoder *entry,
                                            uint32_t topic_id,
                                            const char *target, bool from_now)
{
    struct command_publisher_create create = {
        .topic_id = topic_id,
        .from_now = from_now,
        .options = fixture_publisher(target),
    };
    command_publisher_create_encode(entry, 1000, &create);
    return fixture_apply_one(fixture, entry);
}

static struct view *begin_view(struct fixture *fixture)
{
    struct view *view;
    struct error error = {0};
    expect_ok(view_begin(fixture->store, &view, &error), &error);
    return view;
}

static void expect_whole(struct fixture *fixture)
{
    struct error error = {0};
    struct verify_report report;
    struct view *view = begin_view(fixture);
    expect_ok(verify_all(view, &report, &error), &error);
    assert_true(
        state_hash_equal(report.hash, store_state_hash(fixture->store)));
    view_end(view);
}

/* ---- Tests ---- */

static void test_identity_is_given_once(void **state)
{
    struct fixture fixture;
    struct encoder entry = {0};
    struct cluster_identity identity;
    struct error error = {0};
    (void)state;
    fixture_open(&fixture);
    struct command_init init = {.cluster_id = "0123456789abcde",
                                .id_space = 77};
    command_init_encode(&entry, 5, &init);
    init.id_space = 78;
    command_init_encode(&entry, 6, &init);
    uint32_t count;
    fixture_apply(&fixture, &entry, &count);
    assert_int_equal(count, 2);
    fixture_commit(&fixture);
    struct view *view = begin_view(&fixture);
    expect_ok(query_identity(view, &identity, &error), &error);
    assert_int_equal(identity.id_space, 77);
    assert_memory_equal(identity.cluster_id, init.cluster_id, 16);
    view_end(view);
    encoder_close(&entry);
    fixture_close(&fixture);
}

static void test_names_and_triples_are_unique(void **state)
{
    struct fixture fixture;
    struct encoder entry = {0};
    (void)state;
    fixture_open(&fixture);
    uint32_t topic = make_topic(&fixture, &entry, "orders");
    struct topic_options again = fixture_topic("orders");
    command_topic_create_encode(&entry, 1, &again);
    assert_int_equal(fixture_apply_one(&fixture, &entry).code, ERR_EXISTS);
    struct command_result first =
        make_publisher(&fixture, &entry, topic, "http://a/", false);
    assert_int_equal(first.code, 0);
    assert_int_equal(
        make_publisher(&fixture, &entry, topic, "http://a/", true).code,
        ERR_EXISTS);
    assert_int_equal(
        make_publisher(&fixture, &entry, topic + 1, "http://a/", true).code,
        ERR_NOT_FOUND);
    /* A deleted one frees its triple; its id never comes back. */
    command_publisher_delete_encode(&entry, 1, (uint32_t)first.id);
    assert_int_equal(fixture_apply_one(&fixture, &entry).code, 0);
    struct command_result second =
        make_publisher(&fixture, &entry, topic, "http://a/", false);
    assert_int_equal(second.code, 0);
    assert_true(second.id > first.id);
    encoder_close(&entry);
    fixture_close(&fixture);
}

static void test_invalid_options_are_refused(void **state)
{
    struct fixture fixture;
    struct encoder entry = {0};
    char name[BOUND_TOPIC_NAME + 2];
    (void)state;
    fixture_open(&fixture);
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    struct topic_options options = fixture_topic(name);
    command_topic_create_encode(&entry, 1, &options);
    assert_int_equal(fixture_apply_one(&fixture, &entry).code, ERR_INVALID);
    options = fixture_topic("");
    command_topic_create_encode(&entry, 1, &options);
    assert_int_equal(fixture_apply_one(&fixture, &entry).code, ERR_INVALID);
    options = fixture_topic(name + 1);
    command_topic_create_encode(&entry, 1, &options);
    assert_int_equal(fixture_apply_one(&fixture, &entry).code, 0);
    assert_int_equal(make_publisher(&fixture, &entry, 1, "", false).code,
                     ERR_INVALID);
    encoder_close(&entry);
    fixture_close(&fixture);
}

/* One unknown topic refuses the whole command, and no id is used up. */
static void test_messages_are_all_or_nothing(void **state)
{
    struct fixture fixture;
    struct encoder entry = {0};
    (void)state;
    fixture_open(&fixture);
    uint32_t topic = make_topic(&fixture, &entry, "orders");
    size_t begun = command_messages_begin(&entry, 2000, 2);
    struct message message = {.topic_id = topic, .payload = slice_text("1")};
    message_encode(&entry, &message);
    message.topic_id = topic + 1;
    message_encode(&entry, &message);
    command_end(&entry, begun);
    encode_messages(&entry, 2000, topic, 2, "{}");
    uint32_t count;
    struct command_result *results = fixture_apply(&fixture, &entry, &count);
    assert_int_equal(count, 2);
    assert_int_equal(results[0].code, ERR_NOT_FOUND);
    assert_int_equal(results[1].code, 0);
    assert_int_equal(results[1].id, 1);
    assert_int_equal(results[1].count, 2);
    fixture_commit(&fixture);
    expect_whole(&fixture);
    struct error error = {0};
    struct message_view got;
    struct view *view = begin_view(&fixture);
    expect_ok(query_message(view, 1, &fixture.arena, &got, &error), &error);
    assert_true(slice_is(got.message.payload, "{}"));
    view_end(view);
    encoder_close(&entry);
    fixture_close(&fixture);
}

/* What went in comes out, byte for byte, whatever its size. */
static void test_messages_come_back_unchanged(void **state)
{
    enum { SIZES = 6 };
    static const size_t sizes[SIZES] = {0, 1, 1000, 5000, 300000, 1 << 20};
    struct fixture fixture;
    struct encoder entry = {0};
    struct encoder attributes = {0};
    struct error error = {0};
    uint8_t *payload = memory_new(1 << 20);
    (void)state;
    for (size_t i = 0; i < 1 << 20; i++)
        payload[i] = (uint8_t)(i * 31 + i / 251);
    fixture_open(&fixture);
    uint32_t topic = make_topic(&fixture, &entry, "orders");
    attribute_encode(&attributes, slice_text("kind"), slice_text("a"));
    size_t begun = command_messages_begin(&entry, 1234, SIZES);
    struct message message = {.topic_id = topic,
                              .key = slice_text("k1"),
                              .traceparent = slice_text("00-ab"),
                              .origin = slice_text("http://o/"),
                              .attributes = encoder_slice(&attributes)};
    for (int i = 0; i < SIZES; i++) {
        message.payload = slice_of(payload, sizes[i]);
        message_encode(&entry, &message);
    }
    command_end(&entry, begun);
    assert_int_equal(fixture_apply_one(&fixture, &entry).count, SIZES);
    fixture_commit(&fixture);
    struct view *view = begin_view(&fixture);
    for (uint64_t id = 1; id <= SIZES; id++) {
        struct message_view got;
        expect_ok(query_message(view, id, &fixture.arena, &got, &error),
                  &error);
        assert_true(
            slice_equal(got.message.payload, slice_of(payload, sizes[id - 1])));
        assert_true(slice_equal(got.message.attributes, message.attributes));
        assert_true(slice_is(got.message.key, "k1"));
        assert_true(slice_is(got.message.traceparent, "00-ab"));
        assert_true(slice_is(got.message.origin, "http://o/"));
        assert_true(slice_is(got.topic, "orders"));
        assert_int_equal(got.message.received_ms, 1234);
        assert_int_equal(got.message.id, id);
    }
    struct message_view none;
    assert_int_equal(
        query_message(view, SIZES + 1, &fixture.arena, &none, &error),
        ERR_NOT_FOUND);
    assert_int_equal(query_message(view, 0, &fixture.arena, &none, &error),
                     ERR_NOT_FOUND);
    view_end(view);
    free(payload);
    encoder_close(&attributes);
    encoder_close(&entry);
    fixture_close(&fixture);
}

/* Entries at or below the applied index are skipped, across a reopening too;
 * what was not committed is had again from the log. */
static void test_reopening_skips_what_was_applied(void **state)
{
    struct fixture fixture;
    struct encoder entry = {0};
    struct command_result *results;
    struct error error = {0};
    uint32_t count = 99;
    (void)state;
    fixture_open(&fixture);
    make_topic(&fixture, &entry, "orders");
    encode_messages(&entry, 2000, 1, 3, "{}");
    fixture_apply_one(&fixture, &entry);
    fixture_commit(&fixture);
    struct state_hash committed = store_state_hash(fixture.store);
    assert_int_equal(store_committed_index(fixture.store), 2);
    encode_messages(&entry, 3000, 1, 3, "{}");
    struct slice third = arena_copy(&fixture.arena, encoder_slice(&entry));
    fixture_apply_one(&fixture, &entry);
    struct state_hash applied = store_state_hash(fixture.store);
    assert_int_equal(store_committed_index(fixture.store), 2);
    assert_false(state_hash_equal(committed, applied));

    fixture_reopen(&fixture);
    assert_int_equal(store_applied_index(fixture.store), 2);
    assert_true(state_hash_equal(committed, store_state_hash(fixture.store)));
    for (uint64_t index = 1; index <= 2; index++) {
        expect_ok(store_apply(fixture.store, index, third, &fixture.arena,
                              &results, &count, &error),
                  &error);
        assert_int_equal(count, 0);
    }
    expect_ok(store_apply(fixture.store, 3, third, &fixture.arena, &results,
                          &count, &error),
              &error);
    assert_int_equal(results[0].id, 4);
    assert_true(state_hash_equal(applied, store_state_hash(fixture.store)));
    fixture_commit(&fixture);
    expect_whole(&fixture);
    encoder_close(&entry);
    fixture_close(&fixture);
}

/* A commit's own meta page is synced with the next one, or when asked. */
static void test_a_commit_is_durable_with_the_next(void **state)
{
    struct fixture fixture;
    struct encoder entry = {0};
    struct error error = {0};
    (void)state;
    fixture_open(&fixture);
    make_topic(&fixture, &entry, "orders");
    fixture_commit(&fixture);
    assert_int_equal(store_committed_index(fixture.store), 1);
    assert_int_equal(store_durable_index(fixture.store), 0);
    encode_messages(&entry, 2000, 1, 3, "{}");
    fixture_apply_one(&fixture, &entry);
    fixture_commit(&fixture);
    assert_int_equal(store_committed_index(fixture.store), 2);
    assert_int_equal(store_durable_index(fixture.store), 1);
    expect_ok(store_sync(fixture.store, &error), &error);
    assert_int_equal(store_durable_index(fixture.store), 2);
    fixture_reopen(&fixture);
    assert_int_equal(store_durable_index(fixture.store), 2);
    encoder_close(&entry);
    fixture_close(&fixture);
}

/* An entry of another kind than commands (a barrier) moves the index alone. */
static void test_empty_entries_count(void **state)
{
    struct fixture fixture;
    struct encoder entry = {0};
    uint32_t count;
    (void)state;
    fixture_open(&fixture);
    struct state_hash before = store_state_hash(fixture.store);
    fixture.index = 6;
    fixture_apply(&fixture, &entry, &count);
    assert_int_equal(count, 0);
    fixture_commit(&fixture);
    assert_int_equal(store_committed_index(fixture.store), 7);
    assert_true(state_hash_equal(before, store_state_hash(fixture.store)));
    fixture_close(&fixture);
}

static void test_the_clock_never_runs_back(void **state)
{
    struct fixture fixture;
    struct encoder entry = {0};
    (void)state;
    fixture_open(&fixture);
    make_topic(&fixture, &entry, "orders"); /* At 1000. */
    encode_messages(&entry, 500, 1, 1, "{}");
    assert_int_equal(fixture_apply_one(&fixture, &entry).time_ms, 1000);
    encode_messages(&entry, 1500, 1, 1, "{}");
    assert_int_equal(fixture_apply_one(&fixture, &entry).time_ms, 1500);
    fixture_commit(&fixture);
    fixture_reopen(&fixture);
    encode_messages(&entry, 20, 1, 1, "{}");
    assert_int_equal(fixture_apply_one(&fixture, &entry).time_ms, 1500);
    encoder_close(&entry);
    fixture_close(&fixture);
}

/* A view sees one applied index, whatever is applied and committed later. */
static void test_views_stand_still(void **state)
{
    struct fixture fixture;
    struct encoder entry = {0};
    struct topic *topics;
    struct error error = {0};
    uint32_t count;
    (void)state;
    fixture_open(&fixture);
    make_topic(&fixture, &entry, "orders");
    fixture_commit(&fixture);
    struct view *old = begin_view(&fixture);
    encode_messages(&entry, 2000, 1, 3, "{}");
    fixture_apply_one(&fixture, &entry);
    struct view *uncommitted = begin_view(&fixture);
    fixture_commit(&fixture);
    struct view *fresh = begin_view(&fixture);
    expect_ok(query_topics(old, 0, 10, &fixture.arena, &topics, &count, &error),
              &error);
    assert_int_equal(topics[0].messages, 0);
    assert_int_equal(view_applied_index(old), 1);
    assert_int_equal(view_applied_index(uncommitted), 1);
    expect_ok(
        query_topics(fresh, 0, 10, &fixture.arena, &topics, &count, &error),
        &error);
    assert_int_equal(topics[0].messages, 3);
    assert_int_equal(view_applied_index(fresh), 2);
    assert_true(state_hash_equal(view_state_hash(fresh),
                                 store_state_hash(fixture.store)));
    view_end(old);
    view_end(uncommitted);
    view_end(fresh);
    encoder_close(&entry);
    fixture_close(&fixture);
}

/* Another process looks at the store while this one is in the middle of an
 * entry's transaction. */
static void test_another_process_reads(void **state)
{
    struct fixture ours = {0};
    struct encoder entry = {0};
    struct store_options options = {.map_bytes = FIXTURE_MAP_BYTES};
    struct error error = {0};
    int go[2];
    (void)state;
    fixture_make_directory(ours.directory);
    assert_int_equal(pipe(go), 0);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        struct store *store;
        struct view *view;
        if (read(go[0], &byte, 1) != 1 ||
            store_open(ours.directory, &options, &store, NULL) != 0 ||
            view_begin(store, &view, NULL) != 0)
            _exit(100);
        _exit((int)view_applied_index(view));
    }
    expect_ok(store_open(ours.directory, &options, &ours.store, &error),
              &error);
    make_topic(&ours, &entry, "orders");
    fixture_commit(&ours);
    encode_messages(&entry, 2000, 1, 3, "{}");
    fixture_apply_one(&ours, &entry);
    int status;
    assert_int_equal(write(go[1], "g", 1), 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    close(go[0]);
    close(go[1]);
    encoder_close(&entry);
    fixture_close(&ours);
}

/* A command that cannot be read stops the store for good: nothing of its
 * entry is ever committed. */
static void test_malformed_entries_stop_the_store(void **state)
{
    struct fixture fixture;
    struct encoder entry = {0};
    struct command_result *results;
    struct error error = {0};
    uint32_t count;
    (void)state;
    fixture_open(&fixture);
    make_topic(&fixture, &entry, "orders");
    fixture_commit(&fixture);
    struct state_hash before = store_state_hash(fixture.store);
    encode_messages(&entry, 2000, 1, 3, "{}");
    size_t begun = command_begin(&entry, COMMAND_GRANT, 1);
    encoder_u8(&entry, 1);
    command_end(&entry, begun);
    assert_int_equal(store_apply(fixture.store, 2, encoder_slice(&entry),
                                 &fixture.arena, &results, &count, &error),
                     ERR_CORRUPT);
    assert_non_null(strstr(error.text, "grant"));
    assert_int_equal(store_commit(fixture.store, &error), ERR_UNAVAILABLE);
    assert_int_equal(store_apply(fixture.store, 2, slice_of(NULL, 0),
                                 &fixture.arena, &results, &count, &error),
                     ERR_UNAVAILABLE);
    fixture_reopen(&fixture);
    assert_int_equal(store_applied_index(fixture.store), 1);
    assert_true(state_hash_equal(before, store_state_hash(fixture.store)));

    entry.length = 0;
    command_begin(&entry, (enum command_type)99, 1);
    assert_int_equal(store_apply(fixture.store, 2, encoder_slice(&entry),
                                 &fixture.arena, &results, &count, &error),
                     ERR_VERSION);
    encoder_close(&entry);
    fixture_close(&fixture);
}

/* The map's end is an error with its name, and loses nothing committed. */
static void test_a_full_map_is_no_space(void **state)
{
    struct fixture fixture = {0};
    struct encoder entry = {0};
    struct error error = {0};
    struct command_result *results;
    uint32_t count;
    int rc = 0;
    char *payload = memory_new(100001);
    (void)state;
    memset(payload, 'x', 100000);
    payload[100000] = '\0';
    fixture_make_directory(fixture.directory);
    struct store_options options = {.map_bytes = 4 << 20};
    expect_ok(store_open(fixture.directory, &options, &fixture.store, &error),
              &error);
    make_topic(&fixture, &entry, "orders");
    for (uint64_t index = 2; rc == 0 && index < 100; index++) {
        entry.length = 0;
        encode_messages(&entry, 2000, 1, 1, payload);
        rc = store_apply(fixture.store, index, encoder_slice(&entry),
                         &fixture.arena, &results, &count, &error);
        if (rc == 0)
            rc = store_commit(fixture.store, &error);
    }
    assert_int_equal(rc, ERR_NO_SPACE);
    uint64_t durable = store_committed_index(fixture.store);
    fixture_reopen(&fixture); /* With a larger map. */
    assert_int_equal(store_applied_index(fixture.store), durable);
    expect_whole(&fixture);
    encode_messages(&entry, 2000, 1, 1, payload);
    fixture_apply(&fixture, &entry, &count);
    fixture_commit(&fixture);
    free(payload);
    encoder_close(&entry);
    fixture_close(&fixture);
}

static void test_space_is_measured(void **state)
{
    struct fixture fixture;
    struct encoder entry = {0};
    struct store_space before;
    struct store_space after;
    struct error error = {0};
    (void)state;
    fixture_open(&fixture);
    expect_ok(store_space(fixture.store, &before, &error), &error);
    make_topic(&fixture, &entry, "orders");
    for (int i = 0; i < 20; i++) {
        encode_messages(&entry, 2000, 1, 100, "0123456789012345678901234567");
        fixture_apply_one(&fixture, &entry);
        fixture_commit(&fixture);
    }
    expect_ok(store_space(fixture.store, &after, &error), &error);
    assert_int_equal(after.map_bytes, FIXTURE_MAP_BYTES);
    assert_true(after.file_bytes > before.file_bytes);
    assert_true(after.reusable_bytes < after.file_bytes);
    assert_int_equal(store_pending_bytes(fixture.store), 0);
    encoder_close(&entry);
    fixture_close(&fixture);
}

/* Writes a format into a store that is closed. */
static void make_format(const char *directory, uint32_t format)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    uint8_t record[4 + RECORD_CHECK_SIZE];
    MDB_val key = {6, (void *)"format"};
    MDB_val value = {sizeof record, record};
    put_u32(record, format);
    struct state_hash term =
        state_hash_term(0, slice_text("format"), slice_of(record, 4));
    put_u64(record + 4, term.low);
    assert_int_equal(mdb_env_create(&env), 0);
    mdb_env_set_maxdbs(env, 40);
    assert_int_equal(mdb_env_open(env, directory, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, "meta", 0, &dbi), 0);
    assert_int_equal(mdb_put(txn, dbi, &key, &value, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

static void expect_refused(uint32_t format, const char *words)
{
    struct fixture fixture;
    struct store *store;
    struct store_options options = {.map_bytes = FIXTURE_MAP_BYTES};
    struct error error = {0};
    fixture_open(&fixture);
    store_close(fixture.store);
    fixture.store = NULL;
    make_format(fixture.directory, format);
    assert_int_equal(store_open(fixture.directory, &options, &store, &error),
                     ERR_VERSION);
    assert_non_null(strstr(error.text, words));
    /* And left alone. */
    make_format(fixture.directory, SCHEMA_FORMAT);
    fixture_reopen(&fixture);
    fixture_close(&fixture);
}

static void test_other_formats_are_refused(void **state)
{
    (void)state;
    expect_refused(SCHEMA_FORMAT + 1, "format 7, this program knows 6");
    expect_refused(SCHEMA_FORMAT - 1, "format 5, which only development");
    expect_refused(1, "format 1, which only development");
}

/* One history, one hash: the formats of all rows are frozen, and apply gives
 * what it gave. Another hash means that nodes of two versions would differ. */
static void test_the_state_of_a_history_is_frozen(void **state)
{
    struct fixture fixture;
    struct encoder entry = {0};
    uint32_t count;
    uint64_t open[] = {1, 2, 4, 5};
    struct command_init init = {.cluster_id = "0123456789abcde",
                                .id_space = 77};
    struct topic_options topic = fixture_topic("orders");
    struct command_publisher_create create = {
        .topic_id = 1, .options = fixture_publisher("http://a/")};
    struct command_pause pause = {
        .publisher_id = 2, .paused = true, .reason = slice_text("gone")};
    (void)state;
    fixture_open(&fixture);
    command_init_encode(&entry, 1000, &init);
    command_topic_create_encode(&entry, 1001, &topic);
    topic.name = slice_text("bills");
    command_topic_create_encode(&entry, 1001, &topic);
    command_publisher_create_encode(&entry, 1002, &create);
    create.options.target = slice_text("http://b/");
    create.options.guarantee = AT_MOST_ONCE;
    command_publisher_create_encode(&entry, 1002, &create);
    encode_messages(&entry, 1003, 1, 2, "{}");
    encode_messages(&entry, 1003, 2, 1, "{}");
    encode_messages(&entry, 1004, 1, 2, "[]");
    encode_grant(&entry, 1005, 1, 1, 5, 4, open, 4);
    encode_grant(&entry, 1005, 2, 1, 5, 4, open, 3);
    fixture_apply(&fixture, &entry, &count);
    encode_outcome(&entry, 1010, 1, 1, DELIVERY_DELIVERED, 200, 0);
    encode_outcome(&entry, 1010, 1, 2, DELIVERY_RETRYING, 500, 2000);
    encode_outcome(&entry, 1010, 1, 4, DELIVERY_DEAD, 500, 0);
    encode_positions(&entry, COMMAND_INTENT, 2000, 1, 2);
    encode_positions(&entry, COMMAND_WITHDRAW, 2000, 2, 1);
    command_takeover_encode(&entry, 2001, 1);
    encode_outcome(&entry, 2010, 1, 2, DELIVERY_DELIVERED, 204, 0);
    command_pause_encode(&entry, 2011, &pause);
    struct command_result *results = fixture_apply(&fixture, &entry, &count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(results[i].code, 0);
    struct state_hash hash = store_state_hash(fixture.store);
    assert_int_equal(hash.high, 0xda26698a3d86553a);
    assert_int_equal(hash.low, 0x8ec2946a9687cf5e);
    encoder_close(&entry);
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity_is_given_once),
        cmocka_unit_test(test_names_and_triples_are_unique),
        cmocka_unit_test(test_invalid_options_are_refused),
        cmocka_unit_test(test_messages_are_all_or_nothing),
        cmocka_unit_test(test_messages_come_back_unchanged),
        cmocka_unit_test(test_reopening_skips_what_was_applied),
        cmocka_unit_test(test_a_commit_is_durable_with_the_next),
        cmocka_unit_test(test_empty_entries_count),
        cmocka_unit_test(test_the_clock_never_runs_back),
        cmocka_unit_test(test_views_stand_still),
        cmocka_unit_test(test_another_process_reads),
        cmocka_unit_test(test_malformed_entries_stop_the_store),
        cmocka_unit_test(test_a_full_map_is_no_space),
        cmocka_unit_test(test_space_is_measured),
        cmocka_unit_test(test_other_formats_are_refused),
        cmocka_unit_test(test_the_state_of_a_history_is_frozen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
