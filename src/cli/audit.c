/* `postoffice audit`: who changed what. */
#include "storage/audit.h"
#include "client.h"
#include "path.h"

static const struct grid_column columns[] = {
    {"AT", "at", CELL_TIME, 0},
    {"WHO", "who", CELL_TEXT, 0},
    {"ACTION", "action", CELL_WORD, 0},
    {"SUBJECT", "subject", CELL_TEXT, 0},
    {"REQUEST", "request_id", CELL_TEXT, 1},
    {NULL, NULL, CELL_TEXT, 0},
};

static int list(struct invocation *invocation)
{
    struct encoder path = {0};
    path_add(&path, "/api/audit", NULL, NULL);
    return client_list(invocation, &path, columns,
                       "nothing was changed, or nothing that was asked for");
}

static const struct flag flags[] = {
    {.name = "who",
     .kind = FLAG_TEXT,
     .value = "NAME",
     .place = PLACE_QUERY,
     .help = "only changes by this token, by anonymous or by system"},
    {.name = "action",
     .kind = FLAG_TEXT,
     .value = "ACTION",
     .place = PLACE_QUERY,
     .help = "only changes of this kind, such as publisher.pause"},
    {.name = "subject",
     .kind = FLAG_TEXT,
     .value = "SUBJECT",
     .place = PLACE_QUERY,
     .help = "only changes of this, such as publisher/7 or topic/orders"},
    {.include = list_flags},
    {.name = NULL},
};

#define AUDIT_WORD(name, number, text) " " text
const struct subcommand command_audit = {
    .name = "audit",
    .summary = "list who changed what, newest first",
    .detail = "--json shows each change as it was before and after. The "
              "actions:" AUDIT_ACTIONS(AUDIT_WORD) ".",
    .flags = flags,
    .talks = true,
    .run = list,
};
#undef AUDIT_WORD
