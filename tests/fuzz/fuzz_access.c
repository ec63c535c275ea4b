/* What lets a client in: the header Authorization, and the file of tokens. */
#include "fuzz.h"

#include "base/bounds.h"
#include "http/authorization.h"
#include "src/access/token_file.h"

#include <openssl/evp.h>

/* The same token as a password is the same token. */
static void try_basic(struct slice token)
{
    struct encoder pair = {0};
    struct encoder header = {0};
    struct arena arena = {0};
    struct slice again;
    encoder_bytes(&pair, slice_text("any:"));
    encoder_bytes(&pair, token);
    encoder_bytes(&header, slice_text("Basic "));
    size_t begun = header.length;
    uint8_t *at = encoder_extend(&header, 4 * (pair.length / 3 + 1) + 1);
    int length = EVP_EncodeBlock(at, pair.data, (int)pair.length);
    header.length = begun + (size_t)length;
    if (header.length <= BOUND_TOKEN_HEADER) {
        FUZZ_CHECK(authorization_token(encoder_slice(&header), &arena, &again));
        FUZZ_CHECK(slice_equal(token, again));
    }
    arena_close(&arena);
    encoder_close(&header);
    encoder_close(&pair);
}

static void try_header(struct slice value)
{
    struct arena arena = {0};
    struct slice token;
    if (authorization_token(value, &arena, &token)) {
        FUZZ_CHECK(token.length < value.length);
        try_basic(token);
    }
    arena_close(&arena);
}

static void write_topics(struct encoder *out, struct slice topics)
{
    struct slice name;
    if (topics.length == 0)
        encoder_bytes(out, slice_text("*"));
    for (bool first = true; text_list_next(&topics, &name) == 0;
         first = false) {
        encoder_bytes(out, slice_text(first ? "" : ","));
        encoder_bytes(out, name);
    }
}

static void write_list(struct encoder *out, const struct token_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        const struct token *token = &list->tokens[i];
        encoder_bytes(out, token->name);
        encoder_print(out, " %s ", role_text(token->role));
        write_topics(out, token->topics);
        encoder_print(out, " sha256:");
        for (size_t at = 0; at < sizeof token->digest; at++)
            encoder_print(out, "%02x", token->digest[at]);
        encoder_print(out, "\n");
    }
}

static bool is_same(const struct token *a, const struct token *b)
{
    return slice_equal(a->name, b->name) && a->role == b->role &&
           slice_equal(a->topics, b->topics) &&
           memcmp(a->digest, b->digest, sizeof a->digest) == 0;
}

/* Written in our form, the file says the same. */
static void try_file(struct slice text)
{
    struct token_list list = {0};
    struct token_list again = {0};
    struct encoder written = {0};
    struct error error = {0};
    if (token_file_parse(text, &list, &error) == 0) {
        write_list(&written, &list);
        FUZZ_CHECK(token_file_parse(encoder_slice(&written), &again, &error) ==
                   0);
        FUZZ_CHECK(again.count == list.count);
        for (uint32_t i = 0; i < list.count; i++)
            FUZZ_CHECK(is_same(&list.tokens[i], &again.tokens[i]));
    } else {
        FUZZ_CHECK(strncmp(error.text, "line ", 5) == 0);
    }
    encoder_close(&written);
    token_list_close(&again);
    token_list_close(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);
    unsigned which = fuzz_choose(&input, 2);
    uint8_t *copy = fuzz_copy(input);
    struct slice text = slice_of(copy, input.length);
    if (which == 0)
        try_header(text);
    else
        try_file(text);
    free(copy);
    return 0;
}
