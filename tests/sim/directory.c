#include "directory.h"

#include "network.h"
#include "tests/temporary.h"

#include <stdio.h>
#include <stdlib.h>

void directory_make(char *path, size_t size)
{
    if (!temporary_directory(path, size)) {
        perror(path);
        exit(2);
    }
}

void directory_empty(const char *path)
{
    static const char *const files[] = {"/data.mdb", "/lock.mdb", ""};
    char name[160];
    for (unsigned node = 0; node < NODES_MAX; node++)
        for (unsigned i = 0; i < 3; i++) {
            snprintf(name, sizeof name, "%s/n%u%s", path, node, files[i]);
            if (remove(name) != 0 && i == 0)
                break;
        }
}

void directory_remove(const char *path)
{
    directory_empty(path);
    remove(path);
}
