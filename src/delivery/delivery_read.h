/* delivery_read.h - how what a pipeline wants to read is read.
 *
 * A backlog goes through the publisher's filter here, in a reader's thread:
 * what it does not want is counted, not copied.
 * Thread: the one that began the view. */
#ifndef POSTOFFICE_DELIVERY_DELIVERY_READ_H
#define POSTOFFICE_DELIVERY_DELIVERY_READ_H

#include "scheduler.h"

/* What leadership_supplied() wants to know; in arena, and in the read's own
 * members. Errors: as query.h. */
int delivery_read_run(struct delivery_read *read, struct view *view,
                      struct arena *arena, struct feed_item **ret_items,
                      uint32_t *ret_count, uint64_t *ret_next_due_ms,
                      struct error *error);

#endif
