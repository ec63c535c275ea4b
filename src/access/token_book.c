#include "token_book.h"

#include "base/bounds.h"
#include "token_text.h"

#include <stdlib.h>

struct token_book {
    bool closed;
    struct token_list file;
};

struct token_book *token_book_new(bool closed)
{
    struct token_book *book = memory_new_zeroed(1, sizeof *book);
    book->closed = closed;
    return book;
}

void token_book_free(struct token_book *book)
{
    if (book == NULL)
        return;
    token_list_close(&book->file);
    free(book);
}

void token_book_set_file(struct token_book *book, struct token_list *list)
{
    token_list_close(&book->file);
    book->file = *list;
    *list = (struct token_list){0};
}

bool token_book_is_closed(const struct token_book *book)
{
    return book->closed || book->file.count > 0;
}

const struct token *token_book_find(const struct token_book *book,
                                    struct slice text)
{
    uint8_t digest[TOKEN_DIGEST_SIZE];
    const struct token *found = NULL;
    if (text.length == 0 || text.length > BOUND_TOKEN_TEXT)
        return NULL;
    token_text_digest(text, digest);
    for (uint32_t i = 0; i < book->file.count; i++)
        if (token_digest_equal(book->file.tokens[i].digest, digest))
            found = &book->file.tokens[i];
    return found;
}
