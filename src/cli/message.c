/* `postoffice message` and `explain`: one message, and what becomes of it. */
#include "base/json_scan.h"
#include "client.h"
#include "path.h"
#include "terminal.h"

#include <stdio.h>
#include <stdlib.h>

static const char lists_messages[] = "postoffice search";

static struct encoder path_of(const struct invocation *invocation,
                              const char *after)
{
    struct encoder path = {0};
    path_add(&path, "/api/messages/", argument_at(invocation, 0), after);
    return path;
}

/* ---- show ---- */

/* The member of an object, as it is written there; empty: none. */
static struct slice member_of(struct slice object, const char *wanted)
{
    struct json_scan scan = json_scan_of(object);
    struct json_value name, value;
    if (json_scan_enter(&scan, KIND_OBJECT))
        while (json_scan_member(&scan, &name, &value))
            if (json_value_is(&name, wanted))
                return value.span;
    return slice_of(NULL, 0);
}

/* A payload may hold what no JSON library takes, such as 1e400: it is cut out
 * before the rest is read. */
static json_t *read_without(struct slice body, struct slice payload)
{
    struct encoder rest = {0};
    size_t before =
        payload.length == 0 ? body.length : (size_t)(payload.data - body.data);
    encoder_bytes(&rest, slice_of(body.data, before));
    if (payload.length > 0) {
        encoder_bytes(&rest, slice_text("null"));
        encoder_bytes(&rest, slice_of(payload.data + payload.length,
                                      body.length - before - payload.length));
    }
    json_t *answer =
        json_loadb((const char *)rest.data, rest.length, JSON_ALLOW_NUL, NULL);
    encoder_close(&rest);
    return answer;
}

static const struct grid_column delivery_columns[] = {
    {"PUBLISHER", "publisher", CELL_WORD, 0},
    {"STATE", "state", CELL_STATE, 0},
    {"ATTEMPTS", "attempts", CELL_NUMBER, 3},
    {"PROCESSED (UTC)", "processed_at", CELL_TIME, 2},
    {"NEXT (UTC)", "next_attempt_at", CELL_TIME, 4},
    {"TARGET", "target", CELL_TEXT, 5},
    {"LAST ERROR", "last_error.text", CELL_TEXT, 1},
    {NULL, NULL, CELL_TEXT, 0},
};

static const struct grid_column attempt_columns[] = {
    {"ATTEMPT", "number", CELL_NUMBER, 0},
    {"STARTED (UTC)", "started_at", CELL_TIME, 2},
    {"MS", "duration_ms", CELL_NUMBER, 1},
    {"STATUS", "status", CELL_NUMBER, 0},
    {"CLASS", "class", CELL_WORD, 0},
    {"RESPONSE", "response", CELL_TEXT, 3},
    {NULL, NULL, CELL_TEXT, 0},
};

/* As one line; on a terminal, as lines that fit. */
static void print_text(const json_t *text)
{
    size_t columns = terminal_is_output() ? terminal_columns() : SIZE_MAX;
    struct encoder visible = {0};
    cell_add(&visible, CELL_TEXT, text);
    struct slice rest = encoder_slice(&visible);
    while (rest.length > 0) {
        struct slice line = visible_line(&rest, columns);
        printf("%.*s\n", (int)line.length, (const char *)line.data);
    }
    encoder_close(&visible);
}

static void show_delivery(const json_t *delivery)
{
    const json_t *explanation = json_object_get(delivery, "explanation");
    const json_t *history = json_object_get(delivery, "history");
    printf("\npublisher %lld\n", json_count_of(delivery, "publisher"));
    if (json_is_object(explanation))
        print_text(json_object_get(explanation, "text"));
    if (json_array_size(history) > 0)
        grid_print(attempt_columns, history);
}

static void show_deliveries(const json_t *deliveries)
{
    size_t i;
    json_t *delivery;
    if (json_array_size(deliveries) == 0)
        return;
    putchar('\n');
    grid_print(delivery_columns, deliveries);
    json_array_foreach(deliveries, i, delivery) show_delivery(delivery);
}

