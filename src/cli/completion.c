/* `postoffice completion`: what a shell needs to complete a command line. */
#include "completion.h"

#include "invocation.h"

#include <stdio.h>

static int print(const struct invocation *invocation, words_printer *printer)
{
    struct encoder out = {0};
    printer(&out, invocation->root);
    fwrite(out.data, 1, out.length, stdout);
    encoder_close(&out);
    return STATUS_DONE;
}

static int run_bash(struct invocation *invocation)
{
    return print(invocation, completion_bash);
}

static const struct subcommand command_bash = {
    .name = "bash",
    .summary = "print the completions for bash",
    .detail = "Put them where bash looks: "
              "/usr/share/bash-completion/completions/postoffice, or "
              "~/.local/share/bash-completion/completions/postoffice.",
    .run = run_bash,
};

static int run_zsh(struct invocation *invocation)
{
    return print(invocation, completion_zsh);
}

static const struct subcommand command_zsh = {
    .name = "zsh",
    .summary = "print the completions for zsh",
    .detail = "Put them into a folder of $fpath, as _postoffice.",
    .run = run_zsh,
};

static const struct subcommand *const children[] = {&command_bash, &command_zsh,
                                                    NULL};

const struct subcommand command_completion = {
    .name = "completion",
    .summary = "print completions for a shell",
    .children = children,
};

static int run_manual(struct invocation *invocation)
{
    return print(invocation, manual_page);
}

const struct subcommand command_manual = {
    .name = "manual",
    .summary = "print the manual page",
    .detail = "It is roff: `postoffice manual | man -l -' shows it.",
    .run = run_manual,
};
