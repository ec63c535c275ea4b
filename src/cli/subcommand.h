/* subcommand.h - what the program can be told, as data.
 *
 * Every subcommand is a struct subcommand: its flags, its arguments and its
 * words. Parsing (by argp), --help, the manual page and the completions of
 * the shells all read this one description, so that they cannot differ. A
 * group, such as `topic`, has children and does nothing itself.
 * Thread: main. */
#ifndef POSTOFFICE_CLI_SUBCOMMAND_H
#define POSTOFFICE_CLI_SUBCOMMAND_H

#include <stdbool.h>
#include <stdint.h>

struct invocation;

/* What an flag takes, and what becomes of it in a request. */
enum flag_kind {
    FLAG_SWITCH, /* Nothing. */
    FLAG_TEXT,
    FLAG_CHOICE,     /* One of the words in `value`, with | between them. */
    FLAG_BOOLEAN,    /* true or false. */
    FLAG_NUMBER,     /* A whole number; its range is the node's to judge. */
    FLAG_ID_OR_TIME, /* A whole number stays one, else it is text. */
    FLAG_JSON,       /* A JSON value. */
    FLAG_PAIR,       /* NAME=VALUE; together an object of texts. */
    FLAG_LIST,       /* Texts; together a list. */
    FLAG_FILE,       /* A file's name; completed as such. */
    FLAG_FOLDER,
};

enum flag_place {
    PLACE_NOWHERE, /* The command reads it itself. */
    PLACE_BODY,    /* A member of the body: its name with _ for -. */
    PLACE_QUERY,   /* A query parameter: likewise. */
};

struct flag {
    const char *name; /* Without its two dashes; NULL ends a list. */
    char letter;      /* The short form; 0: none. */
    enum flag_kind kind;
    const char *value; /* The word for it in --help; NULL for a switch. */
    const char *help;
    enum flag_place place;
    const char *member; /* Another name for it in requests; NULL: its own. */
    bool required;
    bool repeated; /* Each one given counts, not only the last. */
    int group;     /* In --help: equal ones stand together. */
    /* Instead of all that: the flags of another list, at this place. */
    const struct flag *include;
};

struct subcommand {
    const char *name;
    const char *summary; /* One line without a full stop, for lists. */
    const char *detail;  /* What else --help and the manual say; NULL: none. */
    /* Words such as "NAME [PAYLOAD]": what is in brackets may be left out.
     * NULL: it takes none. */
    const char *arguments;
    const struct flag *flags; /* NULL: none of its own. */
    /* Talks to a node: has the common flags --url, --token, --json too. */
    bool talks;
    /* The command that lists what its argument names, told after a 404. */
    const char *lists;
    int (*run)(struct invocation *invocation); /* Returns an exit status. */
    const struct subcommand *const *children;  /* A group; ends with NULL. */
};

/* Exit statuses, the same for all commands. */
enum {
    STATUS_DONE = 0,
    STATUS_FAILED = 1,    /* With words on standard error. */
    STATUS_USAGE = 2,     /* Asked in a wrong way. */
    STATUS_CUT_SHORT = 3, /* `send` stopped before the end of its input. */
};

/* Finds the command that the arguments name below `root`, parses the rest and
 * runs it. Prints help and usage errors by itself. Returns the exit status. */
int subcommand_main(const struct subcommand *root, int argc, char **argv);

enum { FLAGS_MAX = 96 }; /* Of one command; asserted. */

/* All options of a command in their order, included ones and those common to
 * all commands that talk to a node too. Returns how many. */
unsigned subcommand_flags(const struct subcommand *command,
                          const struct flag *ret_flags[FLAGS_MAX]);

/* NULL when the group has none of this name. */
const struct subcommand *subcommand_child(const struct subcommand *group,
                                          const char *name);

extern const struct subcommand command_status;
extern const struct subcommand command_topic;
extern const struct subcommand command_publisher;
extern const struct subcommand command_message;
extern const struct subcommand command_send;
extern const struct subcommand command_search;
extern const struct subcommand command_tail;
extern const struct subcommand command_explain;
extern const struct subcommand command_replay;
extern const struct subcommand command_cluster;
extern const struct subcommand command_token;
extern const struct subcommand command_audit;
extern const struct subcommand command_backup;
extern const struct subcommand command_restore;
extern const struct subcommand command_check;
extern const struct subcommand command_recover;
extern const struct subcommand command_completion;
extern const struct subcommand command_manual;
extern const struct subcommand command_version;

#endif
