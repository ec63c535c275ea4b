/* blocked.h - keys that are held or have parked messages: rows in `bkey`, and
 * `bfirst`, which leads to them in the order of their first parked positions.
 *
 * A parked message has no row of its own: it is parked when it stands below
 * the publisher's `next`, at or above the first parked position of its key,
 * and nothing else is known of it. `kidx` leads from one to the next.
 * Errors: ERR_CORRUPT, ERR_IO. Thread: the transaction's. */
#ifndef POSTOFFICE_STORAGE_BLOCKED_H
#define POSTOFFICE_STORAGE_BLOCKED_H

#include "storage/hot.h"
#include "storage/record.h"

/* ERR_NOT_FOUND; then *ret_row is zeroed. */
int blocked_get(struct transaction *transaction, uint32_t publisher_id,
                uint64_t key, struct blocked_row *ret_row, struct error *error);
/* Puts the row in place of one with `old_first` (0: none was parked), or
 * deletes it when nothing is left in it. `scratch` is overwritten. */
int blocked_put(struct transaction *transaction, struct encoder *scratch,
                uint32_t publisher_id, uint64_t key, uint64_t old_first,
                const struct blocked_row *row, struct error *error);
/* The key whose first parked position is the first of all. ERR_NOT_FOUND. */
int blocked_first(struct transaction *transaction, uint32_t publisher_id,
                  uint64_t *ret_key, uint64_t *ret_position,
                  struct error *error);

/* A key is held: by a message that waits, by one that is stuck when that
 * blocks, or because others come first. */
static inline bool blocked_waits(const struct blocked_row *row,
                                 enum poison on_poison)
{
    return row->waits > 0 || (row->stuck > 0 && on_poison == POISON_BLOCK);
}
static inline bool blocked_holds(const struct blocked_row *row,
                                 enum poison on_poison)
{
    return blocked_waits(row, on_poison) || row->parked > 0;
}

/* The first position of the topic's key at or above `from`. ERR_END. */
int key_index_next(struct transaction *transaction, uint32_t topic_id,
                   uint64_t key, uint64_t from, uint64_t *ret_position,
                   struct error *error);

/* Whether the position, which has this key, is parked. */
int parked_is(struct transaction *transaction, struct hot *hot,
              uint32_t publisher_id, uint64_t key, uint64_t position,
              bool *ret_parked, struct error *error);
/* The first parked position at or above `from` of a key of which some are.
 * ERR_END. */
int parked_next(struct transaction *transaction, struct hot *hot,
                uint32_t topic_id, uint32_t publisher_id, uint64_t key,
                uint64_t from, uint64_t *ret_position, struct error *error);

#endif
