/* Messages that are there: one, a list, why one is where it is, and what a
 * person has decided about it. */
#include "service_inside.h"

#include "base/clock.h"

/* ---- Explanations ---- */

/* Which clause did not match; none, when the filter is another one now. */
static void explain_filter(const struct explain *facts,
                           struct filter_verdict *verdict)
{
    struct filter *filter = NULL;
    struct filter_error fault;
    struct slice text = facts->publisher.publisher.options.filter;
    if (text.length == 0 || filter_compile(text, &filter, &fault) != 0)
        return;
    filter_explain(filter, facts->message.attributes, facts->message.payload,
                   verdict);
    filter_unref(filter);
}

static void explanation_complete(struct backend_explanation *explanation,
                                 uint64_t now_ms)
{
    explanation->now_ms = now_ms;
    if (explanation->facts.reason == REASON_FILTERED)
        explain_filter(&explanation->facts, &explanation->verdict);
}

/* Room for so many, as the read's result. */
static struct backend_explanation *explanations_of(struct service_read *read,
                                                   uint32_t count)
{
    struct backend_explanation *explanations =
        arena_take(&read->job.arena, count * sizeof *explanations);
    memset(explanations, 0, count * sizeof *explanations);
    read->result.explanations = explanations;
    read->result.explanation_count = count;
    return explanations;
}

/* ---- One ---- */

static int run_message(struct service_read *read, struct view *view,
                       struct error *error)
{
    struct arena *arena = &read->job.arena;
    struct message_view *message = arena_take(arena, sizeof *message);
    read->result.count = 1;
    read->result.messages = message;
    int rc = query_message(view, read->id, arena, message, error);
    if (rc != 0)
        return rc;
    uint32_t count = message->delivery_count < BOUND_EXPLAINED
                         ? message->delivery_count
                         : BOUND_EXPLAINED;
    struct backend_explanation *explanations = explanations_of(read, count);
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        rc = query_explain_message(
            view, message, message->deliveries[i].publisher_id, read->now_ms,
            arena, &explanations[i].facts, error);
        if (rc == 0)
            explanation_complete(&explanations[i], read->now_ms);
    }
    return rc;
}

/* A member that holds all that this answer saw holds the message; one that lags
 * behind may, too. Only the leader knows how far the others are. */
static bool fill_replicas(struct service_read *read)
{
    struct cluster *cluster = read->service->parts.cluster;
    struct backend_result *result = &read->result;
    struct cluster_member members[BACKEND_MEMBERS_MAX];
    if (result->code != 0 || read->consistency == BACKEND_LOCAL ||
        !cluster_status(cluster).leading)
        return false;
    uint32_t *replicas =
        arena_take(&read->job.arena, BACKEND_MEMBERS_MAX * sizeof *replicas);
    unsigned count = cluster_members(cluster, members, BACKEND_MEMBERS_MAX);
    for (unsigned i = 0; i < count; i++)
        if (members[i].match_index >= result->applied_index)
            replicas[result->replica_count++] = members[i].node_id;
    result->replicas = replicas;
    return false;
}

static struct service_read *message_read_new(struct service *service,
                                             uint64_t ticket, uint64_t id)
{
    struct service_read *read = service_read_new(service, ticket, run_message);
    read->then = fill_replicas;
    read->id = id;
    return read;
}

void service_message_get(void *context, uint64_t ticket,
                         enum backend_consistency consistency, uint64_t id)
{
    service_read_submit(message_read_new(context, ticket, id), consistency);
}

static int run_explain(struct service_read *read, struct view *view,
                       struct error *error)
{
    struct backend_explanation *explanation = explanations_of(read, 1);
    int rc = query_explain(view, read->id, read->publisher_id, read->now_ms,
                           &read->job.arena, &explanation->facts, error);
    if (rc == 0)
        explanation_complete(explanation, read->now_ms);
    return rc;
}

void service_message_explain(void *context, uint64_t ticket,
                             enum backend_consistency consistency, uint64_t id,
                             uint32_t publisher_id)
{
    struct service_read *read = service_read_new(context, ticket, run_explain);
    read->id = id;
    read->publisher_id = publisher_id;
    service_read_submit(read, consistency);
}

/* ---- Lists ---- */

static int run_list(struct service_read *read, struct view *view,
                    struct error *error)
{
    struct message_page page;
    struct search_pace pace;
    search_pace_begin(&pace, clock_us(), read->busy);
    read->search.spent = search_pace_spent;
    read->search.spent_context = &pace;
    int rc = query_messages(view, read->service->parts.index, &read->search,
                            &read->job.arena, &page, error);
    read->result.messages = page.messages;
    read->result.count = page.count;
    read->result.next = page.next;
    read->result.cut = page.cut;
    read->result.searched_ms = page.searched_ms;
    return rc;
}

