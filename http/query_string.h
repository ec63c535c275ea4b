/* query_string.h - the parameters behind the question mark.
 *
 * Every parameter must be known to its route and given once; values are
 * percent-decoded (a plus is a space). What does not fit is named in the
 * problem. Thread: any. */
#ifndef POSTOFFICE_HTTP_QUERY_STRING_H
#define POSTOFFICE_HTTP_QUERY_STRING_H

#include "base/memory.h"
#include "http/problem.h"

/* Beyond it a request is refused: more than any search needs. */
enum { QUERY_PARAMETERS_MAX = 32 };

struct query_string {
    struct {
        const char *name; /* NUL-terminated, in the arena. */
        struct slice value;
    } parameters[QUERY_PARAMETERS_MAX];
    unsigned count;
};

/* `known`: names, comma separated; one that ends with an asterisk stands for
 * all that begin so. Errors go to `problem`. */
void query_string_parse(struct slice text, const char *known,
                        struct arena *arena, struct query_string *ret_query,
                        struct problem *problem);

/* False when it is not given. */
bool query_string_get(const struct query_string *query, const char *name,
                      struct slice *ret_value);

void query_string_limit(const struct query_string *query, uint32_t *ret_limit,
                        struct problem *problem);
/* Lists: `limit` (1 to BOUND_LIST_LIMIT) and `cursor`, an opaque text made by
 * cursor_format(), which knows the kind of list that it is for. */
enum { CURSOR_SIZE = 20, CURSOR_DIGITS = 16 };
void cursor_format(char text[CURSOR_SIZE], char kind, uint64_t number);
/* Takes one number, as hexadecimal digits, off the front. */
bool cursor_number(struct slice *text, uint64_t *ret_number);
/* `*ret_number` is 0 without a cursor, and at most `highest`. */
void query_string_page(const struct query_string *query, char kind,
                       uint64_t highest, uint64_t *ret_number,
                       uint32_t *ret_limit, struct problem *problem);

#endif
