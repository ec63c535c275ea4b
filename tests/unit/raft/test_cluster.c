/* The cluster on a real loop, disk and threads: submit, restart, recycle,
 * back-pressure, and the refusals to start. Shells are static: their threads
 * outlive a test that fails. */
#include "shell.h"

#include "base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[256];

static int make_directory(void **state)
{
    (void)state;
    shell_make_directory(directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    shell_remove_directory(directory);
    return 0;
}

/* Entry n is made of its own number. */
static size_t make_payload(uint64_t number, uint8_t *bytes)
{
    size_t length = 8 + (size_t)(number % 97) * 8;
    for (size_t i = 0; i < length; i += 8)
        memcpy(bytes + i, &number, 8);
    return length;
}

static void check_payload(struct shell *shell,
                          const struct cluster_entry *entry)
{
    uint64_t *next = shell->context;
    uint8_t expected[1024];
    size_t length = make_payload(*next, expected);
    assert_int_equal(entry->bytes.length, length);
    assert_memory_equal(entry->bytes.data, expected, length);
    ++*next;
}

static void submit_numbers(struct shell *shell, uint64_t from, uint64_t count)
{
    uint8_t bytes[1024];
    for (uint64_t number = from; number < from + count; number++) {
        size_t length = make_payload(number, bytes);
        assert_true(shell_submit(shell, bytes, length) > 0);
    }
}

static uint64_t entries_wanted;

static bool has_all_entries(struct shell *shell)
{
    return shell->entries >= entries_wanted;
}

/* A thousand entries come back in order, from the start or from where the
 * store stands. */
static void test_restart_hands_over_what_the_store_lacks(void **state)
{
    (void)state;
    static struct shell shell;
    uint64_t next = 0;
    uint64_t middle = 0;
    shell_init(&shell, directory);
    shell.on_entry = check_payload;
    shell.context = &next;
    assert_int_equal(shell_open(&shell), 0);
    submit_numbers(&shell, 0, 500);
    middle = shell.last_index;
    submit_numbers(&shell, 500, 500);
    assert_int_equal(shell.entries, 1000);
    uint64_t term = shell.leading_term;
    shell_close(&shell);
    assert_int_equal(shell.deposed, 1);

    shell_init(&shell, directory);
    next = 0;
    shell.on_entry = check_payload;
    shell.context = &next;
    assert_int_equal(shell_open(&shell), 0);
    shell_lead(&shell);
    assert_int_equal(shell.entries, 1000);
    assert_true(shell.leading_term > term);
    shell_close(&shell);

    shell_init(&shell, directory);
    next = 500;
    shell.options.applied_index = middle;
    shell.on_entry = check_payload;
    shell.context = &next;
    assert_int_equal(shell_open(&shell), 0);
    shell_lead(&shell);
    assert_int_equal(shell.entries, 500);
    shell_close(&shell);
}

/* One in flight; the loop sees writable() after each. */
static void test_one_entry_is_in_flight(void **state)
{
    (void)state;
    static struct shell shell;
    uint64_t index = 0;
    shell_init(&shell, directory);
    assert_int_equal(shell_open(&shell), 0);
    struct buffer *early = buffer_new(8);
    assert_int_equal(cluster_submit(shell.cluster, early, &index),
                     ERR_NOT_LEADER);
    shell_lead(&shell);
    assert_int_equal(shell.writable, 1);
    early->length = 8;
    memset(early->data, 1, 8);
    assert_int_equal(cluster_submit(shell.cluster, early, &index), 0);
    assert_int_equal(shell.entries, 0); /* Never before the call returns. */
    struct buffer *second = buffer_new(8);
    assert_int_equal(cluster_submit(shell.cluster, second, &index), ERR_BUSY);
    shell_run_until(&shell, shell_can_submit);
    assert_int_equal(shell.entries, 1);
    assert_int_equal(shell.writable, 2);
    buffer_unref(second);
    struct buffer *large = buffer_new(64 * 1024);
    large->length = 64 * 1024;
    assert_int_equal(cluster_submit(shell.cluster, large, &index),
                     ERR_TOO_LARGE);
    buffer_unref(large);
    assert_true(cluster_lease_until_ms(shell.cluster) == UINT64_MAX);
    shell_close(&shell);
}

/* A consumer that is full gets nothing, and then everything, in order, though
 * memory held only a part of it meanwhile. */
static void test_a_full_consumer_is_waited_for(void **state)
{
    (void)state;
    static struct shell shell;
    uint64_t next = 0;
    shell_init(&shell, directory);
    shell.options.tail_bytes = 4096;
    shell.on_entry = check_payload;
    shell.context = &next;
    assert_int_equal(shell_open(&shell), 0);
    submit_numbers(&shell, 0, 10);
    shell.refuse = true;
    submit_numbers(&shell, 10, 300);
    assert_int_equal(shell.entries, 10);
    shell.refuse = false;
    cluster_resume(shell.cluster);
    assert_int_equal(shell.entries, 10);
    entries_wanted = 310;
    shell_run_until(&shell, has_all_entries);
    submit_numbers(&shell, 310, 10);
    assert_int_equal(shell.entries, 320);
    shell_close(&shell);
}

static unsigned count_files(void)
{
    char path[300];
    unsigned count = 0;
    snprintf(path, sizeof path, "%s/log", directory);
    DIR *stream = opendir(path);
    assert_non_null(stream);
    for (struct dirent *found = readdir(stream); found != NULL;
         found = readdir(stream))
        count += found->d_name[0] != '.';
    closedir(stream);
    return count;
}

/* As the store becomes durable old segments are used again: the disk stays
 * bounded, and a restart needs nothing that is gone. */
static void test_recycling_bounds_the_disk(void **state)
{
    (void)state;
    static struct shell shell;
    uint64_t next = 0;
    shell_init(&shell, directory);
    shell.on_entry = check_payload;
    shell.context = &next;
    assert_int_equal(shell_open(&shell), 0);
    unsigned most = 0;
    for (uint64_t number = 0; number < 4000; number += 100) {
        submit_numbers(&shell, number, 100);
        cluster_durable(shell.cluster, shell.last_index);
        unsigned files = count_files();
        most = files > most ? files : most;
    }
    struct cluster_status status = cluster_status(shell.cluster);
    assert_true(status.first_index > 1000);
    assert_true(status.last_index >= 4000);
    assert_true(most <= 8);
    uint64_t durable = shell.last_index;
    submit_numbers(&shell, 4000, 50);
    shell_close(&shell);

    shell_init(&shell, directory);
    shell.options.applied_index = durable;
    next = 4000;
    shell.on_entry = check_payload;
    shell.context = &next;
    assert_int_equal(shell_open(&shell), 0);
    shell_lead(&shell);
    assert_int_equal(shell.entries, 50);
    shell_close(&shell);

    shell_init(&shell, directory);
    shell.options.applied_index = 10;
    assert_int_equal(shell_open(&shell), ERR_CORRUPT);
    assert_non_null(strstr(shell.error.text, "entries are missing between"));
}

static void fill_and_close(uint64_t count)
{
    static struct shell shell;
    shell_init(&shell, directory);
    assert_int_equal(shell_open(&shell), 0);
    submit_numbers(&shell, 0, count);
    shell_close(&shell);
}

static void expect_refusal(uint64_t applied, uint32_t node, int code,
                           const char *words)
{
    static struct shell shell;
    shell_init(&shell, directory);
    shell.options.applied_index = applied;
    shell.options.node_id = node;
    assert_int_equal(shell_open(&shell), code);
    if (strstr(shell.error.text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", shell.error.text, words);
}

static void run(const char *format)
{
    char command[600];
    snprintf(command, sizeof command, format, directory, directory);
    assert_int_equal(system(command), 0);
}

static void test_what_is_missing_is_named(void **state)
{
    (void)state;
    expect_refusal(7, 1, ERR_CORRUPT, "neither log nor vote file");
    fill_and_close(400);
    expect_refusal(100000, 1, ERR_CORRUPT, "acknowledged entries are lost");
    expect_refusal(0, 2, ERR_CONFLICT, "belongs to node 1");
    run("mv %s/vote %s/vote.away");
    expect_refusal(0, 1, ERR_CORRUPT, "no vote file");
    run("mv %s/vote.away %s/vote");
    run("mv %s/log %s/log.away");
    expect_refusal(0, 1, ERR_CORRUPT, "log is missing");
    run("mkdir %s/log");
    expect_refusal(0, 1, ERR_CORRUPT, "log is empty");
    run("rmdir %s/log");
    run("mv %s/log.away %s/log");
    run("mv %s/log/segment-0000000002 %s/gone");
    expect_refusal(0, 1, ERR_CORRUPT, "segment 2 of the log is missing");
    run("mv %s/gone %s/log/segment-0000000002");
    run("mv %s/log/segment-0000000001 %s/gone");
    expect_refusal(0, 1, ERR_CORRUPT, "entries are missing between");
    run("mv %s/gone %s/log/segment-0000000001");
    run("truncate -s 40000 %s/log/segment-0000000001");
    expect_refusal(0, 1, ERR_CORRUPT, "was made with");
}

/* --- A full disk -------------------------------------------------------- */

static int mount_small_disk(void **state)
{
    make_directory(state);
    /* Room for the first segments, but not for many. */
    if (mount("tmpfs", directory, "tmpfs", 0, "size=1200k") != 0) {
        print_message("no tmpfs can be mounted here (%s)\n", strerror(errno));
        shell_remove_directory(directory);
        directory[0] = '\0';
    }
    return 0;
}

static int unmount_small_disk(void **state)
{
    if (directory[0] == '\0')
        return 0;
    umount2(directory, MNT_DETACH);
    return remove_directory(state);
}

static unsigned writable_before;

static bool is_writable_again(struct shell *shell)
{
    return shell->writable > writable_before;
}

static bool sees_no_space(struct shell *shell)
{
    return cluster_status(shell->cluster).no_space;
}

/* Entries of 8 KiB until one is refused for space. */
static unsigned submit_until_full(struct shell *shell)
{
    static uint8_t bytes[8192];
    unsigned taken = 0;
    while (shell_submit(shell, bytes, sizeof bytes) != 0) {
        taken++;
        assert_true(taken < 1000);
    }
    return taken;
}

/* What does not fit is refused, what was taken stays, and once the store has
 * caught up the log goes on by itself; also after a restart on a full disk. */
static void test_a_full_disk_is_survived(void **state)
{
    (void)state;
    static struct shell shell;
    uint64_t index = 0;
    if (directory[0] == '\0')
        skip();
    shell_init(&shell, directory);
    assert_int_equal(shell_open(&shell), 0);
    unsigned taken = submit_until_full(&shell);
    assert_true(taken > 50);
    assert_int_equal(shell.entries, taken);
    shell_run_until(&shell, sees_no_space);
    assert_int_equal(shell.failed, 0);
    shell_close(&shell);

    shell_init(&shell, directory);
    assert_int_equal(shell_open(&shell), 0);
    shell_lead(&shell);
    assert_int_equal(shell.entries, taken);
    shell_run_until(&shell, sees_no_space);
    struct buffer *entry = buffer_new(8192);
    assert_non_null(entry);
    entry->length = 8192;
    memset(entry->data, 7, entry->length);
    assert_int_equal(cluster_submit(shell.cluster, entry, &index),
                     ERR_NO_SPACE);
    writable_before = shell.writable;
    cluster_durable(shell.cluster, shell.last_index);
    shell_run_until(&shell, is_writable_again);
    assert_int_equal(cluster_submit(shell.cluster, entry, &index), 0);
    entries_wanted = taken + 1;
    shell_run_until(&shell, has_all_entries);
    assert_false(cluster_status(shell.cluster).no_space);
    shell_close(&shell);
}

/* No room even for the first segment: refused, and a later start founds. */
static void test_founding_on_a_full_disk_is_refused(void **state)
{
    (void)state;
    static struct shell shell;
    char filler[300];
    if (directory[0] == '\0')
        skip();
    snprintf(filler, sizeof filler, "%s/filler", directory);
    int file = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    assert_int_equal(posix_fallocate(file, 0, 1150 * 1024), 0);
    close(file);
    shell_init(&shell, directory);
    assert_int_equal(shell_open(&shell), ERR_NO_SPACE);
    assert_int_equal(unlink(filler), 0);
    shell_init(&shell, directory);
    assert_int_equal(shell_open(&shell), 0);
    shell_lead(&shell);
    shell_close(&shell);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_restart_hands_over_what_the_store_lacks, make_directory,
            remove_directory),
        cmocka_unit_test_setup_teardown(test_one_entry_is_in_flight,
                                        make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_a_full_consumer_is_waited_for,
                                        make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_recycling_bounds_the_disk,
                                        make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_what_is_missing_is_named,
                                        make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_a_full_disk_is_survived,
                                        mount_small_disk, unmount_small_disk),
        cmocka_unit_test_setup_teardown(test_founding_on_a_full_disk_is_refused,
                                        mount_small_disk, unmount_small_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
