/* `postoffice cluster`: its members, and who leads. */
#include "client.h"
#include "path.h"

#include <stdio.h>
#include <stdlib.h>

static struct encoder path_of(const char *before, const char *name)
{
    struct encoder path = {0};
    path_add(&path, before, name, NULL);
    return path;
}

/* ---- members ---- */

static const struct grid_column columns[] = {
    {"NODE", "id", CELL_WORD, 0},
    {"ROLE", "role", CELL_WORD, 2},
    {"STATE", "state", CELL_STATE, 0},
    {"LAG", "lag", CELL_NUMBER, 1},
    {"RAFT", "raft", CELL_TEXT, 4},
    {"URL", "url", CELL_TEXT, 3},
    {"STATE HASH", "state_hash", CELL_TEXT, 5},
    {NULL, NULL, CELL_TEXT, 0},
};

static void show_members(const struct invocation *invocation,
                         const json_t *data)
{
    (void)invocation;
    grid_print(columns, json_object_get(data, "members"));
}

static int members(struct invocation *invocation)
{
    struct encoder path = path_of("/api/cluster", NULL);
    return client_ask(invocation, "GET", &path, NULL, show_members);
}

static const struct subcommand command_members = {
    .name = "members",
    .summary = "list the members with their addresses",
    .talks = true,
    .run = members,
};

/* ---- add, remove ---- */

static void show_one(const struct invocation *invocation, const json_t *data)
{
    (void)invocation;
    sheet_print(data, NULL);
}

static int add(struct invocation *invocation)
{
    struct encoder path = path_of("/api/cluster/members", NULL);
    json_t *body = json_pack("{s:s?}", "url", argument_at(invocation, 0));
    if (body == NULL)
        usage_error(invocation, "URL is not UTF-8");
    return client_ask(invocation, "POST", &path, body, show_one);
}

static const struct subcommand command_add = {
    .name = "add",
    .summary = "take a node in as a member",
    .arguments = "URL",
    .talks = true,
    .run = add,
};

static int take_out(struct invocation *invocation)
{
    struct encoder path =
        path_of("/api/cluster/members/", argument_at(invocation, 0));
    return client_ask(invocation, "DELETE", &path, NULL, show_one);
}

static const struct subcommand command_remove = {
    .name = "remove",
    .summary = "take a member out",
    .arguments = "ID",
    .talks = true,
    .lists = "postoffice cluster members",
    .run = take_out,
};

/* ---- transfer ---- */

static int transfer(struct invocation *invocation)
{
    struct encoder path = path_of("/api/cluster/transfer", NULL);
    const char *member = argument_at(invocation, 0);
    if (!is_number(member))
        usage_error(invocation, "ID is '%s', expected a whole number", member);
    json_t *body =
        json_pack("{s:I}", "to", (json_int_t)strtoll(member, NULL, 10));
    return client_ask(invocation, "POST", &path, body, show_one);
}

static const struct subcommand command_transfer = {
    .name = "transfer",
    .summary = "give leadership to another member, without a duplicate",
    .arguments = "ID",
    .talks = true,
    .lists = "postoffice cluster members",
    .run = transfer,
};

static const struct subcommand *const children[] = {
    &command_members, &command_transfer, &command_add, &command_remove, NULL};

const struct subcommand command_cluster = {
    .name = "cluster",
    .summary = "list the members, and say who leads",
    .children = children,
};
