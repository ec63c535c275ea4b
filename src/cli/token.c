/* `postoffice token`: makes, lists and revokes tokens, in a node's file or in
 * a running cluster.
 *
 * A file is changed here and read again by its node at SIGHUP; the cluster's
 * tokens count at once. Either way the token itself is shown once, as the last
 * word of what is printed, and kept by nobody. */
#include "client.h"
#include "path.h"
#include "src/access/token_text.h"
#include "token_in_file.h"

#include <stdio.h>

static const char lists_tokens[] = "postoffice token list";

/* ---- create ---- */

/* What was asked for, checked before anything is written or sent. */
static struct token asked_for(const struct invocation *invocation,
                              struct arena *arena)
{
    struct token token = {.name = slice_text(flag_text(invocation, "name"))};
    const char *field = "topics";
    const char *fault = NULL;
    const char *topics = flag_text(invocation, "topics");
    role_find(slice_text(flag_text(invocation, "role")), &token.role);
    if (topics != NULL)
        fault = token_topics_read(slice_text(topics), arena, &token.topics);
    if (fault == NULL)
        fault = token_fault(&token, &field);
    if (fault != NULL)
        usage_error(invocation, "--%s %s", field, fault);
    return token;
}

static void show_made(const struct invocation *invocation, const json_t *data)
{
    printf("token %s of role %s is made. It is shown this once:\n%s\n",
           flag_text(invocation, "name"), flag_text(invocation, "role"),
           json_text_of(data, "token"));
}

static int create_in_cluster(const struct invocation *invocation,
                             const struct token *token)
{
    struct encoder path = {0};
    path_add(&path, "/api/tokens", NULL, NULL);
    return client_ask(invocation, "POST", &path, token_json(token), show_made);
}

static int create(struct invocation *invocation)
{
    struct arena arena = {0};
    struct token token = asked_for(invocation, &arena);
    int status = flag_given(invocation, "file")
                     ? token_in_file_create(invocation, &token)
                     : create_in_cluster(invocation, &token);
    arena_close(&arena);
    return status;
}

static const struct flag name_flag[] = {
    {.name = "name",
     .kind = FLAG_TEXT,
     .value = "NAME",
     .required = true,
     .help = "the token's name"},
    {.name = NULL},
};

static const struct flag file_flag[] = {
    {.name = "file",
     .kind = FLAG_FILE,
     .value = "FILE",
     .help = "the file that a node reads by --api-tokens-file; without it, "
             "the running cluster at --url"},
    {.name = NULL},
};

static const struct flag create_flags[] = {
    {.include = name_flag},
    {.name = "role",
     .kind = FLAG_CHOICE,
     .value = "publish|read|operate|admin",
     .required = true,
     .help = "what it may be used for"},
    {.name = "topics",
     .kind = FLAG_TEXT,
     .value = "A,B",
     .help = "the topics that it is limited to (default: all)"},
    {.include = file_flag},
    {.name = NULL},
};

static const struct subcommand command_create = {
    .name = "create",
    .summary = "make a token, which is the last word that is printed, once",
    .flags = create_flags,
    .talks = true,
    .run = create,
};

/* ---- list ---- */

static const struct grid_column columns[] = {
    {"NAME", "name", CELL_TEXT, 0},
    {"ROLE", "role", CELL_WORD, 0},
    {"TOPICS", "topics", CELL_LIMIT, 1},
    {NULL, NULL, CELL_TEXT, 0},
};

static int list(struct invocation *invocation)
{
    if (flag_given(invocation, "file"))
        return token_in_file_list(invocation, columns);
    struct encoder path = {0};
    path_add(&path, "/api/tokens", NULL, NULL);
    return client_list(
        invocation, &path, columns,
        "there are no tokens: `postoffice token create' makes one");
}

static const struct flag token_list_flags[] = {
    {.include = file_flag},
    {.include = list_flags},
    {.name = NULL},
};

static const struct subcommand command_list = {
    .name = "list",
    .summary = "list the tokens with their roles and topics",
    .flags = token_list_flags,
    .talks = true,
    .run = list,
};

/* ---- revoke ---- */

static void show_revoked(const struct invocation *invocation,
                         const json_t *data)
{
    (void)data;
    printf("token %s is revoked\n", flag_text(invocation, "name"));
}

static int revoke(struct invocation *invocation)
{
    const char *name = flag_text(invocation, "name");
    if (flag_given(invocation, "file"))
        return token_in_file_revoke(invocation);
    struct encoder path = {0};
    path_add(&path, "/api/tokens/", name, NULL);
    return client_ask(invocation, "DELETE", &path, NULL, show_revoked);
}

static const struct flag revoke_flags[] = {
    {.include = name_flag},
    {.include = file_flag},
    {.name = NULL},
};

static const struct subcommand command_revoke = {
    .name = "revoke",
    .summary = "make a token useless",
    .flags = revoke_flags,
    .talks = true,
    .lists = lists_tokens,
    .run = revoke,
};

static const struct subcommand *const children[] = {
    &command_create, &command_list, &command_revoke, NULL};

const struct subcommand command_token = {
    .name = "token",
    .summary = "make, list and revoke tokens of the API",
    .children = children,
};
