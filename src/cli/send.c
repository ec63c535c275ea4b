/* `postoffice send`: publishes one message from the command line, or one for
 * each line of standard input. */
#include "base/clock.h"
#include "base/codec.h"
#include "client.h"
#include "command.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PROGRESS_MS = 500, KEY_KEY = 0x2000 };

struct arguments {
    struct client_options client;
    const char *topic;
    const char *key;
    const char *payload; /* NULL or "-": standard input. */
    json_t *attributes;
    bool json;
};

static void add_attribute(struct arguments *arguments, const char *text,
                          struct argp_state *state)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text)
        argp_error(state, "--attribute is '%s', expected NAME=VALUE", text);
    char *name = strndup(text, (size_t)(equals - text));
    json_t *value = json_string(equals + 1);
    if (name == NULL || value == NULL)
        argp_error(state, "--attribute is not UTF-8: '%s'", text);
    json_object_set_new(arguments->attributes, name, value);
    free(name);
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->client;
        return 0;
    case 't':
        arguments->topic = text;
        return 0;
    case KEY_KEY:
        arguments->key = text;
        return 0;
    case 'a':
        add_attribute(arguments, text, state);
        return 0;
    case 'j':
        arguments->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->payload != NULL)
            argp_error(state, "more than one payload");
        arguments->payload = text;
        return 0;
    case ARGP_KEY_END:
        if (arguments->topic == NULL)
            argp_error(state, "--topic is missing");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The request's body up to its payload, which goes in as it is: its bytes are
 * the message. */
static bool begin_body(const struct arguments *arguments, struct encoder *body)
{
    json_t *object = json_pack("{s:s, s:O}", "topic", arguments->topic,
                               "attributes", arguments->attributes);
    if (object != NULL && arguments->key != NULL)
        json_object_set_new(object, "key", json_string(arguments->key));
    char *text = object == NULL ? NULL : json_dumps(object, JSON_COMPACT);
    json_decref(object);
    if (text == NULL) {
        fputs("postoffice: the topic or the key is not UTF-8\n", stderr);
        return false;
    }
    encoder_bytes(body, slice_of(text, strlen(text) - 1)); /* Without } */
    encoder_bytes(body, slice_text(",\"payload\":"));
    free(text);
    return true;
}

static bool send_one(struct client *client, const struct encoder *begun,
                     struct slice payload, bool json)
{
    struct encoder body = {0};
    json_t *answer = NULL;
    encoder_bytes(&body, encoder_slice(begun));
    encoder_bytes(&body, payload);
    encoder_u8(&body, '}');
    long status = client_request(client, "POST", "/api/messages",
                                 encoder_slice(&body), &answer);
    encoder_close(&body);
    bool sent = status == 201;
    if (!sent)
        client_report(client, status, answer);
    else if (json)
        json_dumpf(answer, stdout, JSON_COMPACT);
    else
        printf("%lld",
               (long long)json_integer_value(json_object_get(answer, "id")));
    if (sent)
        putchar('\n');
    json_decref(answer);
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
static bool send_lines(struct client *client, const struct encoder *begun,
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
        good = send_one(client, begun, slice_of(line, (size_t)length), json);
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

int command_send(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"topic", 't', "NAME", 0, "the topic to publish to", 0},
        {"attribute", 'a', "NAME=VALUE", 0, "an attribute; repeatable", 0},
        {"key", KEY_KEY, "KEY", 0, "the ordering key", 0},
        {"json", 'j', NULL, 0, "print the node's answers as they are", 0},
        {0},
    };
    static const struct argp_child children[] = {{&client_argp, 0, NULL, 0},
                                                 {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse_option,
        .args_doc = "[PAYLOAD]",
        .doc = "Publish PAYLOAD, a JSON text, and print the message's id. "
               "Without it, or when it is -, every line of standard input is "
               "a payload.",
        .children = children,
    };
    struct arguments arguments = {.attributes = json_object()};
    client_options_init(&arguments.client);
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    struct encoder begun = {0};
    struct client *client = client_new(&arguments.client);
    bool good = begin_body(&arguments, &begun);
    if (good && arguments.payload != NULL &&
        strcmp(arguments.payload, "-") != 0)
        good = send_one(client, &begun, slice_text(arguments.payload),
                        arguments.json);
    else if (good)
        good = send_lines(client, &begun, arguments.json);
    encoder_close(&begun);
    client_free(client);
    json_decref(arguments.attributes);
    return good ? 0 : 1;
}
