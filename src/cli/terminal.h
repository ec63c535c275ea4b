/* terminal.h - what standard output can show, and text that is safe there.
 *
 * Text from a server, or from a message, may hold control characters that
 * move the cursor, set the title or type keys. Nothing of that reaches a
 * terminal: what is not printable is shown escaped.
 * Thread: main. */
#ifndef POSTOFFICE_CLI_TERMINAL_H
#define POSTOFFICE_CLI_TERMINAL_H

#include "base/codec.h"

/* Once, before any of the others: the character set. */
void terminal_init(void);

bool terminal_is_output(void); /* Standard output is a terminal. */
/* Columns of the terminal; of what is none COLUMNS, else 80. */
unsigned terminal_columns(void);
/* Colours: on a terminal, unless NO_COLOR is set or TERM is dumb. */
bool terminal_has_colours(void);

enum terminal_colour {
    COLOUR_NONE,
    COLOUR_GOOD,
    COLOUR_WARN,
    COLOUR_BAD,
    COLOUR_FAINT,
    COLOUR_HEAD,
};

/* The sequences before and after coloured text; "" without colours. */
const char *terminal_paint(enum terminal_colour colour);
const char *terminal_unpaint(enum terminal_colour colour);

/* How a state reads: green, yellow, red, or as it is. */
enum terminal_colour terminal_state_colour(const char *state);

/* Adds text with all that could act on a terminal escaped: \n, \t, \x1b,
 * \u202e; a byte that is no UTF-8 as \x9b. */
void visible_add(struct encoder *out, struct slice text);
/* The same for JSON text, in JSON's own escapes (\u001b), so that it means
 * the same; white space between values stays. */
void visible_json(struct encoder *out, struct slice json);
/* How many columns visible text takes. */
size_t visible_columns(struct slice text);
/* The longest beginning of visible text that takes at most so many columns. */
struct slice visible_cut(struct slice text, size_t columns);
/* Takes the next line of that many columns off visible text: up to a space,
 * which is dropped, where there is one; at least a character. */
struct slice visible_line(struct slice *text, size_t columns);

#endif
