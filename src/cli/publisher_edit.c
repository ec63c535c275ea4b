/* `postoffice publisher create`, `change` and `delete`. */
#include "client.h"
#include "path.h"
#include "publisher.h"

#include <stdio.h>

/* ---- create ---- */

static int create(struct invocation *invocation)
{
    struct encoder path = {0};
    json_t *body = flag_body(invocation);
    /* The two that the API wants said, with what most mean. */
    if (json_object_get(body, "type") == NULL)
        json_object_set_new(body, "type", json_string("http"));
    json_object_set_new(body, "active",
                        json_boolean(!flag_given(invocation, "paused")));
    path_add(&path, "/api/publishers", NULL, NULL);
    return client_ask(invocation, "POST", &path, body, publisher_show);
}

static const struct flag create_flags[] = {
    {.name = "topic",
     .letter = 't',
     .kind = FLAG_TEXT,
     .value = "NAME",
     .place = PLACE_BODY,
     .required = true,
     .help = "the topic whose messages it gets"},
    {.name = "target",
     .kind = FLAG_TEXT,
     .value = "URL",
     .place = PLACE_BODY,
     .required = true,
     .help = "where they go"},
    {.name = "type",
     .kind = FLAG_CHOICE,
     .value = "http|pubsub",
     .place = PLACE_BODY,
     .help = "what the target is (default: http)"},
    {.name = "paused",
     .kind = FLAG_SWITCH,
     .help = "hold its messages until `postoffice publisher resume'"},
    {.name = "from-now",
     .kind = FLAG_SWITCH,
     .place = PLACE_BODY,
     .help = "without the messages that the topic has already"},
    {.include = publisher_flags},
    {.name = NULL},
};

const struct subcommand command_publisher_create = {
    .name = "create",
    .summary = "create a publisher",
    .flags = create_flags,
    .talks = true,
    .run = create,
};

/* ---- change ---- */

static int change(struct invocation *invocation)
{
    struct encoder path = publisher_path(invocation, NULL);
    json_t *body = flag_body(invocation);
    if (json_object_size(body) == 0)
        usage_error(invocation, "nothing to change: give a flag");
    return client_ask(invocation, "PATCH", &path, body, publisher_show);
}

static const struct flag change_flags[] = {
    {.name = "target",
     .kind = FLAG_TEXT,
     .value = "URL",
     .place = PLACE_BODY,
     .help = "where its messages go"},
    {.include = publisher_flags},
    {.name = NULL},
};

const struct subcommand command_publisher_change = {
    .name = "change",
    .summary = "change what is given of a publisher",
    .detail = "It counts at once, for queued messages too. An empty value "
              "stands for the default.",
    .arguments = "ID",
    .flags = change_flags,
    .talks = true,
    .lists = lists_publishers,
    .run = change,
};

/* ---- delete ---- */

static void show_deleted(const struct invocation *invocation,
                         const json_t *data)
{
    (void)data;
    printf("publisher %s is deleted\n", argument_at(invocation, 0));
}

static int delete (struct invocation *invocation)
{
    struct encoder path = publisher_path(invocation, NULL);
    return client_ask(invocation, "DELETE", &path, NULL, show_deleted);
}

const struct subcommand command_publisher_delete = {
    .name = "delete",
    .summary = "delete a publisher and what waits for it",
    .arguments = "ID",
    .talks = true,
    .lists = lists_publishers,
    .run = delete,
};
