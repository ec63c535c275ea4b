#include "base/process.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    STATISTICS_SIZE = 1024, /* /proc/self/stat: some 50 numbers. */
    MICROSECONDS = 1000 * 1000,
};

static uint64_t microseconds(struct timespec moment)
{
    return (uint64_t)moment.tv_sec * MICROSECONDS +
           (uint64_t)moment.tv_nsec / 1000;
}

/* The start is told in ticks since the machine's: on the wall clock that is
 * now less the age. */
static uint64_t started_us(uint64_t ticks)
{
    struct timespec wall, since_boot;
    long per_second = sysconf(_SC_CLK_TCK);
    if (ticks == 0 || per_second <= 0)
        return 0;
    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_BOOTTIME, &since_boot);
    return microseconds(wall) - microseconds(since_boot) +
           ticks * MICROSECONDS / (uint64_t)per_second;
}

/* proc(5): the second field is the program's name in brackets, which may hold
 * anything; what is wanted stands behind it. */
static void read_statistics(struct process_figures *figures)
{
    char text[STATISTICS_SIZE];
    uint64_t start_ticks, resident_pages;
    FILE *file = fopen("/proc/self/stat", "re");
    if (file == NULL)
        return;
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    const char *behind = strrchr(text, ')');
    if (behind == NULL)
        return;
    int found = sscanf(behind + 1,
                       " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u "
                       "%*d %*d %*d %*d %" SCNu64 " %*d %" SCNu64 " %" SCNu64
                       " %" SCNu64,
                       &figures->threads, &start_ticks, &figures->virtual_bytes,
                       &resident_pages);
    if (found != 4)
        return;
    figures->started_us = started_us(start_ticks);
    figures->resident_bytes = resident_pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void count_descriptors(struct process_figures *figures)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        figures->descriptors_max = limit.rlim_cur;
    DIR *directory = opendir("/proc/self/fd");
    if (directory == NULL)
        return;
    uint64_t entries = 0;
    while (readdir(directory) != NULL)
        entries++;
    closedir(directory);
    /* Less ".", ".." and the one that looks. */
    figures->open_descriptors = entries > 3 ? entries - 3 : 0;
}

struct process_figures process_measure(void)
{
    struct process_figures figures = {0};
    struct timespec cpu;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0)
        figures.cpu_us = microseconds(cpu);
    read_statistics(&figures);
    count_descriptors(&figures);
    return figures;
}
