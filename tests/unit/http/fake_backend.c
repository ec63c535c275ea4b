#include "fake_backend.h"

#include "base/bounds.h"
#include "storage/command.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t id_space = 0x1122334455667788u;

static char *log_end(struct fake_backend *fake)
{
    return fake->log + strlen(fake->log);
}

#define NOTE(fake, ...)                                                        \
    snprintf(log_end(fake), sizeof(fake)->log - strlen((fake)->log),           \
             __VA_ARGS__)

static void answer(struct fake_backend *fake, uint64_t ticket,
                   struct backend_result result)
{
    assert(fake->pending_count < FAKE_PENDING_MAX);
    result.ticket = ticket;
    result.code = fake->code;
    result.field = fake->field;
    result.id_space = id_space;
    result.applied_index = FAKE_APPLIED_INDEX;
    fake->pending[fake->pending_count++] = result;
}

static void on_publish(void *context, uint64_t ticket,
                       const struct backend_publish *publish)
{
    struct fake_backend *fake = context;
    const struct idempotency *once = publish->idempotency;
    struct slice first =
        publish->count > 0 ? publish->messages[0].payload : slice_of(NULL, 0);
    NOTE(fake, "publish %.*s %u [%.*s]", (int)publish->topic.length,
         publish->topic.data, publish->count, (int)first.length, first.data);
    if (once != NULL)
        NOTE(fake, " once %u:%u:%.*s %02x", once->scope, once->route,
             (int)once->key.length, once->key.data, once->request_hash[0]);
    NOTE(fake, "\n");
    answer(fake, ticket,
           (struct backend_result){.id = fake->next_id,
                                   .count = publish->count,
                                   .replayed = fake->replayed});
    fake->next_id += publish->count;
}

