/* cell.h - one value of an answer, as people read it.
 *
 * Everything is made visible (terminal.h): what a server says cannot act on
 * the terminal. Thread: main. */
#ifndef POSTOFFICE_CLI_CELL_H
#define POSTOFFICE_CLI_CELL_H

#include "base/codec.h"

#include <jansson.h>

enum cell_kind {
    CELL_TEXT,   /* May be cut short. */
    CELL_LIMIT,  /* The same; null is *: all. */
    CELL_WORD,   /* Never cut: an id, a name of a role. */
    CELL_NUMBER, /* To the right. */
    CELL_STATE,  /* A word in its colour. */
    CELL_TIME,   /* To the second, UTC. */
    CELL_AGE,    /* How long ago: 5s, 12m, 3h, 9d. */
};

/* Adds the value; "-" for null or none. A list of texts is shown with commas
 * between them. */
void cell_add(struct encoder *out, enum cell_kind kind, const json_t *value);

/* The member below an object, such as "last_error.text"; NULL: none. */
json_t *json_below(const json_t *object, const char *path);

/* A text member; "-" when it is none. */
const char *json_text_of(const json_t *object, const char *name);
/* A whole number; 0 when it is none. */
long long json_count_of(const json_t *object, const char *name);

#endif
