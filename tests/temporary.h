/* temporary.h - a new directory for what a test need not have on a disk: in
 * memory where the machine has that, since a store or a log syncs thousands of
 * times. */
#ifndef POSTOFFICE_TESTS_TEMPORARY_H
#define POSTOFFICE_TESTS_TEMPORARY_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* False: it could not be made. */
static inline bool temporary_directory(char *ret_path, size_t size)
{
    bool in_memory = access("/dev/shm", W_OK) == 0;
    snprintf(ret_path, size, "%s/postoffice-test-XXXXXX",
             in_memory ? "/dev/shm" : "/tmp");
    return mkdtemp(ret_path) != NULL;
}

#endif