/* What comes of a line is said by the name of its topic. */
static int outcome_code(struct slice topic)
{
    static const struct {
        const char *topic;
        int code;
    } known[] = {{"none", ERR_NOT_FOUND},
                 {"lost", ERR_UNKNOWN_OUTCOME},
                 {"used", ERR_CONFLICT}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (slice_is(topic, known[i].topic))
            return known[i].code;
    return 0;
}

static void on_publish_each(void *context, uint64_t ticket,
                            const struct backend_publish *publishes,
                            uint32_t count)
{
    static struct backend_outcome outcomes[BOUND_BATCH_LINES];
    struct fake_backend *fake = context;
    for (uint32_t i = 0; i < count; i++) {
        const struct message *message = &publishes[i].messages[0];
        const struct idempotency *once = publishes[i].idempotency;
        struct slice topic = publishes[i].topic;
        int code = outcome_code(topic);
        if (count <= 10)
            NOTE(fake,
                 "line %.*s [%.*s] %zu key %.*s at %" PRIu64 " once %.*s\n",
                 (int)topic.length, topic.data, (int)message->payload.length,
                 message->payload.data, message->attributes.length,
                 (int)message->key.length, message->key.data,
                 message->schedule_ms, once == NULL ? 0 : (int)once->key.length,
                 once == NULL ? NULL : once->key.data);
        if (publishes[i].traceparent.length > 0)
            NOTE(fake, "of trace %.*s\n", (int)publishes[i].traceparent.length,
                 publishes[i].traceparent.data);
        outcomes[i] = (struct backend_outcome){
            .code = code,
            .field = code == ERR_NOT_FOUND ? "topic" : NULL,
            .id = code == 0 ? fake->next_id++ : 0,
            .replayed = code == 0 && fake->replayed};
    }
    answer(fake, ticket,
           (struct backend_result){.count = count, .outcomes = outcomes});
}

static const struct topic *topics(uint32_t after)
{
    static struct topic all[1100];
    for (uint32_t i = 0; i < 1100; i++)
        all[i] = (struct topic){.id = after + i + 1,
                                .options = {.name = slice_text("orders"),
                                            .origin_host = slice_text("h")},
                                .created_ms = 1700000000123,
                                .messages = 5,
                                .publishers = 2};
    return all;
}

static void on_topic_create(void *context, uint64_t ticket,
                            const struct topic_options *options)
{
    struct fake_backend *fake = context;
    NOTE(fake, "topic %.*s %.*s\n", (int)options->name.length,
         options->name.data, (int)options->origin_host.length,
         options->origin_host.data);
    answer(fake, ticket,
           (struct backend_result){.id = 1, .count = 1, .topics = topics(0)});
}

/* How many elements a page of a list with `total` has. */
static uint32_t page_size(const struct fake_backend *fake,
                          const struct backend_page *page)
{
    uint32_t left = fake->list_total > page->after_id
                        ? fake->list_total - page->after_id
                        : 0;
    return left < page->limit ? left : page->limit;
}

/* Told of local reads alone: the others are what most tests make. */
static void note_consistency(struct fake_backend *fake,
                             enum backend_consistency consistency)
{
    if (consistency == BACKEND_LOCAL)
        NOTE(fake, "local\n");
}

static void on_topic_get(void *context, uint64_t ticket,
                         enum backend_consistency consistency,
                         struct slice name)
{
    note_consistency(context, consistency);
    NOTE((struct fake_backend *)context, "topic get %.*s\n", (int)name.length,
         name.data);
    answer(context, ticket,
           (struct backend_result){.count = 1, .topics = topics(0)});
}

static void on_topic_change(void *context, uint64_t ticket,
                            const struct backend_topic_change *change)
{
    NOTE((struct fake_backend *)context, "topic change %.*s %x\n",
         (int)change->name.length, change->name.data, change->given);
    answer(context, ticket,
           (struct backend_result){.count = 1, .topics = topics(0)});
}

static void on_topic_delete(void *context, uint64_t ticket, struct slice name,
                            bool force)
{
    NOTE((struct fake_backend *)context, "topic delete %.*s%s\n",
         (int)name.length, name.data, force ? " by force" : "");
    answer(context, ticket, (struct backend_result){0});
}

static void on_topic_list(void *context, uint64_t ticket,
                          enum backend_consistency consistency,
                          const struct backend_page *page)
{
    struct fake_backend *fake = context;
    note_consistency(fake, consistency);
    answer(fake, ticket,
           (struct backend_result){.count = page_size(fake, page),
                                   .topics = topics(page->after_id)});
}

static const struct publisher_view *publisher(void)
{
    static struct publisher_view view;
    view = (struct publisher_view){
        .publisher = {.id = 7,
                      .topic = slice_text("orders"),
                      .options = {.target = slice_text("http://h/x"),
                                  .type = PUBLISHER_HTTP,
                                  .timeout_seconds = 30,
                                  .secret = slice_text("whsec_abc"),
                                  .max_in_flight = 16},
                      .created_ms = 1700000000123,
                      .paused = true,
                      .pause_reason = slice_text("requested"),
                      .paused_ms = 1700000001000},
        .counts = {.backlog = 3,
                   .last_error_ms = 1700000002000,
                   .last_error = {.class = ATTEMPT_HTTP_5XX,
                                  .status = 503,
                                  .response = slice_text("no\xff")}}};
    return &view;
}

static const struct publisher_activity activity = {
    .known = true, .in_flight = 4, .rate_per_second = 1.5};

static void answer_publisher(struct fake_backend *fake, uint64_t ticket)
{
    answer(fake, ticket,
           (struct backend_result){.id = 7,
                                   .count = 1,
                                   .publishers = publisher(),
                                   .activities = &activity});
}

static void on_publisher_create(void *context, uint64_t ticket,
                                const struct backend_publisher_create *create)
{
    struct fake_backend *fake = context;
    NOTE(fake, "publisher %.*s %.*s %s\n", (int)create->topic.length,
         create->topic.data, (int)create->options.target.length,
         create->options.target.data, create->active ? "active" : "paused");
    answer_publisher(fake, ticket);
}

static void on_publisher_list(void *context, uint64_t ticket,
                              enum backend_consistency consistency,
                              const struct backend_page *page)
{
    (void)page;
    note_consistency(context, consistency);
    answer_publisher(context, ticket);
}

static void on_publisher_get(void *context, uint64_t ticket,
                             enum backend_consistency consistency, uint32_t id)
{
    note_consistency(context, consistency);
    NOTE((struct fake_backend *)context, "get %u\n", id);
    answer_publisher(context, ticket);
}

static void on_publisher_delete(void *context, uint64_t ticket, uint32_t id)
{
    NOTE((struct fake_backend *)context, "delete %u\n", id);
    answer(context, ticket, (struct backend_result){0});
}

static uint32_t on_publisher_faults(void *context,
                                    const struct publisher_options *options,
                                    struct backend_fault *faults)
{
    (void)context;
    if (!slice_is(options->target, "http://forbidden/"))
        return 0;
    faults[0] = (struct backend_fault){.field = "target", .text = "is refused"};
    return 1;
}

static void on_publisher_change(void *context, uint64_t ticket,
                                const struct backend_publisher_change *change)
{
    NOTE((struct fake_backend *)context, "change %u\n", change->id);
    answer_publisher(context, ticket);
}

static void on_publisher_rotate(void *context, uint64_t ticket, uint32_t id)
{
    NOTE((struct fake_backend *)context, "rotate %u\n", id);
    answer_publisher(context, ticket);
}

static void on_publisher_test(void *context, uint64_t ticket, uint32_t id)
{
    static const struct attempt attempt = {
        .number = 1,
        .class = ATTEMPT_HTTP_4XX,
        .status = 404,
        .started_ms = 1700000000000,
        .duration_ms = 3,
        .response = {.data = (const uint8_t *)"where?", .length = 6}};
    NOTE((struct fake_backend *)context, "test %u\n", id);
    answer(context, ticket,
           (struct backend_result){.count = 1,
                                   .publishers = publisher(),
                                   .activities = &activity,
                                   .attempt = &attempt});
}

static void on_publisher_pause(void *context, uint64_t ticket, uint32_t id,
                               bool paused, struct slice reason)
{
    NOTE((struct fake_backend *)context, "%s %u%.*s\n",
         paused ? "pause" : "resume", id, (int)reason.length, reason.data);
    answer_publisher(context, ticket);
}

static void on_message_get(void *context, uint64_t ticket,
                           enum backend_consistency consistency, uint64_t id)
{
    static const uint32_t replicas[] = {1, 3};
    static struct delivery deliveries[2];
    static struct backend_explanation explanation = {
        .facts = {.reason = REASON_DELIVERED,
                  .delivery = {.state = DELIVERY_DELIVERED, .attempts = 1},
                  .publisher = {.publisher = {.id = 1}}}};
    static struct message_view view;
    static struct encoder attributes;
    note_consistency(context, consistency);
    NOTE((struct fake_backend *)context, "message %llu\n",
         (unsigned long long)id);
    attributes.length = 0;
    attribute_encode(&attributes, slice_text("kind"), slice_text("a\"b"));
    deliveries[0] = (struct delivery){.publisher_id = 1,
                                      .target = slice_text("http://a/"),
                                      .type = PUBLISHER_HTTP,
                                      .state = DELIVERY_DELIVERED,
                                      .attempts = 1};
    deliveries[1] =
        (struct delivery){.publisher_id = 2,
                          .target = slice_text("http://b/"),
                          .type = PUBLISHER_HTTP,
                          .state = DELIVERY_RETRYING,
                          .attempts = 1,
                          .history = {{.number = 1,
                                       .class = ATTEMPT_CONNECT,
                                       .started_ms = 1700000000000,
                                       .duration_ms = 3,
                                       .response = slice_text("refused")}},
                          .history_count = 1};
    view = (struct message_view){
        .message = {.id = id,
                    .received_ms = 1700000000123,
                    .attributes = encoder_slice(&attributes),
                    .payload = slice_text("{ \"n\": 1e400 }")},
        .topic = slice_text("orders"),
        .deliveries = deliveries,
        .delivery_count = 2};
    explanation.facts.message.id = id;
    answer(context, ticket,
           (struct backend_result){.messages = &view,
                                   .count = 1,
                                   .replicas = replicas,
                                   .replica_count = 2,
                                   .explanations = &explanation,
                                   .explanation_count = 1,
                                   .activities = &activity});
}

static void on_message_list(void *context, uint64_t ticket,
                            enum backend_consistency consistency,
                            const struct backend_search *search)
{
    static struct message_view view;
    note_consistency(context, consistency);
    NOTE((struct fake_backend *)context, "list %.*s %u %d %.*s %llu.%llu %u\n",
         (int)search->topic.length, search->topic.data, search->publisher_id,
         search->any_state ? -1 : (int)search->state, (int)search->key.length,
         search->key.data, (unsigned long long)search->before.ms,
         (unsigned long long)search->before.id, search->limit);
    if (search->text.length > 0)
        NOTE((struct fake_backend *)context, "q %.*s\n",
             (int)search->text.length, search->text.data);
    for (uint32_t i = 0; i < search->term_count; i++)
        NOTE((struct fake_backend *)context, "%s %.*s=%.*s\n",
             search->terms[i].kind == SEARCH_FIELD ? "field" : "attribute",
             (int)search->terms[i].name.length, search->terms[i].name.data,
             (int)search->terms[i].value.length, search->terms[i].value.data);
    if (search->received_from_ms + search->received_to_ms +
            search->processed_from_ms + search->processed_to_ms !=
        0)
        NOTE((struct fake_backend *)context, "times %llu %llu %llu %llu\n",
             (unsigned long long)search->received_from_ms,
             (unsigned long long)search->received_to_ms,
             (unsigned long long)search->processed_from_ms,
             (unsigned long long)search->processed_to_ms);
    view = (struct message_view){
        .message = {.id = 5,
                    .received_ms = 1700000000123,
                    .payload = slice_text("\"\xc3\xa9\"")},
        .topic = slice_text("orders")};
    answer(context, ticket,
           (struct backend_result){.messages = &view,
                                   .count = 1,
                                   .next = {.ms = 7, .id = 5},
                                   .cut = true,
                                   .searched_ms = 1700000000123});
}

static void on_message_explain(void *context, uint64_t ticket,
                               enum backend_consistency consistency,
                               uint64_t id, uint32_t publisher_id)
{
    static struct backend_explanation explanation;
    struct fake_backend *fake = context;
    note_consistency(context, consistency);
    NOTE(fake, "explain %llu %u\n", (unsigned long long)id, publisher_id);
    explanation = fake->explanation;
    answer(context, ticket,
           (struct backend_result){.explanations = &explanation,
                                   .explanation_count = 1,
                                   .activities = &activity});
}

static void on_message_decide(struct fake_backend *fake, uint64_t ticket,
                              const char *what, uint64_t id,
                              uint32_t publisher_id)
{
    NOTE(fake, "%s %llu %u\n", what, (unsigned long long)id, publisher_id);
    on_message_get(fake, ticket, BACKEND_LINEARIZABLE, id);
}

static void on_message_retry(void *context, uint64_t ticket, uint64_t id,
                             uint32_t publisher_id)
{
    on_message_decide(context, ticket, "retry", id, publisher_id);
}

static void on_message_discard(void *context, uint64_t ticket, uint64_t id,
                               uint32_t publisher_id)
{
    on_message_decide(context, ticket, "discard", id, publisher_id);
}

static void on_replay(void *context, uint64_t ticket, const char *what,
                      uint32_t id)
{
    static const struct replay replay = {
        .id = 7, .publisher_id = 1, .matched = 2, .done = 1, .started_ms = 1};
    NOTE((struct fake_backend *)context, "%s %u\n", what, id);
    answer(context, ticket, (struct backend_result){.replay = &replay});
}

/* Nothing matches a dry run. */
static void on_replay_start(void *context, uint64_t ticket,
                            const struct backend_replay *replay)
{
    on_replay(context, ticket, "replay", replay->publisher_id);
}

static void on_replay_get(void *context, uint64_t ticket,
                          enum backend_consistency consistency, uint32_t id)
{
    (void)consistency;
    on_replay(context, ticket, "replay_get", id);
}

static void on_replay_cancel(void *context, uint64_t ticket, uint32_t id)
{
    on_replay(context, ticket, "replay_cancel", id);
}

static uint64_t on_id_space(void *context)
{
    (void)context;
    return id_space;
}

static void on_status(void *context, struct backend_status *ret_status)
{
    *ret_status = ((struct fake_backend *)context)->status;
}

static void on_stats(void *context, uint32_t step_seconds,
                     struct backend_stats *ret_stats)
{
    static const struct backend_point points[] = {
        {.at_ms = 1700000000000, .published = 1, .backlog = 9},
        {.at_ms = 1700000001000, .delivered = 2, .failed = 3, .dead = 1}};
    (void)context;
    *ret_stats =
        (struct backend_stats){.node_id = 1,
                               .since_ms = 1700000000000 - step_seconds,
                               .parts = {{&points[0], 1}, {&points[1], 1}}};
}

static void on_metrics(void *context, uint64_t ticket)
{
    static const struct backend_metrics metrics = {.messages_published = 42,
                                                   .log_sync_us = 1500000};
    answer(context, ticket,
           (struct backend_result){.metrics = &metrics,
                                   .count = 1,
                                   .publishers = publisher(),
                                   .activities = &activity});
}

void fake_init(struct fake_backend *fake)
{
    *fake = (struct fake_backend){
        .next_id = 42,
        .status = {.live = true,
                   .ready = true,
                   .writable = true,
                   .node_id = 1,
                   .leader_id = 1,
                   .leader = true,
                   .member_count = 1,
                   .members = {{.id = 1,
                                .voter = true,
                                .state = "leader",
                                .raft_address = "127.0.0.1:4001",
                                .url = "http://127.0.0.1:4000",
                                .version = "0.1.0"}}}};
}

static void on_transfer(void *context, uint64_t ticket, uint32_t to)
{
    NOTE((struct fake_backend *)context, "transfer %u\n", to);
    answer(context, ticket, (struct backend_result){0});
}

static bool on_must_forward(void *context)
{
    return ((struct fake_backend *)context)->elsewhere;
}

static void on_forward(void *context, uint64_t ticket, struct slice request)
{
    struct fake_backend *fake = context;
    struct fake_forward *forward = &fake->forwards[fake->forward_count++];
    NOTE(fake, "forward\n");
    assert(fake->forward_count <= FAKE_PENDING_MAX);
    forward->ticket = ticket;
    forward->length = request.length;
    forward->bytes = malloc(request.length);
    memcpy(forward->bytes, request.data, request.length);
}

static void on_served(void *context, uint64_t ticket, struct slice answer)
{
    struct fake_backend *fake = context;
    struct backend_result result = {
        .ticket = ticket, .code = fake->code, .forwarded = answer};
    http_server_done(fake->server, &result);
}

static void serve_forwards(struct fake_backend *fake)
{
    uint32_t count = fake->forward_count;
    fake->forward_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct fake_forward forward = fake->forwards[i];
        http_server_serve(fake->server, slice_of(forward.bytes, forward.length),
                          on_served, fake, forward.ticket);
        free(forward.bytes);
    }
}