static void show_message(struct slice body)
{
    static const char *const apart[] = {"payload", "deliveries", NULL};
    struct slice payload = member_of(member_of(body, "data"), "payload");
    json_t *answer = read_without(body, payload);
    const json_t *data = json_object_get(answer, "data");
    struct encoder visible = {0};
    sheet_print(data, apart);
    visible_json(&visible, payload);
    printf("\n%s\n", encoder_text(&visible));
    encoder_close(&visible);
    show_deliveries(json_object_get(data, "deliveries"));
    json_decref(answer);
}

/* Not by client_ask(), for the answer holds a payload. */
static int ask(struct invocation *invocation, const char *method,
               const char *after)
{
    struct encoder path = path_of(invocation, after);
    struct client *client = client_new(invocation);
    json_t *body = flag_body(invocation);
    char *text = json_dumps(body, JSON_COMPACT);
    struct answer answer = client_call(
        client, &(struct client_request){.method = method,
                                         .path = encoder_text(&path),
                                         .body = slice_text(text)});
    bool good = answer.status == 200;
    if (!good)
        client_report(client, invocation, &answer);
    else if (flag_given(invocation, "json"))
        answer_print(&answer);
    else
        show_message(answer.body);
    client_free(client);
    free(text);
    json_decref(body);
    encoder_close(&path);
    return good ? STATUS_DONE : STATUS_FAILED;
}

static int show(struct invocation *invocation)
{
    return ask(invocation, "GET", NULL);
}

static const struct subcommand command_show = {
    .name = "show",
    .summary = "show one message with its payload and its deliveries",
    .arguments = "ID",
    .talks = true,
    .lists = lists_messages,
    .run = show,
};

/* ---- retry, discard ---- */

static int retry(struct invocation *invocation)
{
    return ask(invocation, "POST", "/retry");
}

static int discard(struct invocation *invocation)
{
    return ask(invocation, "POST", "/discard");
}

static const struct flag decision_flags[] = {
    {.name = "publisher",
     .letter = 'p',
     .kind = FLAG_NUMBER,
     .value = "ID",
     .place = PLACE_BODY,
     .help = "for this publisher alone"},
    {.name = NULL},
};

static const struct subcommand command_retry = {
    .name = "retry",
    .summary = "send a dead, ambiguous or waiting message now",
    .arguments = "ID",
    .flags = decision_flags,
    .talks = true,
    .lists = lists_messages,
    .run = retry,
};

static const struct subcommand command_discard = {
    .name = "discard",
    .summary = "give a message up: it is not sent any more",
    .arguments = "ID",
    .flags = decision_flags,
    .talks = true,
    .lists = lists_messages,
    .run = discard,
};

static const struct subcommand *const children[] = {
    &command_show, &command_retry, &command_discard, NULL};

const struct subcommand command_message = {
    .name = "message",
    .summary = "show one message, or decide about it",
    .children = children,
};

/* ---- explain ---- */

static void show_explanation(const struct invocation *invocation,
                             const json_t *data)
{
    static const char *const apart[] = {"text", NULL};
    (void)invocation;
    print_text(json_object_get(data, "text"));
    putchar('\n');
    sheet_print(data, apart);
}

static int explain(struct invocation *invocation)
{
    struct encoder path = path_of(invocation, "/explain");
    flag_query(invocation, &path);
    return client_ask(invocation, "GET", &path, NULL, show_explanation);
}

static const struct flag explain_flags[] = {
    {.name = "publisher",
     .letter = 'p',
     .kind = FLAG_NUMBER,
     .value = "ID",
     .place = PLACE_QUERY,
     .required = true,
     .help = "to whom it has not been delivered"},
    {.name = NULL},
};

const struct subcommand command_explain = {
    .name = "explain",
    .summary = "tell why a message has not been delivered to a publisher",
    .arguments = "MESSAGE",
    .flags = explain_flags,
    .talks = true,
    .lists = lists_messages,
    .run = explain,
};
