/* Messages that are there: one, or a list; and a person's decisions about
 * them. */
#include "http/identity.h"
#include "http/resources.h"

#include "base/bounds.h"
#include "base/public_id.h"

static void on_message(struct request *request,
                       const struct backend_result *result)
{
    struct json_writer json = request_data_begin(request);
    message_write(&json, &result->messages[0], result->id_space, MESSAGE_WHOLE);
    request_data_send(request, &json, 200);
}

bool message_id_parameter(struct request *request, uint64_t *ret_id)
{
    const struct backend *backend = request_backend(request);
    uint64_t space;
    if (!public_id_parse(request->parameter, &space, ret_id))
        return request_id_parameter(request, ret_id);
    if (space == backend->id_space(backend->context))
        return true;
    struct problem problem = {0};
    problem_from_code(&problem, ERR_NOT_FOUND, NULL, NULL);
    request_fail(request, &problem);
    return false;
}

void message_get(struct request *request)
{
    const struct backend *backend = request_backend(request);
    uint64_t id;
    if (message_id_parameter(request, &id))
        backend->message_get(backend->context,
                             request_wait(request, on_message),
                             request->consistency, id);
}

/* ---- Lists ---- */

static bool read_state(struct slice text, enum delivery_state *ret_state)
{
    for (uint32_t i = 0; i <= DELIVERY_FILTERED; i++) {
        if (slice_is(text, delivery_state_text((enum delivery_state)i))) {
            *ret_state = (enum delivery_state)i;
            return true;
        }
    }
    return false;
}

/* What searches will know, and do not yet. */
static void tell_unbuilt(const struct query_string *query,
                         struct problem *problem)
{
    static const char *const built[] = {
        "topic", "publisher", "state", "key", "limit", "cursor", "consistency"};
    for (unsigned i = 0; i < query->count; i++) {
        bool known = false;
        for (size_t j = 0; j < sizeof built / sizeof *built; j++)
            known |= strcmp(query->parameters[i].name, built[j]) == 0;
        if (!known)
            problem_parameter_not_built(problem, query->parameters[i].name);
    }
}

static void read_search(struct request *request, struct backend_search *search,
                        struct problem *problem)
{
    const struct query_string *query = &request->query;
    struct slice text;
    *search = (struct backend_search){.any_state = true};
    if (query_string_get(query, "topic", &search->topic) &&
        !topic_name_is_valid(search->topic))
        problem_parameter(problem, "topic", PROBLEM_INVALID);
    request_query_id(request, "publisher", &search->publisher_id, problem);
    if (query_string_get(query, "state", &text)) {
        search->any_state = false;
        if (!read_state(text, &search->state))
            problem_parameter(problem, "state", PROBLEM_INVALID);
    }
    if (query_string_get(query, "key", &search->key)) {
        if (search->key.length < 1 || search->key.length > BOUND_KEY)
            problem_parameter(problem, "key", PROBLEM_INVALID);
        else if (search->topic.length == 0 && search->publisher_id == 0)
            problem_parameter(problem, "key",
                              "is of one topic: topic or publisher must be "
                              "given too");
    }
    query_string_page(query, 'm', UINT64_MAX, &search->before, &search->limit,
                      problem);
    tell_unbuilt(query, problem);
}

static void on_list(struct request *request,
                    const struct backend_result *result)
{
    struct json_writer json = request_data_begin(request);
    json_write_begin(&json, '[');
    for (uint32_t i = 0; i < result->count; i++)
        if (identity_reaches(request, result->messages[i].topic))
            message_write(&json, &result->messages[i], result->id_space,
                          MESSAGE_LISTED);
    request_page_end(request, &json, 'm', result->next);
}

void message_list(struct request *request)
{
    const struct backend *backend = request_backend(request);
    struct problem problem = {0};
    struct backend_search search;
    read_search(request, &search, &problem);
    if (search.topic.length > 0)
        identity_check_topic(request, search.topic, &problem);
    if (!request_failed(request, &problem))
        backend->message_list(backend->context, request_wait(request, on_list),
                              request->consistency, &search);
}

/* ---- Decisions ---- */

static bool read_decision(struct request *request, uint64_t *ret_id,
                          uint32_t *ret_publisher)
{
    struct problem problem = {0};
    if (!message_id_parameter(request, ret_id))
        return false;
    request_body_decision(request->body, &request->arena, &problem,
                          ret_publisher);
    return !request_failed(request, &problem);
}

void message_retry(struct request *request)
{
    const struct backend *backend = request_backend(request);
    uint64_t id;
    uint32_t publisher;
    if (read_decision(request, &id, &publisher))
        backend->message_retry(
            backend->context, request_wait(request, on_message), id, publisher);
}

void message_discard(struct request *request)
{
    const struct backend *backend = request_backend(request);
    uint64_t id;
    uint32_t publisher;
    if (read_decision(request, &id, &publisher))
        backend->message_discard(
            backend->context, request_wait(request, on_message), id, publisher);
}
