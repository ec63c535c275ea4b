/* bookmark.h - how far a stream of messages has come, in a file.
 *
 * It is written before each request and after its answer, synced and put in
 * place whole: so after any end of the program or machine it tells of no more
 * than was stored. What was sent and not yet noted is sent again in one request
 * as before, which gives it the same idempotency keys, and stored once.
 *
 * A digest of all lines that were passed tells whether a later input begins
 * with the same ones.
 * Thread: main. */
#ifndef POSTOFFICE_CLI_BOOKMARK_H
#define POSTOFFICE_CLI_BOOKMARK_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum { BOOKMARK_KEY_SIZE = 224 }; /* With the NUL; ":LINE:n" goes behind. */

struct bookmark {
    char key[BOOKMARK_KEY_SIZE]; /* What all idempotency keys begin with. */
    uint64_t line;               /* Lines that are done with. */
    uint64_t until;              /* Lines up to here may be stored already. */
    uint64_t digest;             /* Of them, and of what was put around them. */
    uint64_t stored;
    uint64_t refused;
};

/* *ret_found is false when there is no such file. ERR_INVALID: it is none of
 * ours. */
int bookmark_load(const char *path, struct bookmark *ret_bookmark,
                  bool *ret_found, struct error *error);
int bookmark_save(const char *path, const struct bookmark *bookmark,
                  struct error *error);

#endif
