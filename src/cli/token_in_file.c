#include "token_in_file.h"

#include "src/access/token_text.h"

#include <stdio.h>

static json_t *topics_json(struct slice topics)
{
    struct slice topic;
    json_t *list = topics.length == 0 ? json_null() : json_array();
    while (text_list_next(&topics, &topic) == 0)
        json_array_append_new(
            list, json_stringn((const char *)topic.data, topic.length));
    return list;
}

json_t *token_json(const struct token *token)
{
    return json_pack("{s:s#, s:s, s:o}", "name", token->name.data,
                     (int)token->name.length, "role", role_text(token->role),
                     "topics", topics_json(token->topics));
}

static int failed(const struct error *error)
{
    fprintf(stderr, "postoffice: %s\n", error->text);
    return STATUS_FAILED;
}

static void print_json(const json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2));
    putchar('\n');
}

int token_in_file_create(const struct invocation *invocation,
                         struct token *token)
{
    struct error error = {0};
    char text[TOKEN_TEXT_SIZE];
    if (token_text_make(text, &error) != 0)
        return failed(&error);
    token_text_digest(slice_of(text, TOKEN_TEXT_LENGTH), token->digest);
    if (token_file_add(flag_text(invocation, "file"), token, &error) != 0)
        return failed(&error);
    if (!flag_given(invocation, "json")) {
        printf("token %s of role %s is made, and counts once its node gets "
               "SIGHUP. It is shown this once:\n%s\n",
               flag_text(invocation, "name"), role_text(token->role), text);
        return STATUS_DONE;
    }
    json_t *made = token_json(token);
    json_object_set_new(made, "token", json_string(text));
    print_json(made);
    json_decref(made);
    return STATUS_DONE;
}

int token_in_file_list(const struct invocation *invocation,
                       const struct grid_column *columns)
{
    struct error error = {0};
    struct token_list list;
    if (token_file_read(flag_text(invocation, "file"), &list, &error) != 0)
        return failed(&error);
    json_t *tokens = json_array();
    for (uint32_t i = 0; i < list.count; i++)
        json_array_append_new(tokens, token_json(&list.tokens[i]));
    if (flag_given(invocation, "json"))
        print_json(tokens);
    else
        grid_print(columns, tokens);
    json_decref(tokens);
    token_list_close(&list);
    return STATUS_DONE;
}

int token_in_file_revoke(const struct invocation *invocation)
{
    struct error error = {0};
    const char *name = flag_text(invocation, "name");
    if (token_file_remove(flag_text(invocation, "file"), slice_text(name),
                          &error) != 0)
        return failed(&error);
    printf("token %s is taken out of the file; its node forgets it at "
           "SIGHUP\n",
           name);
    return STATUS_DONE;
}