static void on_token_create(void *context, uint64_t ticket,
                            const struct token *token)
{
    static struct token made;
    NOTE((struct fake_backend *)context, "token %.*s %s\n",
         (int)token->name.length, token->name.data, role_text(token->role));
    made =
        (struct token){.id = 1, .name = slice_text("app"), .role = ROLE_READ};
    answer(context, ticket,
           (struct backend_result){
               .count = 1, .tokens = &made, .secret = slice_text("po_secret")});
}

static void on_token_list(void *context, uint64_t ticket,
                          enum backend_consistency consistency,
                          const struct backend_page *page)
{
    (void)page;
    note_consistency(context, consistency);
    answer(context, ticket, (struct backend_result){0});
}

static void on_token_revoke(void *context, uint64_t ticket, struct slice name)
{
    NOTE((struct fake_backend *)context, "revoke %.*s\n", (int)name.length,
         name.data);
    answer(context, ticket, (struct backend_result){0});
}

static void on_audit_list(void *context, uint64_t ticket,
                          enum backend_consistency consistency,
                          const struct audit_query *query)
{
    static const struct audit_page nothing;
    (void)query;
    note_consistency(context, consistency);
    answer(context, ticket, (struct backend_result){.audit = &nothing});
}

static bool on_authenticate(void *context, struct slice token,
                            struct backend_caller *ret_caller)
{
    struct fake_backend *fake = context;
    *ret_caller = (struct backend_caller){.role = ROLE_ADMIN,
                                          .name = slice_text("anonymous")};
    if (fake->caller == NULL)
        return true;
    *ret_caller = *fake->caller;
    return slice_is(token, "good");
}

