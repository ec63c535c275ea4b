/* A log segment and a vote file that a disk has damaged. The files are sound
 * ones with bytes changed, cut or appended as the input says; a recovery either
 * refuses with words or finds what was there: of entries the first ones, of
 * votes the vote, never another. */
#include "fuzz.h"

#include "raft/log.h"
#include "raft/log_recovery.h"
#include "raft/segment.h"
#include "raft/segment_file.h"
#include "raft/vote.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SEGMENT_BYTES = SEGMENT_BYTES_MIN,
    ENTRIES = 4,
    LOG_ID = 77,
    CHANGE_BYTES = 4, /* at u16, value u8, kind u8 */
    VOTE_BYTES = 8192,
};

struct image {
    uint8_t *bytes;
    size_t length;
};

static int directory = -1;
static char segment[SEGMENT_NAME_SIZE];
static struct image log_image;
static struct image vote_image;
static const struct vote vote = {.stage = VOTE_SERVING,
                                 .term = 5,
                                 .vote = 0x10001,
                                 .log_id = LOG_ID,
                                 .node_id = 1,
                                 .incarnation = 1};

static void leave(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", directory);
    char target[256];
    ssize_t length = readlink(path, target, sizeof target - 1);
    unlinkat(directory, segment, 0);
    unlinkat(directory, "vote", 0);
    if (length > 0) {
        target[length] = '\0';
        rmdir(target);
    }
}

static struct image image_read(const char *name)
{
    struct stat status;
    struct image image = {0};
    int file = openat(directory, name, O_RDONLY | O_CLOEXEC);
    FUZZ_CHECK(file >= 0 && fstat(file, &status) == 0);
    image.length = (size_t)status.st_size;
    image.bytes = malloc(image.length);
    FUZZ_CHECK(read(file, image.bytes, image.length) == (ssize_t)image.length);
    close(file);
    return image;
}

static void image_write(const char *name, const uint8_t *bytes, size_t length)
{
    int file =
        openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FUZZ_CHECK(file >= 0 && write(file, bytes, length) == (ssize_t)length);
    close(file);
}

static uint64_t term_of(size_t index)
{
    return 1 + index / 2;
}

static enum entry_type type_of(size_t index)
{
    return index == 0 ? ENTRY_BARRIER : ENTRY_COMMAND;
}

static void make_log(void)
{
    static char texts[ENTRIES][600];
    struct entry entries[ENTRIES];
    struct error error;
    for (unsigned i = 0; i < ENTRIES; i++) {
        memset(texts[i], (int)('a' + i), sizeof texts[i]);
        struct slice payload =
            slice_of(texts[i], i == 0 ? 0 : sizeof texts[i] - 3 * i);
        struct buffer *buffer = entry_copy(payload);
        entries[i] = (struct entry){.index = i + 1,
                                    .term = term_of(i),
                                    .checksum = entry_checksum(payload),
                                    .type = type_of(i),
                                    .payload = buffer_slice(buffer),
                                    .buffer = buffer};
    }
    FUZZ_CHECK(log_create(directory, LOG_ID, SEGMENT_BYTES, entries, ENTRIES,
                          &error) == 0);
    for (unsigned i = 0; i < ENTRIES; i++)
        entry_unref(&entries[i]);
    segment_name(1, segment);
    log_image = image_read(segment);
}

