/* Opening is where files from a former life are met. What can be wrong:
 * - the directory entry of a new file was never synced: synced at each open;
 * - the data file was cut (a copy that broke off, a file system that lost its
 *   end): LMDB would touch the missing pages in its memory map and the process
 *   would die by SIGBUS. The file is made as long as its own header says; the
 *   hole reads as zeros, which the records' checksums find. LMDB itself leaves
 *   pages at the end unwritten when it freed them again, so that a short file
 *   alone is no error;
 * - a process that was killed left its reader slots taken: they are freed. */
#include "storage/environment.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    /* Read transactions at once: the workers' and some to spare for other
     * processes that look at the store. */
    READERS_MAX = 256,
    FILE_MODE = 0600,
    DIRECTORY_MODE = 0700,
    /* A write that failed with less than this left failed for want of it. */
    FULL_BELOW_BYTES = 1 << 20,
    /* Of the file's end, left in the page cache; and how much is dropped from
     * it at a time. */
    CACHED_BYTES = 128 * 1024 * 1024,
    RELIEF_BYTES = 8 * 1024 * 1024,
};

struct environment {
    MDB_env *env;
    uint64_t relieved_bytes; /* The file's start, dropped from the cache. */
    MDB_dbi databases[DATABASE_NUMBERS];
    int first; /* Those that are in it. */
    int end;
};

int environment_error(struct error *error, int lmdb_code, const char *words)
{
    if (lmdb_code > 0)
        return error_system(error, lmdb_code, "%s", words);
    int code = ERR_IO;
    switch (lmdb_code) {
    case MDB_NOTFOUND:
        code = ERR_NOT_FOUND;
        break;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
        code = ERR_NO_SPACE;
        break;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_INCOMPATIBLE:
        code = ERR_CORRUPT;
        break;
    case MDB_VERSION_MISMATCH:
        code = ERR_VERSION;
        break;
    case MDB_READERS_FULL:
        code = ERR_BUSY;
        break;
    }
    return error_set(error, code, "%s: %s", words, mdb_strerror(lmdb_code));
}

/* ---- Files ---- */

static int directory_sync(const char *path, struct error *error)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_system(error, errno, "open directory %s", path);
    int rc = 0;
    if (fsync(fd) != 0)
        rc = error_system(error, errno, "sync directory %s", path);
    close(fd);
    return rc;
}

static int directory_make(const char *path, struct error *error)
{
    if (mkdir(path, DIRECTORY_MODE) != 0) {
        if (errno == EEXIST)
            return 0;
        return error_system(error, errno, "make directory %s", path);
    }
    char *parent = memory_new(strlen(path) + 4);
    sprintf(parent, "%s/..", path);
    int rc = directory_sync(parent, error);
    free(parent);
    return rc;
}

static int file_fill(MDB_env *env, struct error *error)
{
    MDB_envinfo info;
    MDB_stat stat;
    mdb_filehandle_t fd;
    struct stat file;
    mdb_env_info(env, &info);
    mdb_env_stat(env, &stat);
    int rc = mdb_env_get_fd(env, &fd);
    if (rc != 0)
        return environment_error(error, rc, "data file");
    if (fstat(fd, &file) != 0)
        return error_system(error, errno, "size of the data file");
    off_t wanted = (off_t)(info.me_last_pgno + 1) * stat.ms_psize;
    if (file.st_size >= wanted)
        return 0;
    /* Not ftruncate(), which would cut what another process has written
     * behind our back meanwhile. */
    rc = posix_fallocate(fd, file.st_size, wanted - file.st_size);
    return rc == 0 ? 0 : error_system(error, rc, "fill the data file");
}

/* ---- Databases ---- */

