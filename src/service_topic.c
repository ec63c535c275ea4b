/* Topics. */
#include "service_inside.h"

#include "base/clock.h"
#include "base/memory.h"

static int run_topic(struct service_read *read, struct view *view,
                     struct error *error)
{
    struct topic *topic = arena_take(&read->job.arena, sizeof *topic);
    int rc =
        query_topic(view, (uint32_t)read->id, &read->job.arena, topic, error);
    read->result.count = 1;
    read->result.topics = topic;
    return rc;
}

void service_topic_answer(struct service *service, uint64_t ticket, uint32_t id,
                          uint64_t index)
{
    struct service_read *read = service_read_new(service, ticket, run_topic);
    read->id = id;
    read->result.id = id;
    service_read_behind(read, index);
}

static void on_created(void *context, uint64_t ticket, int code, uint64_t index,
                       const struct command_result *result)
{
    struct service *service = context;
    if (!service_failed(service, ticket, code, result, "name"))
        service_topic_answer(service, ticket, (uint32_t)result->id, index);
}

void service_topic_create(void *context, uint64_t ticket,
                          const struct topic_options *options)
{
    struct service *service = context;
    const char *detail;
    int rc = service_publish_check(service, 0, &detail);
    if (rc != 0) {
        service_refuse(service, ticket, rc, NULL, detail);
        return;
    }
    if (catalog_topic_named(service->parts.catalog, options->name) != NULL) {
        service_refuse(service, ticket, ERR_EXISTS, "name", NULL);
        return;
    }
    command_topic_create_encode(proposer_begin(service->parts.proposer),
                                clock_wall_ms(), options);
    service_propose(service, on_created, ticket);
}

static int run_list(struct service_read *read, struct view *view,
                    struct error *error)
{
    struct topic *topics;
    int rc =
        query_topics(view, read->page.after_id, read->page.limit,
                     &read->job.arena, &topics, &read->result.count, error);
    read->result.topics = topics;
    return rc;
}

void service_topic_list(void *context, uint64_t ticket,
                        enum backend_consistency consistency,
                        const struct backend_page *page)
{
    struct service_read *read = service_read_new(context, ticket, run_list);
    read->page = *page;
    service_read_submit(read, consistency);
}

void service_topic_get(void *context, uint64_t ticket,
                       enum backend_consistency consistency, struct slice name)
{
    struct service *service = context;
    const struct topic *topic =
        catalog_topic_named(service->parts.catalog, name);
    struct service_read *read = service_read_new(service, ticket, run_topic);
    read->id = topic == NULL ? 0 : topic->id;
    service_read_submit(read, consistency);
}

static void on_deleted(void *context, uint64_t ticket, int code, uint64_t index,
                       const struct command_result *result)
{
    struct service *service = context;
    struct backend_result answered = {.ticket = ticket};
    (void)index;
    if (code == 0 && result->code == ERR_CONFLICT) {
        answered.code = ERR_CONFLICT;
        answered.detail = "The topic has publishers, or messages that wait for "
                          "their time: ?force=true deletes them too.";
        service_answer(service, &answered);
    } else if (!service_failed(service, ticket, code, result, NULL)) {
        service_answer(service, &answered);
    }
}

void service_topic_delete(void *context, uint64_t ticket, struct slice name,
                          bool force)
{
    struct service *service = context;
    const struct topic *topic =
        catalog_topic_named(service->parts.catalog, name);
    int rc = service_change_check(service);
    if (rc == 0 && topic == NULL)
        rc = ERR_NOT_FOUND;
    if (rc != 0) {
        service_refuse(service, ticket, rc, NULL, NULL);
        return;
    }
    struct command_topic_delete deletion = {.topic_id = topic->id,
                                            .force = force};
    command_topic_delete_encode(proposer_begin(service->parts.proposer),
                                clock_wall_ms(), &deletion);
    service_propose(service, on_deleted, ticket);
}
