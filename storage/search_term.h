/* search_term.h - what messages are indexed by: attributes, keys, fields of
 * the payload that their topic names, and whether they were scheduled.
 *
 * A term stands in the index as a hash of 64 bits. Two that share one give
 * candidates in vain, never a wrong answer: each candidate is looked at.
 *
 *     term  topic u32, hash u64, first id u64     run of ids
 *     run   count u16 | offset u32 [count]        from the first id
 *
 * Thread: any. */
#ifndef POSTOFFICE_STORAGE_SEARCH_TERM_H
#define POSTOFFICE_STORAGE_SEARCH_TERM_H

#include "base/bounds.h"
#include "base/json_pointer.h"
#include "storage/schema.h"
#include "storage/search.h"

uint64_t term_hash(enum search_term_kind kind, struct slice name,
                   struct slice value);

/* Of one message that the index is to lead to. */
struct term_entry {
    uint32_t topic_id;
    uint64_t hash;
    uint64_t id;
};

/* The fields by which a topic's messages are indexed. */
struct term_fields {
    uint32_t count;
    struct term_field {
        struct slice pointer; /* Borrowed. */
        struct json_token *tokens;
        uint32_t token_count;
    } fields[BOUND_INDEXED_FIELDS];
};
/* From a topic's indexed_fields; what is no pointer is left out. */
void term_fields_of(struct slice indexed_fields, struct arena *arena,
                    struct term_fields *ret_fields);

/* The most entries that one message makes: attributes, a key, that it was
 * scheduled, and two texts of each field. */
enum {
    TERM_ENTRIES_MAX = BOUND_ATTRIBUTES + 2 + 2 * BOUND_INDEXED_FIELDS,
};
/* How many; ids are the message's. `entries` has room for all. */
uint32_t term_entries(const struct message *message,
                      const struct term_fields *fields, struct arena *arena,
                      struct term_entry *entries);

/* ---- Runs ---- */

/* Verified as a whole when it is read. */
enum { RUN_TERM_MAX = 1024 };

struct key term_key(uint32_t topic_id, uint64_t hash);
/* How many of these (one term's, ascending) make a run. */
uint32_t term_run_fit(const struct term_entry *entries, uint32_t count);
void term_run_encode(struct encoder *out, const struct term_entry *entries,
                     uint32_t count);

struct term_run {
    uint64_t first;
    uint32_t count; /* At least 1. */
    const uint8_t *table;
};
/* 0 or ERR_CORRUPT, without words. */
int term_run_decode(uint64_t first, struct slice content,
                    struct term_run *ret_run);
uint64_t term_run_id(const struct term_run *run, uint32_t index);
/* The highest id below `before`, which is above the first. */
uint64_t term_run_below(const struct term_run *run, uint64_t before);

#endif
