/* `postoffice publisher`: list, show, and what is done with one. */
#include "publisher.h"

#include "client.h"
#include "path.h"

#include <stdio.h>

const char lists_publishers[] = "postoffice publisher list";

struct encoder publisher_path(const struct invocation *invocation,
                              const char *after)
{
    struct encoder path = {0};
    path_add(&path, "/api/publishers/", argument_at(invocation, 0), after);
    return path;
}

void publisher_show(const struct invocation *invocation, const json_t *data)
{
    (void)invocation;
    sheet_print(data, NULL);
}

/* ---- list, show ---- */

static const struct grid_column columns[] = {
    {"ID", "id", CELL_WORD, 0},
    {"TOPIC", "topic", CELL_TEXT, 1},
    {"TARGET", "target", CELL_TEXT, 2},
    {"STATE", "state", CELL_STATE, 0},
    {"BACKLOG", "backlog", CELL_NUMBER, 0},
    {"OLDEST", "oldest_undelivered_at", CELL_AGE, 3},
    {"RETRYING", "retrying", CELL_NUMBER, 7},
    {"DEAD", "dead", CELL_NUMBER, 4},
    {"RATE/S", "rate_per_second", CELL_NUMBER, 6},
    {"LAST ERROR", "last_error.text", CELL_TEXT, 5},
    {NULL, NULL, CELL_TEXT, 0},
};

static int list(struct invocation *invocation)
{
    struct encoder path = {0};
    path_add(&path, "/api/publishers", NULL, NULL);
    return client_list(
        invocation, &path, columns,
        "there are no publishers: `postoffice publisher create' makes one");
}

static const struct subcommand command_list = {
    .name = "list",
    .summary = "list the publishers with what waits for them",
    .flags = list_flags,
    .talks = true,
    .run = list,
};

static int show(struct invocation *invocation)
{
    struct encoder path = publisher_path(invocation, NULL);
    return client_ask(invocation, "GET", &path, NULL, publisher_show);
}

static const struct subcommand command_show = {
    .name = "show",
    .summary = "show one publisher: its options, state and last error",
    .arguments = "ID",
    .talks = true,
    .lists = lists_publishers,
    .run = show,
};

/* ---- pause, resume, test, rotate-secret ---- */

static int pause_it(struct invocation *invocation)
{
    struct encoder path = publisher_path(invocation, "/pause");
    return client_ask(invocation, "POST", &path, flag_body(invocation),
                      publisher_show);
}

static const struct flag pause_flags[] = {
    {.name = "reason",
     .kind = FLAG_TEXT,
     .value = "TEXT",
     .place = PLACE_BODY,
     .help = "shown wherever the pause is"},
    {.name = NULL},
};

static const struct subcommand command_pause = {
    .name = "pause",
    .summary = "hold a publisher's messages; none is dropped",
    .arguments = "ID",
    .flags = pause_flags,
    .talks = true,
    .lists = lists_publishers,
    .run = pause_it,
};

static int resume(struct invocation *invocation)
{
    struct encoder path = publisher_path(invocation, "/resume");
    return client_ask(invocation, "POST", &path, NULL, publisher_show);
}

static const struct subcommand command_resume = {
    .name = "resume",
    .summary = "let a paused publisher go on",
    .arguments = "ID",
    .talks = true,
    .lists = lists_publishers,
    .run = resume,
};

static void show_test(const struct invocation *invocation, const json_t *data)
{
    (void)invocation;
    sheet_print(json_object_get(data, "test"), NULL);
}

static int test(struct invocation *invocation)
{
    struct encoder path = publisher_path(invocation, "/test");
    return client_ask(invocation, "POST", &path, NULL, show_test);
}

static const struct subcommand command_test = {
    .name = "test",
    .summary = "send one test message to a publisher's target",
    .detail = "It goes out now, also while the publisher is paused, and is "
              "marked as a test. Nothing of it is kept.",
    .arguments = "ID",
    .talks = true,
    .lists = lists_publishers,
    .run = test,
};

static void show_secret(const struct invocation *invocation, const json_t *data)
{
    struct encoder secret = {0};
    (void)invocation;
    cell_add(&secret, CELL_WORD, json_object_get(data, "secret"));
    printf("%s\n", encoder_text(&secret));
    fputs("(shown this once; the old secret signs too for 24 hours)\n", stderr);
    encoder_close(&secret);
}

static int rotate(struct invocation *invocation)
{
    struct encoder path = publisher_path(invocation, "/rotate-secret");
    return client_ask(invocation, "POST", &path, NULL, show_secret);
}

static const struct subcommand command_rotate = {
    .name = "rotate-secret",
    .summary = "give a publisher a new secret and print it",
    .arguments = "ID",
    .talks = true,
    .lists = lists_publishers,
    .run = rotate,
};

static const struct subcommand *const children[] = {&command_list,
                                                    &command_show,
                                                    &command_publisher_create,
                                                    &command_publisher_change,
                                                    &command_pause,
                                                    &command_resume,
                                                    &command_test,
                                                    &command_rotate,
                                                    &command_publisher_delete,
                                                    NULL};

const struct subcommand command_publisher = {
    .name = "publisher",
    .summary = "list and change publishers",
    .children = children,
};