static void make_images(void)
{
    char path[] = "/dev/shm/postoffice-fuzz-XXXXXX";
    char other[] = "/tmp/postoffice-fuzz-XXXXXX";
    struct vote_file *file;
    struct error error;
    const char *made = mkdtemp(path);
    if (made == NULL)
        made = mkdtemp(other);
    FUZZ_CHECK(made != NULL);
    directory = open(made, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    FUZZ_CHECK(directory >= 0);
    make_log();
    FUZZ_CHECK(vote_create(directory, &vote, &file, &error) == 0);
    vote_close(file);
    vote_image = image_read("vote");
    atexit(leave);
}

/* True: something is not as it was. */
static bool damage(struct image *image, struct slice changes)
{
    bool changed = false;
    for (; changes.length >= CHANGE_BYTES;
         changes = slice_of(changes.data + CHANGE_BYTES,
                            changes.length - CHANGE_BYTES)) {
        size_t at = get_u16(changes.data) % image->length;
        uint8_t value = changes.data[2];
        if (changes.data[3] % 8 == 7) {
            /* From here on never written. */
            memset(image->bytes + at, 0, image->length - at);
            changed = true;
        } else {
            image->bytes[at] ^= value;
            changed = changed || value != 0;
        }
    }
    return changed;
}

static struct image image_copy(const struct image *from)
{
    struct image copy = {.bytes = malloc(from->length), .length = from->length};
    memcpy(copy.bytes, from->bytes, from->length);
    return copy;
}

static void try_log(struct slice changes)
{
    struct image image = image_copy(&log_image);
    struct log_recovery recovery;
    struct error error = {0};
    bool changed = damage(&image, changes);
    image_write(segment, image.bytes, image.length);
    int rc = log_recover(directory, LOG_ID, SEGMENT_BYTES, &recovery, &error);
    if (rc == 0) {
        FUZZ_CHECK(recovery.found.count <= ENTRIES);
        FUZZ_CHECK(changed || recovery.found.count == ENTRIES);
        for (size_t i = 0; i < recovery.found.count; i++) {
            FUZZ_CHECK(recovery.found.entries[i].index == i + 1);
            FUZZ_CHECK(recovery.found.entries[i].term == term_of(i));
            FUZZ_CHECK(recovery.found.entries[i].type == type_of(i));
        }
        log_recovery_close(&recovery);
    } else {
        FUZZ_CHECK(changed && error.text[0] != '\0');
    }
    free(image.bytes);
}

static void try_vote(struct slice changes)
{
    struct image image = image_copy(&vote_image);
    struct vote_file *file;
    struct vote found;
    struct error error = {0};
    bool changed = damage(&image, changes);
    image_write("vote", image.bytes, image.length);
    if (vote_open(directory, &file, &found, &error) == 0) {
        FUZZ_CHECK(found.term == vote.term && found.vote == vote.vote &&
                   found.stage == vote.stage && found.log_id == vote.log_id &&
                   found.node_id == vote.node_id);
        vote_close(file);
    } else {
        FUZZ_CHECK(changed && error.text[0] != '\0');
    }
    free(image.bytes);
}

/* Anything at all behind a sound header block. */
static void try_records(struct slice input)
{
    struct segment_header header = {
        .number = 1, .seed = 3, .log_id = LOG_ID, .bytes = SEGMENT_BYTES};
    uint8_t *bytes = calloc(1, SEGMENT_BYTES);
    struct record record;
    struct slice payload;
    if (input.length > SEGMENT_BYTES - SEGMENT_BLOCK)
        input.length = SEGMENT_BYTES - SEGMENT_BLOCK;
    if (input.length > 0)
        memcpy(bytes + SEGMENT_BLOCK, input.data, input.length);
    segment_header_encode(&header, bytes);
    struct segment_cursor cursor = segment_begin(&header);
    FUZZ_CHECK(segment_next(&cursor, slice_of(bytes, SEGMENT_BYTES), &record,
                            &payload) != SEGMENT_RECORD);
    memset(&record, 0, sizeof record);
    struct log_base base;
    record.type = RECORD_BASE;
    if (base_decode(&record, input, &base) == 0)
        buffer_unref(base.configuration);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);
    if (directory < 0)
        make_images();
    unsigned which = fuzz_choose(&input, 3);
    if (which == 0)
        try_log(input);
    else if (which == 1)
        try_vote(input);
    else
        try_records(input);
    return 0;
}
