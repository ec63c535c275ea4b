/* verify.h - reading everything, to prove that it is whole.
 * Thread: the view's. */
#ifndef POSTOFFICE_STORAGE_VERIFY_H
#define POSTOFFICE_STORAGE_VERIFY_H

#include "storage/query.h"

struct verify_report {
    uint64_t records;
    uint64_t bytes; /* Keys and contents. */
    struct state_hash hash;
};

/* Reads each record of each database, checks its checksum, adds up the state
 * hash anew and compares it with the kept one. It holds its view for as long
 * as that takes. ERR_CORRUPT names the first bad record, or says that the sums
 * differ: a record was lost, or an old one came back. */
int verify_all(struct view *view, struct verify_report *ret_report,
               struct error *error);

#endif
