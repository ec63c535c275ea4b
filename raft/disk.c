#include "raft/disk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

int disk_write(int file, const void *bytes, size_t length, uint64_t offset,
               const char *name, struct error *error)
{
    const uint8_t *from = bytes;
    while (length > 0) {
        ssize_t written = pwrite(file, from, length, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return error_system(error, errno, "write %s", name);
        from += written;
        offset += (uint64_t)written;
        length -= (size_t)written;
    }
    return 0;
}

int disk_read(int file, void *bytes, size_t length, uint64_t offset,
              const char *name, size_t *ret_length, struct error *error)
{
    size_t total = 0;
    while (total < length) {
        ssize_t got = pread(file, (uint8_t *)bytes + total, length - total,
                            (off_t)(offset + total));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_system(error, errno, "read %s", name);
        if (got == 0)
            break;
        total += (size_t)got;
    }
    *ret_length = total;
    return 0;
}

int disk_sync(int file, const char *name, struct error *error)
{
    if (fdatasync(file) != 0)
        return error_system(error, errno, "sync %s", name);
    return 0;
}

int disk_sync_directory(int directory, struct error *error)
{
    if (fsync(directory) != 0)
        return error_system(error, errno, "sync the directory of the log");
    return 0;
}

/* The name of a new directory lives in its parent, which is opened through
 * "..": the path may be relative. */
static int sync_parent(int directory, const char *path, struct error *error)
{
    int parent = openat(directory, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0)
        return error_system(error, errno, "open the parent of %s", path);
    int rc = disk_sync_directory(parent, error);
    close(parent);
    return rc;
}

int disk_open_directory(int parent, const char *path, bool create,
                        int *ret_directory, struct error *error)
{
    bool made = false;
    if (create) {
        made = mkdirat(parent, path, 0750) == 0;
        if (!made && errno != EEXIST)
            return error_system(error, errno, "create %s", path);
    }
    int directory = openat(parent, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return error_system(error, errno, "open %s", path);
    int rc = made ? sync_parent(directory, path, error) : 0;
    if (rc != 0) {
        close(directory);
        return rc;
    }
    *ret_directory = directory;
    return 0;
}

uint64_t disk_random(void)
{
    uint64_t bits;
    ssize_t got = getrandom(&bits, sizeof bits, 0);
    /* Small requests are never cut short once the pool is ready. */
    assert(got == (ssize_t)sizeof bits);
    return bits;
}
