/* token_book.h - the tokens that a node knows: those of its own file, and the
 * cluster's as of the last applied command.
 *
 * As soon as it knows one, every request needs one; with none, whoever reaches
 * the API may do everything (settings_check() sees to it that only this host
 * does). The cluster's tokens are loaded from a view at the start, then kept by
 * the commands that are applied; the file's are exchanged as a whole.
 *
 * A token is found by its digest: all are compared, each in constant time.
 * Thread: the loop. */
#ifndef POSTOFFICE_ACCESS_TOKEN_BOOK_H
#define POSTOFFICE_ACCESS_TOKEN_BOOK_H

#include "storage/command.h"
#include "storage/query.h"
#include "token_file.h"

struct token_book;

/* `closed`: every request needs a token, even when no token is known. */
struct token_book *token_book_new(bool closed);
void token_book_free(struct token_book *book); /* NULL is fine. */

/* Every token of the cluster in the view. */
int token_book_load(struct token_book *book, struct view *view,
                    struct error *error);
/* A command was applied with this result. */
void token_book_apply(struct token_book *book, const struct command *command,
                      const struct command_result *result);

/* Takes the list, and leaves an empty one. */
void token_book_set_file(struct token_book *book, struct token_list *list);

/* Whether a request needs a token. */
bool token_book_is_closed(const struct token_book *book);

/* The token that is presented; NULL: it is none of ours. Valid until the book
 * changes. */
const struct token *token_book_find(const struct token_book *book,
                                    struct slice text);

/* One of the cluster's, by id, by name; whether the file has the name. */
bool token_book_has(const struct token_book *book, uint32_t id);
const struct token *token_book_named(const struct token_book *book,
                                     struct slice name);
bool token_book_file_has(const struct token_book *book, struct slice name);

#endif
