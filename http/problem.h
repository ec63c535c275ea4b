/* problem.h - what went wrong, as RFC 9457 says it and as the original did.
 *
 * A problem gathers every error of a request before it is answered:
 *
 *     {"type","title","status","detail","instance","code","request_id",
 *      "errors":[{"pointer":"/name","detail":"can't be blank"}],
 *      "data":{"errors":{"name":["can't be blank"]}}}
 *
 * `pointer` (RFC 6901) is into the request's body; an error about the query
 * has a null pointer and a `parameter`, one about a header a null pointer and
 * a `header`. Without errors of fields,
 * `data.errors` has the detail under "detail".
 * Thread: any. Texts are borrowed until the problem was written. */
#ifndef POSTOFFICE_HTTP_PROBLEM_H
#define POSTOFFICE_HTTP_PROBLEM_H

#include "base/codec.h"
#include "base/slice.h"

/* The original's texts. */
#define PROBLEM_BLANK "can't be blank"
#define PROBLEM_INVALID "is invalid"
#define PROBLEM_TAKEN "has already been taken"

enum { PROBLEM_ERRORS_MAX = 32 }; /* Further ones are not told. */

enum problem_place { PROBLEM_IN_BODY, PROBLEM_IN_QUERY, PROBLEM_IN_HEADER };

struct problem_error {
    const char *field;    /* A field, a parameter or a header. */
    struct slice element; /* Within an object field; empty: the field. */
    struct slice pointer; /* JSON pointer to go on with; empty: none. */
    const char *text;
    enum problem_place place;
};

struct problem {
    int status;           /* 0: no problem so far. */
    const char *code;     /* For programs. */
    const char *detail;   /* For people; NULL: the first error. */
    unsigned retry_after; /* Seconds; 0: no such header. */
    bool close;           /* The connection cannot go on. */
    struct problem_error errors[PROBLEM_ERRORS_MAX];
    unsigned error_count;
};

/* Sets status and code, and the detail. The first call wins. */
void problem_set(struct problem *problem, int status, const char *code,
                 const char *detail);
/* Adds an error of a field and makes the problem a 400 unless it is one
 * already. */
void problem_field(struct problem *problem, const char *field,
                   const char *text);
void problem_element(struct problem *problem, const char *field,
                     struct slice element, const char *text);
/* The same with a JSON pointer into the field. */
void problem_pointer(struct problem *problem, const char *field,
                     struct slice pointer, const char *text);
void problem_parameter(struct problem *problem, const char *name,
                       const char *text);
void problem_header(struct problem *problem, const char *name,
                    const char *text);
/* A known thing that this version cannot do: 501, unless something is wrong
 * as well. */
void problem_not_built(struct problem *problem, const char *field);

/* The one table from our codes to HTTP. `field` and `detail` may be NULL. */
void problem_from_code(struct problem *problem, int code, const char *field,
                       const char *detail);

/* Appends the body. */
void problem_write(const struct problem *problem, struct slice instance,
                   struct slice request_id, struct encoder *out);

/* The phrase of a status, "Unknown" for what we never send. */
const char *status_phrase(int status);

#endif
