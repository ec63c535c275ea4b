#include "raft/log_writer.h"

#include "base/clock.h"
#include "base/memory.h"
#include "raft/disk.h"
#include "raft/segment_file.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

struct log_writer {
    struct log_writer_options options;
    struct queue pending;
    struct queue done;
    pthread_t thread;

    /* The writer's own. */
    int file; /* -1: none yet. */
    bool direct;
    uint64_t segment;
    char name[SEGMENT_NAME_SIZE];
    struct segment_cursor cursor;
    uint8_t *staging;
    uint64_t staged_offset; /* Of its start in the file; whole blocks. */
    size_t staged;
    bool unsynced; /* Written or staged since the last sync. */
    bool unmarked; /* Records since the last MARK. */
    uint64_t last_index;
    uint64_t last_term;

    /* Shared; under the mutex. */
    pthread_mutex_t mutex;
    struct segment_cursor shown; /* The cursor as others may see it. */
    struct log_writer_figures figures;
    struct error failure;
};

/* --- Staging ------------------------------------------------------------ */

/* Writes what is staged, in whole blocks, and keeps the last part of one. */
static int flush(struct log_writer *writer, struct error *error)
{
    size_t part = writer->staged % SEGMENT_BLOCK;
    size_t whole = writer->staged - part;
    size_t length = whole + (part == 0 ? 0 : SEGMENT_BLOCK);
    memset(writer->staging + writer->staged, 0, length - writer->staged);
    int rc = disk_write(writer->file, writer->staging, length,
                        writer->staged_offset, writer->name, error);
    if (rc != 0)
        return rc;
    memmove(writer->staging, writer->staging + whole, part);
    writer->staged = part;
    writer->staged_offset += whole;
    pthread_mutex_lock(&writer->mutex);
    writer->figures.bytes_written += length;
    pthread_mutex_unlock(&writer->mutex);
    return 0;
}

static int stage(struct log_writer *writer, struct slice bytes,
                 struct error *error)
{
    writer->unsynced = true;
    while (bytes.length > 0) {
        if (writer->staged == LOG_STAGING_BYTES) {
            int rc = flush(writer, error);
            if (rc != 0)
                return rc;
        }
        size_t room = LOG_STAGING_BYTES - writer->staged;
        size_t taken = bytes.length < room ? bytes.length : room;
        memcpy(writer->staging + writer->staged, bytes.data, taken);
        writer->staged += taken;
        bytes = slice_of(bytes.data + taken, bytes.length - taken);
    }
    return 0;
}

/* Ends a batch: everything staged is durable when it returns 0. */
static int sync_batch(struct log_writer *writer, struct error *error)
{
    if (!writer->unsynced)
        return 0;
    uint64_t began = clock_us();
    int rc = flush(writer, error);
    if (rc == 0 && !writer->direct)
        rc = disk_sync(writer->file, writer->name, error);
    if (rc != 0)
        return rc;
    writer->unsynced = false;
    pthread_mutex_lock(&writer->mutex);
    writer->figures.syncs++;
    writer->figures.direct = writer->direct;
    writer->figures.sync_us_total += clock_us() - began;
    writer->shown = writer->cursor;
    pthread_mutex_unlock(&writer->mutex);
    return 0;
}

/* --- Records ------------------------------------------------------------ */

static int put_record(struct log_writer *writer, struct record *record,
                      struct slice payload, struct error *error)
{
    static const uint8_t zeros[RECORD_ALIGNMENT];
    uint8_t header[RECORD_HEADER];
    size_t padding =
        record_size(payload.length) - RECORD_HEADER - payload.length;
    record->length = (uint32_t)payload.length;
    record_encode(&writer->cursor, record, header);
    int rc = stage(writer, slice_of(header, sizeof header), error);
    if (rc == 0)
        rc = stage(writer, payload, error);
    if (rc == 0)
        rc = stage(writer, slice_of(zeros, padding), error);
    return rc;
}

static int put_mark(struct log_writer *writer, struct error *error)
{
    struct record record = {
        .index = writer->last_index,
        .term = writer->last_term,
        .payload_checksum = entry_checksum(slice_of(NULL, 0)),
        .type = RECORD_MARK,
        .ends_batch = true,
    };
    writer->unmarked = false;
    /* A segment without records has nothing to mark. */
    if (writer->file < 0 || writer->cursor.batch == 0 ||
        writer->cursor.bytes - writer->cursor.offset < RECORD_HEADER)
        return 0;
    int rc = put_record(writer, &record, slice_of(NULL, 0), error);
    return rc == 0 ? sync_batch(writer, error) : rc;
}

