/* directory.h - where the stores of a run lie: in memory (/dev/shm), where the
 * machine has it, for a store is synced often and nothing here has to outlive
 * the process. */
#ifndef POSTOFFICE_TESTS_SIM_DIRECTORY_H
#define POSTOFFICE_TESTS_SIM_DIRECTORY_H

#include <stddef.h>

/* Makes one of this process's own. */
void directory_make(char *path, size_t size);
/* Removes the stores in it, so that the next run finds it empty. */
void directory_empty(const char *path);
void directory_remove(const char *path);

#endif
