#include "raft/log.h"

#include "base/memory.h"
#include "raft/disk.h"
#include "raft/log_recovery.h"
#include "raft/segment_file.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

struct log {
    struct log_options options;
    struct log_recovery recovery; /* From log_open() to log_start(). */
    struct positions positions;
    struct preparer *preparer;
    struct log_writer *writer;
    struct log_reader *reader;
    uint64_t reading_first; /* The oldest entry of the read under way; 0. */
    bool ended;
};

/* --- Making one --------------------------------------------------------- */

static void ignore_wake(void *context)
{
    (void)context;
}

/* Waits until the writer has done the one request it was given. */
static int write_first(struct log_writer *writer, struct entry *entries,
                       size_t count, struct error *error)
{
    struct log_place *places = memory_new_zeroed(count, sizeof *places);
    struct log_write write = {
        .count = count,
        .entries = entries,
        .places = places,
    };
    log_writer_push(writer, &write);
    log_writer_end(writer);
    struct log_write *done = log_writer_take(writer);
    assert(done == &write);
    if (done->result != 0)
        log_writer_failure(writer, error);
    free(places);
    return write.result;
}

int log_create(int directory, uint64_t log_id, uint64_t segment_bytes,
               struct entry *entries, size_t count, struct error *error)
{
    struct preparer *preparer = NULL;
    struct log_writer *writer = NULL;
    int rc = log_remove(directory, error);
    if (rc != 0)
        return rc;
    struct segment_header header = {
        .number = 1, .log_id = log_id, .bytes = segment_bytes};
    rc = segment_file_make(directory, &header, 0, error);
    if (rc != 0)
        return rc;
    struct preparer_options preparer_options = {
        .directory = directory,
        .log_id = log_id,
        .segment_bytes = segment_bytes,
        .next_number = 1,
        .next_ready = &header,
        .wake = ignore_wake,
    };
    rc = preparer_open(&preparer_options, &preparer, error);
    if (rc != 0)
        return rc;
    /* Not to make a second one now: log_open() will. */
    preparer_stop(preparer);
    struct log_writer_options writer_options = {
        .directory = directory,
        .preparer = preparer,
        .wake = ignore_wake,
    };
    rc = log_writer_open(&writer_options, &writer, error);
    if (rc == 0)
        rc = write_first(writer, entries, count, error);
    log_writer_free(writer);
    preparer_close(preparer);
    return rc;
}

/* --- Opening and closing ------------------------------------------------ */

int log_open(const struct log_options *options, struct log **ret,
             struct log_found *ret_found, struct error *error)
{
    struct log_recovery recovery = {0};
    assert(options->segment_bytes % SEGMENT_BLOCK == 0 &&
           options->segment_bytes >= SEGMENT_BYTES_MIN &&
           options->segment_bytes <= UINT32_MAX);
    int rc = log_recover(options->directory, options->log_id,
                         options->segment_bytes, &recovery, error);
    if (rc != 0)
        return rc;
    struct log *log = memory_new_zeroed(1, sizeof *log);
    log->options = *options;
    log->positions = recovery.positions;
    recovery.positions = (struct positions){0};
    *ret_found = recovery.found;
    recovery.found = (struct log_found){0};
    log->recovery = recovery;
    *ret = log;
    return 0;
}

static int start_preparer(struct log *log, struct error *error)
{
    const struct log_options *options = &log->options;
    const struct log_recovery *recovery = &log->recovery;
    struct preparer_options preparer_options = {
        .directory = options->directory,
        .log_id = options->log_id,
        .segment_bytes = options->segment_bytes,
        .next_number = recovery->segment + 1,
        .next_ready = recovery->next.number == 0 ? NULL : &recovery->next,
        .spares = recovery->spares,
        .spares_count = recovery->spares_count,
        .wake = options->wake,
        .context = options->context,
    };
    return preparer_open(&preparer_options, &log->preparer, error);
}

static int start_writer(struct log *log, struct error *error)
{
    const struct log_options *options = &log->options;
    uint64_t last = positions_last(&log->positions);
    struct log_writer_options writer_options = {
        .directory = options->directory,
        .preparer = log->preparer,
        .vote_file = options->vote_file,
        .segment = log->recovery.segment,
        .cursor = log->recovery.cursor,
        .last_index = last,
        .last_term = positions_term(&log->positions, last),
        .wake = options->wake,
        .context = options->context,
    };
    return log_writer_open(&writer_options, &log->writer, error);
}

int log_start(struct log *log, struct error *error)
{
    int rc = start_preparer(log, error);
    if (rc == 0)
        rc = start_writer(log, error);
    if (rc == 0)
        rc = log_reader_open(log->options.directory, log->options.wake,
                             log->options.context, &log->reader, error);
    log_recovery_close(&log->recovery);
    return rc;
}

