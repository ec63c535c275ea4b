/* `postoffice version`. */
#include "invocation.h"

#include <stdio.h>

static int run(struct invocation *invocation)
{
    if (flag_given(invocation, "json"))
        puts("{\"version\":\"" POSTOFFICE_VERSION "\"}");
    else
        puts("postoffice " POSTOFFICE_VERSION);
    return STATUS_DONE;
}

static const struct flag flags[] = {
    {.name = "json",
     .letter = 'j',
     .kind = FLAG_SWITCH,
     .help = "print it as JSON"},
    {.name = NULL},
};

const struct subcommand command_version = {
    .name = "version",
    .summary = "print the version of this program",
    .flags = flags,
    .run = run,
};
