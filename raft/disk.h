/* disk.h - the few file operations that durability rests on.
 *
 * Each returns 0 or an ERR_* with words that name the file.
 * Thread: any; they wait for the disk, so never the loop. */
#ifndef POSTOFFICE_RAFT_DISK_H
#define POSTOFFICE_RAFT_DISK_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes all, also after short writes and signals. */
int disk_write(int file, const void *bytes, size_t length, uint64_t offset,
               const char *name, struct error *error);

/* Reads until length or the end of the file; *ret_length tells which. */
int disk_read(int file, void *bytes, size_t length, uint64_t offset,
              const char *name, size_t *ret_length, struct error *error);

/* fdatasync(). After an error nothing is known about what is on disk: never
 * try again. */
int disk_sync(int file, const char *name, struct error *error);

/* Makes names in the directory durable: renames, creations, removals. */
int disk_sync_directory(int directory, struct error *error);

/* Makes the directory (its parent must exist), its name durable too, and
 * opens it. Fine when it exists already. */
int disk_open_directory(int parent, const char *path, bool create,
                        int *ret_directory, struct error *error);

/* Random bits for seeds and ids. */
uint64_t disk_random(void);

#endif
