#include "storage/writer.h"

#include "base/bounds.h"
#include "base/clock.h"
#include "base/memory.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>

enum { SPACE_INTERVAL_MS = 250, SYNC_AFTER_MS = 500 };

struct writer {
    struct store *store;
    char *directory;
    void (*wake)(void *context);
    void *context;
    pthread_t thread;
    struct queue todo;
    struct queue done;
    struct queue arrivals;         /* Waiters not yet looked at. */
    struct queue_item *waiting;    /* The thread's own: waiters for a commit. */
    uint64_t transaction_began_ms; /* 0: none is open. */
    atomic_bool commit_planned;    /* The thread will look again by itself. */
    size_t gathered_bytes;         /* The producer's. */
    uint64_t committed_ms;         /* When the last commit ended. */
    uint64_t measured_ms;          /* When space was last looked at. */
    pthread_mutex_t mutex;         /* Guards what follows. */
    bool stopped;
    struct error failure;
    struct writer_statistics statistics;
};

static void measure_space(struct writer *writer, uint64_t now_ms)
{
    if (writer->measured_ms != 0 &&
        now_ms - writer->measured_ms < SPACE_INTERVAL_MS)
        return;
    writer->measured_ms = now_ms;
    struct store_space space = {0};
    struct statvfs disk;
    if (store_space(writer->store, &space, NULL) != 0 ||
        statvfs(writer->directory, &disk) != 0)
        return;
    pthread_mutex_lock(&writer->mutex);
    writer->statistics.space = space;
    writer->statistics.disk_free_bytes =
        (uint64_t)disk.f_bavail * (uint64_t)disk.f_frsize;
    pthread_mutex_unlock(&writer->mutex);
}

static void fail(struct writer *writer, const struct error *error)
{
    pthread_mutex_lock(&writer->mutex);
    writer->failure = *error;
    pthread_mutex_unlock(&writer->mutex);
    writer->wake(writer->context);
}

/* Moves new arrivals to the list and calls those that a commit covers (all
 * of them when `all`). */
static void release_waiters(struct writer *writer, bool all)
{
    struct queue_item **end = &writer->waiting;
    while (*end != NULL)
        end = &(*end)->next;
    *end = queue_take(&writer->arrivals);
    uint64_t committed = store_committed_index(writer->store);
    struct queue_item **place = &writer->waiting;
    while (*place != NULL) {
        struct writer_waiter *waiter = (struct writer_waiter *)*place;
        if (all || waiter->index <= committed) {
            *place = waiter->link.next;
            waiter->ready(waiter);
        } else {
            place = &(*place)->next;
        }
    }
}

static int commit(struct writer *writer)
{
    struct error error = {0};
    uint64_t began = clock_us();
    int rc = store_commit(writer->store, &error);
    if (rc != 0) {
        error_wrap(&error, rc, "commit the store");
        fail(writer, &error);
        return rc;
    }
    uint64_t now_ms = clock_ms();
    pthread_mutex_lock(&writer->mutex);
    writer->statistics.commits++;
    writer->statistics.commit_us += clock_us() - began;
    writer->statistics.state_hash = store_state_hash(writer->store);
    writer->statistics.backlog = store_backlog(writer->store);
    pthread_mutex_unlock(&writer->mutex);
    writer->transaction_began_ms = 0;
    atomic_store(&writer->commit_planned, false);
    writer->committed_ms = now_ms;
    release_waiters(writer, false);
    writer->wake(writer->context); /* The log may be trimmed now. */
    return 0;
}

/* When the open transaction should be committed; 0: there is none. */
static uint64_t commit_due_ms(const struct writer *writer)
{
    if (writer->transaction_began_ms == 0)
        return 0;
    if (store_pending_bytes(writer->store) >= BOUND_COMMIT_BYTES)
        return 1;
    uint64_t due = writer->transaction_began_ms + BOUND_COMMIT_MS;
    if (writer->waiting != NULL) {
        uint64_t early = writer->committed_ms + BOUND_EARLY_COMMIT_MS;
        due = early < due ? early : due;
    }
    return due;
}

static int commit_when_due(struct writer *writer)
{
    uint64_t due = commit_due_ms(writer);
    return due != 0 && clock_ms() >= due ? commit(writer) : 0;
}

/* The last commit before a rest has no next one to make it durable. */
static int sync_after_rest(struct writer *writer)
{
    if (writer->transaction_began_ms != 0 ||
        clock_ms() < writer->committed_ms + SYNC_AFTER_MS)
        return 0;
    struct error error = {0};
    int rc = store_sync(writer->store, &error);
    if (rc != 0)
        fail(writer, &error);
    return rc;
}

static int apply_one(struct writer *writer, struct writer_item *item)
{
    struct error error = {0};
    int rc = store_apply(writer->store, item->index, item->entry, &item->arena,
                         &item->results, &item->count, &error);
    if (rc != 0) {
        error_wrap(&error, rc, "apply entry %llu",
                   (unsigned long long)item->index);
        fail(writer, &error);
        return rc;
    }
    if (writer->transaction_began_ms == 0)
        writer->transaction_began_ms = clock_ms();
    atomic_store(&writer->commit_planned, true);
    return 0;
}

