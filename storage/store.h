/* store.h - the replicated state machine on LMDB: open, apply, commit.
 *
 * The LMDB environment is the durable state: the index of the last applied
 * entry is part of the same transaction, so that a restart goes on exactly
 * behind it. Apply is deterministic: no clock, no randomness, no I/O but
 * LMDB. A command that cannot be carried out (unknown topic, name taken,
 * stale grant) is a result, not a failure; a failure of apply itself
 * (corruption, disk) means that this node must stop rather than diverge.
 * Every record carries a checksum, verified when it is read.
 *
 * Thread: one thread at a time for open, apply and commit (writer.h); views
 * (query.h) are for any thread. */
#ifndef POSTOFFICE_STORAGE_STORE_H
#define POSTOFFICE_STORAGE_STORE_H

#include "base/error.h"
#include "base/memory.h"
#include "base/slice.h"

struct store;

struct store_options {
    uint64_t map_bytes; /* The largest size that the store may reach. */
    /* Idempotency keys that are remembered at once; 0: BOUND_IDEMPOTENCY_KEYS.
     * What apply says depends on it: the same on all nodes, for ever. */
    uint64_t idempotency_keys_max;
};

/* Creates the directory's files when missing (and syncs the directory).
 * Errors: ERR_IO, ERR_NO_SPACE, ERR_CORRUPT, ERR_VERSION. */
int store_open(const char *directory, const struct store_options *options,
               struct store **ret_store, struct error *error);
/* An open transaction is given up. NULL is fine. */
void store_close(struct store *store);

/* What came of one command of an entry. */
struct command_result {
    int code;          /* 0 or ERR_*: NOT_FOUND, EXISTS, STALE, CONFLICT.
                        * Unless it is 0 nothing was carried out.
                        * MESSAGES: NO_SPACE beyond the topic's
                        * max_backlog_bytes.
                        * MESSAGES under an idempotency key: EXISTS for a
                        * replay, with the id and count of the first time;
                        * CONFLICT when the key is another request's; BUSY
                        * when no more keys can be kept. */
    uint32_t count;    /* MESSAGES: how many. PURGE: rows that went. */
    uint64_t id;       /* The first message's id; the topic's, the
                        * publisher's. */
    uint64_t position; /* MESSAGES: the first one's position; 0: it is
                        * scheduled for later. RELEASE: the first one's.
                        * PUBLISHER_CREATE: its first position. Steps: where
                        * to go on; 0: at the end. */
    uint64_t time_ms;  /* The log's clock at this command. */
};

/* Applies the entry at `index`, beginning a transaction when none is open.
 * An entry at or below the applied index is skipped (count 0). The results,
 * one per command, live in `arena`. Errors are fatal for this node. */
int store_apply(struct store *store, uint64_t index, struct slice entry,
                struct arena *arena, struct command_result **ret_results,
                uint32_t *ret_count, struct error *error);

/* Makes everything applied visible to new views and, with the next commit or
 * store_sync(), durable: a power cut may undo the last commit, as a whole.
 * Nothing open: nothing happens. Errors are fatal. */
int store_commit(struct store *store, struct error *error);

/* Makes everything committed durable. Errors are fatal. */
int store_sync(struct store *store, struct error *error);

uint64_t store_applied_index(const struct store *store);
uint64_t store_committed_index(const struct store *store); /* Any thread. */
uint64_t store_durable_index(const struct store *store);   /* Any thread. */
uint64_t store_pending_bytes(const struct store *store);   /* Since commit. */

/* Sum over all primary records of XXH3_128(database, key, value): equal on
 * all nodes at the same applied index. Writer's thread. */
struct state_hash {
    uint64_t low;
    uint64_t high;
};
struct state_hash store_state_hash(const struct store *store);

/* Messages that wait, over all publishers: adds up what each has in memory.
 * Writer's thread. */
uint64_t store_backlog(const struct store *store);

struct store_space {
    uint64_t file_bytes;     /* Of LMDB's data file. */
    uint64_t reusable_bytes; /* Freed pages in it. */
    uint64_t map_bytes;
};
int store_space(struct store *store, struct store_space *ret_space,
                struct error *error);

#endif
