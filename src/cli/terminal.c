#include "terminal.h"

#include <locale.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    COLUMNS_STANDARD = 80,
    COLUMNS_MIN = 20, /* Narrower than that nothing can be laid out. */
    COLUMNS_MAX = 1000,
};

void terminal_init(void)
{
    /* Text is UTF-8, whatever the locale: widths are known for it alone. */
    if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
        setlocale(LC_CTYPE, "");
}

bool terminal_is_output(void)
{
    return isatty(STDOUT_FILENO) != 0;
}

static unsigned within(unsigned long columns)
{
    if (columns < COLUMNS_MIN)
        return COLUMNS_MIN;
    return columns > COLUMNS_MAX ? COLUMNS_MAX : (unsigned)columns;
}

unsigned terminal_columns(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return within(size.ws_col);
    const char *text = getenv("COLUMNS");
    unsigned long columns = text == NULL ? 0 : strtoul(text, NULL, 10);
    return columns == 0 ? COLUMNS_STANDARD : within(columns);
}

bool terminal_has_colours(void)
{
    const char *refused = getenv("NO_COLOR");
    const char *name = getenv("TERM");
    return terminal_is_output() && (refused == NULL || refused[0] == '\0') &&
           name != NULL && strcmp(name, "dumb") != 0;
}

const char *terminal_paint(enum terminal_colour colour)
{
    static const char *const sequences[] = {
        [COLOUR_NONE] = "",         [COLOUR_GOOD] = "\033[32m",
        [COLOUR_WARN] = "\033[33m", [COLOUR_BAD] = "\033[31m",
        [COLOUR_FAINT] = "\033[2m", [COLOUR_HEAD] = "\033[1m",
    };
    return terminal_has_colours() ? sequences[colour] : "";
}

const char *terminal_unpaint(enum terminal_colour colour)
{
    return colour != COLOUR_NONE && terminal_has_colours() ? "\033[0m" : "";
}

static bool is_among(const char *word, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strcmp(*words, word) == 0)
            return true;
    return false;
}

enum terminal_colour terminal_state_colour(const char *state)
{
    static const char *const good[] = {
        "active", "delivered", "leader", "follower", "done", "ok", NULL};
    static const char *const warn[] = {"paused",    "throttled",   "retrying",
                                       "ambiguous", "fetching",    "cancelled",
                                       "running",   "backing_off", NULL};
    static const char *const bad[] = {"circuit_open", "dead", "unreachable",
                                      "quarantined", NULL};
    if (is_among(state, good))
        return COLOUR_GOOD;
    if (is_among(state, warn))
        return COLOUR_WARN;
    return is_among(state, bad) ? COLOUR_BAD : COLOUR_NONE;
}
