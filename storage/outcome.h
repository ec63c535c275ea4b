/* outcome.h - what was settled, in `out`: runs of outcomes near each other.
 *
 * An outcome joins the run that begins closest before it, as long as that has
 * room and lies within RUN_OUTCOMES_SPAN; else it begins a run of its own.
 * Outcomes come nearly in order, so runs fill up one after the other; and
 * whatever the order, an outcome lies in a run that begins less than the span
 * before it, so that looking for one has an end. A run's key is the position of
 * its first outcome, always: it is renamed when that leaves.
 * Thread: the transaction's. */
#ifndef POSTOFFICE_STORAGE_OUTCOME_H
#define POSTOFFICE_STORAGE_OUTCOME_H

#include "storage/record.h"
#include "storage/run.h"

/* Stores items in any order (they are sorted in place), none of which was
 * stored before. `scratch` is overwritten. */
int outcome_put(struct transaction *transaction, struct encoder *scratch,
                uint32_t publisher_id, struct settled *items, uint32_t count,
                struct error *error);
/* Removes what was settled of these positions (ascending); those that were not
 * are no matter. */
int outcome_remove(struct transaction *transaction, struct encoder *scratch,
                   uint32_t publisher_id, const uint64_t *positions,
                   uint32_t count, struct error *error);
/* ERR_NOT_FOUND. */
int outcome_find(struct transaction *transaction, uint32_t publisher_id,
                 uint64_t position, struct settled *ret_item,
                 struct error *error);

#endif
