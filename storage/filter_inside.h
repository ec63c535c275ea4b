/* filter_inside.h - a compiled filter: what filter.c makes and
 * filter_match.c walks.
 *
 * The pointers of all payload clauses together are one tree of names, so that
 * a payload is walked once however many clauses there are. */
#ifndef POSTOFFICE_STORAGE_FILTER_INSIDE_H
#define POSTOFFICE_STORAGE_FILTER_INSIDE_H

#include "base/bounds.h"
#include "base/json_number.h"
#include "base/json_scan.h"
#include "storage/filter.h"

struct filter_value {
    enum json_kind kind;
    struct slice text;         /* KIND_STRING: decoded. */
    struct json_number number; /* KIND_NUMBER */
};

struct filter_clause {
    bool on_payload;
    struct slice name; /* The attribute's, or the pointer as written. */
    struct filter_value *values;
    uint32_t value_count;
};

enum { FILTER_NONE = UINT32_MAX };

struct filter_node {
    struct slice name; /* Unescaped. */
    uint32_t index;    /* On a list; JSON_POINTER_NO_INDEX: never. */
    uint32_t child;    /* The first; nodes are named by their number. */
    uint32_t sibling;
    uint32_t clause; /* What is compared here; FILTER_NONE: nothing. */
};

struct filter {
    uint32_t references;
    struct arena arena; /* All below. */
    struct filter_clause clauses[BOUND_FILTER_CLAUSES];
    uint32_t clause_count;
    struct filter_node *nodes; /* [0] is the payload itself. */
    uint32_t node_count;
};

#endif
