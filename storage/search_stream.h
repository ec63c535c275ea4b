/* search_stream.h - numbers that fall, from where they are kept.
 *
 * A stream gives candidates: ids of messages, each below the one before.
 * Streams are merged, so that what two of them hold comes once. A number need
 * not lead to a message that exists, since positions and ids come from one
 * sequence and what stands at a position of its own (a scheduled message) is
 * found by another stream under its id; one that is known to be no id is
 * *hollow*.
 * Thread: the transaction's. */
#ifndef POSTOFFICE_STORAGE_SEARCH_STREAM_H
#define POSTOFFICE_STORAGE_SEARCH_STREAM_H

#include "base/memory.h"
#include "storage/hot.h"
#include "storage/record.h"
#include "storage/run.h"
#include "storage/search_term.h"

enum stream_kind {
    STREAM_BODIES,  /* All messages. */
    STREAM_LOG,     /* Positions of a topic; the prefix names it. */
    STREAM_NUMBERS, /* Keys that end with the number, behind the prefix. */
    STREAM_OPEN,    /* What a publisher has open. */
    STREAM_TERM,    /* Runs of the index's; the prefix is the term. */
};

struct stream {
    enum stream_kind kind;
    uint64_t number; /* 0: at the end. */
    bool hollow;
    uint64_t floor; /* Only numbers within. */
    uint64_t ceiling;
    struct key prefix;
    struct cursor cursor;
    uint64_t run_first; /* Of the run at hand; 0: none is. */
    union {
        struct message_run messages;
        struct log_run log;
        struct term_run term;
    } run;
    const struct hot *hot;
};

/* Streams merged: a heap, the highest number on top. */
struct streams {
    struct stream **heap; /* In the arena, like the streams. */
    uint32_t count;
    uint32_t capacity;
};

/* Adds one that goes from `before` down; its members from `kind` to `prefix`
 * are set, and `hot` for what is open. The transaction is the store's or the
 * index's. Nothing in it: it is not kept. */
int streams_add(struct streams *streams, struct transaction *transaction,
                struct arena *arena, const struct stream *stream,
                enum database database, uint64_t before, struct error *error);
/* NULL: all are at their end. */
static inline const struct stream *streams_top(const struct streams *streams)
{
    return streams->count == 0 ? NULL : streams->heap[0];
}
/* All go below the number on top. */
int streams_step(struct streams *streams, struct error *error);
void streams_close(struct streams *streams);

#endif