static bool on_recognize(void *context, const struct backend_caller *caller)
{
    struct fake_backend *fake = context;
    NOTE(fake, "recognize %d %u %.*s\n", (int)caller->kind, caller->token_id,
         (int)caller->name.length, caller->name.data);
    return !fake->revoked;
}

/* Everything is of the topic "orders". */
static void on_topic_of(void *context, uint64_t ticket,
                        enum backend_consistency consistency,
                        enum backend_thing thing, uint64_t id)
{
    struct fake_backend *fake = context;
    note_consistency(fake, consistency);
    NOTE(fake, "topic of %d %llu\n", (int)thing, (unsigned long long)id);
    answer(fake, ticket,
           (struct backend_result){.count = 1, .topics = topics(0)});
}

struct backend fake_backend(struct fake_backend *fake)
{
    return (struct backend){
        .context = fake,
        .publish = on_publish,
        .publish_each = on_publish_each,
        .topic_create = on_topic_create,
        .topic_list = on_topic_list,
        .topic_get = on_topic_get,
        .topic_change = on_topic_change,
        .topic_delete = on_topic_delete,
        .publisher_faults = on_publisher_faults,
        .publisher_change = on_publisher_change,
        .publisher_rotate = on_publisher_rotate,
        .publisher_test = on_publisher_test,
        .message_list = on_message_list,
        .message_explain = on_message_explain,
        .message_retry = on_message_retry,
        .message_discard = on_message_discard,
        .publisher_create = on_publisher_create,
        .publisher_list = on_publisher_list,
        .publisher_get = on_publisher_get,
        .publisher_delete = on_publisher_delete,
        .publisher_pause = on_publisher_pause,
        .message_get = on_message_get,
        .transfer = on_transfer,
        .token_create = on_token_create,
        .token_list = on_token_list,
        .token_revoke = on_token_revoke,
        .audit_list = on_audit_list,
        .authenticate = on_authenticate,
        .recognize = on_recognize,
        .topic_of = on_topic_of,
        .must_forward = on_must_forward,
        .forward = on_forward,
        .id_space = on_id_space,
        .status = on_status,
        .replay_start = on_replay_start,
        .replay_get = on_replay_get,
        .replay_cancel = on_replay_cancel,
        .stats = on_stats,
        .metrics = on_metrics,
    };
}

void fake_release(struct fake_backend *fake)
{
    /* Answering may bring new calls: those come next time. */
    serve_forwards(fake);
    uint32_t count = fake->pending_count;
    struct backend_result first[FAKE_PENDING_MAX];
    memcpy(first, fake->pending, count * sizeof *first);
    fake->pending_count = 0;
    for (uint32_t i = 0; i < count; i++)
        http_server_done(fake->server, &first[i]);
}

void fake_deliver(struct fake_backend *fake)
{
    if (!fake->hold)
        fake_release(fake);
}
