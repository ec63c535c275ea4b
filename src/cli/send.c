/* `postoffice send`: publishes one message from the command line, or one for
 * each line of standard input. */
#include "base/clock.h"
#include "base/codec.h"
#include "client.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PROGRESS_MS = 500 };

/* The request's body up to its payload, which goes in as it is: its bytes are
 * the message. */
static bool begin_body(const struct invocation *invocation,
                       struct encoder *body)
{
    json_t *object = flag_body(invocation);
    if (json_object_get(object, "attributes") == NULL)
        json_object_set_new(object, "attributes", json_object());
    char *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    encoder_bytes(body, slice_of(text, strlen(text) - 1)); /* Without } */
    encoder_bytes(body, slice_text(",\"payload\":"));
    free(text);
    return true;
}

static bool send_one(const struct invocation *invocation, struct client *client,
                     const struct encoder *begun, struct slice payload,
                     bool json)
{
    struct encoder body = {0};
    encoder_bytes(&body, encoder_slice(begun));
    encoder_bytes(&body, payload);
    encoder_u8(&body, '}');
    struct client_request request = {.method = "POST",
                                     .path = "/api/messages",
                                     .body = encoder_slice(&body)};
    struct answer answer = client_call(client, &request);
    encoder_close(&body);
    bool sent = answer.status == 201;
    if (!sent)
        client_report(client, invocation, &answer);
    else if (json)
        answer_print(&answer);
    else
        printf("%lld\n", json_count_of(answer.json, "id"));
    return sent;
}

static void show_progress(unsigned long long lines, uint64_t began_ms,
                          bool last)
{
    uint64_t passed = clock_ms() - began_ms;
    double rate = passed == 0 ? 0 : (double)lines * 1000.0 / (double)passed;
    fprintf(stderr, "\r%llu sent, %.0f/s%s", lines, rate, last ? "\n" : "");
}

/* Stops at the first line that is not taken, and says which it was: those
 * before it are stored. */
static bool send_lines(const struct invocation *invocation,
                       struct client *client, const struct encoder *begun,
                       bool json)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    unsigned long long lines = 0;
    unsigned long long number = 0;
    uint64_t began_ms = clock_ms();
    uint64_t shown_ms = began_ms;
    bool progress = isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO);
    bool good = true;
    while (good && (length = getline(&line, &capacity, stdin)) >= 0) {
        number++;
        if (length > 0 && line[length - 1] == '\n')
            length--;
        if (length == 0)
            continue;
        good = send_one(invocation, client, begun,
                        slice_of(line, (size_t)length), json);
        lines += good;
        if (!good)
            fprintf(stderr, "postoffice: stopped at line %llu, %llu sent\n",
                    number, lines);
        if (progress && clock_ms() - shown_ms >= PROGRESS_MS) {
            shown_ms = clock_ms();
            show_progress(lines, began_ms, false);
        }
    }
    if (good && progress)
        show_progress(lines, began_ms, true);
    free(line);
    return good;
}

static int run(struct invocation *invocation)
{
    const char *payload = argument_at(invocation, 0);
    bool json = flag_given(invocation, "json");
    struct encoder begun = {0};
    struct client *client = client_new(invocation);
    bool good = begin_body(invocation, &begun);
    if (good && payload != NULL && strcmp(payload, "-") != 0)
        good = send_one(invocation, client, &begun, slice_text(payload), json);
    else if (good)
        good = send_lines(invocation, client, &begun, json);
    encoder_close(&begun);
    client_free(client);
    return good ? STATUS_DONE : STATUS_FAILED;
}

static const struct flag flags[] = {
    {.name = "topic",
     .letter = 't',
     .kind = FLAG_TEXT,
     .value = "NAME",
     .place = PLACE_BODY,
     .required = true,
     .help = "the topic to publish to"},
    {.name = "attribute",
     .letter = 'a',
     .kind = FLAG_PAIR,
     .value = "NAME=VALUE",
     .place = PLACE_BODY,
     .member = "attributes",
     .repeated = true,
     .help = "an attribute; repeatable"},
    {.name = "key",
     .kind = FLAG_TEXT,
     .value = "KEY",
     .place = PLACE_BODY,
     .help = "the ordering key"},
    {.name = NULL},
};

const struct subcommand command_send = {
    .name = "send",
    .summary = "publish messages",
    .detail = "PAYLOAD is a JSON text; the message's id is printed. Without "
              "it, or when it is -, every line of standard input is a "
              "payload.",
    .arguments = "[PAYLOAD]",
    .flags = flags,
    .talks = true,
    .run = run,
};
