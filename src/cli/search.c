/* `postoffice search`: messages by all that is known of them, newest first. */
#include "search.h"

#include "client.h"
#include "path.h"

const struct flag search_filters[] = {
    {.name = "topic",
     .letter = 't',
     .kind = FLAG_TEXT,
     .value = "NAME",
     .place = PLACE_QUERY,
     .help = "messages of this topic"},
    {.name = "publisher",
     .letter = 'p',
     .kind = FLAG_NUMBER,
     .value = "ID",
     .place = PLACE_QUERY,
     .help = "messages for this publisher; states are then those of its "
             "deliveries"},
    {.name = "state",
     .letter = 's',
     .kind = FLAG_CHOICE,
     .value = "scheduled|pending|retrying|delivered|dead|discarded|ambiguous",
     .place = PLACE_QUERY,
     .help = "of some delivery"},
    {.name = "key",
     .letter = 'k',
     .kind = FLAG_TEXT,
     .value = "KEY",
     .place = PLACE_QUERY,
     .help = "the ordering key"},
    {.name = "attribute",
     .letter = 'a',
     .kind = FLAG_PAIR,
     .value = "NAME=VALUE",
     .place = PLACE_QUERY,
     .member = "attr.",
     .repeated = true,
     .help = "an attribute; repeatable"},
    {.name = "field",
     .letter = 'f',
     .kind = FLAG_PAIR,
     .value = "POINTER=VALUE",
     .place = PLACE_QUERY,
     .member = "field.",
     .repeated = true,
     .help = "a payload's field, such as /customer/id=7; repeatable"},
    {.name = "q",
     .letter = 'q',
     .kind = FLAG_TEXT,
     .value = "TEXT",
     .place = PLACE_QUERY,
     .help = "this text is somewhere in the payload"},
    {.name = "received-from",
     .kind = FLAG_TEXT,
     .value = "TIME",
     .place = PLACE_QUERY,
     .help = "received then or later, such as 2026-01-31T12:00:00Z"},
    {.name = "received-to",
     .kind = FLAG_TEXT,
     .value = "TIME",
     .place = PLACE_QUERY,
     .help = "received before or then"},
    {.name = "processed-from",
     .kind = FLAG_TEXT,
     .value = "TIME",
     .place = PLACE_QUERY,
     .help = "settled then or later"},
    {.name = "processed-to",
     .kind = FLAG_TEXT,
     .value = "TIME",
     .place = PLACE_QUERY,
     .help = "settled before or then"},
    {.name = NULL},
};

const struct grid_column message_columns[] = {
    {"ID", "id", CELL_WORD, 0},
    {"RECEIVED (UTC)", "received_at", CELL_TIME, 2},
    {"TOPIC", "topic", CELL_TEXT, 3},
    {"STATE", "state", CELL_STATE, 0},
    {"KEY", "key", CELL_TEXT, 4},
    {"SIZE", "size", CELL_NUMBER, 5},
    {"PAYLOAD", "preview", CELL_TEXT, 1},
    {NULL, NULL, CELL_TEXT, 0},
};

static int run(struct invocation *invocation)
{
    struct encoder path = {0};
    path_add(&path, "/api/messages", NULL, NULL);
    return client_list(invocation, &path, message_columns,
                       "no message is like that");
}

static const struct flag search_flags[] = {
    {.include = search_filters},
    {.include = list_flags},
    {.name = NULL},
};

const struct subcommand command_search = {
    .name = "search",
    .summary = "find messages, newest first",
    .detail = "Of several filters all must fit.",
    .flags = search_flags,
    .talks = true,
    .run = run,
};
