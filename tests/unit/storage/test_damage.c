/* Bits that flip and files that are cut: found, and named. */
#include "story.h"

#include "storage/schema.h"

#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char payload[] = "{\"find\":\"this very payload in the file\"}";

static void fill(struct fixture *fixture)
{
    struct encoder entry = {0};
    struct topic_options topic = fixture_topic("find-this-topic-name");
    struct command_publisher_create create = {
        .topic_id = 1, .options = fixture_publisher("http://find-this/")};
    uint64_t open[] = {1, 2, 3};
    uint32_t count;
    fixture_open(fixture);
    command_topic_create_encode(&entry, 1000, &topic);
    command_publisher_create_encode(&entry, 1000, &create);
    encode_messages(&entry, 2000, 1, 5, payload);
    encode_grant(&entry, 2000, 1, 1, 3, 3, open, 3);
    encode_outcome(&entry, 2500, 1, 1, DELIVERY_DELIVERED, 200, 0);
    encode_outcome(&entry, 2500, 1, 2, DELIVERY_RETRYING, 500, 9000);
    fixture_apply(fixture, &entry, &count);
    fixture_commit(fixture);
    encoder_close(&entry);
}

static void data_path(const struct fixture *fixture, char path[100])
{
    snprintf(path, 100, "%s/data.mdb", fixture->directory);
}

/* Flips one bit in the byte at `offset` behind each occurrence of `bytes` in
 * the data file: old pages may hold it too. */
static void flip(const struct fixture *fixture, struct slice bytes,
                 size_t offset)
{
    char path[100];
    struct stat stat;
    int flipped = 0;
    data_path(fixture, path);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &stat), 0);
    size_t size = (size_t)stat.st_size;
    uint8_t *data = memory_new(size);
    assert_int_equal(pread(fd, data, size, 0), size);
    for (size_t at = 0; at + bytes.length <= size; at++) {
        if (memcmp(data + at, bytes.data, bytes.length) != 0)
            continue;
        uint8_t byte = data[at + offset] ^ 0x10;
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)(at + offset)), 1);
        flipped++;
    }
    assert_true(flipped > 0);
    free(data);
    close(fd);
}

static int try_open(struct fixture *fixture, struct error *error)
{
    struct store_options options = {.map_bytes = FIXTURE_MAP_BYTES};
    store_close(fixture->store);
    fixture->store = NULL;
    return store_open(fixture->directory, &options, &fixture->store, error);
}

static void test_a_flipped_payload_bit_is_named(void **state)
{
    struct fixture fixture;
    struct error error = {0};
    struct view *view;
    struct message_view message;
    struct feed_item *items;
    struct verify_report report;
    uint32_t count;
    (void)state;
    fill(&fixture);
    store_close(fixture.store);
    fixture.store = NULL;
    flip(&fixture, slice_text(payload), 10);
    expect_ok(try_open(&fixture, &error), &error);
    expect_ok(view_begin(fixture.store, &view, &error), &error);
    assert_int_equal(query_message(view, 1, &fixture.arena, &message, &error),
                     ERR_CORRUPT);
    assert_non_null(strstr(error.text, "database msg"));
    assert_non_null(strstr(error.text, "0000000000000001"));
    assert_int_equal(query_feed(view, 1, 2, 10, 1000, &fixture.arena, &items,
                                &count, &error),
                     ERR_CORRUPT);
    assert_int_equal(verify_all(view, &report, &error), ERR_CORRUPT);
    assert_non_null(strstr(error.text, "database msg"));
    view_end(view);
    fixture_close(&fixture);
}

/* What is kept in memory is checked when it is loaded. */
static void test_a_flipped_topic_bit_is_named(void **state)
{
    struct fixture fixture;
    struct error error = {0};
    (void)state;
    fill(&fixture);
    store_close(fixture.store);
    fixture.store = NULL;
    /* The origin's host stands in the row only, not in the name's key. */
    flip(&fixture, slice_text("http://origin.example/"), 3);
    assert_int_equal(try_open(&fixture, &error), ERR_CORRUPT);
    assert_non_null(strstr(error.text, "database topic, key 00000001"));
    fixture_close(&fixture);
}

