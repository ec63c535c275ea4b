/* position.h - from a message's id to its position.
 *
 * A message that was not scheduled for later when it came stands at its id. A
 * scheduled one has no position until it is released; from then on `spos`
 * tells it.
 * Thread: the transaction's. */
#ifndef POSTOFFICE_STORAGE_POSITION_H
#define POSTOFFICE_STORAGE_POSITION_H

#include "storage/record.h"

/* 0: it is still scheduled. */
int position_of(struct transaction *transaction, const struct message *message,
                uint64_t *ret_position, struct error *error);

struct message_place {
    uint32_t topic_id;
    uint64_t position; /* 0: it is still scheduled. */
    uint64_t key;      /* key_hash() */
};
/* Reads the message. ERR_NOT_FOUND. */
int message_place(struct transaction *transaction, uint64_t id,
                  struct message_place *ret_place, struct error *error);

#endif
