/* invocation.h - one call of a command: what its arguments were.
 *
 * Options are asked for by their names; a name that the command does not
 * describe is a bug and asserts. All text lives as long as argv.
 * Thread: main. */
#ifndef POSTOFFICE_CLI_INVOCATION_H
#define POSTOFFICE_CLI_INVOCATION_H

#include "base/codec.h"
#include "subcommand.h"

#include <jansson.h>

enum {
    /* More flags in one call than a person or script has a use for. */
    INVOCATION_VALUES_MAX = 256,
    INVOCATION_ARGUMENTS_MAX = 8,
};

struct invocation_value {
    const struct flag *flag;
    const char *text; /* NULL: a switch. */
};

struct invocation {
    const struct subcommand *root;
    const struct subcommand *command;
    const char *path; /* Such as "postoffice topic create". */
    struct invocation_value values[INVOCATION_VALUES_MAX]; /* As given. */
    unsigned value_count;
    const char *arguments[INVOCATION_ARGUMENTS_MAX];
    unsigned argument_count;
};

/* Parses argv[1..] by the command's description; prints help or a usage error
 * and exits (0 or 2) where a program of the command line does. */
void invocation_parse(struct invocation *invocation, int argc, char **argv);

bool flag_given(const struct invocation *invocation, const char *name);
/* The last one given; NULL: none. */
const char *flag_text(const struct invocation *invocation, const char *name);
/* The last one given, or `otherwise`. */
uint64_t flag_number(const struct invocation *invocation, const char *name,
                     uint64_t otherwise);
/* NULL when there is none. */
const char *argument_at(const struct invocation *invocation, unsigned index);

/* A body with a member for each flag given whose place is there; a text that
 * is empty is null: the default. Never NULL; the caller releases it. What does
 * not fit is a usage error (exits 2). */
json_t *flag_body(const struct invocation *invocation);
/* "?a=b&c=d" of the flags given whose place is there, onto the path. */
void flag_query(const struct invocation *invocation, struct encoder *path);

/* Whether text is a whole number that JSON libraries take. */
bool is_number(const char *text);

/* "postoffice topic create: WORDS", how to get help, and exit status 2. */
_Noreturn void usage_error(const struct invocation *invocation,
                           const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
