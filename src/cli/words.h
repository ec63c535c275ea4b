/* words.h - the descriptions of all commands, walked through by what is made
 * of them: the manual page and the completions.
 * Thread: main. */
#ifndef POSTOFFICE_CLI_WORDS_H
#define POSTOFFICE_CLI_WORDS_H

#include "base/codec.h"
#include "subcommand.h"

/* `path`: its words, such as "postoffice topic create". */
typedef void words_visitor(struct encoder *out, const char *path,
                           const struct subcommand *command);

/* The command itself, then all below it, in their order. */
void words_walk(struct encoder *out, const struct subcommand *command,
                words_visitor *visit);

/* What kind of completion a value has, read off its word. */
bool words_is_file(const struct flag *flag);
bool words_is_folder(const struct flag *flag);
/* The choices with a space for each |; nothing when it has none. */
void words_choices(struct encoder *out, const struct flag *flag);
/* Whether the command's arguments are files. */
bool words_takes_files(const struct subcommand *command);

#endif
