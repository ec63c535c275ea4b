/* `postoffice token`: makes, lists and revokes tokens, in a node's file or in
 * a running cluster.
 *
 * A file is changed here and read again by its node at SIGHUP; the cluster's
 * tokens count at once. Either way the token itself is shown once, as the last
 * word of what is printed, and kept by nobody. */
#include "client.h"
#include "command.h"
#include "src/access/token_file.h"
#include "src/access/token_text.h"

#include <stdio.h>
#include <stdlib.h>

enum { KEY_NAME = 0x3000, KEY_ROLE, KEY_TOPICS, KEY_FILE };

struct arguments {
    struct client_options client;
    const char *action;
    const char *name;
    const char *role;
    const char *topics;
    const char *file; /* NULL: the cluster at --url. */
    bool json;
    struct token token; /* As asked for. */
    struct arena arena;
};

/* ---- Arguments ---- */

static void check_create(struct arguments *arguments, struct argp_state *state)
{
    struct token *token = &arguments->token;
    const char *field = "topics";
    if (arguments->role == NULL)
        argp_error(state, "--role is missing");
    if (!role_find(slice_text(arguments->role), &token->role))
        argp_error(state,
                   "--role is '%s', expected publish, read, operate or admin",
                   arguments->role);
    const char *fault =
        arguments->topics == NULL
            ? NULL
            : token_topics_read(slice_text(arguments->topics),
                                &arguments->arena, &token->topics);
    token->name = slice_text(arguments->name);
    if (fault == NULL)
        fault = token_fault(token, &field);
    if (fault != NULL)
        argp_error(state, "--%s %s", field, fault);
}

static void check(struct arguments *arguments, struct argp_state *state)
{
    const char *action = arguments->action;
    if (action == NULL)
        argp_error(state, "create, list or revoke is expected");
    bool create = strcmp(action, "create") == 0;
    bool list = strcmp(action, "list") == 0;
    if (!create && !list && strcmp(action, "revoke") != 0)
        argp_error(state, "'%s' is none of create, list and revoke", action);
    if (!list && arguments->name == NULL)
        argp_error(state, "--name is missing");
    if (create)
        check_create(arguments, state);
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->client;
        return 0;
    case KEY_NAME:
        arguments->name = text;
        return 0;
    case KEY_ROLE:
        arguments->role = text;
        return 0;
    case KEY_TOPICS:
        arguments->topics = text;
        return 0;
    case KEY_FILE:
        arguments->file = text;
        return 0;
    case 'j':
        arguments->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->action != NULL)
            argp_error(state, "unexpected argument '%s'", text);
        arguments->action = text;
        return 0;
    case ARGP_KEY_END:
        check(arguments, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- What both print ---- */

static json_t *topics_json(struct slice topics)
{
    struct slice topic;
    json_t *list = topics.length == 0 ? json_null() : json_array();
    while (text_list_next(&topics, &topic) == 0)
        json_array_append_new(
            list, json_stringn((const char *)topic.data, topic.length));
    return list;
}

static json_t *token_json(const struct token *token)
{
    return json_pack("{s:s#, s:s, s:o}", "name", token->name.data,
                     (int)token->name.length, "role", role_text(token->role),
                     "topics", topics_json(token->topics));
}

static void print_json(const json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2));
    putchar('\n');
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "-";
}

static void print_row(const json_t *token)
{
    const json_t *topics = json_object_get(token, "topics");
    printf("%-24s %-8s ", text_of(token, "name"), text_of(token, "role"));
    if (!json_is_array(topics))
        putchar('*');
    for (size_t i = 0; i < json_array_size(topics); i++)
        printf("%s%s", i == 0 ? "" : ",",
               json_string_value(json_array_get(topics, i)));
    putchar('\n');
}

static void print_list(const struct arguments *arguments, json_t *tokens)
{
    size_t i;
    json_t *token;
    if (arguments->json) {
        print_json(tokens);
        return;
    }
    printf("%-24s %-8s %s\n", "NAME", "ROLE", "TOPICS");
    json_array_foreach(tokens, i, token) print_row(token);
}

/* The token is the last word, also for those who read no further. */
static void print_made(const struct arguments *arguments, json_t *token,
                       const char *hint)
{
    if (arguments->json) {
        print_json(token);
        return;
    }
    printf("token %s of role %s is made%s. It is shown this once:\n%s\n",
           arguments->name, arguments->role, hint, text_of(token, "token"));
}

/* ---- A file ---- */

static int create_in_file(struct arguments *arguments, struct error *error)
{
    char text[TOKEN_TEXT_SIZE];
    int rc = token_text_make(text, error);
    if (rc != 0)
        return rc;
    token_text_digest(slice_of(text, TOKEN_TEXT_LENGTH),
                      arguments->token.digest);
    rc = token_file_add(arguments->file, &arguments->token, error);
    if (rc != 0)
        return rc;
    json_t *token = token_json(&arguments->token);
    json_object_set_new(token, "token", json_string(text));
    print_made(arguments, token, ", and counts once its node gets SIGHUP");
    json_decref(token);
    return 0;
}