static int apply_all(struct writer *writer)
{
    struct queue_item *next = queue_take(&writer->todo);
    int rc = 0;
    while (next != NULL) {
        struct writer_item *item = (struct writer_item *)next;
        next = next->next;
        /* After a failure nothing is applied any more, but everything is
         * handed back: its memory is the caller's. */
        if (rc == 0)
            rc = apply_one(writer, item);
        if (rc == 0) {
            pthread_mutex_lock(&writer->mutex);
            writer->statistics.applied_index = item->index;
            pthread_mutex_unlock(&writer->mutex);
        }
        if (rc == 0 && queue_push(&writer->done, &item->link))
            writer->wake(writer->context);
        else if (rc != 0)
            queue_push(&writer->done, &item->link);
        if (rc == 0) {
            release_waiters(writer, false);
            rc = commit_when_due(writer);
        }
    }
    return rc;
}

/* Sleeps until there is something to apply, a waiter or a commit due. */
static bool wait_for_work(struct writer *writer)
{
    release_waiters(writer, false);
    uint64_t now_ms = clock_ms();
    uint64_t due = commit_due_ms(writer);
    uint64_t wait_ms = SPACE_INTERVAL_MS;
    if (due != 0)
        wait_ms = due > now_ms ? due - now_ms : 0;
    if (wait_ms == 0)
        return true;
    return queue_wait(&writer->todo, clock_wait_ns() + wait_ms * 1000000u);
}

static void *writer_main(void *argument)
{
    struct writer *writer = argument;
    prctl(PR_SET_NAME, "store-writer");
    struct error error = {0};
    int rc = 0;
    while (rc == 0 && wait_for_work(writer)) {
        rc = apply_all(writer);
        if (rc == 0)
            rc = commit_when_due(writer);
        if (rc == 0)
            rc = sync_after_rest(writer);
        measure_space(writer, clock_ms());
    }
    if (rc == 0 && writer->transaction_began_ms != 0)
        rc = commit(writer);
    if (rc == 0 && store_sync(writer->store, &error) != 0)
        fail(writer, &error);
    pthread_mutex_lock(&writer->mutex);
    writer->stopped = true;
    pthread_mutex_unlock(&writer->mutex);
    release_waiters(writer, true);
    return NULL;
}

struct writer *writer_start(struct store *store, const char *directory,
                            void (*wake)(void *context), void *context)
{
    struct writer *writer = memory_new_zeroed(1, sizeof *writer);
    writer->store = store;
    writer->directory = memory_text(directory);
    writer->wake = wake;
    writer->context = context;
    queue_init(&writer->todo);
    queue_init(&writer->done);
    queue_init(&writer->arrivals);
    pthread_mutex_init(&writer->mutex, NULL);
    writer->statistics.applied_index = store_applied_index(store);
    writer->statistics.state_hash = store_state_hash(store);
    writer->statistics.backlog = store_backlog(store);
    measure_space(writer, clock_ms());
    int rc = pthread_create(&writer->thread, NULL, writer_main, writer);
    assert(rc == 0);
    (void)rc;
    return writer;
}

static void item_init(struct writer_item *item)
{
    item->arena = (struct arena){0};
    item->results = NULL;
    item->count = 0;
}

void writer_push(struct writer *writer, struct writer_item *item)
{
    item_init(item);
    queue_push(&writer->todo, &item->link);
}

/* The thread tells that no commit is planned before it looks at the queue for
 * the last time, so that an item is never overlooked. */
void writer_gather(struct writer *writer, struct writer_item *item)
{
    item_init(item);
    writer->gathered_bytes += item->entry.length;
    queue_push_quietly(&writer->todo, &item->link);
    if (writer->gathered_bytes < BOUND_GATHERED_BYTES &&
        atomic_load(&writer->commit_planned))
        return;
    writer->gathered_bytes = 0;
    writer_hurry(writer);
}

void writer_hurry(struct writer *writer)
{
    queue_nudge(&writer->todo);
}

struct writer_item *writer_take_done(struct writer *writer)
{
    return (struct writer_item *)queue_take(&writer->done);
}

void writer_wait(struct writer *writer, struct writer_waiter *waiter)
{
    pthread_mutex_lock(&writer->mutex);
    bool stopped = writer->stopped;
    if (!stopped && waiter->index > store_committed_index(writer->store)) {
        queue_push(&writer->arrivals, &waiter->link);
        queue_nudge(&writer->todo);
        waiter = NULL;
    }
    pthread_mutex_unlock(&writer->mutex);
    if (waiter != NULL)
        waiter->ready(waiter);
}

int writer_failure(struct writer *writer, struct error *error)
{
    pthread_mutex_lock(&writer->mutex);
    *error = writer->failure;
    pthread_mutex_unlock(&writer->mutex);
    return error->code;
}

struct writer_statistics writer_statistics(struct writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    struct writer_statistics statistics = writer->statistics;
    statistics.durable_index = store_durable_index(writer->store);
    pthread_mutex_unlock(&writer->mutex);
    return statistics;
}

uint64_t writer_durable_index(const struct writer *writer)
{
    return store_durable_index(writer->store);
}

void writer_stop(struct writer *writer)
{
    if (writer == NULL)
        return;
    queue_end(&writer->todo);
    pthread_join(writer->thread, NULL);
}

void writer_free(struct writer *writer)
{
    if (writer == NULL)
        return;
    queue_close(&writer->todo);
    queue_close(&writer->done);
    queue_close(&writer->arrivals);
    pthread_mutex_destroy(&writer->mutex);
    free(writer->directory);
    free(writer);
}