/* Apply reads before it changes: a damaged record stops the node. */
static void test_a_flipped_row_stops_apply(void **state)
{
    struct fixture fixture;
    struct encoder entry = {0};
    struct error error = {0};
    struct command_result *results;
    uint32_t count;
    (void)state;
    fill(&fixture);
    store_close(fixture.store);
    fixture.store = NULL;
    flip(&fixture, slice_text("sorry"), 0); /* In `exc`, and in `hot`. */
    int rc = try_open(&fixture, &error);
    if (rc == 0) {
        encode_positions(&entry, COMMAND_INTENT, 3000, 1, 2);
        rc = store_apply(fixture.store, 2, encoder_slice(&entry),
                         &fixture.arena, &results, &count, &error);
    }
    assert_int_equal(rc, ERR_CORRUPT);
    assert_non_null(strstr(error.text, "checksum"));
    encoder_close(&entry);
    fixture_close(&fixture);
}

/* A file without its end is an error somewhere, never a dead process. Pages
 * that were free are not missed. */
static void test_a_cut_file_is_survived(void **state)
{
    struct error error = {0};
    char path[100];
    struct stat stat;
    int found = 0;
    (void)state;
    for (int pages = 1; pages <= 12; pages++) {
        struct fixture fixture;
        fill(&fixture);
        store_close(fixture.store);
        fixture.store = NULL;
        data_path(&fixture, path);
        assert_int_equal(lstat(path, &stat), 0);
        off_t length = stat.st_size - (off_t)pages * 4096;
        assert_int_equal(truncate(path, length > 8192 ? length : 8192), 0);
        int rc = try_open(&fixture, &error);
        if (rc == 0) {
            struct view *view;
            struct verify_report report;
            expect_ok(view_begin(fixture.store, &view, &error), &error);
            rc = verify_all(view, &report, &error);
            view_end(view);
        }
        assert_true(rc == 0 || rc == ERR_CORRUPT);
        found += rc == ERR_CORRUPT;
        fixture_close(&fixture);
    }
    assert_true(found >= 8);
}

static void test_a_file_of_garbage_is_refused(void **state)
{
    struct fixture fixture;
    struct error error = {0};
    char path[100];
    uint8_t garbage[16384];
    (void)state;
    fill(&fixture);
    store_close(fixture.store);
    fixture.store = NULL;
    data_path(&fixture, path);
    memset(garbage, 0xa5, sizeof garbage);
    int fd = open(path, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, garbage, sizeof garbage), sizeof garbage);
    close(fd);
    assert_int_equal(try_open(&fixture, &error), ERR_CORRUPT);
    assert_non_null(strstr(error.text, fixture.directory));
    fixture_close(&fixture);
}

/* ---- Every database ---- */

