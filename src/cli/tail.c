/* `postoffice tail`: messages as they arrive.
 *
 * It asks for the newest ones twice a second and shows those that it has not
 * shown, oldest first. When the node goes away it keeps asking, and goes on
 * where it stood. */
#include "client.h"
#include "path.h"
#include "search.h"
#include "terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    ASK_US = 500 * 1000,
    PAGE = 200,
    PAGES_MAX = 50, /* So much may arrive between two questions; what is
                     * more is not shown, and that is said. */
    FIRST_STANDARD = 10,
};

struct tail {
    const struct invocation *invocation;
    struct client *client;
    struct grid grid;
    long long last; /* The highest id that was shown. */
    uint64_t left;  /* How many more to show. */
    bool begun;
    bool away; /* The node does not answer, and that was said. */
};

static bool ask_page(struct tail *tail, const char *cursor, uint64_t limit,
                     struct answer *ret_answer)
{
    struct encoder path = {0};
    char number[24];
    path_add(&path, "/api/messages", NULL, NULL);
    flag_query(tail->invocation, &path);
    snprintf(number, sizeof number, "%llu", (unsigned long long)limit);
    path_query(&path, "limit", number);
    if (cursor != NULL)
        path_query(&path, "cursor", cursor);
    struct client_request request = {.method = "GET",
                                     .path = encoder_text(&path)};
    *ret_answer = client_call(tail->client, &request);
    encoder_close(&path);
    return ret_answer->status == 200;
}

/* Adds the page's unseen messages to the list; false: the rest is known. */
static bool gather(const struct tail *tail, const json_t *page, json_t *list)
{
    size_t i;
    json_t *message;
    json_array_foreach(page, i, message)
    {
        if (json_count_of(message, "id") <= tail->last)
            return false;
        json_array_append(list, message);
    }
    return true;
}

/* All that is new, newest first; at the first time the last few. */
static bool gather_all(struct tail *tail, json_t *list,
                       struct answer *ret_answer)
{
    char cursor[1024];
    const char *next = NULL;
    uint64_t first = flag_number(tail->invocation, "last", FIRST_STANDARD);
    uint64_t limit = tail->begun || first == 0 ? PAGE : first;
    for (unsigned pages = 0; pages < PAGES_MAX; pages++) {
        if (!ask_page(tail, next, limit, ret_answer))
            return false;
        const json_t *page = json_object_get(ret_answer->json, "data");
        next =
            json_string_value(json_object_get(ret_answer->json, "next_cursor"));
        if (!gather(tail, page, list) || next == NULL ||
            (!tail->begun && json_array_size(list) >= limit) ||
            strlen(next) >= sizeof cursor)
            return true;
        memcpy(cursor, next, strlen(next) + 1);
        next = cursor;
    }
    fputs("(more arrived than can be shown: some are left out)\n", stderr);
    return true;
}

static void show_json(const json_t *messages)
{
    size_t i;
    json_t *message;
    json_array_foreach(messages, i, message)
    {
        char *text = json_dumps(message, JSON_COMPACT);
        struct answer line = {.body = slice_text(text)};
        answer_print(&line);
        free(text);
    }
}

/* Oldest first, and no more than are wanted. */
static void show(struct tail *tail, const json_t *newest_first)
{
    json_t *list = json_array();
    size_t count = json_array_size(newest_first);
    if (count > 0)
        tail->last = json_count_of(json_array_get(newest_first, 0), "id");
    bool silent = !tail->begun && flag_number(tail->invocation, "last", 1) == 0;
    while (count-- > 0 && tail->left > 0 && !silent) {
        json_array_append(list, json_array_get(newest_first, count));
        tail->left--;
    }
    if (flag_given(tail->invocation, "json"))
        show_json(list);
    else if (json_array_size(list) > 0)
        grid_rows(&tail->grid, list);
    json_decref(list);
    fflush(stdout);
    tail->begun = true;
}

/* What a later question may answer otherwise. */
static bool is_passing(const struct answer *answer)
{
    return answer->failure != CLIENT_ANSWERED || answer->status == 429 ||
           answer->status >= 502;
}

static int run(struct invocation *invocation)
{
    struct tail tail = {.invocation = invocation,
                        .client = client_new(invocation),
                        .grid = {.columns = message_columns},
                        .left = flag_number(invocation, "count", UINT64_MAX)};
    int status = STATUS_DONE;
    while (tail.left > 0) {
        struct answer answer;
        json_t *list = json_array();
        bool good = gather_all(&tail, list, &answer);
        if (good)
            show(&tail, list);
        json_decref(list);
        if (!good && (!tail.begun || !is_passing(&answer))) {
            client_report(tail.client, invocation, &answer);
            status = STATUS_FAILED;
            break;
        }
        if (!good && !tail.away)
            fprintf(stderr, "(%s does not answer; asking on)\n",
                    client_url(tail.client));
        tail.away = !good;
        if (tail.left > 0)
            usleep(ASK_US);
    }
    client_free(tail.client);
    return status;
}

static const struct flag tail_flags[] = {
    {.include = search_filters},
    {.name = "last",
     .letter = 'n',
     .kind = FLAG_NUMBER,
     .value = "N",
     .help = "begin with the last N (default: 10)"},
    {.name = "count",
     .kind = FLAG_NUMBER,
     .value = "N",
     .help = "end after N messages (default: never)"},
    {.name = NULL},
};

const struct subcommand command_tail = {
    .name = "tail",
    .summary = "follow messages as they arrive",
    .flags = tail_flags,
    .talks = true,
    .run = run,
};
