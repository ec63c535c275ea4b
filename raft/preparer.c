#include "raft/preparer.h"

#include "base/clock.h"
#include "base/logger.h"
#include "base/memory.h"
#include "raft/segment_file.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum {
    /* Enough to bridge a burst between two durable commits of the store. */
    SPARES_MAX = 2,
    RETRY_MS = 1000,
};

struct preparer {
    struct preparer_options options;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct segment_header next; /* Valid while ready. */
    uint64_t next_number;
    bool ready;
    bool stopped;
    bool no_space;
    struct error failure; /* Code 0: none. */
    uint64_t spares[SPARES_MAX];
    size_t spares_count;
    uint64_t *retired;
    size_t retired_count;
    size_t retired_capacity;
};

static void fail(struct preparer *preparer, const struct error *error)
{
    preparer->failure = *error;
    pthread_cond_broadcast(&preparer->changed);
}

/* Called and returns with the mutex held; the disk is waited for without. */
static void retire_one(struct preparer *preparer)
{
    struct error error = {0};
    uint64_t number = preparer->retired[0];
    bool keep = preparer->spares_count < SPARES_MAX;
    pthread_mutex_unlock(&preparer->mutex);
    int rc =
        segment_file_retire(preparer->options.directory, number, keep, &error);
    pthread_mutex_lock(&preparer->mutex);
    preparer->retired_count--;
    memmove(preparer->retired, preparer->retired + 1,
            preparer->retired_count * sizeof *preparer->retired);
    if (rc != 0)
        fail(preparer, &error);
    else if (keep)
        preparer->spares[preparer->spares_count++] = number;
}

static void note_space(struct preparer *preparer, bool no_space)
{
    if (no_space && !preparer->no_space)
        LOG_ERROR("raft", "no space for the next log segment: nothing can be "
                          "accepted once this one is full; trying again");
    if (!no_space && preparer->no_space)
        LOG_INFO("raft", "there is space for the next log segment again");
    preparer->no_space = no_space;
}

static void make_next(struct preparer *preparer)
{
    struct error error = {0};
    uint64_t spare = preparer->spares_count == 0
                         ? 0
                         : preparer->spares[--preparer->spares_count];
    struct segment_header header = {
        .number = preparer->next_number,
        .log_id = preparer->options.log_id,
        .bytes = preparer->options.segment_bytes,
    };
    pthread_mutex_unlock(&preparer->mutex);
    int rc =
        segment_file_make(preparer->options.directory, &header, spare, &error);
    pthread_mutex_lock(&preparer->mutex);
    if (rc == 0) {
        preparer->next = header;
        preparer->ready = true;
        preparer->next_number++;
        pthread_cond_broadcast(&preparer->changed);
    } else if (rc != ERR_NO_SPACE) {
        fail(preparer, &error);
    }
    note_space(preparer, rc == ERR_NO_SPACE);
}

static void wait_for_space(struct preparer *preparer)
{
    uint64_t until = clock_wait_ns() + RETRY_MS * UINT64_C(1000000);
    struct timespec deadline = {.tv_sec = (time_t)(until / 1000000000u),
                                .tv_nsec = (long)(until % 1000000000u)};
    pthread_cond_timedwait(&preparer->changed, &preparer->mutex, &deadline);
}

static void *preparer_main(void *argument)
{
    struct preparer *preparer = argument;
    pthread_mutex_lock(&preparer->mutex);
    while (preparer->failure.code == 0) {
        if (preparer->retired_count > 0) {
            retire_one(preparer);
        } else if (preparer->stopped) {
            break;
        } else if (!preparer->ready) {
            make_next(preparer);
            preparer->options.wake(preparer->options.context);
            if (preparer->no_space && preparer->retired_count == 0 &&
                !preparer->stopped)
                wait_for_space(preparer);
        } else {
            pthread_cond_wait(&preparer->changed, &preparer->mutex);
        }
    }
    if (preparer->failure.code != 0)
        preparer->options.wake(preparer->options.context);
    pthread_mutex_unlock(&preparer->mutex);
    return NULL;
}

