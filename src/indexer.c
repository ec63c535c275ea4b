/* It looks at the store's committed index now and then, instead of being woken
 * by each commit: what is not indexed for half a second is found all the same.
 *
 *     behind --step--> behind: the next one, after a breath as long as the step
 *        |
 *        +-- in time --> rests; sweeps a little; takes in what little is left
 */
#include "indexer.h"

#include "base/clock.h"
#include "base/logger.h"
#include "base/memory.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    REST_MS = 500,
    SWEEP_EVERY_MS = 5000,
    /* After an error: what is wrong with the disk rarely passes sooner. */
    ERROR_REST_MS = 30 * 1000,
    NICENESS = 19,
};

struct indexer {
    struct index *index;
    struct store *store;
    char *directory;
    uint64_t free_bytes_min;
    uint64_t applied_index; /* Taken in up to here. */
    uint64_t swept_ms;
    pthread_t thread;
    pthread_mutex_t mutex; /* Guards `ending`. */
    pthread_cond_t changed;
    bool ending;
};

static bool rest(struct indexer *indexer, uint64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&indexer->mutex);
    while (!indexer->ending &&
           pthread_cond_timedwait(&indexer->changed, &indexer->mutex, &until) ==
               0)
        ;
    bool ending = indexer->ending;
    pthread_mutex_unlock(&indexer->mutex);
    return !ending;
}

static bool disk_has_room(const struct indexer *indexer)
{
    struct statvfs disk;
    return statvfs(indexer->directory, &disk) == 0 &&
           (uint64_t)disk.f_bavail * disk.f_frsize >= indexer->free_bytes_min;
}

/* How long to rest behind it. */
static uint64_t work(struct indexer *indexer)
{
    struct error error = {0};
    bool more = false;
    uint64_t began_ms = clock_ms();
    uint64_t committed = store_committed_index(indexer->store);
    int rc = 0;
    if (!disk_has_room(indexer))
        return REST_MS;
    if (committed != indexer->applied_index)
        rc = index_step(indexer->index, indexer->store, &more, &error);
    if (rc == 0 && !more)
        indexer->applied_index = committed;
    if (rc == 0 && !more && began_ms >= indexer->swept_ms + SWEEP_EVERY_MS) {
        indexer->swept_ms = began_ms;
        rc = index_sweep(indexer->index, indexer->store, &error);
    }
    if (rc != 0) {
        LOG_WARN("index", "searches look at each message for now",
                 FIELD_TEXT("error", error.text));
        return rc == ERR_CORRUPT ? REST_MS : ERROR_REST_MS;
    }
    return more ? clock_ms() - began_ms : REST_MS;
}

static void *indexer_main(void *argument)
{
    struct indexer *indexer = argument;
    prctl(PR_SET_NAME, "indexer");
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICENESS);
    while (rest(indexer, work(indexer)))
        ;
    return NULL;
}

struct indexer *indexer_start(struct index *index, struct store *store,
                              const char *directory, uint64_t free_bytes_min)
{
    struct indexer *indexer = memory_new_zeroed(1, sizeof *indexer);
    pthread_condattr_t attributes;
    indexer->index = index;
    indexer->store = store;
    indexer->directory = memory_text(directory);
    indexer->free_bytes_min = free_bytes_min;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&indexer->mutex, NULL);
    pthread_cond_init(&indexer->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    int rc = pthread_create(&indexer->thread, NULL, indexer_main, indexer);
    assert(rc == 0);
    (void)rc;
    return indexer;
}

void indexer_stop(struct indexer *indexer)
{
    if (indexer == NULL)
        return;
    pthread_mutex_lock(&indexer->mutex);
    indexer->ending = true;
    pthread_cond_signal(&indexer->changed);
    pthread_mutex_unlock(&indexer->mutex);
    pthread_join(indexer->thread, NULL);
    pthread_mutex_destroy(&indexer->mutex);
    pthread_cond_destroy(&indexer->changed);
    free(indexer->directory);
    free(indexer);
}
