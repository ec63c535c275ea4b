#include "token_book.h"

#include "base/bounds.h"
#include "token_text.h"

#include <stdlib.h>

struct entry {
    struct token token; /* Its texts are the entry's. */
    struct arena texts;
};

struct token_book {
    bool closed;
    struct token_list file;
    struct entry *cluster[BOUND_TOKENS]; /* In no order. */
    uint32_t count;
};

struct token_book *token_book_new(bool closed)
{
    struct token_book *book = memory_new_zeroed(1, sizeof *book);
    book->closed = closed;
    return book;
}

static void entry_free(struct entry *entry)
{
    arena_close(&entry->texts);
    free(entry);
}

static void forget_cluster(struct token_book *book)
{
    for (uint32_t i = 0; i < book->count; i++)
        entry_free(book->cluster[i]);
    book->count = 0;
}

void token_book_free(struct token_book *book)
{
    if (book == NULL)
        return;
    token_list_close(&book->file);
    forget_cluster(book);
    free(book);
}

/* ---- The cluster's ---- */

/* Apply lets no more than BOUND_TOKENS in. */
static void add(struct token_book *book, const struct token *token)
{
    struct entry *entry = memory_new_zeroed(1, sizeof *entry);
    entry->token = *token;
    entry->token.name = arena_copy(&entry->texts, token->name);
    entry->token.topics = token->topics.length == 0
                              ? slice_of(NULL, 0)
                              : arena_copy(&entry->texts, token->topics);
    if (book->count < BOUND_TOKENS)
        book->cluster[book->count++] = entry;
    else
        entry_free(entry);
}

static void drop(struct token_book *book, uint32_t id)
{
    for (uint32_t i = 0; i < book->count; i++) {
        if (book->cluster[i]->token.id != id)
            continue;
        entry_free(book->cluster[i]);
        book->cluster[i] = book->cluster[--book->count];
        return;
    }
}

int token_book_load(struct token_book *book, struct view *view,
                    struct error *error)
{
    struct arena arena = {0};
    struct token *tokens;
    uint32_t count = 0;
    int rc =
        query_tokens(view, 0, BOUND_TOKENS, &arena, &tokens, &count, error);
    if (rc == 0) {
        forget_cluster(book);
        for (uint32_t i = 0; i < count; i++)
            add(book, &tokens[i]);
    }
    arena_close(&arena);
    return rc;
}

void token_book_apply(struct token_book *book, const struct command *command,
                      const struct command_result *result)
{
    struct token token;
    if (result->code != 0)
        return;
    if (command->type == COMMAND_TOKEN_REVOKE) {
        drop(book, (uint32_t)result->id);
    } else if (command->type == COMMAND_TOKEN_CREATE &&
               command_token_create_decode(command->body, &token) == 0) {
        token.id = (uint32_t)result->id;
        token.created_ms = result->time_ms;
        add(book, &token);
    }
}

/* ---- The file's ---- */

void token_book_set_file(struct token_book *book, struct token_list *list)
{
    token_list_close(&book->file);
    book->file = *list;
    *list = (struct token_list){0};
}

bool token_book_file_has(const struct token_book *book, struct slice name)
{
    for (uint32_t i = 0; i < book->file.count; i++)
        if (slice_equal(book->file.tokens[i].name, name))
            return true;
    return false;
}

/* ---- Asking ---- */

bool token_book_is_closed(const struct token_book *book)
{
    return book->closed || book->file.count + book->count > 0;
}

const struct token *token_book_find(const struct token_book *book,
                                    struct slice text)
{
    uint8_t digest[TOKEN_DIGEST_SIZE];
    const struct token *found = NULL;
    if (text.length == 0 || text.length > BOUND_TOKEN_TEXT)
        return NULL;
    token_text_digest(text, digest);
    for (uint32_t i = 0; i < book->count; i++)
        if (token_digest_equal(book->cluster[i]->token.digest, digest))
            found = &book->cluster[i]->token;
    for (uint32_t i = 0; i < book->file.count; i++)
        if (token_digest_equal(book->file.tokens[i].digest, digest))
            found = &book->file.tokens[i];
    return found;
}

bool token_book_has(const struct token_book *book, uint32_t id)
{
    for (uint32_t i = 0; i < book->count; i++)
        if (book->cluster[i]->token.id == id)
            return true;
    return false;
}

const struct token *token_book_named(const struct token_book *book,
                                     struct slice name)
{
    for (uint32_t i = 0; i < book->count; i++)
        if (slice_equal(book->cluster[i]->token.name, name))
            return &book->cluster[i]->token;
    return NULL;
}
