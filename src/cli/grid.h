/* grid.h - tables that fit the terminal.
 *
 * A table is a list of columns, each with the member of a row that it shows.
 * Columns are as wide as what is in them. When that is too wide, text is cut
 * first; then the columns of the highest rank are left out, and a last line
 * says which.
 * Thread: main. */
#ifndef POSTOFFICE_CLI_GRID_H
#define POSTOFFICE_CLI_GRID_H

#include "cell.h"

enum { GRID_COLUMNS_MAX = 16 };

struct grid_column {
    const char *title;
    const char *member; /* Dots lead below: "last_error.text". */
    enum cell_kind kind;
    unsigned rank; /* 0: always shown. */
};

/* Zero but for its columns. */
struct grid {
    const struct grid_column *columns; /* Ends with a NULL title. */
    bool begun;
    bool hidden[GRID_COLUMNS_MAX];
    size_t widths[GRID_COLUMNS_MAX];
};

/* Prints the rows, an array of objects, with the titles before the first ones.
 * What is called again goes on with the columns that the first call chose. */
void grid_rows(struct grid *grid, const json_t *rows);
/* Says which columns were left out. */
void grid_end(const struct grid *grid);

/* A whole table at once. */
void grid_print(const struct grid_column *columns, const json_t *rows);

/* "name  value" for each member of an object, nested ones with dots; long
 * values go on below. Members named in `skip` (ends with NULL; or NULL) are
 * left out. */
void sheet_print(const json_t *object, const char *const *skip);

#endif
