/* The log on real files: reopening, cutting, damage, kill -9. Once where the
 * page cache can be passed by, once on a tmpfs. */
#include "logbook.h"
#include "shell.h"

#include "raft/segment_file.h"
#include "tests/temporary.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[256];
static uint64_t random_state;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static uint64_t random_below(uint64_t limit)
{
    return (random_next() >> 11) % limit;
}

static int make_on_disk(void **state)
{
    (void)state;
    shell_make_directory(directory);
    logbook_create(directory);
    return 0;
}

static int make_in_memory(void **state)
{
    (void)state;
    assert_true(temporary_directory(directory, sizeof directory));
    logbook_create(directory);
    return 0;
}

static int remove_all(void **state)
{
    (void)state;
    shell_remove_directory(directory);
    return 0;
}

static void open_book(struct logbook *book)
{
    if (logbook_open(book, directory, NULL) != 0)
        fail_msg("%s", book->error.text);
}

static void expect_refusal(const char *words)
{
    struct logbook book;
    int rc = logbook_open(&book, directory, NULL);
    assert_int_equal(rc, ERR_CORRUPT);
    if (strstr(book.error.text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", book.error.text, words);
}

static void test_entries_survive_reopening(void **state)
{
    (void)state;
    struct logbook book;
    open_book(&book);
    for (uint64_t index = 2; index <= 300; index++)
        logbook_append(&book, index, 1 + index / 50, (index * 37) % 2000);
    logbook_close(&book);
    open_book(&book);
    assert_int_equal(book.last_index, 300);
    assert_false(book.found.torn);
    assert_true(log_positions(book.log)->segments_count > 3);
    logbook_check(&book);
    for (uint64_t index = 301; index <= 320; index++)
        logbook_append(&book, index, 8, 500);
    logbook_check(&book);
    logbook_close(&book);
}

/* An entry of the size of several staging buffers' worth of blocks and odd
 * lengths: writes that begin and end anywhere in a block. */
static void test_odd_lengths_and_many_at_once(void **state)
{
    (void)state;
    struct logbook book;
    uint64_t index = 2;
    open_book(&book);
    for (unsigned round = 0; round < 30; round++) {
        for (unsigned i = 0; i < 4; i++) {
            size_t count = 1 + (round + i) % 5;
            logbook_push(&book, index, 2, count, (round * 997 + i * 13) % 9000);
            index += count;
        }
        logbook_wait(&book);
    }
    logbook_check(&book);
    logbook_close(&book);
    open_book(&book);
    assert_int_equal(book.last_index, index - 1);
    logbook_check(&book);
    logbook_close(&book);
}

/* A lower index cuts, also across segments and across a restart. */
static void test_a_lower_index_cuts(void **state)
{
    (void)state;
    struct logbook book;
    open_book(&book);
    for (uint64_t index = 2; index <= 200; index++)
        logbook_append(&book, index, 1, 1000);
    size_t segments = log_positions(book.log)->segments_count;
    assert_true(segments >= 4);
    logbook_append(&book, 60, 2, 700);
    assert_int_equal(positions_last(log_positions(book.log)), 60);
    logbook_append(&book, 61, 2, 700);
    logbook_check(&book);
    logbook_close(&book);
    open_book(&book);
    assert_int_equal(book.last_index, 61);
    assert_int_equal(book.last_term, 2);
    logbook_check(&book);
    for (uint64_t index = 62; index <= 400; index++)
        logbook_append(&book, index, 2, 1000);
    /* No segment whose base was cut off may become the first one. */
    const struct position_segment *first = log_plan(book.log, 399);
    assert_non_null(first);
    assert_int_equal(positions_term(log_positions(book.log), first->base.index),
                     first->base.term);
    log_trim(book.log, first->number);
    logbook_check(&book);
    logbook_close(&book);
    open_book(&book);
    assert_int_equal(book.last_index, 400);
    assert_true(book.found.base.index > 1);
    logbook_check(&book);
    logbook_close(&book);
}

static int open_segment(uint64_t number)
{
    char path[400];
    char name[SEGMENT_NAME_SIZE];
    segment_name(number, name);
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int file = open(path, O_RDWR | O_CLOEXEC);
    assert_true(file >= 0);
    return file;
}

static void flip(uint64_t segment, uint64_t offset)
{
    uint8_t byte;
    int file = open_segment(segment);
    assert_int_equal(pread(file, &byte, 1, (off_t)offset), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(file, &byte, 1, (off_t)offset), 1);
    close(file);
}

static struct position place_of(uint64_t index)
{
    struct logbook book;
    open_book(&book);
    struct position position = *positions_find(log_positions(book.log), index);
    logbook_close(&book);
    return position;
}

/* Damage in the middle, at the end of an older segment, in the last batch
 * after a clean close, and in a header: each is refused by name. */
static void test_damage_is_named(void **state)
{
    (void)state;
    struct logbook book;
    open_book(&book);
    for (uint64_t index = 2; index <= 150; index++)
        logbook_append(&book, index, 1, 1000);
    logbook_close(&book);
    const uint64_t indexes[] = {1, 2, 40, 75, 149, 150};
    for (size_t i = 0; i < sizeof indexes / sizeof *indexes; i++) {
        struct position place = place_of(indexes[i]);
        for (uint64_t byte = 0; byte < RECORD_HEADER + 8; byte += 11) {
            flip(place.segment, place.offset + byte);
            expect_refusal("rebuild this node");
            flip(place.segment, place.offset + byte);
        }
    }
    struct position last_of_first = place_of(2);
    for (uint64_t index = 3; place_of(index).segment == 1; index++)
        last_of_first = place_of(index);
    flip(1, last_of_first.offset + 3);
    expect_refusal("entries are missing");
    flip(1, last_of_first.offset + 3);
    flip(2, 100);
    expect_refusal("segment-0000000002: the header block is damaged");
    flip(2, 100);
    open_book(&book);
    logbook_check(&book);
    logbook_close(&book);
}

static void erase(uint64_t segment, uint64_t offset, size_t length)
{
    uint8_t zeros[4096] = {0};
    int file = open_segment(segment);
    assert_int_equal(pwrite(file, zeros, length, (off_t)offset),
                     (ssize_t)length);
    close(file);
}

/* A crash tears the last write: it is cut, and the log goes on from there. */
static void test_a_torn_end_is_cut(void **state)
{
    (void)state;
    struct logbook book;
    open_book(&book);
    for (uint64_t index = 2; index <= 20; index++)
        logbook_append(&book, index, 1, 1000);
    logbook_close(&book);
    for (uint64_t index = 20; index < 30; index++) {
        struct position place = place_of(index);
        uint64_t end = place.offset + record_size(place.length);
        /* The MARKs behind it were not yet written. */
        erase(place.segment, end, 4096);
        size_t torn = 1 + (size_t)(index * 331) % 1000;
        erase(place.segment, end - torn, torn);
        open_book(&book);
        assert_true(book.found.torn);
        assert_int_equal(book.last_index, index - 1);
        logbook_check(&book);
        logbook_append(&book, index, index, 300);
        logbook_close(&book);
        open_book(&book);
        assert_false(book.found.torn);
        assert_int_equal(book.last_index, index);
        logbook_append(&book, index + 1, index, 1000);
        logbook_check(&book);
        logbook_close(&book);
    }
}

/* A damaged entry that is only found when it is read back. */
static void test_damage_behind_our_back_is_found(void **state)
{
    (void)state;
    struct logbook book;
    open_book(&book);
    for (uint64_t index = 2; index <= 20; index++)
        logbook_append(&book, index, 1, 1000);
    const struct position *place = positions_find(log_positions(book.log), 10);
    flip(place->segment, place->offset + 500);
    log_read(book.log, 10, 10, 8192);
    while (book.read == NULL) {
        sem_wait(&book.woken);
        assert_int_equal(log_poll(book.log, &book.error), 0);
    }
    assert_int_equal(book.read->error.code, ERR_CORRUPT);
    assert_non_null(strstr(book.read->error.text, "entry 10 at offset"));
    log_read_free(book.read);
    logbook_close(&book);
}

/* --- kill -9 ------------------------------------------------------------ */

struct report {
    uint64_t index;
    uint64_t trimmed_to; /* 0: nothing yet. */
};

/* The child: appends as fast as it can, tells what is durable, recycles. */
static void write_until_killed(int reports, uint64_t seed)
{
    struct logbook book;
    random_state = seed;
    if (logbook_open(&book, directory, NULL) != 0) {
        fprintf(stderr, "child: %s\n", book.error.text);
        _exit(2);
    }
    struct report report = {.trimmed_to = 0};
    for (;;) {
        uint64_t pushes = 1 + random_below(3);
        for (uint64_t i = 0; i < pushes; i++)
            logbook_push(&book, book.last_index + 1, book.last_term + i,
                         1 + random_below(4), random_below(4000));
        logbook_wait(&book);
        const struct position_segment *first =
            log_plan(book.log, book.written_index);
        if (first != NULL && random_below(4) == 0) {
            report.trimmed_to = first->base.index;
            log_trim(book.log, first->number);
        }
        report.index = book.written_index;
        if (write(reports, &report, sizeof report) != sizeof report)
            _exit(3);
        /* Sometimes long enough for a MARK. */
        if (random_below(20) == 0)
            usleep((useconds_t)random_below(80000));
    }
}

/* Kills the child a moment after it has reported so many times. */
static struct report run_and_kill(uint64_t seed, uint64_t reports,
                                  useconds_t microseconds)
{
    int pipes[2];
    struct report report = {0};
    struct report last = {0};
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(pipes[0]);
        write_until_killed(pipes[1], seed);
        _exit(1);
    }
    close(pipes[1]);
    for (; reports > 0; reports--)
        assert_int_equal(read(pipes[0], &last, sizeof last), sizeof last);
    usleep(microseconds);
    kill(child, SIGKILL);
    while (read(pipes[0], &report, sizeof report) == sizeof report)
        last = report;
    close(pipes[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    return last;
}

/* Whatever was reported durable is there after any number of kills. */
static void test_kill_9_loses_nothing_reported(void **state)
{
    (void)state;
    const uint64_t seed = 20261124;
    print_message("seed %lu\n", (unsigned long)seed);
    struct report durable = {0};
    unsigned torn = 0;
    random_state = seed;
    for (unsigned round = 0; round < 40; round++) {
        struct logbook book;
        uint64_t child_seed = random_next();
        uint64_t reports = random_below(30);
        useconds_t wait = (useconds_t)random_below(4000);
        struct report last = run_and_kill(child_seed, reports, wait);
        if (last.index > 0)
            durable = last;
        open_book(&book);
        torn += book.found.torn;
        assert_true(book.last_index >= durable.index);
        assert_true(log_positions(book.log)->base_index <= book.last_index);
        logbook_check(&book);
        /* What was found and not reported counts from now on. */
        durable.index = book.last_index;
        logbook_close(&book);
    }
    print_message("%lu entries, %u torn ends\n", (unsigned long)durable.index,
                  torn);
    assert_true(durable.index > 100);
}

int main(void)
{
#define BOTH(test)                                                             \
    {"on a disk: " #test, test, make_on_disk, remove_all, NULL},               \
    {                                                                          \
        "on a tmpfs: " #test, test, make_in_memory, remove_all, NULL           \
    }
    const struct CMUnitTest tests[] = {
        BOTH(test_entries_survive_reopening),
        BOTH(test_odd_lengths_and_many_at_once),
        BOTH(test_a_lower_index_cuts),
        BOTH(test_damage_is_named),
        BOTH(test_a_torn_end_is_cut),
        BOTH(test_damage_behind_our_back_is_found),
        BOTH(test_kill_9_loses_nothing_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
