/* Publishers: made, read, paused, deleted. Their options are changed in
 * service_edit.c. */
#include "service_inside.h"

#include "base/clock.h"
#include "base/memory.h"
#include "delivery/header_rule.h"
#include "delivery/signature.h"

static int run_publisher(struct service_read *read, struct view *view,
                         struct error *error)
{
    struct publisher_view *publisher =
        arena_take(&read->job.arena, sizeof *publisher);
    int rc = query_publisher(view, (uint32_t)read->id, &read->job.arena,
                             publisher, error);
    read->result.count = 1;
    read->result.publishers = publisher;
    return rc;
}

void service_publisher_answer(struct service *service, uint64_t ticket,
                              uint32_t id, uint64_t index)
{
    struct service_read *read =
        service_read_new(service, ticket, run_publisher);
    read->id = id;
    read->result.id = id;
    service_read_behind(read, index);
}

void service_publisher_get(void *context, uint64_t ticket,
                           enum backend_consistency consistency, uint32_t id)
{
    struct service_read *read =
        service_read_new(context, ticket, run_publisher);
    read->id = id;
    service_read_submit(read, consistency);
}

static int run_list(struct service_read *read, struct view *view,
                    struct error *error)
{
    struct publisher_view *publishers;
    int rc = query_publishers(view, 0, read->page.after_id, read->page.limit,
                              &read->job.arena, &publishers,
                              &read->result.count, error);
    read->result.publishers = publishers;
    return rc;
}

void service_publisher_list(void *context, uint64_t ticket,
                            enum backend_consistency consistency,
                            const struct backend_page *page)
{
    struct service_read *read = service_read_new(context, ticket, run_list);
    read->page = *page;
    service_read_submit(read, consistency);
}

/* ---- What delivery would refuse ---- */

struct fault_list {
    struct backend_fault *faults;
    uint32_t count;
};

static void add_fault(struct fault_list *list, const char *field,
                      struct slice element, const char *text)
{
    if (text != NULL && list->count < BACKEND_FAULTS_MAX)
        list->faults[list->count++] = (struct backend_fault){
            .field = field, .element = element, .text = text};
}

static void check_headers(struct fault_list *list, struct slice headers)
{
    struct slice name, value;
    while (text_list_next(&headers, &name) == 0 &&
           text_list_next(&headers, &value) == 0)
        add_fault(list, "headers", name, header_check(name, value));
}

uint32_t
service_publisher_faults(void *context, const struct publisher_options *options,
                         struct backend_fault ret_faults[BACKEND_FAULTS_MAX])
{
    static const struct slice whole = {0};
    struct service *service = context;
    struct fault_list list = {.faults = ret_faults};
    struct signature_key key;
    if (options->target.length > 0)
        add_fault(
            &list, "target", whole,
            address_policy_refuses_url(service->parts.policy, options->target));
    if (options->secret.length > 0 &&
        !signature_key_read(options->secret, &key))
        add_fault(&list, "secret", whole,
                  "is invalid: whsec_ and the base64 of 24 to 64 bytes is "
                  "expected");
    signature_key_wipe(&key);
    if (options->basic_auth.length > 0)
        add_fault(&list, "basic_auth", whole,
                  header_check_basic(options->basic_auth));
    if (options->bearer_token.length > 0)
        add_fault(&list, "bearer_token", whole,
                  header_check_bearer(options->bearer_token));
    check_headers(&list, options->headers);
    return list.count;
}

/* ---- Changes ---- */

bool service_publisher_triple_taken(struct service *service, uint32_t but_id,
                                    uint32_t topic_id,
                                    const struct publisher_options *options)
{
    const struct catalog_publisher *known;
    for (uint32_t id = 0; (known = catalog_next_publisher(
                               service->parts.catalog, &id)) != NULL;) {
        const struct publisher *publisher = &known->publisher;
        if (publisher->id != but_id && publisher->topic_id == topic_id &&
            publisher->options.type == options->type &&
            slice_equal(publisher->options.target, options->target))
            return true;
    }
    return false;
}

