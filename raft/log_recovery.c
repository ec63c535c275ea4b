#include "raft/log_recovery.h"

#include "base/logger.h"
#include "base/memory.h"
#include "raft/disk.h"
#include "raft/segment_file.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- The directory ------------------------------------------------------ */

struct numbers {
    uint64_t *items;
    size_t count;
    size_t capacity;
};

static void numbers_add(struct numbers *numbers, uint64_t number)
{
    if (numbers->count == numbers->capacity) {
        numbers->capacity = numbers->capacity == 0 ? 16 : numbers->capacity * 2;
        numbers->items = memory_resize(
            numbers->items, numbers->capacity * sizeof *numbers->items);
    }
    numbers->items[numbers->count++] = number;
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static int list(int directory, struct numbers *segments, struct numbers *spares,
                struct error *error)
{
    int again = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = again < 0 ? NULL : fdopendir(again);
    if (stream == NULL) {
        if (again >= 0)
            close(again);
        return error_system(error, errno, "list the directory of the log");
    }
    int rc = 0;
    for (;;) {
        errno = 0;
        struct dirent *found = readdir(stream);
        if (found == NULL)
            break;
        uint64_t number;
        switch (segment_name_parse(found->d_name, &number)) {
        case NAME_SEGMENT:
            numbers_add(segments, number);
            break;
        case NAME_SPARE:
            numbers_add(spares, number);
            break;
        case NAME_UNMADE:
        case NAME_OTHER:
            break;
        }
    }
    if (errno != 0)
        rc = error_system(error, errno, "list the directory of the log");
    closedir(stream);
    if (segments->count > 0)
        qsort(segments->items, segments->count, sizeof *segments->items,
              compare_numbers);
    return rc;
}

int log_exists(int directory, bool *ret, struct error *error)
{
    struct numbers segments = {0};
    struct numbers spares = {0};
    int rc = list(directory, &segments, &spares, error);
    if (rc == 0)
        *ret = segments.count > 0;
    free(segments.items);
    free(spares.items);
    return rc;
}

int log_remove(int directory, struct error *error)
{
    struct numbers segments = {0};
    struct numbers spares = {0};
    int rc = list(directory, &segments, &spares, error);
    for (size_t i = 0; i < segments.count && rc == 0; i++)
        rc = segment_file_retire(directory, segments.items[i], false, error);
    for (size_t i = 0; i < spares.count && rc == 0; i++)
        segment_file_remove_spare(directory, spares.items[i]);
    segment_file_remove_unmade(directory);
    free(segments.items);
    free(spares.items);
    return rc;
}

/* --- The walk ----------------------------------------------------------- */

struct walk {
    struct log_recovery *recovery;
    uint64_t log_id;
    uint64_t number; /* Of the segment at hand. */
    char name[SEGMENT_NAME_SIZE];
    struct segment_header header;
    struct segment_cursor cursor;
    uint8_t *bytes;
    size_t capacity;
    /* CHANGEs still in the log, oldest first. */
    struct entry *changes;
    size_t changes_count;
    size_t changes_capacity;
    uint64_t torn_segment; /* Where an unfinished write was cut; 0: none. */
    uint64_t torn_offset;
    bool skipping; /* The segment's base is void; go on in the next one. */
};

static int corrupt(const struct walk *walk, struct error *error,
                   const char *reason)
{
    return error_set(error, ERR_CORRUPT,
                     "%s at offset %" PRIu64 ", after entry %" PRIu64
                     ": %s; rebuild this node",
                     walk->name, walk->cursor.offset,
                     positions_last(&walk->recovery->positions), reason);
}

static int read_segment(struct walk *walk, int directory, struct error *error)
{
    struct stat status;
    size_t length = 0;
    int rc = 0;
    int file = openat(directory, walk->name, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return error_system(error, errno, "open %s", walk->name);
    if (fstat(file, &status) != 0) {
        rc = error_system(error, errno, "look at %s", walk->name);
        goto out;
    }
    size_t size = (size_t)status.st_size;
    if (size < SEGMENT_BYTES_MIN) {
        rc = error_set(error, ERR_CORRUPT, "%s is cut short", walk->name);
        goto out;
    }
    if (size > walk->capacity) {
        uint8_t *bytes = realloc(walk->bytes, size);
        if (bytes == NULL) {
            rc = error_set(error, ERR_NO_MEMORY, "no memory to read %s",
                           walk->name);
            goto out;
        }
        walk->bytes = bytes;
        walk->capacity = size;
    }
    rc = disk_read(file, walk->bytes, size, 0, walk->name, &length, error);
    if (rc != 0)
        goto out;
    rc = segment_header_decode(walk->bytes, &walk->header, error);
    if (rc != 0)
        rc = error_wrap(error, rc, "%s", walk->name);
    else if (walk->header.bytes != length)
        rc = error_set(error, ERR_CORRUPT,
                       "%s has %zu bytes, but was made with %" PRIu64,
                       walk->name, length, walk->header.bytes);
    else if (walk->header.number != walk->number)
        rc = error_set(error, ERR_CORRUPT, "%s was made as segment %" PRIu64,
                       walk->name, walk->header.number);
    else if (walk->header.log_id != walk->log_id)
        rc = error_set(error, ERR_CORRUPT, "%s belongs to another node's log",
                       walk->name);
out:
    close(file);
    return rc;
}

static void drop_changes(struct walk *walk, uint64_t index)
{
    while (walk->changes_count > 0 &&
           walk->changes[walk->changes_count - 1].index >= index)
        entry_unref(&walk->changes[--walk->changes_count]);
}

static int keep_change(struct walk *walk, const struct record *record,
                       struct slice payload)
{
    if (walk->changes_count == walk->changes_capacity) {
        walk->changes_capacity =
            walk->changes_capacity == 0 ? 8 : walk->changes_capacity * 2;
        walk->changes = memory_resize(walk->changes, walk->changes_capacity *
                                                         sizeof *walk->changes);
    }
    struct buffer *copy = entry_copy(payload);
    if (copy == NULL)
        return ERR_NO_MEMORY;
    walk->changes[walk->changes_count++] = (struct entry){
        .index = record->index,
        .term = record->term,
        .checksum = record->payload_checksum,
        .type = ENTRY_CHANGE,
        .payload = buffer_slice(copy),
        .buffer = copy,
    };
    return 0;
}

/* The first record of a segment must continue what was before: entries lost
 * from the end of the one before show here. */
static int walk_base(struct walk *walk, const struct record *record,
                     struct slice payload, struct error *error)
{
    struct positions *positions = &walk->recovery->positions;
    struct log_base base;
    if (record->type != RECORD_BASE)
        return corrupt(walk, error, "the segment does not begin with its base");
    bool first = positions->segments_count == 0;
    if (!first && positions_term(positions, record->index) != record->term)
        return corrupt(walk, error,
                       "the segment continues another log than the one "
                       "before it holds: entries are missing");
    if (!first && record->index < positions->base_index)
        return corrupt(walk, error, "the segment begins before the log");
    if (walk->torn_segment != 0)
        return corrupt(walk, error,
                       "a segment before this one ends in a damaged record");
    int rc = base_decode(record, payload, &base);
    if (rc == ERR_CORRUPT)
        return corrupt(walk, error, "the segment's base makes no sense");
    if (rc != 0)
        return error_set(error, rc, "no memory to read %s", walk->name);
    positions_add_segment(positions, walk->number, base);
    drop_changes(walk, base.index + 1);
    return 0;
}

/* The first segment's base was cut off by this record, so the log must begin
 * in a later segment: a crash came while older ones were being retired. */
static void begin_later(struct walk *walk)
{
    positions_close(&walk->recovery->positions);
    drop_changes(walk, 0);
    walk->recovery->void_segment = walk->number;
    walk->skipping = true;
}

static int walk_entry(struct walk *walk, const struct record *record,
                      struct slice payload, uint64_t offset,
                      struct error *error)
{
    struct positions *positions = &walk->recovery->positions;
    uint64_t last = positions_last(positions);
    if (record->index > last + 1)
        return corrupt(walk, error, "an entry is out of order");
    if (record->index <= positions->base_index) {
        begin_later(walk);
        return 0;
    }
    if (record->term < positions_term(positions, record->index - 1))
        return corrupt(walk, error, "terms run backwards");
    struct position position = {
        .segment = walk->number,
        .term = record->term,
        .offset = (uint32_t)offset,
        .length = record->length,
        .type = (enum entry_type)record->type,
    };
    positions_put(positions, record->index, &position);
    drop_changes(walk, record->index);
    if (record->type == RECORD_CHANGE && keep_change(walk, record, payload))
        return error_set(error, ERR_NO_MEMORY, "no memory to read %s",
                         walk->name);
    return 0;
}

static int walk_record(struct walk *walk, const struct record *record,
                       struct slice payload, uint64_t offset,
                       struct error *error)
{
    if (walk->skipping)
        return 0;
    if (offset == SEGMENT_BLOCK)
        return walk_base(walk, record, payload, error);
    switch (record->type) {
    case RECORD_COMMAND:
    case RECORD_BARRIER:
    case RECORD_CHANGE:
        return walk_entry(walk, record, payload, offset, error);
    case RECORD_MARK:
        return 0;
    case RECORD_BASE:
        return corrupt(walk, error, "a base in the middle of a segment");
    }
    return error_set(error, ERR_VERSION,
                     "%s at offset %" PRIu64 ": a record of a kind that this "
                     "program does not know",
                     walk->name, offset);
}

static int walk_segment(struct walk *walk, struct error *error)
{
    struct slice bytes = slice_of(walk->bytes, walk->header.bytes);
    walk->cursor = segment_begin(&walk->header);
    walk->skipping = false;
    for (;;) {
        struct record record;
        struct slice payload;
        uint64_t offset = walk->cursor.offset;
        enum segment_verdict verdict =
            segment_next(&walk->cursor, bytes, &record, &payload);
        if (verdict == SEGMENT_DAMAGED)
            return corrupt(walk, error,
                           "this record is damaged, for later ones were "
                           "written: flipped bits or lost writes");
        /* A segment is synced before anything goes to the next one. */
        if (verdict == SEGMENT_TORN && walk->torn_segment != 0)
            return corrupt(walk, error,
                           "a segment before this one ends in a damaged "
                           "record");
        if (verdict == SEGMENT_TORN) {
            walk->torn_segment = walk->number;
            walk->torn_offset = offset;
        }
        if (verdict != SEGMENT_RECORD)
            return 0;
        int rc = walk_record(walk, &record, payload, offset, error);
        if (rc != 0)
            return rc;
    }
}

/* --- The result --------------------------------------------------------- */

/* All entries as the core wants them. */
static void collect(struct walk *walk)
{
    struct log_recovery *recovery = walk->recovery;
    struct positions *positions = &recovery->positions;
    struct log_found *found = &recovery->found;
    assert(positions->segments != NULL);
    found->base = positions->segments[0].base;
    if (found->base.configuration != NULL)
        buffer_ref(found->base.configuration);
    found->count = positions->count;
    found->entries = memory_new_zeroed(found->count, sizeof *found->entries);
    found->torn = walk->torn_segment != 0;
    size_t change = 0;
    for (size_t i = 0; i < found->count; i++) {
        uint64_t index = positions->base_index + 1 + i;
        const struct position *position = positions_find(positions, index);
        if (position->type == ENTRY_CHANGE) {
            assert(walk->changes[change].index == index);
            found->entries[i] = walk->changes[change++];
        } else {
            found->entries[i] = (struct entry){
                .index = index, .term = position->term, .type = position->type};
        }
    }
    assert(change == walk->changes_count);
    walk->changes_count = 0;
}

/* The newest segment with records is written on; behind it there may be the
 * one that the writer had just changed to, and the one made ready next. */
static int note_segment(struct walk *walk, struct error *error)
{
    struct log_recovery *recovery = walk->recovery;
    bool empty = walk->cursor.offset == SEGMENT_BLOCK;
    if (!empty && recovery->next.number == 0) {
        recovery->segment = walk->number;
        recovery->cursor = walk->cursor;
    } else if (empty && recovery->next.number == 0) {
        recovery->next = walk->header;
    } else if (empty && walk->number == recovery->next.number + 1) {
        recovery->extra_segment = walk->number;
    } else {
        return error_set(error, ERR_CORRUPT,
                         "segment %" PRIu64 " of the log has lost its "
                         "records; rebuild this node",
                         recovery->next.number);
    }
    return 0;
}

static int walk_all(struct walk *walk, int directory,
                    const struct numbers *segments, struct error *error)
{
    struct log_recovery *recovery = walk->recovery;
    for (size_t i = 0; i < segments->count; i++) {
        walk->number = segments->items[i];
        segment_name(walk->number, walk->name);
        if (i > 0 && walk->number != segments->items[i - 1] + 1)
            return error_set(error, ERR_CORRUPT,
                             "segment %" PRIu64 " of the log is missing; "
                             "rebuild this node",
                             segments->items[i - 1] + 1);
        int rc = read_segment(walk, directory, error);
        if (rc == 0)
            rc = walk_segment(walk, error);
        if (rc != 0)
            return rc;
        rc = note_segment(walk, error);
        if (rc != 0)
            return rc;
    }
    if (recovery->positions.segments_count == 0)
        return error_set(error, ERR_CORRUPT,
                         "the log has no readable segment although this node "
                         "has served before; rebuild it");
    return 0;
}

/* At most one empty segment stays ahead, of the present size: those with
 * records may be of another one, from other settings. The newest goes first,
 * so that no number is ever missing. */
static int drop_empty(struct log_recovery *recovery, int directory,
                      uint64_t segment_bytes, struct error *error)
{
    int rc = 0;
    if (recovery->extra_segment != 0)
        rc = segment_file_retire(directory, recovery->extra_segment, false,
                                 error);
    if (rc == 0 && recovery->next.number != 0 &&
        recovery->next.bytes != segment_bytes) {
        rc =
            segment_file_retire(directory, recovery->next.number, false, error);
        recovery->next = (struct segment_header){0};
    }
    return rc;
}

/* Finishes what the crash has left; in order, so that another one finds the
 * same. */
static int retire_void(const struct log_recovery *recovery, int directory,
                       const struct numbers *segments, struct error *error)
{
    int rc = 0;
    for (size_t i = 0; i < segments->count && rc == 0 &&
                       segments->items[i] <= recovery->void_segment;
         i++)
        rc = segment_file_retire(directory, segments->items[i], false, error);
    return rc;
}

int log_recover(int directory, uint64_t log_id, uint64_t segment_bytes,
                struct log_recovery *ret, struct error *error)
{
    struct numbers segments = {0};
    struct numbers spares = {0};
    struct log_recovery recovery = {0};
    struct walk walk = {.recovery = &recovery, .log_id = log_id};
    int rc = list(directory, &segments, &spares, error);
    if (rc == 0)
        rc = walk_all(&walk, directory, &segments, error);
    if (rc == 0)
        rc = retire_void(&recovery, directory, &segments, error);
    if (rc == 0)
        rc = drop_empty(&recovery, directory, segment_bytes, error);
    if (rc != 0)
        goto out;
    collect(&walk);
    if (walk.torn_segment != 0)
        LOG_WARN("raft", "cut an unfinished write off the end of the log",
                 FIELD_U64("segment", walk.torn_segment),
                 FIELD_U64("offset", walk.torn_offset),
                 FIELD_U64("last_index", positions_last(&recovery.positions)));
    segment_file_remove_unmade(directory);
    recovery.spares = spares.items;
    recovery.spares_count = spares.count;
    spares.items = NULL;
    *ret = recovery;
out:
    if (rc != 0)
        log_recovery_close(&recovery);
    drop_changes(&walk, 0);
    free(walk.changes);
    free(walk.bytes);
    free(segments.items);
    free(spares.items);
    return rc;
}

void log_found_close(struct log_found *found)
{
    for (size_t i = 0; i < found->count; i++)
        entry_unref(&found->entries[i]);
    free(found->entries);
    buffer_unref(found->base.configuration);
    *found = (struct log_found){0};
}

void log_recovery_close(struct log_recovery *recovery)
{
    positions_close(&recovery->positions);
    log_found_close(&recovery->found);
    free(recovery->spares);
    *recovery = (struct log_recovery){0};
}
