#include "reads.h"

#include "base/memory.h"

#include <stdlib.h>

struct reads {
    struct readers *readers;
    uv_async_t async;
    struct queue_item *returned; /* Not run; for the next turn. */
    struct queue_item **returned_last;
    void (*closed)(void *context);
    void *closed_context;
};

static void hand_back(struct queue_item *item)
{
    while (item != NULL) {
        struct read_job *job = READ_JOB_OF(item);
        item = item->next;
        job->done(job);
    }
}

static void take_back(struct reads *reads)
{
    struct queue_item *returned = reads->returned;
    reads->returned = NULL;
    reads->returned_last = &reads->returned;
    hand_back(returned);
    hand_back(readers_take_done(reads->readers));
}

static void on_async(uv_async_t *async)
{
    take_back(async->data);
}

static void wake(void *context)
{
    struct reads *reads = context;
    uv_async_send(&reads->async);
}

struct reads *reads_new(uv_loop_t *loop, struct store *store,
                        struct writer *writer, unsigned threads, int niceness)
{
    struct reads *reads = memory_new_zeroed(1, sizeof *reads);
    reads->returned_last = &reads->returned;
    uv_async_init(loop, &reads->async, on_async);
    reads->async.data = reads;
    reads->readers =
        readers_start(store, writer, threads, niceness, wake, reads);
    return reads;
}

void reads_submit(struct reads *reads, struct read_job *job)
{
    int rc = readers_submit(reads->readers, job);
    if (rc == 0)
        return;
    job->arena = (struct arena){0};
    job->code = rc;
    error_set(&job->error, rc, "too many reads are waiting");
    reads_return(reads, job);
}

void reads_return(struct reads *reads, struct read_job *job)
{
    job->link.next = NULL;
    *reads->returned_last = &job->link;
    reads->returned_last = &job->link.next;
    uv_async_send(&reads->async);
}

void reads_stop(struct reads *reads)
{
    readers_stop(reads->readers);
    take_back(reads);
}

static void on_closed(uv_handle_t *handle)
{
    struct reads *reads = handle->data;
    void (*closed)(void *) = reads->closed;
    void *context = reads->closed_context;
    readers_free(reads->readers);
    free(reads);
    closed(context);
}

void reads_close(struct reads *reads, void (*closed)(void *context),
                 void *context)
{
    reads->closed = closed;
    reads->closed_context = context;
    uv_close((uv_handle_t *)&reads->async, on_closed);
}
