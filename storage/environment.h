/* environment.h - the LMDB environment: one file, its databases, its
 * transactions.
 *
 * LMDB's types and codes end here and in record.c. One environment per
 * directory and process: a second one in the same process would drop the
 * first one's file locks.
 * Thread: one write transaction at a time, on one thread; read transactions
 * on any, each used by one thread at a time. */
#ifndef POSTOFFICE_STORAGE_ENVIRONMENT_H
#define POSTOFFICE_STORAGE_ENVIRONMENT_H

#include "base/error.h"
#include "storage/schema.h"
#include "storage/store.h"

struct MDB_txn;
struct environment;
struct settlements;

struct environment_options {
    uint64_t map_bytes; /* The largest size that it may reach. */
    int first;          /* The databases in it: enum database, from here */
    int end;            /* to below there. */
    bool unsynced;      /* Commits are not synced: what a crash of the machine
                         * spoils can be had again. */
};

/* Creates the directory and the files when they are missing, and syncs the
 * directory, which LMDB never does.
 * Errors: ERR_IO, ERR_NO_SPACE, ERR_CORRUPT, ERR_VERSION. */
int environment_open(const char *directory,
                     const struct environment_options *options,
                     struct environment **ret_environment, struct error *error);
/* Makes every commit durable. */
int environment_sync(struct environment *environment, struct error *error);
void environment_close(struct environment *environment); /* NULL is fine. */
int environment_space(struct environment *environment,
                      struct store_space *ret_space, struct error *error);

/* After a commit: leaves in the page cache, of what this process made the file
 * grow by, only the end. A growing file would take all memory that the system
 * has, or a container may use, for bodies that are seldom read again; and
 * taking fresh memory costs a virtual machine several times what writing to it
 * does. */
void environment_relieve(struct environment *environment);

/* Translates a code of LMDB's and puts words to it. */
int environment_error(struct error *error, int lmdb_code, const char *words);

struct transaction {
    struct MDB_txn *txn;
    const unsigned *databases; /* LMDB's handles by enum database. */
    /* Kept up to date by each put and delete; meaningless for readers. */
    struct state_hash hash;
    /* What is settled is noted there (settlement.h); NULL: nowhere. */
    struct settlements *settlements;
};

/* The caller holds the struct; after begin failed there is nothing to end.
 * ERR_BUSY: too many readers at once. */
int transaction_begin(struct environment *environment, bool write,
                      struct transaction *transaction, struct error *error);
/* Ends the transaction, also when it fails. Syncs. */
int transaction_commit(struct transaction *transaction, struct error *error);
/* A transaction that has ended is fine. */
void transaction_abort(struct transaction *transaction);

#endif
