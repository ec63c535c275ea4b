/* faulty_disk.c - a disk that hangs or fails, for LD_PRELOAD.
 *
 * In the directory that FAULTY_DISK names a file `stall` or `fail` holds a part
 * of a path, such as "/data/log/": as long as it is there, writes and syncs of
 * files with such a path wait, or fail with EIO. Nothing else is changed: what
 * the program does about it is its own. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* What the file of this name holds; empty: there is none. */
static void read_fault(const char *name, char *target, size_t size)
{
    char path[512];
    const char *place = getenv("FAULTY_DISK");
    snprintf(path, sizeof path, "%s/%s", place == NULL ? "" : place, name);
    int file = place == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? 0 : read(file, target, size - 1);
    if (file >= 0)
        close(file);
    target[length > 0 ? length : 0] = '\0';
}

static bool is_struck(int file, const char *name)
{
    char link[64];
    char path[512];
    char target[256];
    read_fault(name, target, sizeof target);
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length =
        target[0] == '\0' ? -1 : readlink(link, path, sizeof path - 1);
    if (length < 0)
        return false;
    path[length] = '\0';
    return strstr(path, target) != NULL;
}

/* False: it is to fail. */
static bool reaches_disk(int file)
{
    while (is_struck(file, "stall"))
        usleep(5000);
    if (!is_struck(file, "fail"))
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
