/* token_file.h - tokens in a file: `--api-tokens-file`, made by
 * `postoffice token`.
 *
 * One token a line, fields with white space between them:
 *
 *     NAME  ROLE  TOPICS  sha256:HEX
 *
 * TOPICS is a comma list, or * for all. What begins with # is a comment, and
 * empty lines are skipped. Names are unique. The file holds no token, but
 * whoever may write it gives rights: it is made for its owner alone, and
 * replaced as a whole (rename), so that a reload never sees half of one.
 * Thread: any. */
#ifndef POSTOFFICE_ACCESS_TOKEN_FILE_H
#define POSTOFFICE_ACCESS_TOKEN_FILE_H

#include "base/error.h"
#include "base/memory.h"
#include "storage/model.h"

struct token_list {
    struct token *tokens; /* In the arena, as their texts. */
    uint32_t count;
    struct arena arena;
};

/* ERR_INVALID names the line at fault. *ret_list is untouched on failure;
 * close it. */
int token_file_parse(struct slice text, struct token_list *ret_list,
                     struct error *error);
/* Reads and parses. ERR_IO, ERR_NOT_FOUND, ERR_INVALID, with the path. */
int token_file_read(const char *path, struct token_list *ret_list,
                    struct error *error);
void token_list_close(struct token_list *list); /* A zeroed one is fine. */

/* A comma list, or "*", as a token's topics, in the arena; NULL, or what is
 * wrong with it. */
const char *token_topics_read(struct slice text, struct arena *arena,
                              struct slice *ret_topics);

/* Adds a line, keeping all others as they are; makes the file when it is
 * missing. ERR_EXISTS: the name is taken. */
int token_file_add(const char *path, const struct token *token,
                   struct error *error);
/* ERR_NOT_FOUND: no line has that name. */
int token_file_remove(const char *path, struct slice name, struct error *error);

#endif
