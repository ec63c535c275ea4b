/* kill -9 in the middle of commits.
 *
 * A child applies entries that follow from their index alone and tells each
 * durable index through a pipe. It is killed at some moment; then the store
 * must hold at least what was told, exactly whole entries, and the very state
 * that a store has which took those entries in peace. */
#include "fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 12, ENTRIES_MAX = 100000 };

/* Topic and publisher first; then messages, a grant of what the entry before
 * brought, and outcomes of some of it. */
static void encode_entry(struct encoder *out, uint64_t index)
{
    enum { BATCH = 8 };
    if (index == 1) {
        struct topic_options topic = fixture_topic("orders");
        struct command_publisher_create create = {
            .topic_id = 1, .options = fixture_publisher("http://a/")};
        command_topic_create_encode(out, 1000, &topic);
        command_publisher_create_encode(out, 1000, &create);
        return;
    }
    uint64_t time_ms = 1000 + index;
    encode_messages(out, time_ms, 1, BATCH, "{\"some\":\"payload\"}");
    if (index < 3)
        return;
    uint64_t from = (index - 3) * BATCH + 1;
    uint64_t open[BATCH];
    for (uint64_t i = 0; i < BATCH; i++)
        open[i] = from + i;
    encode_grant(out, time_ms, 1, from, from + BATCH - 1, BATCH, open, BATCH);
    for (uint64_t i = 0; i < BATCH; i++)
        encode_outcome(out, time_ms, 1, from + i,
                       i == 3 ? DELIVERY_RETRYING : DELIVERY_DELIVERED,
                       i == 3 ? 500 : 200, time_ms + 50);
}

static void child_main(const char *directory, int told)
{
    struct store_options options = {.map_bytes = FIXTURE_MAP_BYTES};
    struct store *store;
    struct command_result *results;
    struct arena arena = {0};
    struct encoder entry = {0};
    struct error error = {0};
    uint32_t count;
    if (store_open(directory, &options, &store, &error) != 0)
        _exit(1);
    for (uint64_t index = store_applied_index(store) + 1; index < ENTRIES_MAX;
         index++) {
        entry.length = 0;
        encode_entry(&entry, index);
        if (store_apply(store, index, encoder_slice(&entry), &arena, &results,
                        &count, &error) != 0)
            _exit(2);
        arena_close(&arena);
        if (index % 3 == 0)
            continue;
        if (store_commit(store, &error) != 0)
            _exit(3);
        uint64_t durable = store_durable_index(store);
        if (write(told, &durable, sizeof durable) != sizeof durable)
            _exit(4);
    }
    _exit(5);
}

/* Lets the child run until it has told so many indexes, kills it, and returns
 * the last one that it told. */
static uint64_t run_and_kill(const char *directory, uint32_t tells)
{
    int pipes[2];
    int status;
    uint64_t durable = 0;
    uint64_t heard;
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        close(pipes[0]);
        child_main(directory, pipes[1]);
    }
    close(pipes[1]);
    for (uint32_t i = 0; i < tells; i++) {
        assert_int_equal(read(pipes[0], &heard, sizeof heard), sizeof heard);
        durable = heard;
    }
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    while (read(pipes[0], &heard, sizeof heard) == sizeof heard)
        durable = heard;
    close(pipes[0]);
    return durable;
}

static void apply_upto(struct fixture *fixture, uint64_t index)
{
    struct encoder entry = {0};
    uint32_t count;
    while (fixture->index < index) {
        encode_entry(&entry, fixture->index + 1);
        fixture_apply(fixture, &entry, &count);
        arena_close(&fixture->arena);
    }
    encoder_close(&entry);
}

static void test_killed_commits_leave_whole_entries(void **state)
{
    uint64_t random = random_seed(31);
    char directory[64];
    struct fixture peaceful;
    struct store_options options = {.map_bytes = FIXTURE_MAP_BYTES};
    (void)state;
    fixture_make_directory(directory);
    fixture_open(&peaceful);
    for (int round = 0; round < ROUNDS; round++) {
        struct error error = {0};
        struct store *store;
        struct view *view;
        struct verify_report report;
        uint64_t durable =
            run_and_kill(directory, 1 + random_below(&random, 40));
        expect_ok(store_open(directory, &options, &store, &error), &error);
        uint64_t applied = store_applied_index(store);
        assert_true(applied >= durable);
        apply_upto(&peaceful, applied);
        assert_true(state_hash_equal(store_state_hash(store),
                                     store_state_hash(peaceful.store)));
        expect_ok(view_begin(store, &view, &error), &error);
        expect_ok(verify_all(view, &report, &error), &error);
        view_end(view);
        store_close(store);
    }
    print_message("%llu entries\n", (unsigned long long)peaceful.index);
    fixture_close(&peaceful);
    fixture_remove_directory(directory);
}

/* Killed while the store is made: the next start makes it. */
static void test_killed_creation_is_repeated(void **state)
{
    uint64_t random = random_seed(32);
    struct store_options options = {.map_bytes = FIXTURE_MAP_BYTES};
    (void)state;
    for (int round = 0; round < 20; round++) {
        char directory[64];
        struct error error = {0};
        struct store *store;
        int status;
        fixture_make_directory(directory);
        pid_t child = fork();
        if (child == 0) {
            if (store_open(directory, &options, &store, NULL) == 0)
                pause();
            _exit(1);
        }
        usleep(random_below(&random, 2000));
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &status, 0), child);
        expect_ok(store_open(directory, &options, &store, &error), &error);
        assert_int_equal(store_applied_index(store), 0);
        store_close(store);
        fixture_remove_directory(directory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_commits_leave_whole_entries),
        cmocka_unit_test(test_killed_creation_is_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