/* Something in each of them. */
static void fill_all(struct story *story)
{
    static const int keys[] = {0, 0, 1, -1};
    uint64_t open[] = {1, 3, 4};
    uint64_t parked[] = {2};
    uint32_t count;
    struct topic_options topic = fixture_topic("gone");
    struct command_publisher_create create = {
        .topic_id = 1, .options = fixture_publisher("http://gone/")};
    struct idempotency request = fixture_request("k", "body");
    struct command_topic_delete deletion = {.topic_id = 2};
    struct command_replay_start start = {
        .publisher_id = 1, .upto = 9, .any_state = true};
    struct command_release release = {
        .topic_id = 1, .upto_ms = 2000, .count_max = 9};
    struct token token = {.name = slice_text("app"), .role = ROLE_ADMIN};
    struct author author = {.who = slice_text("anonymous"),
                            .request_id = slice_text("r-1")};
    story_begin(story, ORDERING_KEY, POISON_DEAD_LETTER);
    story_publish(story, keys, 4);
    story_grant(story, 1, 4, open, 3, parked, 1);
    story_outcome(story, 1500, 1, DELIVERY_RETRYING);
    story_outcome(story, 1500, 3, DELIVERY_DELIVERED);
    story_schedule(story, 1500, 9000, -1);
    story_schedule(story, 1500, 1600, -1);
    command_topic_create_encode(&story->entry, 2000, &topic);
    command_topic_delete_encode(&story->entry, 2000, &deletion);
    command_publisher_create_encode(&story->entry, 2000, &create);
    command_publisher_delete_encode(&story->entry, 2000, 2);
    command_release_encode(&story->entry, 2000, &release);
    command_replay_start_encode(&story->entry, 2000, &start);
    size_t token_at = story->entry.length;
    command_token_create_encode(&story->entry, 2000, &token);
    command_sign(&story->entry, token_at, &author);
    encode_messages_once(&story->entry, 2000, &request, 1, 1, "{}");
    struct command_result *results =
        fixture_apply(&story->fixture, &story->entry, &count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(results[i].code, 0);
    fixture_commit(&story->fixture);
}

/* Flips one bit in the checksum's sight of the database's first record. */
static void flip_first(const char *directory, enum database database)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val value;
    assert_int_equal(mdb_env_create(&env), 0);
    mdb_env_set_maxdbs(env, DATABASE_COUNT);
    assert_int_equal(mdb_env_open(env, directory, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, database_name(database), 0, &dbi), 0);
    assert_int_equal(mdb_cursor_open(txn, dbi, &cursor), 0);
    if (mdb_cursor_get(cursor, &key, &value, MDB_FIRST) != 0)
        fail_msg("database %s is empty", database_name(database));
    uint8_t *copy = memory_new(value.mv_size);
    memcpy(copy, value.mv_data, value.mv_size);
    copy[value.mv_size / 2] ^= 4;
    value.mv_data = copy;
    assert_int_equal(mdb_cursor_put(cursor, &key, &value, MDB_CURRENT), 0);
    mdb_cursor_close(cursor);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
    free(copy);
}

static void test_every_database_is_verified(void **state)
{
    (void)state;
    for (int i = 0; i < DATABASE_COUNT; i++) {
        struct story story;
        struct error error = {0};
        char words[40];
        fill_all(&story);
        view_end(story.view);
        store_close(story.fixture.store);
        story.fixture.store = NULL;
        flip_first(story.fixture.directory, (enum database)i);
        int rc = try_open(&story.fixture, &error);
        if (rc == 0) {
            struct view *view;
            struct verify_report report;
            expect_ok(view_begin(story.fixture.store, &view, &error), &error);
            rc = verify_all(view, &report, &error);
            view_end(view);
        }
        snprintf(words, sizeof words, "database %s,",
                 database_name((enum database)i));
        assert_int_equal(rc, ERR_CORRUPT);
        assert_non_null(strstr(error.text, words));
        encoder_close(&story.entry);
        fixture_close(&story.fixture);
    }
}

/* The formats of all rows, and what apply makes of a history that has them. */
static void test_the_state_of_all_is_frozen(void **state)
{
    struct story story;
    (void)state;
    fill_all(&story);
    struct state_hash hash = store_state_hash(story.fixture.store);
    assert_int_equal(hash.high, 0x923d482f5b4f3ee1);
    assert_int_equal(hash.low, 0x7c8f79caffc9b57c);
    story_end(&story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_flipped_payload_bit_is_named),
        cmocka_unit_test(test_a_flipped_topic_bit_is_named),
        cmocka_unit_test(test_a_flipped_row_stops_apply),
        cmocka_unit_test(test_a_cut_file_is_survived),
        cmocka_unit_test(test_a_file_of_garbage_is_refused),
        cmocka_unit_test(test_every_database_is_verified),
        cmocka_unit_test(test_the_state_of_all_is_frozen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
