/* backup, restore, check and recover: they are not built yet, and say what can
 * be done instead. Their flags are there already, so that scripts fail with
 * words and not by their usage. */
#include "invocation.h"

#include <stdio.h>

static int not_built(const struct invocation *invocation, const char *instead)
{
    fprintf(stderr, "%s: is not built yet in this version.\n  %s\n",
            invocation->path, instead);
    return STATUS_FAILED;
}

static const struct flag folder_flags[] = {
    {.name = "data-dir",
     .kind = FLAG_FOLDER,
     .value = "DIR",
     .required = true,
     .help = "the data directory of a node that is not running"},
    {.name = NULL},
};

static int backup(struct invocation *invocation)
{
    return not_built(invocation, "Stop a node and copy its whole data "
                                 "directory; the other members go on.");
}

const struct subcommand command_backup = {
    .name = "backup",
    .summary = "copy the cluster's state to a file (not built yet)",
    .arguments = "FILE",
    .talks = true,
    .run = backup,
};

static int restore(struct invocation *invocation)
{
    return not_built(invocation,
                     "A copied data directory is used by `postoffice serve "
                     "--data-dir', never beside the node that it is from.");
}

static const struct flag restore_flags[] = {
    {.include = folder_flags},
    {.name = "deliver",
     .kind = FLAG_SWITCH,
     .help = "start the publishers, which are paused otherwise"},
    {.name = NULL},
};

const struct subcommand command_restore = {
    .name = "restore",
    .summary = "make a data directory from a backup (not built yet)",
    .arguments = "FILE",
    .flags = restore_flags,
    .run = restore,
};

static int check(struct invocation *invocation)
{
    return not_built(invocation,
                     "A node checks what it reads and says what is damaged; "
                     "`postoffice cluster members' compares state hashes.");
}

const struct subcommand command_check = {
    .name = "check",
    .summary = "verify a data directory (not built yet)",
    .flags = folder_flags,
    .run = check,
};

static int recover(struct invocation *invocation)
{
    return not_built(invocation,
                     "Bring members back with their own data directories "
                     "until they are a majority again.");
}

static const struct flag recover_flags[] = {
    {.include = folder_flags},
    {.name = "force-new-cluster",
     .kind = FLAG_SWITCH,
     .required = true,
     .help = "the others are lost for good"},
    {.name = NULL},
};

const struct subcommand command_recover = {
    .name = "recover",
    .summary = "go on alone after a lost majority (not built yet)",
    .flags = recover_flags,
    .run = recover,
};
