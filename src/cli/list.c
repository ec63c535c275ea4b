/* Lists of any length, page by page: only one page is in memory. */
#include "client.h"
#include "path.h"
#include "terminal.h"

#include <stdio.h>
#include <stdlib.h>

enum { PAGE_MAX = 1000, CURSOR_SIZE = 1024 };

const struct flag list_flags[] = {
    {.name = "limit",
     .letter = 'n',
     .kind = FLAG_NUMBER,
     .value = "N",
     .help = "show so many at most (default: 50)"},
    {.name = "all", .kind = FLAG_SWITCH, .help = "show all there are"},
    {.name = "cursor",
     .kind = FLAG_TEXT,
     .value = "CURSOR",
     .help = "go on where an earlier answer ended"},
    {.name = "consistency",
     .kind = FLAG_CHOICE,
     .value = "local",
     .place = PLACE_QUERY,
     .help = "the node that is asked answers from its own store, without "
             "a leader"},
    {.name = NULL},
};

struct walk {
    const struct invocation *invocation;
    struct client *client;
    struct grid grid;
    uint64_t left; /* How many more are wanted. */
    uint64_t shown;
    char cursor[CURSOR_SIZE]; /* Of the next page; empty: the last was it. */
};

/* What is asked for: the filters, and a page of what is left. */
static void add_page(const struct walk *walk, struct encoder *path)
{
    char number[32];
    snprintf(
        number, sizeof number, "%llu",
        (unsigned long long)(walk->left < PAGE_MAX ? walk->left : PAGE_MAX));
    path_query(path, "limit", number);
    if (walk->cursor[0] != '\0')
        path_query(path, "cursor", walk->cursor);
}

static bool take_cursor(struct walk *walk, const json_t *answer)
{
    const char *next =
        json_string_value(json_object_get(answer, "next_cursor"));
    if (next == NULL)
        next = "";
    if (strlen(next) >= sizeof walk->cursor ||
        (next[0] != '\0' && strcmp(next, walk->cursor) == 0)) {
        fputs("postoffice: the answer's cursor cannot be followed\n", stderr);
        return false;
    }
    memcpy(walk->cursor, next, strlen(next) + 1);
    return true;
}

static bool take_page(struct walk *walk, const char *base)
{
    struct encoder path = {0};
    encoder_bytes(&path, slice_text(base));
    add_page(walk, &path);
    struct answer answer = client_call(
        walk->client,
        &(struct client_request){.method = "GET", .path = encoder_text(&path)});
    encoder_close(&path);
    if (answer.status != 200) {
        client_report(walk->client, walk->invocation, &answer);
        return false;
    }
    const json_t *rows = json_object_get(answer.json, "data");
    size_t count = json_array_size(rows);
    walk->shown += count;
    walk->left -= count < walk->left ? count : walk->left;
    if (flag_given(walk->invocation, "json"))
        answer_print(&answer);
    else if (count > 0)
        grid_rows(&walk->grid, rows);
    return take_cursor(walk, answer.json);
}

static void say_end(const struct walk *walk, const char *none)
{
    fflush(stdout);
    grid_end(&walk->grid);
    if (walk->cursor[0] != '\0')
        fprintf(stderr,
                "(there are more: --all shows them, --cursor %s goes on)\n",
                walk->cursor);
    else if (walk->shown == 0)
        fprintf(stderr, "%s\n", none);
}

int client_list(const struct invocation *invocation, struct encoder *path,
                const struct grid_column *columns, const char *none)
{
    struct walk walk = {.invocation = invocation,
                        .client = client_new(invocation),
                        .grid = {.columns = columns}};
    bool all = flag_given(invocation, "all");
    const char *cursor = flag_text(invocation, "cursor");
    walk.left = all ? UINT64_MAX : flag_number(invocation, "limit", 50);
    if (walk.left == 0)
        usage_error(invocation, "--limit is 0");
    if (cursor != NULL && strlen(cursor) < sizeof walk.cursor)
        memcpy(walk.cursor, cursor, strlen(cursor) + 1);
    else if (cursor != NULL)
        usage_error(invocation, "--cursor is none of ours");
    flag_query(invocation, path);
    bool good = take_page(&walk, encoder_text(path));
    while (good && walk.cursor[0] != '\0' && walk.left > 0)
        good = take_page(&walk, encoder_text(path));
    if (good && !flag_given(invocation, "json"))
        say_end(&walk, none);
    client_free(walk.client);
    encoder_close(path);
    return good ? STATUS_DONE : STATUS_FAILED;
}
