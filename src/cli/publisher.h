/* publisher.h - what the files of `postoffice publisher` share.
 * Thread: main. */
#ifndef POSTOFFICE_CLI_PUBLISHER_H
#define POSTOFFICE_CLI_PUBLISHER_H

#include "invocation.h"

/* The options that a publisher is created with, and that can be changed. */
extern const struct flag publisher_flags[];
extern const char lists_publishers[];

/* /api/publishers/ID, with `after` behind; NULL: nothing. */
struct encoder publisher_path(const struct invocation *invocation,
                              const char *after);
/* For client_ask(). */
void publisher_show(const struct invocation *invocation, const json_t *data);

extern const struct subcommand command_publisher_create;
extern const struct subcommand command_publisher_change;
extern const struct subcommand command_publisher_delete;

#endif