static int databases_open(struct environment *environment, MDB_txn *txn,
                          unsigned flags)
{
    for (int i = environment->first; i < environment->end; i++) {
        int rc = mdb_dbi_open(txn, database_name((enum database)i), flags,
                              &environment->databases[i]);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* Existing databases are opened by a read transaction, so that looking at a
 * store never waits for the process that writes it. */
static int databases_find_or_make(struct environment *environment,
                                  struct error *error)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(environment->env, NULL, MDB_RDONLY, &txn);
    if (rc != 0)
        return environment_error(error, rc, "open databases");
    rc = databases_open(environment, txn, 0);
    if (rc == MDB_NOTFOUND) {
        mdb_txn_abort(txn);
        rc = mdb_txn_begin(environment->env, NULL, 0, &txn);
        if (rc != 0)
            return environment_error(error, rc, "create databases");
        rc = databases_open(environment, txn, MDB_CREATE);
    }
    if (rc != 0) {
        mdb_txn_abort(txn);
        return environment_error(error, rc, "open databases");
    }
    rc = mdb_txn_commit(txn);
    return rc == 0 ? 0 : environment_error(error, rc, "create databases");
}

/* ---- The environment ---- */

static int env_open(struct environment *environment, const char *directory,
                    const struct environment_options *options,
                    struct error *error)
{
    uint64_t map_bytes = options->map_bytes;
    uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    int rc = mdb_env_create(&environment->env);
    if (rc == 0)
        rc = mdb_env_set_mapsize(environment->env,
                                 map_bytes - map_bytes % page_bytes);
    if (rc == 0)
        rc = mdb_env_set_maxdbs(environment->env,
                                (MDB_dbi)(options->end - options->first));
    if (rc == 0)
        rc = mdb_env_set_maxreaders(environment->env, READERS_MAX);
    /* NOTLS: a view may move from thread to thread. NOMETASYNC: a commit syncs
     * its pages, and with them the meta page of the commit before; its own may
     * be undone by a power cut, whole. So each commit costs one flush of the
     * disk, not two, and makes the one before it durable. */
    if (rc == 0)
        rc = mdb_env_open(environment->env, directory,
                          options->unsynced ? MDB_NOTLS | MDB_NOSYNC
                                            : MDB_NOTLS | MDB_NOMETASYNC,
                          FILE_MODE);
    return rc == 0 ? 0 : environment_error(error, rc, "open environment");
}

int environment_sync(struct environment *environment, struct error *error)
{
    int rc = mdb_env_sync(environment->env, 1);
    return rc == 0 ? 0 : environment_error(error, rc, "sync the environment");
}

int environment_open(const char *directory,
                     const struct environment_options *options,
                     struct environment **ret_environment, struct error *error)
{
    struct environment *environment = memory_new_zeroed(1, sizeof *environment);
    environment->first = options->first;
    environment->end = options->end;
    int dead_readers;
    int rc = directory_make(directory, error);
    if (rc == 0)
        rc = env_open(environment, directory, options, error);
    if (rc == 0)
        rc = file_fill(environment->env, error);
    if (rc == 0) {
        mdb_reader_check(environment->env, &dead_readers);
        rc = databases_find_or_make(environment, error);
    }
    if (rc == 0)
        rc = directory_sync(directory, error);
    if (rc != 0) {
        environment_close(environment);
        return error_wrap(error, rc, "environment in %s", directory);
    }
    *ret_environment = environment;
    return 0;
}

void environment_close(struct environment *environment)
{
    if (environment == NULL)
        return;
    if (environment->env != NULL)
        mdb_env_close(environment->env);
    free(environment);
}

/* The rows of LMDB's list of free pages are {count, page numbers}. */
static int count_free_pages(MDB_txn *txn, uint64_t *ret_pages)
{
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val value;
    uint64_t pages = 0;
    int rc = mdb_cursor_open(txn, 0, &cursor);
    if (rc != 0)
        return rc;
    while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        size_t count;
        memcpy(&count, value.mv_data, sizeof count);
        pages += count;
    }
    mdb_cursor_close(cursor);
    if (rc != MDB_NOTFOUND)
        return rc;
    *ret_pages = pages;
    return 0;
}

int environment_space(struct environment *environment,
                      struct store_space *ret_space, struct error *error)
{
    MDB_txn *txn;
    MDB_envinfo info;
    MDB_stat stat;
    uint64_t free_pages = 0;
    int rc = mdb_txn_begin(environment->env, NULL, MDB_RDONLY, &txn);
    if (rc != 0)
        return environment_error(error, rc, "measure the store");
    rc = count_free_pages(txn, &free_pages);
    mdb_txn_abort(txn);
    if (rc != 0)
        return environment_error(error, rc, "measure the store");
    mdb_env_info(environment->env, &info);
    mdb_env_stat(environment->env, &stat);
    ret_space->file_bytes = (info.me_last_pgno + 1) * stat.ms_psize;
    ret_space->reusable_bytes = free_pages * stat.ms_psize;
    ret_space->map_bytes = info.me_mapsize;
    return 0;
}

/* Only pages that nobody has mapped go, and so the tree stays: what goes are
 * bodies that were written and not read. */
void environment_relieve(struct environment *environment)
{
    MDB_envinfo info;
    MDB_stat stat;
    mdb_filehandle_t fd;
    mdb_env_info(environment->env, &info);
    mdb_env_stat(environment->env, &stat);
    uint64_t end = (info.me_last_pgno + 1) * stat.ms_psize;
    uint64_t from = environment->relieved_bytes;
    if (end < from + CACHED_BYTES + RELIEF_BYTES ||
        mdb_env_get_fd(environment->env, &fd) != 0)
        return;
    environment->relieved_bytes = end - CACHED_BYTES;
    /* Advice: if it is not taken, nothing is lost. */
    (void)posix_fadvise(fd, (off_t)from,
                        (off_t)(environment->relieved_bytes - from),
                        POSIX_FADV_DONTNEED);
}

/* ---- Transactions ---- */

int transaction_begin(struct environment *environment, bool write,
                      struct transaction *transaction, struct error *error)
{
    *transaction = (struct transaction){.databases = environment->databases};
    int rc = mdb_txn_begin(environment->env, NULL, write ? 0 : MDB_RDONLY,
                           &transaction->txn);
    if (rc == 0)
        return 0;
    transaction->txn = NULL;
    return environment_error(error, rc, "begin transaction");
}

/* LMDB calls a short write an EIO, whatever the reason was. */
static bool disk_full(MDB_env *env)
{
    mdb_filehandle_t fd;
    struct statvfs disk;
    return mdb_env_get_fd(env, &fd) == 0 && fstatvfs(fd, &disk) == 0 &&
           disk.f_bavail * disk.f_frsize < FULL_BELOW_BYTES;
}

int transaction_commit(struct transaction *transaction, struct error *error)
{
    MDB_env *env = mdb_txn_env(transaction->txn);
    int rc = mdb_txn_commit(transaction->txn);
    transaction->txn = NULL;
    if (rc == EIO && disk_full(env))
        rc = ENOSPC;
    return rc == 0 ? 0 : environment_error(error, rc, "commit");
}

void transaction_abort(struct transaction *transaction)
{
    if (transaction->txn != NULL)
        mdb_txn_abort(transaction->txn);
    transaction->txn = NULL;
}