static int put_base(struct log_writer *writer, const struct log_base *base,
                    struct error *error)
{
    struct encoder encoder = {0};
    base_encode(base, &encoder);
    struct slice payload = encoder_slice(&encoder);
    struct record record = {
        .index = base->index,
        .term = base->term,
        .payload_checksum = entry_checksum(payload),
        .type = RECORD_BASE,
        .ends_batch = false, /* An entry follows. */
    };
    int rc = put_record(writer, &record, payload, error);
    encoder_close(&encoder);
    return rc;
}

/* Goes on in the next segment; the one before is synced first, since any
 * record here is the proof that it was. */
static int change_segment(struct log_writer *writer,
                          const struct log_base *base, struct error *error)
{
    struct segment_header header;
    int rc = sync_batch(writer, error);
    if (rc == 0)
        rc = preparer_take(writer->options.preparer, &header, error);
    if (rc != 0)
        return rc;
    if (writer->file >= 0)
        close(writer->file);
    writer->file = -1;
    rc = segment_file_open(writer->options.directory, header.number,
                           &writer->file, &writer->direct, error);
    if (rc != 0)
        return rc;
    writer->segment = header.number;
    segment_name(header.number, writer->name);
    writer->cursor = segment_begin(&header);
    writer->staged_offset = writer->cursor.offset;
    writer->staged = 0;
    return put_base(writer, base, error);
}

/* Whether this entry's record is its batch's last: nothing follows, or what
 * follows goes to another segment. */
static bool ends_batch(const struct log_writer *writer,
                       const struct entry *entry, const struct entry *next)
{
    struct segment_cursor behind = writer->cursor;
    behind.offset += record_size(entry->payload.length);
    return next == NULL || !segment_fits(&behind, next->payload.length);
}

static int put_entry(struct log_writer *writer, const struct log_base *base,
                     const struct entry *entry, const struct entry *next,
                     struct log_place *ret_place, struct error *error)
{
    if (writer->file < 0 ||
        !segment_fits(&writer->cursor, entry->payload.length)) {
        int rc = change_segment(writer, base, error);
        if (rc != 0)
            return rc;
        if (!segment_fits(&writer->cursor, entry->payload.length))
            return error_set(error, ERR_TOO_LARGE,
                             "an entry of %zu bytes exceeds a segment",
                             entry->payload.length);
    }
    struct record record = {
        .index = entry->index,
        .term = entry->term,
        .payload_checksum = entry->checksum,
        .type = (enum record_type)entry->type,
        .ends_batch = ends_batch(writer, entry, next),
    };
    *ret_place = (struct log_place){.segment = writer->segment,
                                    .offset = writer->cursor.offset};
    writer->unmarked = true;
    writer->last_index = entry->index;
    writer->last_term = entry->term;
    return put_record(writer, &record, entry->payload, error);
}

/* --- Requests ----------------------------------------------------------- */

static struct log_write *next_write(const struct log_write *write)
{
    return (struct log_write *)write->item.next;
}

/* The entry behind entries[i] in the same batch; a vote ends it. */
static const struct entry *next_entry(const struct log_write *write, size_t i)
{
    if (i + 1 < write->count)
        return &write->entries[i + 1];
    const struct log_write *next = next_write(write);
    return next == NULL || next->is_vote ? NULL : &next->entries[0];
}

static int put_write(struct log_writer *writer, struct log_write *write,
                     struct error *error)
{
    struct log_base base = write->base;
    for (size_t i = 0; i < write->count; i++) {
        int rc = put_entry(writer, &base, &write->entries[i],
                           next_entry(write, i), &write->places[i], error);
        if (rc != 0)
            return rc;
        base = log_base_after(&base, &write->entries[i]);
    }
    return 0;
}

static int write_all(struct log_writer *writer, struct log_write *first,
                     struct error *error)
{
    for (struct log_write *write = first; write != NULL;
         write = next_write(write)) {
        int rc = 0;
        if (write->is_vote) {
            rc = sync_batch(writer, error);
            if (rc == 0)
                rc = vote_write(writer->options.vote_file, &write->vote, error);
        } else {
            rc = put_write(writer, write, error);
        }
        if (rc != 0)
            return rc;
    }
    return sync_batch(writer, error);
}

static void note_failure(struct log_writer *writer, const struct error *error)
{
    pthread_mutex_lock(&writer->mutex);
    writer->failure = *error;
    pthread_mutex_unlock(&writer->mutex);
}

/* Hands the requests back. All of them share the batch's fate. */
static void give_back(struct log_writer *writer, struct log_write *first,
                      int result)
{
    while (first != NULL) {
        struct log_write *next = next_write(first);
        first->result = result;
        queue_push(&writer->done, &first->item);
        first = next;
    }
    writer->options.wake(writer->options.context);
}

