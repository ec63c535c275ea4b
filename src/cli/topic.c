/* `postoffice topic`: list, show, create, change, delete. */
#include "client.h"
#include "grid.h"
#include "path.h"

#include <stdio.h>

static const char lists_topics[] = "postoffice topic list";

static struct encoder path_of(const struct invocation *invocation)
{
    struct encoder path = {0};
    path_add(&path, "/api/topics/", argument_at(invocation, 0), NULL);
    return path;
}

static void show_one(const struct invocation *invocation, const json_t *data)
{
    (void)invocation;
    sheet_print(data, NULL);
}

/* ---- list ---- */

static const struct grid_column columns[] = {
    {"ID", "id", CELL_WORD, 4},
    {"NAME", "name", CELL_TEXT, 0},
    {"MESSAGES", "messages", CELL_NUMBER, 1},
    {"PUBLISHERS", "publishers", CELL_NUMBER, 2},
    {"RETENTION", "retention_seconds", CELL_NUMBER, 5},
    {"CREATED (UTC)", "created_at", CELL_TIME, 6},
    {"ORIGIN", "origin_host", CELL_TEXT, 3},
    {NULL, NULL, CELL_TEXT, 0},
};

static const char none[] =
    "there are no topics: `postoffice topic create' makes one";

static int list(struct invocation *invocation)
{
    struct encoder path = {0};
    path_add(&path, "/api/topics", NULL, NULL);
    return client_list(invocation, &path, columns, none);
}

static const struct subcommand command_list = {
    .name = "list",
    .summary = "list the topics",
    .flags = list_flags,
    .talks = true,
    .run = list,
};

/* ---- show ---- */

static int show(struct invocation *invocation)
{
    struct encoder path = path_of(invocation);
    return client_ask(invocation, "GET", &path, NULL, show_one);
}

static const struct subcommand command_show = {
    .name = "show",
    .summary = "show one topic with its counts",
    .arguments = "NAME",
    .talks = true,
    .lists = lists_topics,
    .run = show,
};

/* ---- create, change ---- */

static const struct flag topic_flags[] = {
    {.name = "recovery-enabled",
     .kind = FLAG_BOOLEAN,
     .value = "true|false",
     .place = PLACE_BODY,
     .help = "whether messages are fetched from the origin host"},
    {.name = "retention-seconds",
     .kind = FLAG_NUMBER,
     .value = "SECONDS",
     .place = PLACE_BODY,
     .help = "how long settled messages are kept (default: the node's "
             "--retention)"},
    {.name = "max-backlog-bytes",
     .kind = FLAG_NUMBER,
     .value = "BYTES",
     .place = PLACE_BODY,
     .help = "a topic that keeps more takes no more messages"},
    {.name = "indexed-field",
     .kind = FLAG_LIST,
     .value = "POINTER",
     .place = PLACE_BODY,
     .member = "indexed_fields",
     .repeated = true,
     .help = "a JSON pointer into payloads by which searches are fast; "
             "repeatable"},
    {.name = NULL},
};

static int create(struct invocation *invocation)
{
    struct encoder path = {0};
    json_t *body = flag_body(invocation);
    const char *name = argument_at(invocation, 0);
    if (json_object_set_new(body, "name", json_string(name)) != 0)
        usage_error(invocation, "NAME is not UTF-8");
    path_add(&path, "/api/topics", NULL, NULL);
    return client_ask(invocation, "POST", &path, body, show_one);
}

static const struct flag create_flags[] = {
    {.name = "origin-host",
     .kind = FLAG_TEXT,
     .value = "HOST",
     .place = PLACE_BODY,
     .required = true,
     .help = "where its messages come from; asked for them again when "
             "recovery is enabled"},
    {.include = topic_flags},
    {.name = NULL},
};

static const struct subcommand command_create = {
    .name = "create",
    .summary = "create a topic",
    .arguments = "NAME",
    .flags = create_flags,
    .talks = true,
    .run = create,
};

static int change(struct invocation *invocation)
{
    struct encoder path = path_of(invocation);
    json_t *body = flag_body(invocation);
    if (json_object_size(body) == 0)
        usage_error(invocation, "nothing to change: give a flag");
    return client_ask(invocation, "PATCH", &path, body, show_one);
}

static const struct flag change_flags[] = {
    {.name = "origin-host",
     .kind = FLAG_TEXT,
     .value = "HOST",
     .place = PLACE_BODY,
     .help = "where its messages come from"},
    {.include = topic_flags},
    {.name = NULL},
};

static const struct subcommand command_change = {
    .name = "change",
    .summary = "change what is given of a topic",
    .detail = "An empty value stands for the default.",
    .arguments = "NAME",
    .flags = change_flags,
    .talks = true,
    .lists = lists_topics,
    .run = change,
};

/* ---- delete ---- */

static void show_deleted(const struct invocation *invocation,
                         const json_t *data)
{
    (void)data;
    printf("topic %s is deleted\n", argument_at(invocation, 0));
}

static int delete (struct invocation *invocation)
{
    struct encoder path = path_of(invocation);
    flag_query(invocation, &path);
    return client_ask(invocation, "DELETE", &path, NULL, show_deleted);
}

static const struct flag delete_flags[] = {
    {.name = "force",
     .kind = FLAG_SWITCH,
     .place = PLACE_QUERY,
     .help = "also while it has publishers or messages that are not "
             "delivered: they go with it"},
    {.name = NULL},
};

static const struct subcommand command_delete = {
    .name = "delete",
    .summary = "delete a topic",
    .arguments = "NAME",
    .flags = delete_flags,
    .talks = true,
    .lists = lists_topics,
    .run = delete,
};

static const struct subcommand *const children[] = {
    &command_list,   &command_show,   &command_create,
    &command_change, &command_delete, NULL};

const struct subcommand command_topic = {
    .name = "topic",
    .summary = "list and change topics",
    .children = children,
};
