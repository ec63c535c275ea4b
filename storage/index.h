/* index.h - what leads from terms to messages: derived from the store, in an
 * LMDB environment of its own.
 *
 *     store --commits--> index_step(), batch by batch --> rows up to an id
 *                                                           |
 *     a search: rows up to that id, and behind it message by message
 *
 * The index holds every term (search_term.h) of every message up to the id
 * `upto` that was there when it was indexed, so that a search is exact at each
 * moment however far behind the index is: what lies above is looked at one by
 * one. Rows of messages that have gone lead to nothing, and are swept away in
 * time. It belongs to this node, stands outside the state hash, and is never
 * copied.
 *
 * Nothing depends on it, and so its commits are not synced. What a crash of
 * the machine may have spoiled (DIR/state names the boot, or says that it was
 * closed) is thrown away at open; what is of another format, of another
 * cluster or ahead of the store, or was found damaged, at the next step; and
 * so is an index that lacks a field which a topic with messages names now. In
 * each case it is built anew in the background.
 *
 *     meta   "state"    format, cluster, applied index, upto
 *     term   search_term.h
 *     field  topic u32  pointers that all its messages up to `upto` are
 *                       indexed by (a list of texts)
 *
 * Thread: steps on one thread; views on any. */
#ifndef POSTOFFICE_STORAGE_INDEX_H
#define POSTOFFICE_STORAGE_INDEX_H

#include "base/error.h"
#include "base/memory.h"
#include "storage/store.h"

struct index;

/* Makes the directory's files when they are missing or cannot be used.
 * Errors: ERR_IO, ERR_NO_SPACE. */
int index_open(const char *directory, uint64_t map_bytes,
               struct index **ret_index, struct error *error);
/* Makes it durable, and says so. After the last view and step. NULL is fine. */
void index_close(struct index *index);

/* Takes in the messages behind `upto`, as many as one step may, or throws away
 * what is of no use. *ret_more: there was more than that to do. An error leaves
 * the index as it was before the step, and ERR_CORRUPT leads to its being built
 * anew. */
int index_step(struct index *index, struct store *store, bool *ret_more,
               struct error *error);

/* Looks at some rows, round by round, and removes those whose messages have
 * gone. */
int index_sweep(struct index *index, struct store *store, struct error *error);

/* A search found a record that cannot be. Any thread. */
void index_damaged(struct index *index);

/* For /metrics: the last message that is indexed. Any thread. */
uint64_t index_upto(const struct index *index);

#endif
