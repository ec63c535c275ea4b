/* completion.h - texts that are made of the descriptions of all commands.
 * Thread: main. */
#ifndef POSTOFFICE_CLI_COMPLETION_H
#define POSTOFFICE_CLI_COMPLETION_H

#include "words.h"

typedef void words_printer(struct encoder *out, const struct subcommand *root);

words_printer completion_bash; /* A script to source. */
words_printer completion_zsh;  /* A function for $fpath. */
words_printer manual_page;     /* postoffice.1, in man(7)'s macros. */

#endif