/* Copied: the request may be gone before the search runs. */
static struct message_query search_of(const struct backend_search *search,
                                      uint32_t topic_id, struct arena *arena)
{
    struct search_term *terms =
        arena_take(arena, (search->term_count + 1) * sizeof *terms);
    for (uint32_t i = 0; i < search->term_count; i++)
        terms[i] = (struct search_term){
            .kind = search->terms[i].kind,
            .name = arena_copy(arena, search->terms[i].name),
            .value = arena_copy(arena, search->terms[i].value)};
    return (struct message_query){
        .topic_id = topic_id,
        .publisher_id = search->publisher_id,
        .any_state = search->any_state,
        .state = search->state,
        .key = arena_copy(arena, search->key),
        .terms = terms,
        .term_count = search->term_count,
        .text = arena_copy(arena, search->text),
        .received_from_ms = search->received_from_ms,
        .received_to_ms = search->received_to_ms,
        .processed_from_ms = search->processed_from_ms,
        .processed_to_ms = search->processed_to_ms,
        .before = search->before,
        .limit = search->limit,
    };
}

void service_message_list(void *context, uint64_t ticket,
                          enum backend_consistency consistency,
                          const struct backend_search *search)
{
    struct service *service = context;
    const struct catalog *catalog = service->parts.catalog;
    struct service_read *read = service_read_new(service, ticket, run_list);
    const struct topic *topic = catalog_topic_named(catalog, search->topic);
    if (search->topic.length > 0 && topic == NULL) {
        read->result.code = ERR_NOT_FOUND;
        read->result.field = "topic";
        reads_return(service->parts.reads, &read->job);
        return;
    }
    read->missing = "publisher";
    read->busy = search_load_look(&service->load, clock_ms(),
                                  catalog_applied_index(catalog));
    read->pool = service->parts.searches;
    read->search =
        search_of(search, topic == NULL ? 0 : topic->id, &read->kept);
    service_read_submit(read, consistency);
}

/* ---- Decisions ---- */

static const char *conflict_text(enum command_type type, int code)
{
    if (code == ERR_BUSY)
        return "The message is being sent at this moment: its outcome "
               "decides.";
    return type == COMMAND_RETRY
               ? "Nothing of this message can be tried again: it waits for its "
                 "turn or its time, was filtered, or is delivered (a replay "
                 "sends it once more)."
               : "Nothing of this message can be discarded: it is delivered or "
                 "filtered, or waits for the time that it is scheduled for.";
}

static void decided(struct service *service, enum command_type type,
                    uint64_t ticket, int code, uint64_t index,
                    const struct command_result *result)
{
    if (code == 0 &&
        (result->code == ERR_BUSY || result->code == ERR_CONFLICT)) {
        struct backend_result answered = {
            .ticket = ticket,
            .code = ERR_CONFLICT,
            .detail = conflict_text(type, result->code)};
        service_answer(service, &answered);
        return;
    }
    if (service_failed(service, ticket, code, result, NULL))
        return;
    service_read_behind(message_read_new(service, ticket, result->id), index);
}

static void on_retried(void *context, uint64_t ticket, int code, uint64_t index,
                       const struct command_result *result)
{
    decided(context, COMMAND_RETRY, ticket, code, index, result);
}

static void on_discarded(void *context, uint64_t ticket, int code,
                         uint64_t index, const struct command_result *result)
{
    decided(context, COMMAND_DISCARD, ticket, code, index, result);
}

static void decide(struct service *service, uint64_t ticket,
                   enum command_type type, uint64_t id, uint32_t publisher_id,
                   proposal_done done)
{
    const char *field = NULL;
    int rc = service_change_check(service);
    if (rc == 0 && publisher_id != 0 &&
        catalog_publisher(service->parts.catalog, publisher_id) == NULL) {
        rc = ERR_NOT_FOUND;
        field = "publisher";
    }
    if (rc != 0) {
        service_refuse(service, ticket, rc, field, NULL);
        return;
    }
    struct command_decision decision = {.message_id = id,
                                        .publisher_id = publisher_id};
    command_decision_encode(proposer_begin(service->parts.proposer), type,
                            clock_wall_ms(), &decision);
    service_propose(service, done, ticket);
}

void service_message_retry(void *context, uint64_t ticket, uint64_t id,
                           uint32_t publisher_id)
{
    decide(context, ticket, COMMAND_RETRY, id, publisher_id, on_retried);
}

void service_message_discard(void *context, uint64_t ticket, uint64_t id,
                             uint32_t publisher_id)
{
    decide(context, ticket, COMMAND_DISCARD, id, publisher_id, on_discarded);
}
