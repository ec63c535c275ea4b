/* reads.h - read jobs seen from the loop: every job that is given comes back
 * once through its done(), in a later turn, also when the pool is full.
 * Thread: the loop. */
#ifndef POSTOFFICE_READS_H
#define POSTOFFICE_READS_H

#include "storage/reader.h"

#include <uv.h>

struct reads;

/* `niceness`: of the threads, against the others of the process. */
struct reads *reads_new(uv_loop_t *loop, struct store *store,
                        struct writer *writer, unsigned threads, int niceness);

/* job->run, job->done and job->waiter.index are set. When too many are under
 * way, the job comes back with ERR_BUSY and has not run. */
void reads_submit(struct reads *reads, struct read_job *job);

/* Comes back without having run, job->code as it was set. */
void reads_return(struct reads *reads, struct read_job *job);

/* Runs what is queued, hands everything back and joins the threads. After
 * writer_stop(). */
void reads_stop(struct reads *reads);
/* Stopped. Calls closed() and frees. */
void reads_close(struct reads *reads, void (*closed)(void *context),
                 void *context);

#endif
