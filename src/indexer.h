/* indexer.h - the thread that builds the index (storage/index.h) behind the
 * store's commits.
 *
 * It has the lowest priority that the system gives, works in small steps, and
 * stops while the disk is below the reserve that the store needs to go on
 * delivering: publishing and delivery come first, and a search is exact
 * without it.
 * Thread: the loop's, for all functions. */
#ifndef POSTOFFICE_INDEXER_H
#define POSTOFFICE_INDEXER_H

#include "storage/index.h"

struct indexer;

/* Borrows both until it is stopped. */
struct indexer *indexer_start(struct index *index, struct store *store,
                              const char *directory, uint64_t free_bytes_min);
/* Ends the step that is under way, and joins. NULL is fine. */
void indexer_stop(struct indexer *indexer);

#endif
