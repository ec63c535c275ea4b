/* search.h - what the commands that look for messages share.
 * Thread: main. */
#ifndef POSTOFFICE_CLI_SEARCH_H
#define POSTOFFICE_CLI_SEARCH_H

#include "grid.h"
#include "subcommand.h"

/* All filters of GET /api/messages. */
extern const struct flag search_filters[];
/* A message of a list. */
extern const struct grid_column message_columns[];

#endif
