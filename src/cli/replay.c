/* `postoffice replay`: sends once more what has gone through. */
#include "client.h"
#include "path.h"
#include "search.h"
#include "terminal.h"

#include <stdio.h>
#include <unistd.h>

enum { WATCH_US = 500 * 1000 };

static struct encoder path_of(const char *identity)
{
    struct encoder path = {0};
    path_add(&path, "/api/replays/", identity, NULL);
    return path;
}

static void show_replay(const struct invocation *invocation, const json_t *data)
{
    (void)invocation;
    sheet_print(data, NULL);
}

/* ---- start ---- */

static void show_started(const struct invocation *invocation,
                         const json_t *data)
{
    if (!flag_given(invocation, "dry-run")) {
        sheet_print(data, NULL);
        fprintf(stderr, "(`postoffice replay watch %lld' follows it)\n",
                json_count_of(data, "id"));
        return;
    }
    const json_t *sample = json_object_get(data, "sample");
    printf("%s%lld messages would be sent again\n",
           json_is_false(json_object_get(data, "complete")) ? "at least " : "",
           json_count_of(data, "matched"));
    if (json_array_size(sample) > 0) {
        puts("\nsome of them:");
        grid_print(message_columns, sample);
    }
}

static int start(struct invocation *invocation)
{
    struct encoder path = {0};
    path_add(&path, "/api/publishers/", argument_at(invocation, 0), "/replay");
    return client_ask(invocation, "POST", &path, flag_body(invocation),
                      show_started);
}

static const struct flag start_flags[] = {
    {.name = "from",
     .kind = FLAG_ID_OR_TIME,
     .value = "ID|TIME",
     .place = PLACE_BODY,
     .help = "the first message, by its id or time"},
    {.name = "to",
     .kind = FLAG_ID_OR_TIME,
     .value = "ID|TIME",
     .place = PLACE_BODY,
     .help = "the last one"},
    {.name = "state",
     .letter = 's',
     .kind = FLAG_CHOICE,
     .value = "delivered|dead|ambiguous|discarded|filtered",
     .place = PLACE_BODY,
     .help = "only messages in this state"},
    {.name = "filter",
     .kind = FLAG_JSON,
     .value = "JSON",
     .place = PLACE_BODY,
     .help = "only messages that match, as a publisher's filter"},
    {.name = "dry-run",
     .kind = FLAG_SWITCH,
     .place = PLACE_BODY,
     .help = "count them, show some, and send none"},
    {.name = NULL},
};

static const struct subcommand command_start = {
    .name = "start",
    .summary = "send a publisher's settled messages once more",
    .detail = "--dry-run first shows how many that would be.",
    .arguments = "PUBLISHER",
    .flags = start_flags,
    .talks = true,
    .lists = "postoffice publisher list",
    .run = start,
};

/* ---- show, watch, cancel ---- */

static int show(struct invocation *invocation)
{
    struct encoder path = path_of(argument_at(invocation, 0));
    return client_ask(invocation, "GET", &path, NULL, show_replay);
}

static const struct subcommand command_show = {
    .name = "show",
    .summary = "show how far a replay is",
    .arguments = "ID",
    .talks = true,
    .run = show,
};

static void show_step(const json_t *data)
{
    const json_t *publisher = json_object_get(data, "publisher_state");
    struct encoder line = {0};
    cell_add(&line, CELL_NUMBER, json_object_get(data, "done"));
    encoder_print(&line, " sent of ");
    cell_add(&line, CELL_NUMBER, json_object_get(data, "matched"));
    if (strcmp(json_text_of(publisher, "state"), "active") != 0) {
        encoder_print(&line, ", the publisher is ");
        cell_add(&line, CELL_WORD, json_object_get(publisher, "state"));
    }
    fprintf(stderr, "\r%s\033[K", encoder_text(&line));
    encoder_close(&line);
}

static int watch(struct invocation *invocation)
{
    struct encoder path = path_of(argument_at(invocation, 0));
    struct client *client = client_new(invocation);
    struct client_request request = {.method = "GET",
                                     .path = encoder_text(&path)};
    bool steps = isatty(STDERR_FILENO) != 0;
    struct answer answer;
    const json_t *data;
    while (true) {
        answer = client_call(client, &request);
        data = json_object_get(answer.json, "data");
        if (answer.status != 200 ||
            strcmp(json_text_of(data, "state"), "running") != 0)
            break;
        if (steps)
            show_step(data);
        usleep(WATCH_US);
    }
    if (steps)
        fputs("\r\033[K", stderr);
    if (answer.status != 200)
        client_report(client, invocation, &answer);
    else if (flag_given(invocation, "json"))
        answer_print(&answer);
    else
        sheet_print(data, NULL);
    int status = answer.status == 200 ? STATUS_DONE : STATUS_FAILED;
    client_free(client);
    encoder_close(&path);
    return status;
}

static const struct subcommand command_watch = {
    .name = "watch",
    .summary = "follow a replay until it has ended",
    .arguments = "ID",
    .talks = true,
    .run = watch,
};

static int cancel(struct invocation *invocation)
{
    struct encoder path = path_of(argument_at(invocation, 0));
    return client_ask(invocation, "DELETE", &path, NULL, show_replay);
}

static const struct subcommand command_cancel = {
    .name = "cancel",
    .summary = "end a replay; what it has matched by then goes on",
    .arguments = "ID",
    .talks = true,
    .run = cancel,
};

static const struct subcommand *const children[] = {
    &command_start, &command_show, &command_watch, &command_cancel, NULL};

const struct subcommand command_replay = {
    .name = "replay",
    .summary = "send again what a publisher has got already",
    .children = children,
};
