#include "raft/log_reader.h"

#include "base/memory.h"
#include "raft/disk.h"
#include "raft/segment_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

struct log_reader {
    int directory;
    void (*wake)(void *context);
    void *context;
    struct queue pending;
    struct queue done;
    pthread_t thread;
};

/* The segment that the last entry came from; the next is mostly there too. */
struct opened {
    uint64_t segment; /* 0: none. */
    int file;
    struct segment_header header;
    char name[SEGMENT_NAME_SIZE];
};

struct log_read *log_read_new(uint64_t first_index, size_t count)
{
    struct log_read *read = memory_new_zeroed(1, sizeof *read);
    read->first_index = first_index;
    read->count = count;
    read->positions = memory_new_zeroed(count, sizeof *read->positions);
    read->entries = memory_new_zeroed(count, sizeof *read->entries);
    return read;
}

void log_read_free(struct log_read *read)
{
    if (read == NULL)
        return;
    for (size_t i = 0; i < read->count; i++)
        entry_unref(&read->entries[i]);
    free(read->positions);
    free(read->entries);
    free(read);
}

static void opened_close(struct opened *opened)
{
    if (opened->segment != 0)
        close(opened->file);
    opened->segment = 0;
}

static int open_segment(const struct log_reader *reader, uint64_t segment,
                        struct opened *opened, struct error *error)
{
    uint8_t block[SEGMENT_BLOCK];
    size_t length;
    if (opened->segment == segment)
        return 0;
    opened_close(opened);
    segment_name(segment, opened->name);
    opened->file =
        openat(reader->directory, opened->name, O_RDONLY | O_CLOEXEC);
    if (opened->file < 0)
        return error_system(error, errno, "open %s", opened->name);
    opened->segment = segment;
    int rc = disk_read(opened->file, block, sizeof block, 0, opened->name,
                       &length, error);
    if (rc != 0)
        return rc;
    if (length != sizeof block)
        return error_set(error, ERR_CORRUPT, "%s is cut short", opened->name);
    rc = segment_header_decode(block, &opened->header, error);
    return error_wrap(error, rc, "%s", opened->name);
}

static bool fits(const struct record *record, const struct position *position,
                 uint64_t index)
{
    return record->index == index && record->term == position->term &&
           record->length == position->length &&
           (int)record->type == (int)position->type;
}

static int read_entry(const struct opened *opened, uint64_t index,
                      const struct position *position, struct entry *ret,
                      struct error *error)
{
    struct record record;
    uint64_t chain;
    uint64_t checksum;
    size_t length = RECORD_HEADER + position->length;
    size_t got = 0;
    struct buffer *buffer = buffer_new(length);
    if (buffer == NULL)
        return error_set(error, ERR_NO_MEMORY, "read entry %" PRIu64, index);
    int rc = disk_read(opened->file, buffer->data, length, position->offset,
                       opened->name, &got, error);
    if (rc != 0)
        goto out;
    buffer->length = length;
    struct slice payload =
        slice_of(buffer->data + RECORD_HEADER, position->length);
    if (got != length ||
        !record_decode(opened->header.seed, buffer->data, &record, &chain,
                       &checksum) ||
        !fits(&record, position, index) ||
        entry_checksum(payload) != record.payload_checksum) {
        rc = error_set(error, ERR_CORRUPT,
                       "entry %" PRIu64 " at offset %u of %s is damaged: it "
                       "was good when it was written; rebuild this node",
                       index, position->offset, opened->name);
        goto out;
    }
    *ret = (struct entry){
        .index = index,
        .term = record.term,
        .checksum = record.payload_checksum,
        .type = position->type,
        .payload = payload,
        .buffer = buffer,
    };
    buffer = NULL;
out:
    /* Not yet shared: no other thread knows this buffer. */
    buffer_unref(buffer);
    return rc;
}

static void serve(const struct log_reader *reader, struct opened *opened,
                  struct log_read *read)
{
    for (size_t i = 0; i < read->count && read->error.code == 0; i++) {
        const struct position *position = &read->positions[i];
        int rc = open_segment(reader, position->segment, opened, &read->error);
        if (rc == 0)
            rc = read_entry(opened, read->first_index + i, position,
                            &read->entries[i], &read->error);
        read->error.code = rc;
    }
}

static void *reader_main(void *argument)
{
    struct log_reader *reader = argument;
    struct opened opened = {0};
    while (queue_wait(&reader->pending, 0)) {
        struct queue_item *item = queue_take_one(&reader->pending);
        if (item == NULL)
            continue;
        serve(reader, &opened, (struct log_read *)item);
        /* The file may be recycled as soon as this request is back. */
        opened_close(&opened);
        queue_push(&reader->done, item);
        reader->wake(reader->context);
    }
    return NULL;
}

int log_reader_open(int directory, void (*wake)(void *context), void *context,
                    struct log_reader **ret, struct error *error)
{
    struct log_reader *reader = memory_new_zeroed(1, sizeof *reader);
    reader->directory = directory;
    reader->wake = wake;
    reader->context = context;
    queue_init(&reader->pending);
    queue_init(&reader->done);
    int number = pthread_create(&reader->thread, NULL, reader_main, reader);
    if (number != 0) {
        log_reader_free(reader);
        return error_system(error, number, "start the log reader");
    }
    *ret = reader;
    return 0;
}

void log_reader_push(struct log_reader *reader, struct log_read *read)
{
    queue_push(&reader->pending, &read->item);
}

struct log_read *log_reader_take(struct log_reader *reader)
{
    return (struct log_read *)queue_take(&reader->done);
}

void log_reader_end(struct log_reader *reader)
{
    queue_end(&reader->pending);
    pthread_join(reader->thread, NULL);
}

void log_reader_free(struct log_reader *reader)
{
    if (reader == NULL)
        return;
    queue_close(&reader->pending);
    queue_close(&reader->done);
    free(reader);
}
