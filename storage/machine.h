/* machine.h - the inside of struct store: what the parts of apply share.
 *
 * What every entry needs is kept decoded in memory: topics with their
 * counters, publishers with their `hot`. A command changes them there; what
 * an entry has changed is written once, at its end (machine_flush), so that
 * LMDB is paid per entry and publisher and not per message. Messages gather
 * as well: all of one entry become runs together.
 *
 * Memory and LMDB agree at the end of each entry, and commits lie between
 * entries only: a reader never sees half an entry.
 * Thread: the store's writer. */
#ifndef POSTOFFICE_STORAGE_MACHINE_H
#define POSTOFFICE_STORAGE_MACHINE_H

#include "storage/body.h"
#include "storage/hot.h"
#include "storage/settlement.h"
#include "storage/table.h"

#include <stdatomic.h>

struct topic_state {
    uint32_t id;
    bool dirty;
    struct topic_row row; /* Its options are owned. */
    uint64_t bytes_max;   /* Of them: max_backlog_bytes. */
    /* The positions that this entry has given out so far. */
    struct log_pair *fresh;
    uint32_t fresh_count;
    uint32_t fresh_capacity;
};

struct publisher_state {
    uint32_t id;
    uint32_t topic_id;
    bool dirty;
    bool paused;
    enum guarantee guarantee;
    enum ordering ordering;
    enum poison on_poison;
    struct hot hot;
};

/* The messages of the entry that is being applied. */
struct gathered_note {
    uint64_t id;
    uint64_t position; /* 0: scheduled. */
    uint64_t key;      /* key_hash() */
    uint64_t schedule_ms;
    uint32_t topic_id;
};
struct gathered {
    struct body_piece *pieces;   /* Borrow from the entry. */
    struct gathered_note *notes; /* Of each. */
    size_t count;
    size_t capacity;
};

struct dirty_list {
    void **objects;
    size_t count;
    size_t capacity;
};

struct store {
    struct environment *environment;
    struct transaction transaction; /* txn NULL: none is open. */
    uint64_t idempotency_keys_max;
    struct global_row global;
    struct global_row global_written; /* As LMDB has it. */
    struct state_hash hash;
    uint64_t applied_index;
    _Atomic uint64_t committed_index; /* What a new view sees. */
    _Atomic uint64_t durable_index;
    uint64_t pending_bytes;
    /* Set by the first error: memory and transaction may be half-way through
     * an entry, and must never be committed. */
    bool failed;
    struct table topics;
    struct table publishers;
    struct dirty_list dirty_topics;
    struct dirty_list dirty_publishers;
    struct gathered gathered;
    struct settlements settlements; /* Since the last commit. */
    uint64_t removed;               /* Messages and rows, since then. */
    struct key sweep_from;          /* In `done`; empty: at the beginning. */
    struct settled settled[BOUND_OPEN_POSITIONS];
    struct encoder scratch; /* For one record at a time. */
    struct arena arena;     /* For one command. */
};

/* Reads everything that is kept in memory, through the open transaction. */
int machine_load(struct store *store, struct error *error);
void machine_close(struct store *store);
/* Writes what the entry has changed. */
int machine_flush(struct store *store, struct error *error);

static inline struct topic_state *machine_topic(const struct store *store,
                                                uint32_t id)
{
    return table_get(&store->topics, id);
}
static inline struct publisher_state *
machine_publisher(const struct store *store, uint32_t id)
{
    return table_get(&store->publishers, id);
}

/* New ones, known from here on. The row's options are copied. */
struct topic_state *machine_add_topic(struct store *store, uint32_t id,
                                      const struct topic_row *row);
struct publisher_state *machine_add_publisher(struct store *store, uint32_t id);
/* What apply must know of the options at any time. */
void machine_know_options(struct publisher_state *publisher,
                          const struct publisher_options *options);
/* Forgets and frees it. */
void machine_drop_publisher(struct store *store,
                            struct publisher_state *publisher);

/* Copies; what was there is freed. */
void machine_set_options(struct topic_state *topic, struct slice options);
void machine_drop_topic(struct store *store, struct topic_state *topic);

/* It will be written at the end of the entry. */
void machine_touch_topic(struct store *store, struct topic_state *topic);
void machine_touch_publisher(struct store *store,
                             struct publisher_state *publisher);

/* The scratch encoder, empty. */
struct encoder *machine_scratch(struct store *store);
int machine_put_hot(struct store *store,
                    const struct publisher_state *publisher,
                    struct error *error);
int machine_put_topic(struct store *store, const struct topic_state *topic,
                      struct error *error);

#endif
