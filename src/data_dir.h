/* data_dir.h - the directory that holds everything a node keeps.
 *
 *     DIR/lock     held by the running process
 *     DIR/log/     the replicated log and the vote
 *     DIR/store/   the LMDB environment
 *     DIR/index/   what searches are led by; may be deleted while nothing runs
 *
 * Thread: main. */
#ifndef POSTOFFICE_DATA_DIR_H
#define POSTOFFICE_DATA_DIR_H

#include "base/error.h"

#include <limits.h>

struct data_dir {
    int lock; /* A descriptor + 1; 0: none. */
    char log[PATH_MAX];
    char store[PATH_MAX];
    char index[PATH_MAX];
};

/* Creates what is missing (synced) and takes the lock. ERR_LOCKED with words
 * when another process has it; ERR_IO; ERR_TOO_LARGE for a path. */
int data_dir_open(const char *path, struct data_dir *ret_dir,
                  struct error *error);
void data_dir_close(struct data_dir *dir);

#endif
