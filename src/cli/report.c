/* What an answer says is wrong, and what a person can do about it. */
#include "client.h"
#include "terminal.h"

#include <stdio.h>

/* A line on standard error, with nothing in it that acts on a terminal. */
static void say(const char *before, const char *text, const char *after)
{
    struct encoder line = {0};
    visible_add(&line, slice_text(text));
    fprintf(stderr, "%s%.*s%s\n", before, (int)line.length, encoder_text(&line),
            after);
    encoder_close(&line);
}

static void advise(const char *text)
{
    fprintf(stderr, "  %s\n", text);
}

static void report_silence(const struct client *client,
                           const struct answer *answer)
{
    fprintf(stderr, "postoffice: no answer from %s: ", client_url(client));
    say("", answer->words, "");
    if (answer->failure == CLIENT_REFUSED) {
        advise("Is a node running there? `postoffice serve' starts one.");
        advise("Another node is named by --url or POSTOFFICE_URL.");
    } else {
        advise("What was asked for may have been done: look before you "
               "ask again.");
    }
}

/* Each error names what it is about: a member of the body, a parameter, a
 * header. What `words` told already is not told twice. */
static void report_details(const json_t *problem, const char *words)
{
    static const char *const places[] = {"pointer", "parameter", "header"};
    size_t i;
    json_t *error;
    json_array_foreach(json_object_get(problem, "errors"), i, error)
    {
        const char *place = NULL;
        for (size_t k = 0; place == NULL && k < 3; k++)
            place = json_string_value(json_object_get(error, places[k]));
        const char *detail =
            json_string_value(json_object_get(error, "detail"));
        struct encoder line = {0};
        if (place != NULL)
            encoder_print(&line, "%s: ", place[0] == '/' ? place + 1 : place);
        encoder_print(&line, "%s", detail != NULL ? detail : "is refused");
        if (words == NULL || strstr(words, encoder_text(&line)) == NULL)
            say("  ", encoder_text(&line), "");
        encoder_close(&line);
    }
}

static void advise_missing(const struct invocation *invocation)
{
    if (invocation->command->lists != NULL)
        fprintf(stderr, "  `%s' shows what there is.\n",
                invocation->command->lists);
    else if (invocation->argument_count == 0)
        advise("The node's version may be older than this program's; "
               "`postoffice status' shows it.");
}

static void advise_on(const struct invocation *invocation, long status)
{
    switch (status) {
    case 401:
        advise("Give a token: --token TOKEN, or POSTOFFICE_TOKEN in the "
               "environment.");
        advise("`postoffice token create' makes one.");
        break;
    case 403:
        advise("This token may not do that: use one with another role or "
               "other topics.");
        break;
    case 404:
        advise_missing(invocation);
        break;
    case 429:
    case 503:
        advise("Nothing was done: try again in a moment; "
               "`postoffice status' shows how the cluster is.");
        break;
    case 504:
        advise("It may have been done nevertheless: look before you ask "
               "again.");
        break;
    case 507:
        advise("Nothing was stored: free disk space, or raise "
               "--max-store-bytes or the topic's max_backlog_bytes.");
        break;
    default:
        break;
    }
}

void client_report(const struct client *client,
                   const struct invocation *invocation,
                   const struct answer *answer)
{
    if (answer->failure != CLIENT_ANSWERED) {
        report_silence(client, answer);
        return;
    }
    const char *detail =
        json_string_value(json_object_get(answer->json, "detail"));
    if (detail == NULL)
        detail = json_string_value(json_object_get(answer->json, "title"));
    fprintf(stderr, "postoffice: %s answered %ld: ", client_url(client),
            answer->status);
    say("", detail != NULL ? detail : "no words that this program reads", "");
    report_details(answer->json, detail);
    advise_on(invocation, answer->status);
}
