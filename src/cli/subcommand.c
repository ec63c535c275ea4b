/* From the program's name down to a command: `postoffice topic create`. */
#include "subcommand.h"

#include "base/codec.h"
#include "invocation.h"
#include "terminal.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>

enum { NAME_COLUMNS = 14 };

const struct subcommand *subcommand_child(const struct subcommand *group,
                                          const char *name)
{
    for (const struct subcommand *const *child = group->children;
         *child != NULL; child++)
        if (strcmp((*child)->name, name) == 0)
            return *child;
    return NULL;
}

/* What every command that talks to a node has. */
static const struct flag common_flags[] = {
    {.name = "url",
     .kind = FLAG_TEXT,
     .value = "URL",
     .help = "the node's API (default: POSTOFFICE_URL, or "
             "http://127.0.0.1:4000)",
     .group = 1},
    {.name = "token",
     .kind = FLAG_TEXT,
     .value = "TOKEN",
     .help = "the API token (default: POSTOFFICE_TOKEN, which others on this "
             "machine do not see)",
     .group = 1},
    {.name = "ca-file",
     .kind = FLAG_TEXT,
     .value = "FILE",
     .help = "PEM file of whoever may vouch for the node of an https URL "
             "(default: POSTOFFICE_CA_FILE, or the system's)",
     .group = 1},
    {.name = "json",
     .letter = 'j',
     .kind = FLAG_SWITCH,
     .help = "print the node's answer as it is",
     .group = 1},
    {.name = NULL},
};

static unsigned add_flags(const struct flag *from, const struct flag **flags,
                          unsigned count)
{
    for (; from != NULL && (from->name != NULL || from->include != NULL);
         from++) {
        if (from->include != NULL) {
            count = add_flags(from->include, flags, count);
            continue;
        }
        assert(count < FLAGS_MAX);
        flags[count++] = from;
    }
    return count;
}

unsigned subcommand_flags(const struct subcommand *command,
                          const struct flag *ret_flags[FLAGS_MAX])
{
    unsigned count = add_flags(command->flags, ret_flags, 0);
    if (command->talks)
        count = add_flags(common_flags, ret_flags, count);
    return count;
}

static void print_usage(const struct subcommand *group, const char *path,
                        FILE *to)
{
    fprintf(to, "Usage: %s COMMAND [OPTION...]\n%c%s.\n\n", path,
            toupper((unsigned char)group->summary[0]), group->summary + 1);
    for (const struct subcommand *const *child = group->children;
         *child != NULL; child++)
        fprintf(to, "  %-*s %s\n", NAME_COLUMNS, (*child)->name,
                (*child)->summary);
    fprintf(to, "\n`%s COMMAND --help' tells the flags of each.\n", path);
    if (group->detail != NULL)
        fprintf(to, "%s\n", group->detail);
}

static bool asks_for_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-?") == 0 ||
           strcmp(word, "--usage") == 0 || strcmp(word, "help") == 0;
}

/* Without a command that fits: help when it was asked for, else words. */
static int answer_group(const struct subcommand *group, const char *path,
                        const char *word)
{
    if (word != NULL && asks_for_help(word)) {
        print_usage(group, path, stdout);
        return STATUS_DONE;
    }
    if (word != NULL)
        fprintf(stderr, "%s: unknown %s '%s'\n\n", path,
                word[0] == '-' ? "flag" : "command", word);
    print_usage(group, path, stderr);
    return STATUS_USAGE;
}

int subcommand_main(const struct subcommand *root, int argc, char **argv)
{
    const struct subcommand *command = root;
    struct encoder path = {0};
    encoder_print(&path, "%s", root->name);
    while (command->children != NULL) {
        argc--;
        argv++;
        const struct subcommand *child =
            argc == 0 ? NULL : subcommand_child(command, argv[0]);
        if (child == NULL) {
            int status = answer_group(command, encoder_text(&path),
                                      argc == 0 ? NULL : argv[0]);
            encoder_close(&path);
            return status;
        }
        command = child;
        encoder_print(&path, " %s", command->name);
    }
    struct invocation invocation = {
        .root = root, .command = command, .path = encoder_text(&path)};
    argv[0] = (char *)path.data; /* What argp shows as the program's name. */
    invocation_parse(&invocation, argc, argv);
    if (command->talks)
        terminal_init();
    int status = command->run(&invocation);
    encoder_close(&path);
    return status;
}
