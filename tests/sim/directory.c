#include "directory.h"

#include "network.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void directory_make(char *path, size_t size)
{
    const char *parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(path, size, "%s/postoffice-sim-XXXXXX", parent);
    if (mkdtemp(path) == NULL) {
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
