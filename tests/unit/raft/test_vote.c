/* The vote file: what is written is read, one bad slot is repaired, two are
 * refused. */
#include "raft/vote.h"
#include "shell.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

enum { SLOT = 4096 };

static char path[256];
static int directory;

static int make(void **state)
{
    (void)state;
    shell_make_directory(path);
    directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return directory < 0;
}

static int clean(void **state)
{
    (void)state;
    close(directory);
    shell_remove_directory(path);
    return 0;
}

static struct vote vote_of(uint64_t term)
{
    return (struct vote){
        .stage = VOTE_SERVING,
        .term = term,
        .vote = term * 3,
        .log_id = 0x1234567890abcdef,
        .node_id = 7,
        .incarnation = 2,
    };
}

static void expect_term(uint64_t term)
{
    struct vote_file *file = NULL;
    struct vote vote;
    struct error error = {0};
    struct vote expected = vote_of(term);
    if (vote_open(directory, &file, &vote, &error) != 0)
        fail_msg("%s", error.text);
    vote_close(file);
    assert_int_equal(vote.term, expected.term);
    assert_int_equal(vote.vote, expected.vote);
    assert_int_equal(vote.log_id, expected.log_id);
    assert_int_equal(vote.node_id, expected.node_id);
    assert_int_equal(vote.incarnation, expected.incarnation);
    assert_int_equal(vote.stage, expected.stage);
    assert_int_equal(vote_raft_id(&vote), 2 << 16 | 7);
}

static void write_terms(uint64_t from, uint64_t to)
{
    struct vote_file *file = NULL;
    struct vote vote = vote_of(from);
    assert_int_equal(vote_create(directory, &vote, &file, NULL), 0);
    for (uint64_t term = from + 1; term <= to; term++) {
        vote = vote_of(term);
        assert_int_equal(vote_write(file, &vote, NULL), 0);
    }
    vote_close(file);
}

static void flip(off_t offset)
{
    uint8_t byte;
    int file = openat(directory, "vote", O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(file, &byte, 1, offset), 1);
    byte ^= 1;
    assert_int_equal(pwrite(file, &byte, 1, offset), 1);
    close(file);
}

static void test_what_is_written_is_read(void **state)
{
    (void)state;
    struct vote_file *file = NULL;
    struct vote vote;
    assert_int_equal(vote_open(directory, &file, &vote, NULL), ERR_NOT_FOUND);
    write_terms(1, 9);
    expect_term(9);
    expect_term(9);
}

/* Any byte of either slot; the other one repairs it, so that the next flip in
 * the other slot does no harm either. */
static void test_one_bad_slot_is_repaired(void **state)
{
    (void)state;
    write_terms(1, 5);
    for (off_t byte = 0; byte < SLOT; byte += 97) {
        flip(byte);
        expect_term(5);
        flip(SLOT + byte);
        expect_term(5);
    }
}

static void test_two_bad_slots_are_refused(void **state)
{
    (void)state;
    struct vote_file *file = NULL;
    struct vote vote;
    struct error error = {0};
    write_terms(1, 5);
    flip(30);
    flip(SLOT + 100);
    assert_int_equal(vote_open(directory, &file, &vote, &error), ERR_CORRUPT);
    assert_non_null(strstr(error.text, "how this node has voted is unknown"));
}

/* A crash between the slots, or within one: the older or the newer vote, never
 * another. */
static void test_a_torn_change_is_one_or_the_other(void **state)
{
    (void)state;
    uint8_t before[2 * SLOT];
    uint8_t after[2 * SLOT];
    write_terms(1, 5);
    int file = openat(directory, "vote", O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(file, before, sizeof before, 0), sizeof before);
    write_terms(1, 6);
    close(file);
    file = openat(directory, "vote", O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(file, after, sizeof after, 0), sizeof after);
    for (size_t cut = 0; cut <= sizeof after; cut += 64) {
        assert_int_equal(pwrite(file, after, sizeof after, 0), sizeof after);
        assert_int_equal(
            pwrite(file, before + cut, sizeof before - cut, (off_t)cut),
            (ssize_t)(sizeof before - cut));
        expect_term(cut < SLOT ? 5 : 6);
    }
    close(file);
}

static void test_a_short_file_is_refused(void **state)
{
    (void)state;
    struct vote_file *file = NULL;
    struct vote vote;
    write_terms(1, 5);
    int raw = openat(directory, "vote", O_RDWR | O_CLOEXEC);
    assert_int_equal(ftruncate(raw, SLOT), 0);
    expect_term(5);
    assert_int_equal(ftruncate(raw, 100), 0);
    assert_int_equal(vote_open(directory, &file, &vote, NULL), ERR_CORRUPT);
    close(raw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_written_is_read, make,
                                        clean),
        cmocka_unit_test_setup_teardown(test_one_bad_slot_is_repaired, make,
                                        clean),
        cmocka_unit_test_setup_teardown(test_two_bad_slots_are_refused, make,
                                        clean),
        cmocka_unit_test_setup_teardown(test_a_torn_change_is_one_or_the_other,
                                        make, clean),
        cmocka_unit_test_setup_teardown(test_a_short_file_is_refused, make,
                                        clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
