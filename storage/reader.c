#include "storage/reader.h"

#include "base/bounds.h"
#include "base/memory.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

struct readers {
    struct store *store;
    struct writer *writer;
    void (*wake)(void *context);
    void *context;
    struct queue todo;
    struct queue done;
    unsigned under_way; /* Submitted and not taken back; the loop's. */
    int niceness;
    unsigned thread_count;
    pthread_t threads[];
};

static void run_job(struct readers *readers, struct read_job *job)
{
    struct view *view = NULL;
    job->code = view_begin(readers->store, &view, &job->error);
    if (job->code == 0)
        job->code = job->run(job, view, &job->error);
    view_end(view);
    if (queue_push(&readers->done, &job->link))
        readers->wake(readers->context);
}

static void *reader_main(void *argument)
{
    struct readers *readers = argument;
    prctl(PR_SET_NAME, "store-reader");
    if (readers->niceness != 0)
        setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), readers->niceness);
    while (queue_wait(&readers->todo, 0)) {
        struct queue_item *item = queue_take_one(&readers->todo);
        if (item != NULL)
            run_job(readers, READ_JOB_OF(item));
    }
    return NULL;
}

struct readers *readers_start(struct store *store, struct writer *writer,
                              unsigned threads, int niceness,
                              void (*wake)(void *context), void *context)
{
    struct readers *readers =
        memory_new(sizeof *readers + threads * sizeof readers->threads[0]);
    *readers = (struct readers){.store = store,
                                .writer = writer,
                                .wake = wake,
                                .context = context,
                                .niceness = niceness,
                                .thread_count = threads};
    queue_init(&readers->todo);
    queue_init(&readers->done);
    for (unsigned i = 0; i < threads; i++) {
        int rc =
            pthread_create(&readers->threads[i], NULL, reader_main, readers);
        assert(rc == 0);
        (void)rc;
    }
    return readers;
}

static void on_covered(struct writer_waiter *waiter)
{
    struct read_job *job = (struct read_job *)waiter;
    queue_push(&job->readers->todo, &job->link);
}

int readers_submit(struct readers *readers, struct read_job *job)
{
    static_assert(offsetof(struct read_job, waiter) == 0, "cast above");
    if (readers->under_way >= BOUND_READS)
        return ERR_BUSY;
    readers->under_way++;
    job->readers = readers;
    job->waiter.ready = on_covered;
    job->arena = (struct arena){0};
    job->code = 0;
    job->error = (struct error){0};
    writer_wait(readers->writer, &job->waiter);
    return 0;
}

struct queue_item *readers_take_done(struct readers *readers)
{
    struct queue_item *done = queue_take(&readers->done);
    for (struct queue_item *item = done; item != NULL; item = item->next)
        readers->under_way--;
    return done;
}

void readers_stop(struct readers *readers)
{
    if (readers == NULL)
        return;
    queue_end(&readers->todo);
    for (unsigned i = 0; i < readers->thread_count; i++)
        pthread_join(readers->threads[i], NULL);
}

void readers_free(struct readers *readers)
{
    if (readers == NULL)
        return;
    queue_close(&readers->todo);
    queue_close(&readers->done);
    free(readers);
}
