/* writer.h - the only thread that writes to the store.
 *
 *     writer_push() --> apply in the open transaction --> writer_take_done()
 *                              |
 *                        commit with sync, every BOUND_COMMIT_MS or
 *                        BOUND_COMMIT_BYTES, sooner when a reader waits
 *
 * Results are handed back as soon as an entry is applied, before the commit:
 * the log is the durability. Whoever must read what an entry wrote waits for
 * a commit that covers it (writer_wait()).
 * Thread: each function says whose it is. */
#ifndef POSTOFFICE_STORAGE_WRITER_H
#define POSTOFFICE_STORAGE_WRITER_H

#include "base/queue.h"
#include "storage/store.h"

struct writer;

/* An entry on its way through the writer; the caller's memory until it comes
 * back from writer_take_done(). */
struct writer_item {
    struct queue_item link;
    uint64_t index;
    struct slice entry;
    void *context; /* The caller's. */
    /* Filled by the writer; the arena is the caller's to close. */
    struct arena arena;
    struct command_result *results;
    uint32_t count;
};

/* Somebody who needs a commit that covers `index`. */
struct writer_waiter {
    struct queue_item link;
    uint64_t index;
    void (*ready)(struct writer_waiter *waiter); /* On any thread, maybe in
                                                  * writer_wait() itself. */
};

/* `wake` is called on the writer's thread when writer_take_done() has
 * something new, or the writer has failed. Borrows the store until stopped;
 * space is measured where `directory` is. */
struct writer *writer_start(struct store *store, const char *directory,
                            void (*wake)(void *context), void *context);

void writer_push(struct writer *writer, struct writer_item *item); /* Any. */
/* The same for an entry whose result nobody waits for, as on a follower: it is
 * applied by the next commit, together with what comes until then, so that a
 * node with little to do does not wake a thread for each entry. One producer.
 */
void writer_gather(struct writer *writer, struct writer_item *item);
/* What has gathered is wanted now. Any thread. */
void writer_hurry(struct writer *writer);

/* Applied entries in order, linked by `link.next`. One consumer. */
struct writer_item *writer_take_done(struct writer *writer);

/* Any thread. When it stops or fails first, ready() is called all the same:
 * what the reader then sees is older. */
void writer_wait(struct writer *writer, struct writer_waiter *waiter);

/* 0, or the error that ended the thread: this node must stop. Any thread. */
int writer_failure(struct writer *writer, struct error *error);

struct writer_statistics {
    uint64_t commits;
    uint64_t commit_us;
    uint64_t applied_index; /* All that was handed back. */
    uint64_t durable_index;
    struct store_space space;
    uint64_t disk_free_bytes;
    uint64_t backlog;             /* Messages that wait, over all publishers. */
    struct state_hash state_hash; /* At the last commit. */
};
struct writer_statistics writer_statistics(struct writer *writer); /* Any. */
uint64_t writer_durable_index(const struct writer *writer); /* Any thread. */

/* Applies what is queued, commits, joins; what was applied can still be taken
 * back. Not from the writer's thread. */
void writer_stop(struct writer *writer); /* NULL is fine. */
void writer_free(struct writer *writer); /* Stopped and emptied, or NULL. */

#endif
