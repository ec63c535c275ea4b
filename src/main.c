/* The program: picks the subcommand. `serve` runs a node; the others talk to
 * a running node's API, and are described in cli/. */
#include "base/logger.h"
#include "cli/invocation.h"
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

static int serve(struct invocation *invocation)
{
    struct settings settings;
    struct error error = {0};
    settings_parse(&settings, invocation);
    if (settings.print_config) {
        settings_print(&settings, stdout);
        return STATUS_DONE;
    }
    if (settings_check(&settings, &error) != 0) {
        fprintf(stderr, "postoffice: %s\n", error.text);
        return STATUS_USAGE;
    }
    logger_setup(settings.log_level, settings.log_format);
    tune_heap();
    if (node_run(&settings, &error) == 0)
        return STATUS_DONE;
    LOG_ERROR("node", "cannot start", FIELD_TEXT("error", error.text));
    return STATUS_FAILED;
}

static const struct subcommand command_serve = {
    .name = "serve",
    .summary = "run a node",
    .detail = "Each setting can also be given as an environment variable: "
              "--raft-listen is POSTOFFICE_RAFT_LISTEN. A flag beats a "
              "variable, a variable beats the default.",
    .flags = settings_flags,
    .run = serve,
};

static const struct subcommand *const commands[] = {
    &command_serve,     &command_status,  &command_topic,
    &command_publisher, &command_message, &command_send,
    &command_search,    &command_tail,    &command_explain,
    &command_replay,    &command_cluster, &command_token,
    &command_audit,     &command_backup,  &command_restore,
    &command_check,     &command_recover, &command_completion,
    &command_manual,    &command_version, NULL,
};

static const struct subcommand postoffice = {
    .name = "postoffice",
    .summary = "stores messages safely and delivers them to their targets",
    .children = commands,
};

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return subcommand_main(&command_version, 1, argv);
    settings_init();
    return subcommand_main(&postoffice, argc, argv);
}
