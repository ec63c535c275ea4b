/* `postoffice status`: how a running node is, for people and scripts. */
#include "client.h"
#include "command.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

struct arguments {
    struct client_options client;
    bool json;
};

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->client;
        return 0;
    case 'j':
        arguments->json = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", text);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "-";
}

static long long number_of(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static void print_member(const json_t *member)
{
    printf("%-4lld %-8s %-12s %10lld %6lld  %s\n", number_of(member, "id"),
           text_of(member, "role"), text_of(member, "state"),
           number_of(member, "applied_index"), number_of(member, "lag"),
           text_of(member, "url"));
}

static void print_table(const json_t *data, bool writable)
{
    printf("cluster %s\n", text_of(data, "cluster_id"));
    printf("node %lld, term %lld, leader %lld, commit index %lld, %s\n\n",
           number_of(data, "node"), number_of(data, "term"),
           number_of(data, "leader"), number_of(data, "commit_index"),
           writable ? "takes messages" : "takes no messages now");
    printf("%-4s %-8s %-12s %10s %6s  %s\n", "NODE", "ROLE", "STATE", "APPLIED",
           "LAG", "URL");
    size_t i;
    json_t *member;
    json_array_foreach(json_object_get(data, "members"), i, member)
        print_member(member);
}

static int show(struct client *client, bool json)
{
    json_t *answer = NULL;
    json_t *probe = NULL;
    struct slice nothing = slice_of(NULL, 0);
    long status =
        client_request(client, "GET", "/api/cluster", nothing, &answer);
    if (status != 200) {
        client_report(client, status, answer);
        json_decref(answer);
        return 1;
    }
    long write =
        client_request(client, "GET", "/readyz/write", nothing, &probe);
    json_decref(probe);
    if (json) {
        json_dumpf(answer, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        print_table(json_object_get(answer, "data"), write == 200);
    }
    json_decref(answer);
    return 0;
}

int command_status(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"json", 'j', NULL, 0, "print the node's answer as it is", 0},
        {0},
    };
    static const struct argp_child children[] = {{&client_argp, 0, NULL, 0},
                                                 {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse_option,
        .doc = "Show the cluster as a running node sees it.",
        .children = children,
    };
    struct arguments arguments = {.json = false};
    client_options_init(&arguments.client);
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    struct client *client = client_new(&arguments.client);
    int exit_status = show(client, arguments.json);
    client_free(client);
    return exit_status;
}