void log_end(struct log *log)
{
    if (log->ended)
        return;
    log->ended = true;
    /* The writer then waits no more for a segment that does not come. */
    if (log->preparer != NULL)
        preparer_stop(log->preparer);
    if (log->writer != NULL)
        log_writer_end(log->writer);
    if (log->reader != NULL)
        log_reader_end(log->reader);
    preparer_close(log->preparer);
    log->preparer = NULL;
}

static void hand_back(struct log *log);

void log_close(struct log *log)
{
    if (log == NULL)
        return;
    log_end(log);
    hand_back(log);
    log_writer_free(log->writer);
    log_reader_free(log->reader);
    log_recovery_close(&log->recovery);
    positions_close(&log->positions);
    free(log);
}

/* --- Appending and reading ---------------------------------------------- */

void log_append(struct log *log, struct log_write *write)
{
    log_writer_push(log->writer, write);
}

/* Mirrors what the writer did, a new segment included. */
static void note_places(struct log *log, const struct log_write *write)
{
    struct positions *positions = &log->positions;
    struct log_base base = write->base;
    for (size_t i = 0; i < write->count; i++) {
        const struct entry *entry = &write->entries[i];
        uint64_t segment = write->places[i].segment;
        uint64_t newest =
            positions->segments[positions->segments_count - 1].number;
        if (segment != newest) {
            if (base.configuration != NULL)
                buffer_ref(base.configuration);
            positions_add_segment(positions, segment, base);
        }
        struct position position = {
            .segment = segment,
            .term = entry->term,
            .offset = (uint32_t)write->places[i].offset,
            .length = (uint32_t)entry->payload.length,
            .type = entry->type,
        };
        positions_put(positions, entry->index, &position);
        base = log_base_after(&base, entry);
    }
}

void log_read(struct log *log, uint64_t first_index, uint64_t last_index,
              size_t bytes_max)
{
    size_t bytes = 0;
    size_t count = 0;
    assert(log->reading_first == 0);
    for (uint64_t index = first_index; index <= last_index; index++) {
        const struct position *position =
            positions_find(&log->positions, index);
        assert(position != NULL);
        bytes += position->length;
        if (count > 0 && bytes > bytes_max)
            break;
        count++;
    }
    struct log_read *read = log_read_new(first_index, count);
    for (size_t i = 0; i < count; i++)
        read->positions[i] = *positions_find(&log->positions, first_index + i);
    log->reading_first = first_index;
    log_reader_push(log->reader, read);
}

static void hand_back(struct log *log)
{
    struct log_write *write =
        log->writer == NULL ? NULL : log_writer_take(log->writer);
    while (write != NULL) {
        struct log_write *next = (struct log_write *)write->item.next;
        if (write->result == 0 && !write->is_vote)
            note_places(log, write);
        log->options.written(log->options.context, write);
        write = next;
    }
    struct log_read *read =
        log->reader == NULL ? NULL : log_reader_take(log->reader);
    while (read != NULL) {
        struct log_read *next = (struct log_read *)read->item.next;
        log->reading_first = 0;
        log->options.read(log->options.context, read);
        read = next;
    }
}

int log_poll(struct log *log, struct error *error)
{
    hand_back(log);
    int rc = log_writer_failure(log->writer, error);
    return rc != 0 ? rc : preparer_failure(log->preparer, error);
}

/* --- Positions and space ------------------------------------------------ */

const struct positions *log_positions(const struct log *log)
{
    return &log->positions;
}

bool log_has_room(struct log *log, size_t payload_length, size_t reserve)
{
    return log_writer_has_room(log->writer, payload_length, reserve);
}

bool log_no_space(struct log *log)
{
    return preparer_no_space(log->preparer);
}

size_t log_entry_bytes_max(const struct log *log)
{
    /* Behind the header block stand a base, whose configuration names a few
     * members, the entry, and a MARK. */
    enum { ROOM = 2 * SEGMENT_BLOCK + 2 * RECORD_HEADER };
    return (size_t)log->options.segment_bytes - ROOM;
}

const struct position_segment *log_plan(const struct log *log,
                                        uint64_t durable_index)
{
    if (log->reading_first != 0 && durable_index >= log->reading_first)
        durable_index = log->reading_first - 1;
    return positions_plan(&log->positions, durable_index);
}

void log_trim(struct log *log, uint64_t number)
{
    for (size_t i = 0; log->positions.segments[i].number != number; i++)
        preparer_retire(log->preparer, log->positions.segments[i].number);
    positions_drop(&log->positions, number);
}

struct log_figures log_figures(struct log *log)
{
    return (struct log_figures){
        .bytes =
            (log->positions.segments_count + preparer_extra(log->preparer)) *
            log->options.segment_bytes,
        .writer = log_writer_figures(log->writer),
        .no_space = log_no_space(log),
    };
}
