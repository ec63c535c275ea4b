/* search_time.h - from times of receipt to ids and back. The log's clock never
 * runs back and ids are given out in its order, so that runs of messages are
 * sorted by time as well.
 * Thread: the view's. */
#ifndef POSTOFFICE_STORAGE_SEARCH_TIME_H
#define POSTOFFICE_STORAGE_SEARCH_TIME_H

#include "storage/view.h"

/* The first message that was received at this time or later stands at this id
 * or above it, and everything below came earlier. UINT64_MAX: none. */
int search_id_from(struct view *view, uint64_t ms, uint64_t *ret_id,
                   struct error *error);
/* When a message below this id was received, the last one as far as it is still
 * there; 0: none is. */
int search_time_at(struct view *view, uint64_t id, uint64_t *ret_ms,
                   struct error *error);

#endif
