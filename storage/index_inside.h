/* index_inside.h - what the files of the index share, and what a search reads
 * of it.
 * Thread: as in index.h. */
#ifndef POSTOFFICE_STORAGE_INDEX_INSIDE_H
#define POSTOFFICE_STORAGE_INDEX_INSIDE_H

#include "storage/index.h"
#include "storage/record.h"
#include "storage/search_term.h"

#include <stdatomic.h>

enum { INDEX_FORMAT = 1 };

struct index_state {
    uint8_t cluster_id[16];
    uint64_t applied_index; /* Of the store, when it was indexed last. */
    uint64_t upto;
};

struct index {
    struct environment *environment;
    char *directory;
    atomic_bool damaged;
    atomic_bool trusted; /* It was held against this store. */
    _Atomic uint64_t upto;
    struct encoder scratch;
    struct key sweep_from; /* Empty: at the beginning. */
};

/* ERR_NOT_FOUND: it is empty; ERR_CORRUPT without words: of another format. */
int index_state_get(struct transaction *transaction,
                    struct index_state *ret_state, struct error *error);
int index_state_put(struct index *index, struct transaction *transaction,
                    const struct index_state *state, struct error *error);

/* A search's view. */
struct index_view {
    struct transaction transaction;
    uint64_t upto; /* 0: nothing is indexed. */
};
/* Nothing is indexed in what cannot be trusted yet. */
int index_view_begin(struct index *index, struct index_view *ret_view,
                     struct error *error);
void index_view_end(struct index_view *view);
/* Whether all the topic's messages up to `upto` are indexed by the pointer. */
int index_has_field(struct index_view *view, uint32_t topic_id,
                    struct slice pointer, bool *ret_has, struct error *error);

#endif
