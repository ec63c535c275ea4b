/* The program: picks the subcommand. `serve` runs a node; the others talk to
 * a running node's API. */
#include "base/logger.h"
#include "cli/command.h"
#include "node.h"
#include "settings.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>

/* Batches of a few hundred KiB come and go all the time: keep them on the
 * heap, whose pages stay mapped, instead of mapping each anew. */
static void tune_heap(void)
{
    mallopt(M_MMAP_THRESHOLD, 64 * 1024 * 1024);
    mallopt(M_TRIM_THRESHOLD, 256 * 1024 * 1024);
    mallopt(M_TOP_PAD, 4 * 1024 * 1024);
}

static int serve(int argc, char **argv)
{
    struct settings settings;
    struct error error = {0};
    settings_parse(&settings, argc, argv);
    if (settings.print_config) {
        settings_print(&settings, stdout);
        return 0;
    }
    if (settings_check(&settings, &error) != 0) {
        fprintf(stderr, "postoffice: %s\n", error.text);
        return 2;
    }
    logger_setup(settings.log_level, settings.log_format);
    tune_heap();
    if (node_run(&settings, &error) == 0)
        return 0;
    LOG_ERROR("node", "cannot start", FIELD_TEXT("error", error.text));
    return 1;
}

static int version(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        fprintf(stderr, "postoffice version: takes no arguments\n");
        return 2;
    }
    puts("postoffice " POSTOFFICE_VERSION);
    return 0;
}

static const struct subcommand {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} subcommands[] = {
    {"serve", serve, "run a node"},
    {"status", command_status, "show how a running node is"},
    {"send", command_send, "publish messages"},
    {"token", command_token, "make, list and revoke tokens of the API"},
    {"version", version, "print the version"},
};
enum { SUBCOMMANDS = sizeof subcommands / sizeof subcommands[0] };

static void usage(FILE *to)
{
    fputs("Usage: postoffice COMMAND [OPTION...]\n\n"
          "Stores messages safely and delivers them to their targets.\n\n",
          to);
    for (unsigned i = 0; i < SUBCOMMANDS; i++)
        fprintf(to, "  %-10s %s\n", subcommands[i].name, subcommands[i].help);
    fputs("\n`postoffice COMMAND --help` tells the options of each.\n", to);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        usage(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0 ||
        strcmp(argv[1], "-?") == 0) {
        usage(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0)
        return version(1, argv);
    for (unsigned i = 0; i < SUBCOMMANDS; i++) {
        if (strcmp(argv[1], subcommands[i].name) != 0)
            continue;
        char name[64];
        snprintf(name, sizeof name, "postoffice %s", argv[1]);
        argv[1] = name; /* What argp shows as the program's name. */
        return subcommands[i].run(argc - 1, argv + 1);
    }
    fprintf(stderr, "postoffice: unknown command '%s'\n\n", argv[1]);
    usage(stderr);
    return 2;
}