static void *writer_main(void *argument)
{
    struct log_writer *writer = argument;
    struct error error = {0};
    int rc = 0;
    bool goes_on = true;
    while (goes_on) {
        bool marks = writer->unmarked && rc == 0;
        uint64_t deadline =
            marks ? clock_wait_ns() + LOG_MARK_MS * UINT64_C(1000000) : 0;
        goes_on = queue_wait(&writer->pending, deadline);
        struct log_write *first =
            (struct log_write *)queue_take(&writer->pending);
        if (first != NULL) {
            if (rc == 0)
                rc = write_all(writer, first, &error);
            if (rc != 0)
                note_failure(writer, &error);
            give_back(writer, first, rc);
        } else if (marks) {
            rc = put_mark(writer, &error);
            if (rc != 0) {
                note_failure(writer, &error);
                writer->options.wake(writer->options.context);
            }
        }
    }
    return NULL;
}

void log_writer_push(struct log_writer *writer, struct log_write *write)
{
    assert(write->is_vote || write->count > 0);
    queue_push(&writer->pending, &write->item);
}

struct log_write *log_writer_take(struct log_writer *writer)
{
    return (struct log_write *)queue_take(&writer->done);
}

bool log_writer_has_room(struct log_writer *writer, size_t payload_length,
                         size_t reserve)
{
    pthread_mutex_lock(&writer->mutex);
    struct segment_cursor cursor = writer->shown;
    pthread_mutex_unlock(&writer->mutex);
    /* A MARK may slip in before the entry. */
    return segment_fits(&cursor,
                        payload_length + SEGMENT_MARK_ROOM + reserve) ||
           preparer_ready(writer->options.preparer);
}

int log_writer_failure(struct log_writer *writer, struct error *error)
{
    pthread_mutex_lock(&writer->mutex);
    int rc = writer->failure.code;
    if (rc != 0)
        *error = writer->failure;
    pthread_mutex_unlock(&writer->mutex);
    return rc;
}

struct log_writer_figures log_writer_figures(struct log_writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    struct log_writer_figures figures = writer->figures;
    pthread_mutex_unlock(&writer->mutex);
    return figures;
}

/* --- Beginning and end -------------------------------------------------- */

/* The block in which the next record begins, so that its start is written
 * again unchanged; and all before it made durable: it may only be in the page
 * cache, yet it is relied upon from now on. */
static int go_on_in_segment(struct log_writer *writer, struct error *error)
{
    size_t length;
    size_t part = (size_t)(writer->cursor.offset % SEGMENT_BLOCK);
    segment_name(writer->segment, writer->name);
    int rc = segment_file_open(writer->options.directory, writer->segment,
                               &writer->file, &writer->direct, error);
    if (rc != 0)
        return rc;
    rc = disk_sync(writer->file, writer->name, error);
    if (rc != 0)
        return rc;
    writer->staged_offset = writer->cursor.offset - part;
    if (writer->staged_offset == writer->cursor.bytes)
        return 0;
    rc = disk_read(writer->file, writer->staging, SEGMENT_BLOCK,
                   writer->staged_offset, writer->name, &length, error);
    if (rc == 0 && length != SEGMENT_BLOCK)
        rc = error_set(error, ERR_CORRUPT, "%s is cut short", writer->name);
    writer->staged = part;
    /* What was found may be the last batch that a crash left unmarked. */
    writer->unmarked = true;
    return rc;
}

int log_writer_open(const struct log_writer_options *options,
                    struct log_writer **ret, struct error *error)
{
    int rc = 0;
    struct log_writer *writer = memory_new_zeroed(1, sizeof *writer);
    writer->options = *options;
    writer->file = -1;
    writer->segment = options->segment;
    writer->cursor = writer->shown = options->cursor;
    writer->last_index = options->last_index;
    writer->last_term = options->last_term;
    writer->staging =
        aligned_alloc(SEGMENT_BLOCK, LOG_STAGING_BYTES + SEGMENT_BLOCK);
    pthread_mutex_init(&writer->mutex, NULL);
    queue_init(&writer->pending);
    queue_init(&writer->done);
    if (writer->staging == NULL)
        rc = error_set(error, ERR_NO_MEMORY, "no memory for the log writer");
    if (rc == 0 && options->segment != 0)
        rc = go_on_in_segment(writer, error);
    if (rc == 0) {
        int number = pthread_create(&writer->thread, NULL, writer_main, writer);
        if (number != 0)
            rc = error_system(error, number, "start the log writer");
    }
    if (rc == 0)
        *ret = writer;
    else
        log_writer_free(writer);
    return rc;
}

void log_writer_end(struct log_writer *writer)
{
    queue_end(&writer->pending);
    pthread_join(writer->thread, NULL);
}

void log_writer_free(struct log_writer *writer)
{
    if (writer == NULL)
        return;
    if (writer->file >= 0)
        close(writer->file);
    queue_close(&writer->pending);
    queue_close(&writer->done);
    pthread_mutex_destroy(&writer->mutex);
    free(writer->staging);
    free(writer);
}
