/* expiry.h - which messages of a topic nobody needs any more.
 *
 * A message has expired when it came (or, scheduled, was due) by the cutoff,
 * and each publisher that wants it has delivered or discarded it by then, or
 * filtered it. Positions ascend in time, so that a look from the oldest on
 * ends at the first message that is too young; older ones that somebody still
 * needs are passed over.
 * Thread: the transaction's. */
#ifndef POSTOFFICE_STORAGE_EXPIRY_H
#define POSTOFFICE_STORAGE_EXPIRY_H

#include "storage/hot.h"
#include "storage/record.h"
#include "storage/run.h"

struct expiry_publisher {
    uint32_t id;
    struct hot *hot; /* Borrowed. */
};

struct expired {
    uint64_t position;
    uint64_t id;
    uint64_t key; /* key_hash() */
};

struct expiry {
    uint32_t topic_id;
    uint64_t from;
    uint64_t upto;
    uint64_t cutoff_ms;
    const struct expiry_publisher *publishers; /* All of the topic's. */
    uint32_t publisher_count;
    /* Filled: room for EXPIRE_MAX is the caller's. */
    struct expired *expired; /* Ascending. */
    uint32_t count;
    uint64_t looked_upto; /* The last position looked at; 0: none. */
    uint64_t next;        /* Where to go on; 0: nothing behind has expired. */
};

/* Looks at EXPIRE_MAX positions at most, and at fewer when many publishers
 * want them. */
int expiry_look(struct transaction *transaction, struct expiry *expiry,
                struct error *error);

#endif
