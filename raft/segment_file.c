#include "raft/segment_file.h"

#include "raft/disk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char name_unmade[] = "segment.new";

enum { ZERO_BYTES = 1024 * 1024 };

void segment_name(uint64_t number, char name[SEGMENT_NAME_SIZE])
{
    snprintf(name, SEGMENT_NAME_SIZE, "segment-%010" PRIu64, number);
}

static void spare_name(uint64_t number, char name[SEGMENT_NAME_SIZE])
{
    snprintf(name, SEGMENT_NAME_SIZE, "spare-%010" PRIu64, number);
}

enum segment_name_kind segment_name_parse(const char *name,
                                          uint64_t *ret_number)
{
    char again[SEGMENT_NAME_SIZE];
    if (strcmp(name, name_unmade) == 0)
        return NAME_UNMADE;
    if (sscanf(name, "segment-%" SCNu64, ret_number) == 1) {
        segment_name(*ret_number, again);
        return strcmp(name, again) == 0 ? NAME_SEGMENT : NAME_OTHER;
    }
    if (sscanf(name, "spare-%" SCNu64, ret_number) == 1) {
        spare_name(*ret_number, again);
        return strcmp(name, again) == 0 ? NAME_SPARE : NAME_OTHER;
    }
    return NAME_OTHER;
}

/* O_DIRECT is refused by some file systems (tmpfs before Linux 6.6). */
static int open_direct(int directory, const char *name, int flags,
                       bool *ret_direct)
{
    int file = openat(directory, name, flags | O_DIRECT | O_CLOEXEC, 0640);
    *ret_direct = file >= 0;
    if (file < 0 && errno == EINVAL)
        file = openat(directory, name, (flags & ~O_DSYNC) | O_CLOEXEC, 0640);
    return file;
}

/* Allocates and writes all blocks: a later write then changes no metadata,
 * which would cost a journal commit per sync. */
static int fill(int file, uint64_t bytes, struct error *error)
{
    if (fallocate(file, 0, 0, (off_t)bytes) != 0 && errno != EOPNOTSUPP)
        return error_system(error, errno, "allocate a log segment");
    uint8_t *zeros = aligned_alloc(SEGMENT_BLOCK, ZERO_BYTES);
    if (zeros == NULL)
        return error_set(error, ERR_NO_MEMORY, "no memory for a log segment");
    memset(zeros, 0, ZERO_BYTES);
    int rc = 0;
    for (uint64_t offset = 0; offset < bytes && rc == 0; offset += ZERO_BYTES) {
        uint64_t left = bytes - offset;
        rc = disk_write(file, zeros, left < ZERO_BYTES ? left : ZERO_BYTES,
                        offset, name_unmade, error);
    }
    free(zeros);
    return rc;
}

static int write_header(int file, struct segment_header *header,
                        const char *name, struct error *error)
{
    uint8_t *block = aligned_alloc(SEGMENT_BLOCK, SEGMENT_BLOCK);
    if (block == NULL)
        return error_set(error, ERR_NO_MEMORY, "no memory for a log segment");
    header->seed = disk_random();
    segment_header_encode(header, block);
    int rc = disk_write(file, block, SEGMENT_BLOCK, 0, name, error);
    if (rc == 0)
        rc = disk_sync(file, name, error);
    free(block);
    return rc;
}

/* A spare under its new header, but still under its old name. */
static bool reuse(int directory, struct segment_header *header,
                  const char *name)
{
    struct stat status;
    bool direct;
    bool reused = false;
    int file = open_direct(directory, name, O_RDWR, &direct);
    if (file < 0)
        return false;
    if (fstat(file, &status) == 0 && S_ISREG(status.st_mode) &&
        (uint64_t)status.st_size == header->bytes)
        reused = write_header(file, header, name, NULL) == 0;
    close(file);
    if (!reused)
        unlinkat(directory, name, 0);
    return reused;
}

static int make_new(int directory, struct segment_header *header,
                    struct error *error)
{
    bool direct;
    int file = open_direct(directory, name_unmade, O_RDWR | O_CREAT | O_TRUNC,
                           &direct);
    if (file < 0)
        return error_system(error, errno, "create a log segment");
    int rc = fill(file, header->bytes, error);
    if (rc == 0)
        rc = write_header(file, header, name_unmade, error);
    close(file);
    if (rc != 0)
        unlinkat(directory, name_unmade, 0);
    return rc;
}

int segment_file_make(int directory, struct segment_header *header,
                      uint64_t spare, struct error *error)
{
    char from[SEGMENT_NAME_SIZE];
    char to[SEGMENT_NAME_SIZE];
    assert(header->bytes % SEGMENT_BLOCK == 0);
    if (spare != 0)
        spare_name(spare, from);
    if (spare == 0 || !reuse(directory, header, from)) {
        int rc = make_new(directory, header, error);
        if (rc != 0)
            return rc;
        memcpy(from, name_unmade, sizeof name_unmade);
    }
    segment_name(header->number, to);
    if (renameat(directory, from, directory, to) != 0)
        return error_system(error, errno, "rename %s to %s", from, to);
    return disk_sync_directory(directory, error);
}

int segment_file_open(int directory, uint64_t number, int *ret_file,
                      bool *ret_direct, struct error *error)
{
    char name[SEGMENT_NAME_SIZE];
    segment_name(number, name);
    int file = open_direct(directory, name, O_RDWR | O_DSYNC, ret_direct);
    if (file < 0)
        return error_system(error, errno, "open %s", name);
    *ret_file = file;
    return 0;
}

int segment_file_retire(int directory, uint64_t number, bool keep,
                        struct error *error)
{
    char from[SEGMENT_NAME_SIZE];
    char to[SEGMENT_NAME_SIZE];
    segment_name(number, from);
    spare_name(number, to);
    int failed = keep ? renameat(directory, from, directory, to)
                      : unlinkat(directory, from, 0);
    if (failed != 0)
        return error_system(error, errno, "retire %s", from);
    return disk_sync_directory(directory, error);
}

void segment_file_remove_spare(int directory, uint64_t number)
{
    char name[SEGMENT_NAME_SIZE];
    spare_name(number, name);
    unlinkat(directory, name, 0);
}

void segment_file_remove_unmade(int directory)
{
    unlinkat(directory, name_unmade, 0);
}
