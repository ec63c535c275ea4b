/* temporary.h - a new directory for a store whose syncs prove nothing: in
 * memory where the machine has room for that, since a test syncs thousands of
 * times. */
#ifndef POSTOFFICE_TESTS_TEMPORARY_H
#define POSTOFFICE_TESTS_TEMPORARY_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* False: it could not be made. */
static inline bool temporary_directory(char ret_path[64])
{
    bool in_memory = access("/dev/shm", W_OK) == 0;
    snprintf(ret_path, 64, "%s/postoffice-test-XXXXXX",
             in_memory ? "/dev/shm" : "/tmp");
    return mkdtemp(ret_path) != NULL;
}

#endif
