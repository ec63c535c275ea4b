#include "data_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int sync_directory(const char *path, struct error *error)
{
    int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return error_system(error, errno, "open %s", path);
    int rc = 0;
    if (fsync(descriptor) != 0)
        rc = error_system(error, errno, "sync %s", path);
    close(descriptor);
    return rc;
}

/* Like mkdir -p; every directory made is synced into its parent. */
static int make_path(const char *path, struct error *error)
{
    char part[PATH_MAX];
    size_t length = strlen(path);
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0750) != 0) {
            if (errno == EEXIST)
                continue;
            return error_system(error, errno, "create %s", part);
        }
        char *slash = strrchr(part, '/');
        if (slash == NULL)
            memcpy(part, ".", 2);
        else
            slash[slash == part] = '\0';
        int rc = sync_directory(part, error);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int take_lock(const char *path, struct data_dir *dir,
                     struct error *error)
{
    char name[PATH_MAX + 8];
    snprintf(name, sizeof name, "%s/lock", path);
    int descriptor = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (descriptor < 0)
        return error_system(error, errno, "open %s", name);
    if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
        int number = errno;
        close(descriptor);
        if (number == EWOULDBLOCK)
            return error_set(error, ERR_LOCKED,
                             "%s is in use by another process", path);
        return error_system(error, number, "lock %s", name);
    }
    dir->lock = descriptor + 1;
    return 0;
}

int data_dir_open(const char *path, struct data_dir *ret_dir,
                  struct error *error)
{
    if (strlen(path) + 16 > PATH_MAX)
        return error_set(error, ERR_TOO_LARGE,
                         "the path of --data-dir is "
                         "too long");
    struct data_dir dir = {0};
    snprintf(dir.log, sizeof dir.log, "%.4000s/log", path);
    snprintf(dir.store, sizeof dir.store, "%.4000s/store", path);
    snprintf(dir.index, sizeof dir.index, "%.4000s/index", path);
    int rc = make_path(path, error);
    if (rc == 0)
        rc = take_lock(path, &dir, error);
    if (rc == 0)
        rc = make_path(dir.store, error);
    if (rc != 0) {
        data_dir_close(&dir);
        return rc;
    }
    *ret_dir = dir;
    return 0;
}

void data_dir_close(struct data_dir *dir)
{
    if (dir->lock > 0)
        close(dir->lock - 1);
    dir->lock = 0;
}
