/* filter.h - which messages of a topic a publisher wants.
 *
 *     {"attributes": {"kind": "a", "region": ["eu", "us"]},
 *      "payload": {"/customer/id": 3, "/lines/0/sku": ["x", null]}}
 *
 * Each member of the two objects is a clause, and all clauses must match; of
 * a list, any one value. `attributes` compares an attribute's text. `payload`
 * names a place by JSON pointer (RFC 6901) and compares what stands there:
 * strings by their decoded text, numbers by exact decimal value
 * (json_number.h), true, false and null as themselves; a string never equals
 * a number. What is missing matches nothing, null least of all: null is a
 * value. Objects and lists are equal to nothing. Of a name that stands twice
 * in an object the last counts, as for most readers.
 *
 * A filter is compiled once for each publisher. Matching allocates nothing,
 * reads the payload once, and is safe in many threads at once, since it only
 * reads the filter.
 *
 * Bounded: text, clauses, values of a clause and depth (bounds.h). */
#ifndef POSTOFFICE_STORAGE_FILTER_H
#define POSTOFFICE_STORAGE_FILTER_H

#include "base/slice.h"

enum { FILTER_POINTER_SIZE = 512, FILTER_TEXT_SIZE = 256 };

struct filter;

/* What is wrong with a filter, for the person who wrote it. */
struct filter_error {
    char pointer[FILTER_POINTER_SIZE]; /* Into the filter; "": all of it. */
    char text[FILTER_TEXT_SIZE];
};

/* Compiles a filter's JSON, of which nothing is borrowed. A filter without
 * clauses matches everything. ERR_INVALID with words. */
int filter_compile(struct slice text, struct filter **ret_filter,
                   struct filter_error *error);
/* References are counted without atomics: by one thread. Both take NULL. */
struct filter *filter_ref(struct filter *filter); /* Returns its argument. */
void filter_unref(struct filter *filter);

/* `attributes` as encoded in a message (command.h), `payload` its JSON. What
 * cannot be read matches nothing. A NULL filter matches everything. */
bool filter_match(const struct filter *filter, struct slice attributes,
                  struct slice payload);

/* The same with the first clause that fails, in words. */
struct filter_verdict {
    bool matches;
    char clause[FILTER_POINTER_SIZE]; /* Pointer to it, into the filter. */
    char text[FILTER_TEXT_SIZE]; /* Such as: attribute "kind" is missing. */
};
void filter_explain(const struct filter *filter, struct slice attributes,
                    struct slice payload, struct filter_verdict *ret_verdict);

#endif
