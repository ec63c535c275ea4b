/* trial.h - random commands: the store's, twice, and the naive model's.
 *
 * An operation encodes one command into the entry and notes what the naive
 * model says its result must be. */
#ifndef POSTOFFICE_TESTS_STORAGE_TRIAL_H
#define POSTOFFICE_TESTS_STORAGE_TRIAL_H

#include "naive.h"

enum {
    OPS_MAX = 4,
    LIST_MAX = 40,
};

struct trial {
    uint64_t random;
    struct naive *naive;
    struct fixture first;
    struct fixture second;
    struct encoder entry;
    struct command_result expected[OPS_MAX];
    bool any_result[OPS_MAX]; /* Not modelled: any answer will do. */
    uint32_t expected_count;
    uint64_t now_ms;
    char response[5000];
};

uint32_t trial_below(struct trial *trial, uint32_t limit);

/* One of all operations, by weight; it may find that it has nothing to do. */
void trial_do_any(struct trial *trial);
/* These always do something. */
void trial_do_messages(struct trial *trial);
void trial_do_topic(struct trial *trial);

#endif
