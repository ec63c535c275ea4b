/* token_in_file.h - `postoffice token` on the file that a node reads.
 *
 * Each prints what came of it and returns the exit status.
 * Thread: main. */
#ifndef POSTOFFICE_CLI_TOKEN_IN_FILE_H
#define POSTOFFICE_CLI_TOKEN_IN_FILE_H

#include "grid.h"
#include "invocation.h"
#include "src/access/token_file.h"

/* Makes the token's text and adds its digest to the file. */
int token_in_file_create(const struct invocation *invocation,
                         struct token *token);
int token_in_file_list(const struct invocation *invocation,
                       const struct grid_column *columns);
int token_in_file_revoke(const struct invocation *invocation);

/* {"name", "role", "topics": list or null}; the caller releases it. */
json_t *token_json(const struct token *token);

#endif
