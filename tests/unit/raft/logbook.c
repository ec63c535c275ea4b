#include "logbook.h"

#include "base/memory.h"
#include "raft/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { LOG_ID = 4242 };

static void fill_payload(uint64_t index, uint64_t term, struct buffer *buffer)
{
    for (size_t i = 0; i < buffer->length; i++)
        buffer->data[i] = (uint8_t)(index * 131 + term * 17 + i);
}

static struct entry make_entry(uint64_t index, uint64_t term, size_t length)
{
    struct buffer *buffer = buffer_new(length);
    assert_non_null(buffer);
    buffer->length = length;
    fill_payload(index, term, buffer);
    return (struct entry){
        .index = index,
        .term = term,
        .checksum = entry_checksum(buffer_slice(buffer)),
        .type = ENTRY_COMMAND,
        .payload = buffer_slice(buffer),
        .buffer = buffer,
    };
}

void logbook_create(const char *path)
{
    struct error error = {0};
    struct entry entry = make_entry(1, 1, 10);
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(directory >= 0);
    int rc = log_create(directory, LOG_ID, LOGBOOK_SEGMENT, &entry, 1, &error);
    if (rc != 0)
        fail_msg("%s", error.text);
    entry_unref(&entry);
    close(directory);
}

static void on_wake(void *context)
{
    struct logbook *book = context;
    sem_post(&book->woken);
}

static void on_written(void *context, struct log_write *write)
{
    struct logbook *book = context;
    book->under_way--;
    if (write->result == 0 && write->is_vote)
        book->voted_term = write->vote.term;
    else if (write->result == 0)
        book->written_index = write->entries[write->count - 1].index;
    for (size_t i = 0; i < write->count; i++)
        entry_unref(&write->entries[i]);
    free(write->entries);
    free(write->places);
    free(write);
}

static void on_read(void *context, struct log_read *read)
{
    struct logbook *book = context;
    book->read = read;
}

int logbook_open(struct logbook *book, const char *path,
                 struct vote_file *vote_file)
{
    *book = (struct logbook){.vote_file = vote_file};
    book->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(book->directory >= 0);
    sem_init(&book->woken, 0, 0);
    const struct log_options options = {
        .directory = book->directory,
        .vote_file = vote_file,
        .log_id = LOG_ID,
        .segment_bytes = LOGBOOK_SEGMENT,
        .context = book,
        .wake = on_wake,
        .written = on_written,
        .read = on_read,
    };
    int rc = log_open(&options, &book->log, &book->found, &book->error);
    if (rc == 0)
        rc = log_start(book->log, &book->error);
    if (rc != 0) {
        close(book->directory);
        sem_destroy(&book->woken);
        return rc;
    }
    book->last_index = positions_last(log_positions(book->log));
    book->last_term =
        positions_term(log_positions(book->log), book->last_index);
    return 0;
}

void logbook_close(struct logbook *book)
{
    log_close(book->log);
    log_found_close(&book->found);
    sem_destroy(&book->woken);
    close(book->directory);
}

void logbook_push(struct logbook *book, uint64_t first_index, uint64_t term,
                  size_t count, size_t length)
{
    struct log_write *write = memory_new_zeroed(1, sizeof *write);
    write->count = count;
    write->entries = memory_new_zeroed(count, sizeof *write->entries);
    write->places = memory_new_zeroed(count, sizeof *write->places);
    write->base.index = first_index - 1;
    write->base.term =
        first_index - 1 == book->last_index
            ? book->last_term
            : positions_term(log_positions(book->log), first_index - 1);
    for (size_t i = 0; i < count; i++)
        write->entries[i] = make_entry(first_index + i, term, length);
    book->last_index = first_index + count - 1;
    book->last_term = term;
    book->under_way++;
    log_append(book->log, write);
}

void logbook_push_vote(struct logbook *book, const struct vote *vote)
{
    struct log_write *write = memory_new_zeroed(1, sizeof *write);
    write->is_vote = true;
    write->vote = *vote;
    book->under_way++;
    log_append(book->log, write);
}

static void wait_once(struct logbook *book)
{
    while (sem_wait(&book->woken) != 0)
        assert_int_equal(errno, EINTR);
    if (log_poll(book->log, &book->error) != 0)
        fail_msg("%s", book->error.text);
}

void logbook_wait(struct logbook *book)
{
    while (book->under_way > 0)
        wait_once(book);
}

void logbook_append(struct logbook *book, uint64_t index, uint64_t term,
                    size_t length)
{
    logbook_push(book, index, term, 1, length);
    logbook_wait(book);
}

static void check_read(struct logbook *book, uint64_t *index)
{
    struct log_read *read = book->read;
    book->read = NULL;
    if (read->error.code != 0)
        fail_msg("%s", read->error.text);
    for (size_t i = 0; i < read->count; i++, ++*index) {
        const struct entry *got = &read->entries[i];
        struct entry expected =
            make_entry(*index, got->term, got->payload.length);
        assert_int_equal(got->index, *index);
        assert_int_equal(got->term,
                         positions_term(log_positions(book->log), *index));
        assert_true(slice_equal(got->payload, expected.payload));
        entry_unref(&expected);
    }
    log_read_free(read);
}

void logbook_check(struct logbook *book)
{
    const struct positions *positions = log_positions(book->log);
    uint64_t index = positions->base_index + 1;
    while (index <= positions_last(positions)) {
        log_read(book->log, index, positions_last(positions), 8192);
        while (book->read == NULL)
            wait_once(book);
        check_read(book, &index);
    }
}
