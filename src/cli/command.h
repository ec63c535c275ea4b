/* command.h - the subcommands that talk to a running node's API.
 *
 * argv[0] is shown as the program's name. Each returns an exit status: 0 done,
 * 1 failed (with words on standard error), 2 wrong usage. */
#ifndef POSTOFFICE_CLI_COMMAND_H
#define POSTOFFICE_CLI_COMMAND_H

int command_status(int argc, char **argv);
int command_send(int argc, char **argv);
int command_token(int argc, char **argv);

#endif
