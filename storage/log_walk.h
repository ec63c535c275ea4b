/* log_walk.h - the messages of one topic in position order, from `log`.
 * Thread: the transaction's. */
#ifndef POSTOFFICE_STORAGE_LOG_WALK_H
#define POSTOFFICE_STORAGE_LOG_WALK_H

#include "storage/record.h"
#include "storage/run.h"

struct log_walk {
    struct cursor cursor;
    uint32_t topic_id;
    uint64_t from; /* Positions below are behind us. */
    struct log_run run;
    uint32_t index; /* In the run; run.count: the next run's turn. */
    bool ended;
};

/* Stands before the first position at or above `from`. */
int log_walk_open(struct transaction *transaction, uint32_t topic_id,
                  uint64_t from, struct log_walk *walk, struct error *error);
void log_walk_close(struct log_walk *walk); /* A zeroed one is fine. */
/* ERR_END behind the last one. */
int log_walk_next(struct log_walk *walk, struct log_pair *ret_pair,
                  struct error *error);
/* Goes on to the first position at or above `from`, which must not lie behind
 * where the walk stands. */
int log_walk_skip(struct log_walk *walk, uint64_t from, struct error *error);

#endif
