/* faulty_disk.c - a disk that hangs or fails, for LD_PRELOAD.
 *
 * Writes and syncs of files whose path contains the target wait for as long
 * as the file `stall` exists, and fail with EIO while the file `fail` does:
 *
 *     FAULTY_DISK=/tmp/x/             where `stall` and `fail` are looked for
 *     FAULTY_DISK_TARGET=/data/log/   default: every file
 *
 * Nothing else is changed: what the program does about it is its own. */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static bool is_there(const char *name)
{
    char path[512];
    const char *place = getenv("FAULTY_DISK");
    if (place == NULL)
        return false;
    snprintf(path, sizeof path, "%s%s", place, name);
    return access(path, F_OK) == 0;
}

static bool is_target(int file)
{
    char link[64];
    char path[512];
    const char *target = getenv("FAULTY_DISK_TARGET");
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return false;
    path[length] = '\0';
    return target == NULL || strstr(path, target) != NULL;
}

/* False: it is to fail. */
static bool reaches_disk(int file)
{
    if (!is_target(file))
        return true;
    while (is_there("stall"))
        usleep(5000);
    if (!is_there("fail"))
        return true;
    errno = EIO;
    return false;
}

/* Stands for the function of this name in the C library. */
#define REPLACE(type, name, parameters, arguments, file)                       \
    type name parameters                                                       \
    {                                                                          \
        static type(*real) parameters;                                         \
        if (real == NULL)                                                      \
            *(void **)&real = dlsym(RTLD_NEXT, #name);                         \
        return reaches_disk(file) ? real arguments : -1;                       \
    }

REPLACE(ssize_t, pwrite,
        (int file, const void *from, size_t length, off_t offset),
        (file, from, length, offset), file)
REPLACE(ssize_t, pwrite64,
        (int file, const void *from, size_t length, off64_t offset),
        (file, from, length, offset), file)
REPLACE(ssize_t, pwritev,
        (int file, const struct iovec *from, int count, off_t offset),
        (file, from, count, offset), file)
REPLACE(int, fdatasync, (int file), (file), file)
REPLACE(int, fsync, (int file), (file), file)