static void on_changed(void *context, uint64_t ticket, int code, uint64_t index,
                       const struct command_result *result)
{
    struct service *service = context;
    if (!service_failed(service, ticket, code, result, "target"))
        service_publisher_answer(service, ticket, (uint32_t)result->id, index);
}

void service_publisher_create(void *context, uint64_t ticket,
                              const struct backend_publisher_create *request)
{
    struct service *service = context;
    const struct topic *topic =
        catalog_topic_named(service->parts.catalog, request->topic);
    const char *detail;
    int rc = service_publish_check(service, 0, &detail);
    const char *field = NULL;
    if (rc == 0 && topic == NULL) {
        rc = ERR_NOT_FOUND;
        field = "topic";
    } else if (rc == 0 && service_publisher_triple_taken(service, 0, topic->id,
                                                         &request->options)) {
        rc = ERR_EXISTS;
        field = "target";
    }
    if (rc != 0) {
        service_refuse(service, ticket, rc, field, detail);
        return;
    }
    struct command_publisher_create create = {.topic_id = topic->id,
                                              .from_now = request->from_now,
                                              .paused = !request->active,
                                              .options = request->options};
    command_publisher_create_encode(proposer_begin(service->parts.proposer),
                                    clock_wall_ms(), &create);
    service_propose(service, on_changed, ticket);
}

static bool change_refused(struct service *service, uint64_t ticket,
                           uint32_t id)
{
    int rc = service_change_check(service);
    if (rc == 0 && catalog_publisher(service->parts.catalog, id) == NULL)
        rc = ERR_NOT_FOUND;
    if (rc != 0)
        service_refuse(service, ticket, rc, NULL, NULL);
    return rc != 0;
}

static void on_deleted(void *context, uint64_t ticket, int code, uint64_t index,
                       const struct command_result *result)
{
    struct service *service = context;
    (void)index;
    if (service_failed(service, ticket, code, result, NULL))
        return;
    struct backend_result answered = {.ticket = ticket};
    service_answer(service, &answered);
}

void service_publisher_delete(void *context, uint64_t ticket, uint32_t id)
{
    struct service *service = context;
    if (change_refused(service, ticket, id))
        return;
    command_publisher_delete_encode(proposer_begin(service->parts.proposer),
                                    clock_wall_ms(), id);
    service_propose(service, on_deleted, ticket);
}

void service_publisher_pause(void *context, uint64_t ticket, uint32_t id,
                             bool paused, struct slice reason)
{
    struct service *service = context;
    if (change_refused(service, ticket, id))
        return;
    if (paused && reason.length == 0)
        reason = slice_text("requested");
    struct command_pause pause = {
        .publisher_id = id, .paused = paused, .reason = reason};
    command_pause_encode(proposer_begin(service->parts.proposer),
                         clock_wall_ms(), &pause);
    service_propose(service, on_changed, ticket);
}

/* ---- Tests ---- */

/* The outcome, with the response behind it, for the answer. */
static struct attempt *attempt_keep(const struct attempt *attempt)
{
    struct attempt *kept =
        memory_new(sizeof *kept + attempt->response.length + 1);
    *kept = *attempt;
    if (attempt->response.length > 0)
        memcpy(kept + 1, attempt->response.data, attempt->response.length);
    kept->response = slice_of(kept + 1, attempt->response.length);
    return kept;
}

static void on_tested(void *context, uint64_t ticket, uint32_t publisher_id,
                      const struct attempt *attempt)
{
    struct service_read *read =
        service_read_new(context, ticket, run_publisher);
    read->id = publisher_id;
    read->data = attempt_keep(attempt);
    read->result.attempt = read->data;
    service_read_submit(read, BACKEND_LINEARIZABLE);
}

void service_publisher_test(void *context, uint64_t ticket, uint32_t id)
{
    struct service *service = context;
    int rc = dispatcher_test(service->parts.dispatcher, id, on_tested, service,
                             ticket);
    if (rc != 0)
        service_refuse(service, ticket, rc, NULL,
                       rc == ERR_BUSY ? "so many tests are under way" : NULL);
}
