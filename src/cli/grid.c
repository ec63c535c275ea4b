#include "grid.h"

#include "base/memory.h"
#include "terminal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    GAP = 2,      /* Columns between two cells. */
    CUT_MIN = 12, /* Text is cut no shorter while columns can be left out. */
};

static unsigned column_count(const struct grid *grid)
{
    unsigned count = 0;
    while (grid->columns[count].title != NULL)
        count++;
    assert(count <= GRID_COLUMNS_MAX);
    return count;
}

/* ---- Which columns, and how wide ---- */

static bool may_be_cut(const struct grid *grid, unsigned i)
{
    enum cell_kind kind = grid->columns[i].kind;
    return kind == CELL_TEXT || kind == CELL_LIMIT;
}

/* How narrow a column may become. */
static size_t least_width(const struct grid *grid, unsigned i)
{
    size_t width = grid->widths[i];
    return may_be_cut(grid, i) && width > CUT_MIN ? CUT_MIN : width;
}

static size_t total_width(const struct grid *grid, unsigned count,
                          size_t width_of(const struct grid *, unsigned))
{
    size_t total = 0;
    for (unsigned i = 0; i < count; i++)
        if (!grid->hidden[i])
            total += width_of(grid, i) + (total > 0 ? GAP : 0);
    return total;
}

static size_t full_width(const struct grid *grid, unsigned i)
{
    return grid->widths[i];
}

/* The shown column of the highest rank; `count` when none may go. */
static unsigned least_important(const struct grid *grid, unsigned count)
{
    unsigned found = count;
    unsigned rank = 0;
    for (unsigned i = 0; i < count; i++) {
        if (!grid->hidden[i] && grid->columns[i].rank > rank) {
            rank = grid->columns[i].rank;
            found = i;
        }
    }
    return found;
}

/* The widest column whose text may be cut further; `count`: none. */
static unsigned widest_text(const struct grid *grid, unsigned count)
{
    unsigned found = count;
    for (unsigned i = 0; i < count; i++)
        if (!grid->hidden[i] && may_be_cut(grid, i) && grid->widths[i] > 1 &&
            (found == count || grid->widths[i] > grid->widths[found]))
            found = i;
    return found;
}

static void fit(struct grid *grid, unsigned count)
{
    size_t room = terminal_columns();
    unsigned victim;
    while (total_width(grid, count, least_width) > room &&
           (victim = least_important(grid, count)) < count)
        grid->hidden[victim] = true;
    while (total_width(grid, count, full_width) > room &&
           (victim = widest_text(grid, count)) < count)
        grid->widths[victim]--;
}

/* ---- Printing ---- */

/* The end of the last column is left ragged. */
static void print_padding(size_t columns)
{
    printf("%*s", (int)columns, "");
}

static void print_cell(const struct grid *grid, unsigned i, struct slice text,
                       enum terminal_colour colour, bool last)
{
    size_t width = grid->widths[i];
    size_t columns = visible_columns(text);
    bool cut = columns > width;
    if (cut) {
        text = visible_cut(text, width - 1);
        columns = visible_columns(text) + 1;
    }
    bool right = grid->columns[i].kind == CELL_NUMBER;
    if (right)
        print_padding(width - columns);
    printf("%s%.*s%s%s", terminal_paint(colour), (int)text.length,
           text.length == 0 ? "" : (const char *)text.data, cut ? "…" : "",
           terminal_unpaint(colour));
    if (!last && !right)
        print_padding(width - columns);
    if (!last)
        print_padding(GAP);
}

static bool is_last(const struct grid *grid, unsigned count, unsigned i)
{
    while (++i < count)
        if (!grid->hidden[i])
            return false;
    return true;
}

static void print_titles(const struct grid *grid, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (!grid->hidden[i])
            print_cell(grid, i, slice_text(grid->columns[i].title), COLOUR_HEAD,
                       is_last(grid, count, i));
    putchar('\n');
}

static void print_row(const struct grid *grid, unsigned count,
                      struct encoder *cells)
{
    for (unsigned i = 0; i < count; i++) {
        if (grid->hidden[i])
            continue;
        enum terminal_colour colour = COLOUR_NONE;
        if (grid->columns[i].kind == CELL_STATE)
            colour = terminal_state_colour(encoder_text(&cells[i]));
        print_cell(grid, i, encoder_slice(&cells[i]), colour,
                   is_last(grid, count, i));
    }
    putchar('\n');
}

void grid_rows(struct grid *grid, const json_t *rows)
{
    unsigned count = column_count(grid);
    size_t row_count = json_array_size(rows);
    struct encoder *cells =
        memory_new_zeroed(row_count * count + 1, sizeof *cells);
    for (unsigned i = 0; i < count && !grid->begun; i++)
        grid->widths[i] = visible_columns(slice_text(grid->columns[i].title));
    for (size_t k = 0; k < row_count * count; k++) {
        unsigned i = (unsigned)(k % count);
        cell_add(&cells[k], grid->columns[i].kind,
                 json_below(json_array_get(rows, k / count),
                            grid->columns[i].member));
        size_t width = visible_columns(encoder_slice(&cells[k]));
        if (width > grid->widths[i])
            grid->widths[i] = width;
    }
    fit(grid, count);
    if (!grid->begun)
        print_titles(grid, count);
    grid->begun = true;
    for (size_t k = 0; k < row_count; k++)
        print_row(grid, count, cells + k * count);
    for (size_t k = 0; k < row_count * count; k++)
        encoder_close(&cells[k]);
    free(cells);
}

void grid_end(const struct grid *grid)
{
    bool first = true;
    for (unsigned i = 0; i < column_count(grid); i++) {
        if (!grid->hidden[i])
            continue;
        fprintf(stderr, "%s%s", first ? "(too narrow for " : ", ",
                grid->columns[i].title);
        first = false;
    }
    if (!first)
        fputs("; --json has all)\n", stderr);
}

void grid_print(const struct grid_column *columns, const json_t *rows)
{
    struct grid grid = {.columns = columns};
    grid_rows(&grid, rows);
    fflush(stdout);
    grid_end(&grid);
}
