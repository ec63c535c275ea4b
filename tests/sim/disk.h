/* disk.h - the log and the vote of one node: what was not synced is lost in a
 * crash.
 *
 *   disk_append, disk_vote --> queue, in order --(time)--> durable
 *                                 |
 *                         a crash loses it, save perhaps a part of the oldest
 *
 * `written` is what was given to it, `durable` what a crash leaves. A write
 * takes its time; a stalled disk ends nothing until it goes on, a failed one
 * reports an error and the node must leave. */
#ifndef POSTOFFICE_TESTS_SIM_DISK_H
#define POSTOFFICE_TESTS_SIM_DISK_H

#include "raft/entry.h"
#include "timeline.h"

#include <stdbool.h>

struct node;

/* Entries by index; those up to `base` are gone. */
struct shelf {
    struct entry *items; /* [index] */
    size_t capacity;
    uint64_t base;
    uint64_t last;
};

struct write {
    struct write *next;
    bool is_vote;
    uint64_t term;
    uint64_t vote;
    uint64_t generation;
    struct entry *entries; /* With references. */
    size_t count;
};

struct disk {
    struct node *node;
    uint64_t nonce; /* Of founding; durable. */
    uint64_t log_id;
    uint64_t term; /* Durable. */
    uint64_t vote;
    struct log_base base; /* Before the oldest entry. */
    struct shelf durable;
    struct shelf written;
    struct write *queue;
    struct write **queue_end;
    uint64_t busy_until_ms;
    uint64_t stalled_until_ms;
    bool slow;
    bool failing;
};

void disk_init(struct disk *disk, struct node *node);
void disk_close(struct disk *disk);

/* Takes entries and their references; cuts what is at or behind the first. */
void disk_append(struct disk *disk, uint64_t generation, struct entry *entries,
                 size_t count);
void disk_vote(struct disk *disk, uint64_t term, uint64_t vote);
/* At once, for founding. */
void disk_found(struct disk *disk, uint64_t log_id, const struct entry *first);

/* Nothing above this was the process's to keep. */
void disk_crash(struct disk *disk);
/* Entries up to this index are no longer needed. */
void disk_forget(struct disk *disk, const struct log_base *base);

/* NULL: not there. */
const struct entry *shelf_at(const struct shelf *shelf, uint64_t index);

#endif
