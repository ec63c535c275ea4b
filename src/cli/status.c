/* `postoffice status`: how a running node is, for people and scripts. */
#include "client.h"
#include "terminal.h"

#include <stdio.h>

static const struct grid_column columns[] = {
    {"NODE", "id", CELL_WORD, 0},
    {"ROLE", "role", CELL_WORD, 2},
    {"STATE", "state", CELL_STATE, 0},
    {"APPLIED", "applied_index", CELL_NUMBER, 3},
    {"LAG", "lag", CELL_NUMBER, 1},
    {"VERSION", "version", CELL_WORD, 5},
    {"URL", "url", CELL_TEXT, 4},
    {NULL, NULL, CELL_TEXT, 0},
};

static void show_cluster(const json_t *data, bool writable)
{
    static const char *const apart[] = {"members", NULL};
    enum terminal_colour colour = writable ? COLOUR_GOOD : COLOUR_BAD;
    sheet_print(data, apart);
    printf("%s%s%s\n\n", terminal_paint(colour),
           writable ? "takes messages" : "takes no messages now",
           terminal_unpaint(colour));
    grid_print(columns, json_object_get(data, "members"));
}

static int run(struct invocation *invocation)
{
    struct client *client = client_new(invocation);
    struct client_request probe = {.method = "GET", .path = "/readyz/write"};
    struct client_request cluster = {.method = "GET", .path = "/api/cluster"};
    bool writable = client_call(client, &probe).status == 200;
    struct answer answer = client_call(client, &cluster);
    bool good = answer.status == 200;
    if (!good)
        client_report(client, invocation, &answer);
    else if (flag_given(invocation, "json"))
        answer_print(&answer);
    else
        show_cluster(json_object_get(answer.json, "data"), writable);
    client_free(client);
    return good ? STATUS_DONE : STATUS_FAILED;
}

const struct subcommand command_status = {
    .name = "status",
    .summary = "show the cluster as a running node sees it",
    .talks = true,
    .run = run,
};
