/* reader.h - a bounded pool of threads that run queries on views.
 *
 * A job names the index that it must see; it waits for a commit that covers
 * it, then runs on one of the threads and comes back through
 * readers_take_done(). A job owns its inputs and its arena.
 * Thread: each function says whose it is. */
#ifndef POSTOFFICE_STORAGE_READER_H
#define POSTOFFICE_STORAGE_READER_H

#include "storage/query.h"
#include "storage/writer.h"

struct readers;

struct read_job {
    struct writer_waiter waiter; /* .index: what the view must cover. */
    struct queue_item link;
    struct readers *readers;
    /* On a pool thread. Puts what it finds into arena. Returns 0 or ERR_*. */
    int (*run)(struct read_job *job, struct view *view, struct error *error);
    /* For whoever takes it back: called there, on the loop. */
    void (*done)(struct read_job *job);
    int code;
    struct error error;
    struct arena arena; /* The caller closes it after the job came back. */
};

#define READ_JOB_OF(item)                                                      \
    ((struct read_job *)((char *)(item)-offsetof(struct read_job, link)))

/* `wake` is called on a pool thread when a job is done. `niceness` is that of
 * the threads: how far others of the process come first; 0: they are equals. */
struct readers *readers_start(struct store *store, struct writer *writer,
                              unsigned threads, int niceness,
                              void (*wake)(void *context), void *context);

/* The job's run and waiter.index are set. ERR_BUSY beyond BOUND_READS under
 * way. The loop. */
int readers_submit(struct readers *readers, struct read_job *job);

/* Finished jobs, linked through `link`; take each with READ_JOB_OF(). Every
 * job submitted comes back once. The loop. */
struct queue_item *readers_take_done(struct readers *readers);

/* Runs what is queued, joins; finished jobs can still be taken back. After
 * writer_stop(), so that nobody waits for a commit. NULL is fine. The loop. */
void readers_stop(struct readers *readers);
void readers_free(struct readers *readers); /* Stopped and emptied, or NULL. */

#endif
