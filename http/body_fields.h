/* body_fields.h - the members of a JSON body, by name.
 *
 * A body is scanned once; each known member is kept as a span and read by
 * kind afterwards. Whatever is wrong is added to the problem, so that a
 * client hears of all its errors at once. Unknown members are ignored where
 * the original did so, and are errors elsewhere; a known one that is given
 * twice is an error.
 *
 * A member is blank when it is missing, null or the empty string.
 * Thread: any. Texts borrow from the body or live in the arena. */
#ifndef POSTOFFICE_HTTP_BODY_FIELDS_H
#define POSTOFFICE_HTTP_BODY_FIELDS_H

#include "base/json_scan.h"
#include "http/problem.h"

enum { BODY_FIELDS_MAX = 32 };

struct body_fields {
    const char *const *names; /* Ends with NULL; at most BODY_FIELDS_MAX. */
    struct json_value values[BODY_FIELDS_MAX];
    uint32_t seen; /* A bit for each name. */
    struct arena *arena;
    struct problem *problem;
};

/* False when the body is not a JSON object; the problem says where. */
bool body_fields_scan(struct body_fields *fields, struct slice body,
                      const char *const *names, struct arena *arena,
                      struct problem *problem);

/* The same for the routes that the original did not have: a member that is not
 * known is an error. An empty body is an object without members. */
bool body_fields_scan_strict(struct body_fields *fields, struct slice body,
                             const char *const *names, struct arena *arena,
                             struct problem *problem);

/* The value as given, null included; NULL when it is missing. */
const struct json_value *body_fields_value(const struct body_fields *fields,
                                           const char *name);
/* The same, NULL when it is blank. */
const struct json_value *body_fields_filled(const struct body_fields *fields,
                                            const char *name);

enum body_need { BODY_OPTIONAL, BODY_REQUIRED };

/* Each leaves *ret alone when the field is blank or wrong. */
bool body_fields_text(struct body_fields *fields, const char *name,
                      enum body_need need, size_t length_max,
                      struct slice *ret);
/* true, false, "true" or "false". */
bool body_fields_boolean(struct body_fields *fields, const char *name,
                         enum body_need need, bool *ret);
bool body_fields_integer(struct body_fields *fields, const char *name,
                         uint32_t lowest, uint32_t highest, uint32_t *ret);
bool body_fields_integer_u64(struct body_fields *fields, const char *name,
                             uint64_t lowest, uint64_t highest, uint64_t *ret);
/* One of these words, as its index. `words` ends with NULL. */
bool body_fields_choice(struct body_fields *fields, const char *name,
                        const char *const *words, uint32_t *ret);
/* An object that is a filter (storage/filter.h), as it was sent; its clauses
 * are checked. Without clauses it is none. */
bool body_fields_filter(struct body_fields *fields, const char *name,
                        struct slice *ret);
/* A list of different texts, as text_list_next() reads it. */
struct body_list {
    uint32_t most;
    const char *too_many; /* What is said when there are more, ... */
    const char *twice;    /* ... or the same one again. */
    /* NULL, or what is wrong with it; asked of an element that is no text with
     * an empty one. */
    const char *(*check)(struct slice text);
};
bool body_fields_list(struct body_fields *fields, const char *name,
                      const struct body_list *kind, struct slice *ret);
/* A time (timestamp.h), in milliseconds. */
bool body_fields_time(struct body_fields *fields, const char *name,
                      enum body_need need, uint64_t *ret_ms);
/* What may not be given here, be it null: it is told why. */
void body_fields_forbid(struct body_fields *fields, const char *name,
                        const char *text);
/* An option that is known but not built: anything but blank (or an empty
 * object) is told so. */
void body_fields_not_built(struct body_fields *fields, const char *name);

#endif
