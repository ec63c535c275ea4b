/* In place of libFuzzer's main(), for builds without it: gives a target each
 * file of a folder, so that the seeds are a test of every build, and a target
 * that no longer fits the code is seen at once.
 *
 *     replay FOLDER */
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static struct encoder bytes;

static void replay(int folder, const char *name)
{
    struct stat status;
    int file = openat(folder, name, O_RDONLY | O_CLOEXEC);
    FUZZ_CHECK(file >= 0 && fstat(file, &status) == 0);
    size_t size = (size_t)status.st_size;
    bytes.length = 0;
    uint8_t *to = encoder_extend(&bytes, size);
    FUZZ_CHECK(read(file, to, size) == (ssize_t)size);
    close(file);
    /* The last line says which one it was that broke a rule. */
    printf("%s\n", name);
    fflush(stdout);
    LLVMFuzzerTestOneInput(to, size);
}

int main(int argc, char **argv)
{
    unsigned count = 0;
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    if (folder == NULL) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_type != DT_REG)
            continue;
        replay(dirfd(folder), entry->d_name);
        count++;
    }
    closedir(folder);
    encoder_close(&bytes);
    return count > 0 ? 0 : 1;
}
