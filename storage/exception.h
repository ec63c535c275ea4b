/* exception.h - messages that did not go through at once: their rows in `exc`
 * and what leads to them, by state (`exs`) and by due time (`rdue`).
 *
 *     first failure --> row, indexed --intent--> row, not indexed (open)
 *                          ^                        |
 *                          +--- failure, withdraw --+--> success: row stays,
 *                                                        not indexed
 *
 * A row is indexed exactly while its position waits (RETRYING) or rests
 * (DEAD, AMBIGUOUS, DISCARDED); while the position is open, or once it is
 * delivered, only the row with its attempts is there.
 * Thread: the transaction's. */
#ifndef POSTOFFICE_STORAGE_EXCEPTION_H
#define POSTOFFICE_STORAGE_EXCEPTION_H

#include "storage/record.h"

/* Borrows. ERR_NOT_FOUND. */
int exception_get(struct transaction *transaction, uint32_t publisher_id,
                  uint64_t position, struct exception_row *ret_row,
                  struct error *error);
/* Puts the row of a position that is not indexed, and indexes it by its
 * state. The row may borrow from exception_get(). `scratch` is overwritten. */
int exception_put(struct transaction *transaction, struct encoder *scratch,
                  uint32_t publisher_id, uint64_t position,
                  const struct exception_row *row, struct error *error);
/* Takes the row out of the indexes that lead to it, since its state changes;
 * the row itself stays. */
int exception_unindex(struct transaction *transaction, uint32_t publisher_id,
                      uint64_t position, const struct exception_row *row,
                      struct error *error);
/* The same for a retry that becomes open; a row that keeps nothing goes as
 * well, and *ret_kept says so. */
int exception_open(struct transaction *transaction, uint32_t publisher_id,
                   uint64_t position, const struct exception_row *row,
                   bool *ret_kept, struct error *error);
int exception_delete(struct transaction *transaction, uint32_t publisher_id,
                     uint64_t position, struct error *error);

#endif