static void adopt_spares(struct preparer *preparer)
{
    const struct preparer_options *options = &preparer->options;
    for (size_t i = 0; i < options->spares_count; i++) {
        if (preparer->spares_count < SPARES_MAX)
            preparer->spares[preparer->spares_count++] = options->spares[i];
        else
            segment_file_remove_spare(options->directory, options->spares[i]);
    }
    preparer->options.spares = NULL;
}

int preparer_open(const struct preparer_options *options, struct preparer **ret,
                  struct error *error)
{
    struct preparer *preparer = memory_new_zeroed(1, sizeof *preparer);
    preparer->options = *options;
    preparer->next_number = options->next_number;
    if (options->next_ready != NULL) {
        preparer->next = *options->next_ready;
        preparer->ready = true;
        preparer->next_number++;
    }
    adopt_spares(preparer);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&preparer->mutex, NULL);
    pthread_cond_init(&preparer->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    int number =
        pthread_create(&preparer->thread, NULL, preparer_main, preparer);
    if (number != 0) {
        pthread_cond_destroy(&preparer->changed);
        pthread_mutex_destroy(&preparer->mutex);
        free(preparer);
        return error_system(error, number, "start the segment preparer");
    }
    *ret = preparer;
    return 0;
}

void preparer_stop(struct preparer *preparer)
{
    pthread_mutex_lock(&preparer->mutex);
    preparer->stopped = true;
    pthread_cond_broadcast(&preparer->changed);
    pthread_mutex_unlock(&preparer->mutex);
}

void preparer_close(struct preparer *preparer)
{
    if (preparer == NULL)
        return;
    preparer_stop(preparer);
    pthread_join(preparer->thread, NULL);
    pthread_cond_destroy(&preparer->changed);
    pthread_mutex_destroy(&preparer->mutex);
    free(preparer->retired);
    free(preparer);
}

int preparer_take(struct preparer *preparer, struct segment_header *ret,
                  struct error *error)
{
    int rc = 0;
    pthread_mutex_lock(&preparer->mutex);
    while (!preparer->ready && !preparer->stopped &&
           preparer->failure.code == 0)
        pthread_cond_wait(&preparer->changed, &preparer->mutex);
    if (preparer->ready) {
        *ret = preparer->next;
        preparer->ready = false;
        pthread_cond_broadcast(&preparer->changed);
    } else if (preparer->failure.code != 0) {
        rc = preparer->failure.code;
        *error = preparer->failure;
    } else {
        rc = error_set(error, ERR_CANCELLED, "no next segment before the end");
    }
    pthread_mutex_unlock(&preparer->mutex);
    return rc;
}

void preparer_retire(struct preparer *preparer, uint64_t number)
{
    pthread_mutex_lock(&preparer->mutex);
    if (preparer->retired_count == preparer->retired_capacity) {
        preparer->retired_capacity = preparer->retired_capacity == 0
                                         ? 8
                                         : preparer->retired_capacity * 2;
        preparer->retired =
            memory_resize(preparer->retired, preparer->retired_capacity *
                                                 sizeof *preparer->retired);
    }
    preparer->retired[preparer->retired_count++] = number;
    pthread_cond_broadcast(&preparer->changed);
    pthread_mutex_unlock(&preparer->mutex);
}

bool preparer_ready(struct preparer *preparer)
{
    pthread_mutex_lock(&preparer->mutex);
    bool ready = preparer->ready;
    pthread_mutex_unlock(&preparer->mutex);
    return ready;
}

bool preparer_no_space(struct preparer *preparer)
{
    pthread_mutex_lock(&preparer->mutex);
    bool no_space = preparer->no_space;
    pthread_mutex_unlock(&preparer->mutex);
    return no_space;
}

int preparer_failure(struct preparer *preparer, struct error *error)
{
    pthread_mutex_lock(&preparer->mutex);
    int rc = preparer->failure.code;
    if (rc != 0)
        *error = preparer->failure;
    pthread_mutex_unlock(&preparer->mutex);
    return rc;
}

size_t preparer_extra(struct preparer *preparer)
{
    pthread_mutex_lock(&preparer->mutex);
    size_t extra = preparer->spares_count + preparer->retired_count +
                   (preparer->ready ? 1 : 0);
    pthread_mutex_unlock(&preparer->mutex);
    return extra;
}
