/* Reading. The first thing that is wrong ends it: half of a file's tokens
 * would lock people out, or let nobody know that they are not. */
#include "token_file.h"

#include "base/bounds.h"
#include "base/codec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

/* Takes the next word of the line; empty at its end. */
static struct slice take_word(struct slice *line)
{
    size_t start = 0;
    while (start < line->length && is_blank(line->data[start]))
        start++;
    size_t end = start;
    while (end < line->length && !is_blank(line->data[end]))
        end++;
    struct slice word = slice_of(line->data + start, end - start);
    *line = slice_of(line->data + end, line->length - end);
    return word;
}

/* Takes the next line, without its end. */
static struct slice take_line(struct slice *text)
{
    const uint8_t *end = memchr(text->data, '\n', text->length);
    size_t length = end == NULL ? text->length : (size_t)(end - text->data);
    struct slice line = slice_of(text->data, length);
    size_t taken = end == NULL ? length : length + 1;
    *text = slice_of(text->data + taken, text->length - taken);
    return line;
}

/* ---- Fields ---- */

static int hex_value(uint8_t digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

static bool read_digest(struct slice word, uint8_t digest[TOKEN_DIGEST_SIZE])
{
    static const char prefix[] = "sha256:";
    size_t length = sizeof prefix - 1;
    if (word.length != length + 2 * TOKEN_DIGEST_SIZE ||
        memcmp(word.data, prefix, length) != 0)
        return false;
    for (size_t i = 0; i < TOKEN_DIGEST_SIZE; i++) {
        int high = hex_value(word.data[length + 2 * i]);
        int low = hex_value(word.data[length + 2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        digest[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

const char *token_topics_read(struct slice text, struct arena *arena,
                              struct slice *ret_topics)
{
    struct encoder list = {0};
    uint32_t count = 0;
    const char *fault = NULL;
    bool all = slice_is(text, "*");
    while (!all && fault == NULL && text.data != NULL) {
        const uint8_t *comma = memchr(text.data, ',', text.length);
        size_t length =
            comma == NULL ? text.length : (size_t)(comma - text.data);
        struct slice name = slice_of(text.data, length);
        if (!topic_name_is_valid(name))
            fault = "is not a comma list of topic names, or *";
        else if (++count > BOUND_TOKEN_TOPICS)
            fault = "names too many topics";
        else
            text_list_add(&list, name);
        text = comma == NULL ? slice_of(NULL, 0)
                             : slice_of(comma + 1, text.length - length - 1);
    }
    if (fault == NULL)
        *ret_topics =
            all ? slice_of(NULL, 0) : arena_copy(arena, encoder_slice(&list));
    encoder_close(&list);
    return fault;
}

/* ---- Lines ---- */

/* NULL, or what is wrong. */
static const char *read_token(struct slice line, struct arena *arena,
                              struct token *token)
{
    static char words[160];
    const char *field;
    *token = (struct token){.name = take_word(&line)};
    struct slice role = take_word(&line);
    struct slice topics = take_word(&line);
    struct slice digest = take_word(&line);
    if (digest.length == 0 || take_word(&line).length > 0)
        return "four fields are expected: NAME ROLE TOPICS sha256:HEX";
    if (!role_find(role, &token->role))
        return "the role is not publish, read, operate or admin";
    const char *fault = token_topics_read(topics, arena, &token->topics);
    field = "topics";
    if (fault == NULL)
        fault = token_fault(token, &field);
    if (fault != NULL) {
        snprintf(words, sizeof words, "%s %s", field, fault);
        return words;
    }
    if (!read_digest(digest, token->digest))
        return "the last field is not sha256: and 64 hexadecimal digits";
    token->name = arena_copy(arena, token->name);
    return NULL;
}

static bool says_nothing(struct slice line)
{
    struct slice word = take_word(&line);
    return word.length == 0 || word.data[0] == '#';
}

static bool name_is_taken(const struct token_list *list, struct slice name)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (slice_equal(list->tokens[i].name, name))
            return true;
    return false;
}

static const char *add_line(struct token_list *list, struct slice line)
{
    struct token token;
    if (says_nothing(line))
        return NULL;
    if (list->count == BOUND_TOKENS_OF_FILE)
        return "more tokens than a file may hold";
    const char *fault = read_token(line, &list->arena, &token);
    if (fault == NULL && name_is_taken(list, token.name))
        fault = "this name stands further up already";
    if (fault == NULL)
        list->tokens[list->count++] = token;
    return fault;
}

int token_file_parse(struct slice text, struct token_list *ret_list,
                     struct error *error)
{
    struct token_list list = {0};
    list.tokens =
        arena_take(&list.arena, BOUND_TOKENS_OF_FILE * sizeof *list.tokens);
    const char *fault = NULL;
    unsigned number = 0;
    while (fault == NULL && text.length > 0) {
        number++;
        fault = add_line(&list, take_line(&text));
    }
    if (fault != NULL) {
        token_list_close(&list);
        return error_set(error, ERR_INVALID, "line %u: %s", number, fault);
    }
    *ret_list = list;
    return 0;
}

/* ---- The file ---- */

static int read_whole(FILE *file, char *text, size_t *ret_length,
                      struct error *error)
{
    *ret_length = fread(text, 1, BOUND_TOKEN_FILE_BYTES + 1, file);
    if (ferror(file))
        return error_system(error, errno, "read");
    return *ret_length <= BOUND_TOKEN_FILE_BYTES
               ? 0
               : error_set(error, ERR_INVALID, "larger than %d bytes",
                           BOUND_TOKEN_FILE_BYTES);
}

int token_file_read(const char *path, struct token_list *ret_list,
                    struct error *error)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        int code = errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
        error_system(error, errno, "tokens file %s", path);
        error->code = code;
        return code;
    }
    char *text = malloc(BOUND_TOKEN_FILE_BYTES + 1);
    size_t length = 0;
    int rc = text == NULL ? error_set(error, ERR_NO_MEMORY, "no memory")
                          : read_whole(file, text, &length, error);
    if (rc == 0)
        rc = token_file_parse(slice_of(text, length), ret_list, error);
    free(text);
    fclose(file);
    return rc == 0 ? 0 : error_wrap(error, rc, "tokens file %s", path);
}

void token_list_close(struct token_list *list)
{
    arena_close(&list->arena);
    *list = (struct token_list){0};
}
