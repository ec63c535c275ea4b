/* order.h - what must wait for what: the keys of one publisher that are not
 * free, and what holds up the order as a whole.
 *
 * Under ORDERING_KEY at most one ordered message of a key is under way or
 * waits for its retry; the others of that key are *parked* in the store, which
 * keeps a row for each such key and none for each message. Here is what the
 * leader must know of them: the keys of which something is open, waits, is
 * stuck (ambiguous) or parked. Loaded at takeover, then kept in step with what
 * was granted and what came of it.
 *
 * Thread: the loop; no I/O. */
#ifndef POSTOFFICE_DELIVERY_ORDER_H
#define POSTOFFICE_DELIVERY_ORDER_H

#include "storage/query.h"

struct order_key {
    uint64_t key; /* key_hash(); 0: a free slot of the table. */
    uint64_t opened_ms;
    uint64_t parked;
    uint64_t first_parked; /* 0: none, or not known: look. */
    uint32_t open;
    uint32_t waits;
    uint32_t stuck;
    bool looking; /* It is being walked. */
    bool listed;  /* In the list of those that may be walked. */
};

struct order {
    struct order_key *table; /* Open addressing, linear. */
    uint32_t capacity;       /* A power of two, or 0. */
    uint32_t count;
    uint64_t *list; /* Keys with something parked that may be free. */
    uint32_t list_first;
    uint32_t list_count;
    uint32_t list_capacity;
    /* Of all ordered messages, keys or not. */
    uint64_t open;
    uint64_t waits;
    uint64_t stuck;
    uint64_t parked;
};

/* The key's entry; NULL: it is free. */
struct order_key *order_find(const struct order *order, uint64_t key);
/* The same, made when it is not there. Valid until the next call of any
 * function below but order_find(). */
struct order_key *order_make(struct order *order, uint64_t key);
/* To be called when counts went down: forgets a key that became free, and
 * lists one that may be walked. `block`: what is stuck holds its key. */
void order_settle(struct order *order, uint64_t key, bool block);

/* An ordered message was opened, or is open no more; waits for a retry, or
 * does no more. Keys may be 0. */
void order_opened(struct order *order, uint64_t key, uint64_t now_ms);
void order_shut(struct order *order, uint64_t key, bool block);
void order_waits(struct order *order, uint64_t key);
void order_waits_no_more(struct order *order, uint64_t key, bool block);
void order_stuck(struct order *order, uint64_t key);
void order_parked(struct order *order, uint64_t key, uint64_t position);

/* Nothing of it may be opened: something waits or is stuck, or is parked. */
bool order_key_is_held(const struct order *order, uint64_t key, bool block);
/* The next key that may be walked now, taken off the list; NULL: none. */
struct order_key *order_walk(struct order *order, bool block);

/* Forgets all but what is open. */
void order_reset(struct order *order);
void order_load(struct order *order, const struct blocked_key *blocked,
                bool block);
void order_close(struct order *order);

#endif