static int list_file(const struct arguments *arguments, struct error *error)
{
    struct token_list list;
    int rc = token_file_read(arguments->file, &list, error);
    if (rc != 0)
        return rc;
    json_t *tokens = json_array();
    for (uint32_t i = 0; i < list.count; i++)
        json_array_append_new(tokens, token_json(&list.tokens[i]));
    print_list(arguments, tokens);
    json_decref(tokens);
    token_list_close(&list);
    return 0;
}

static int revoke_in_file(const struct arguments *arguments,
                          struct error *error)
{
    int rc =
        token_file_remove(arguments->file, slice_text(arguments->name), error);
    if (rc == 0)
        printf("token %s is taken out of the file; its node forgets it at "
               "SIGHUP\n",
               arguments->name);
    return rc;
}

static int run_on_file(struct arguments *arguments)
{
    struct error error = {0};
    int rc;
    if (strcmp(arguments->action, "create") == 0)
        rc = create_in_file(arguments, &error);
    else if (strcmp(arguments->action, "list") == 0)
        rc = list_file(arguments, &error);
    else
        rc = revoke_in_file(arguments, &error);
    if (rc != 0)
        fprintf(stderr, "postoffice: %s\n", error.text);
    return rc == 0 ? 0 : 1;
}

/* ---- A running cluster ---- */

static long create_in_cluster(struct arguments *arguments,
                              struct client *client, json_t **ret_answer)
{
    json_t *body = token_json(&arguments->token);
    char *text = json_dumps(body, JSON_COMPACT);
    long status = client_request(client, "POST", "/api/tokens",
                                 slice_text(text), ret_answer);
    free(text);
    json_decref(body);
    if (status == 201)
        print_made(arguments, json_object_get(*ret_answer, "data"), "");
    return status;
}

/* Follows the pages to their end. */
static long list_cluster(const struct arguments *arguments,
                         struct client *client, json_t **ret_answer)
{
    json_t *tokens = json_array();
    char path[512] = "/api/tokens?limit=1000";
    long status;
    const char *cursor;
    do {
        json_decref(*ret_answer);
        status =
            client_request(client, "GET", path, slice_of(NULL, 0), ret_answer);
        json_array_extend(tokens, json_object_get(*ret_answer, "data"));
        cursor = json_string_value(json_object_get(*ret_answer, "next_cursor"));
        if (cursor != NULL)
            snprintf(path, sizeof path, "/api/tokens?limit=1000&cursor=%s",
                     cursor);
    } while (status == 200 && cursor != NULL);
    if (status == 200)
        print_list(arguments, tokens);
    json_decref(tokens);
    return status;
}

static long revoke_in_cluster(const struct arguments *arguments,
                              struct client *client, json_t **ret_answer)
{
    char path[512];
    snprintf(path, sizeof path, "/api/tokens/%s", arguments->name);
    long status =
        client_request(client, "DELETE", path, slice_of(NULL, 0), ret_answer);
    if (status == 204)
        printf("token %s is revoked\n", arguments->name);
    return status;
}

static int run_on_cluster(struct arguments *arguments)
{
    struct client *client = client_new(&arguments->client);
    json_t *answer = NULL;
    long status;
    if (strcmp(arguments->action, "create") == 0)
        status = create_in_cluster(arguments, client, &answer);
    else if (strcmp(arguments->action, "list") == 0)
        status = list_cluster(arguments, client, &answer);
    else
        status = revoke_in_cluster(arguments, client, &answer);
    bool good = status >= 200 && status < 300;
    if (!good)
        client_report(client, status, answer);
    json_decref(answer);
    client_free(client);
    return good ? 0 : 1;
}

int command_token(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"name", KEY_NAME, "NAME", 0, "the token's name", 0},
        {"role", KEY_ROLE, "ROLE", 0, "publish, read, operate or admin", 0},
        {"topics", KEY_TOPICS, "A,B", 0,
         "the topics that it is limited to (default: all)", 0},
        {"file", KEY_FILE, "FILE", 0,
         "the file that a node reads by --api-tokens-file; without it, the "
         "running cluster at --url",
         0},
        {"json", 'j', NULL, 0, "print JSON", 0},
        {0},
    };
    static const struct argp_child children[] = {{&client_argp, 0, NULL, 0},
                                                 {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse_option,
        .args_doc = "create|list|revoke",
        .doc = "Make, list or revoke tokens of the API. A new token is the "
               "last word that is printed, once.",
        .children = children,
    };
    struct arguments arguments = {.json = false};
    client_options_init(&arguments.client);
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    int status = arguments.file != NULL ? run_on_file(&arguments)
                                        : run_on_cluster(&arguments);
    arena_close(&arguments.arena);
    return status;
}
