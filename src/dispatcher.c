#include "dispatcher.h"

#include "base/bounds.h"
#include "base/clock.h"
#include "base/logger.h"
#include "base/memory.h"
#include "base/public_id.h"
#include "delivery/delivery_read.h"
#include "delivery/target_http.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    TESTS_MAX = 16,
    TEST_REIGN = 0, /* Of no leadership: those are numbered from 1. */
};

/* A test under way. */
struct test {
    dispatcher_tested done; /* NULL: free. */
    void *context;
    uint64_t token;
};

struct dispatcher {
    struct dispatcher_parts parts;
    struct leadership *leadership;
    struct target_http *target;
    struct test tests[TESTS_MAX];
    uv_timer_t timer;
    void (*closed)(void *context);
    void *closed_context;
};

/* ---- Proposals ---- */

static bool port_accepts(void *context)
{
    struct dispatcher *dispatcher = context;
    return proposer_check(dispatcher->parts.proposer, 0) == 0;
}

static bool port_holds_lease(void *context)
{
    struct dispatcher *dispatcher = context;
    return cluster_lease_until_ms(dispatcher->parts.cluster) > clock_ms();
}

static void on_proposal(void *context, uint64_t token, int code, uint64_t index,
                        const struct command_result *result)
{
    struct dispatcher *dispatcher = context;
    (void)index;
    /* Refused as a whole means deposed, of which it was told already. */
    if (code == 0)
        leadership_decided(dispatcher->leadership, token, result,
                           clock_wall_ms());
}

static void port_propose(void *context, struct slice command, uint64_t token)
{
    struct dispatcher *dispatcher = context;
    struct encoder *out = proposer_begin(dispatcher->parts.proposer);
    encoder_bytes(out, command);
    proposer_end(dispatcher->parts.proposer, on_proposal, dispatcher, token);
}

/* ---- Reading for one pipeline ---- */

struct pipeline_read {
    struct read_job job;
    struct dispatcher *dispatcher;
    uint32_t reign;
    struct delivery_read read;
    struct feed_item *items;
    uint32_t count;
    uint64_t next_due_ms;
};

static int run_pipeline_read(struct read_job *job, struct view *view,
                             struct error *error)
{
    struct pipeline_read *mine = (struct pipeline_read *)job;
    return delivery_read_run(&mine->read, view, &job->arena, &mine->items,
                             &mine->count, &mine->next_due_ms, error);
}

static void pipeline_read_done(struct read_job *job)
{
    struct pipeline_read *mine = (struct pipeline_read *)job;
    if (job->code != 0 && job->code != ERR_BUSY)
        LOG_ERROR("delivery", "reading messages failed",
                  FIELD_U64("publisher", mine->read.publisher_id),
                  FIELD_TEXT("error", job->error.text));
    leadership_supplied(mine->dispatcher->leadership, mine->reign, &mine->read,
                        job->code, mine->items, mine->count, mine->next_due_ms,
                        clock_wall_ms());
    arena_close(&job->arena);
    free(mine);
}

static void port_read(void *context, uint32_t reign,
                      const struct delivery_read *read)
{
    struct dispatcher *dispatcher = context;
    struct pipeline_read *mine = memory_new(sizeof *mine);
    *mine = (struct pipeline_read){
        .dispatcher = dispatcher, .reign = reign, .read = *read};
    mine->job.run = run_pipeline_read;
    mine->job.done = pipeline_read_done;
    mine->job.waiter.index =
        read->committed ? 0 : catalog_applied_index(dispatcher->parts.catalog);
    reads_submit(dispatcher->parts.reads, &mine->job);
}

/* ---- Reading a page of pipelines ---- */

struct page_read {
    struct read_job job;
    struct dispatcher *dispatcher;
    uint32_t reign;
    uint32_t after_id;
    struct pipeline_view *views;
    uint32_t count;
};

static int run_page_read(struct read_job *job, struct view *view,
                         struct error *error)
{
    struct page_read *mine = (struct page_read *)job;
    return query_pipelines(view, mine->after_id, LEADERSHIP_PAGE, &job->arena,
                           &mine->views, &mine->count, error);
}

static void page_read_done(struct read_job *job)
{
    struct page_read *mine = (struct page_read *)job;
    struct dispatcher *dispatcher = mine->dispatcher;
    bool ran = leadership_is_running(dispatcher->leadership);
    if (job->code != 0)
        LOG_ERROR("delivery", "reading the publishers failed",
                  FIELD_TEXT("error", job->error.text));
    leadership_paged(dispatcher->leadership, mine->reign, mine->after_id,
                     job->code, mine->views, mine->count);
    if (!ran && leadership_is_running(dispatcher->leadership))
        LOG_INFO("delivery", "delivering",
                 FIELD_U64("publishers",
                           catalog_publishers(dispatcher->parts.catalog)));
    arena_close(&job->arena);
    free(mine);
}

static void port_read_page(void *context, uint32_t reign, uint32_t after_id)
{
    struct dispatcher *dispatcher = context;
    struct page_read *mine = memory_new(sizeof *mine);
    *mine = (struct page_read){
        .dispatcher = dispatcher, .reign = reign, .after_id = after_id};
    mine->job.run = run_page_read;
    mine->job.done = page_read_done;
    mine->job.waiter.index = catalog_applied_index(dispatcher->parts.catalog);
    reads_submit(dispatcher->parts.reads, &mine->job);
}

/* ---- Sending ---- */

static bool may_send(void *context)
{
    struct dispatcher *dispatcher = context;
    return leadership_may_send(dispatcher->leadership);
}

static void port_send(void *context, const struct delivery_send *send)
{
    struct dispatcher *dispatcher = context;
    char public_id[PUBLIC_ID_SIZE];
    public_id_format(public_id,
                     catalog_identity(dispatcher->parts.catalog)->id_space,
                     send->letter->message.id);
    target_http_send(dispatcher->target, send, public_id);
}

static void test_answered(struct dispatcher *dispatcher, uint32_t publisher_id,
                          uint64_t slot, const struct attempt *attempt)
{
    struct test test = dispatcher->tests[slot];
    struct attempt first = *attempt;
    first.number = 1;
    dispatcher->tests[slot].done = NULL;
    test.done(test.context, test.token, publisher_id, &first);
}

/* What a receiver has answered may hold anything: of it only the status is
 * logged. */
static void log_news(enum trouble_news news, uint32_t publisher_id,
                     const struct attempt *attempt)
{
    if (news == TROUBLE_OVER)
        LOG_INFO("delivery", "deliveries succeed again",
                 FIELD_U64("publisher", publisher_id));
    else if (news == TROUBLE_FAILS && attempt->status != 0)
        LOG_WARN("delivery", "deliveries fail",
                 FIELD_U64("publisher", publisher_id),
                 FIELD_TEXT("class", attempt_class_text(attempt->class)),
                 FIELD_U64("status", attempt->status));
    else if (news == TROUBLE_FAILS)
        LOG_WARN("delivery", "deliveries fail",
                 FIELD_U64("publisher", publisher_id),
                 FIELD_TEXT("class", attempt_class_text(attempt->class)),
                 FIELD_SLICE("error", attempt->response));
}

static void on_answer(void *context, uint32_t reign, uint32_t publisher_id,
                      uint64_t token, const struct attempt *attempt,
                      uint64_t hold_until_ms)
{
    struct dispatcher *dispatcher = context;
    if (reign == TEST_REIGN) {
        test_answered(dispatcher, publisher_id, token, attempt);
        return;
    }
    if (attempt->class != ATTEMPT_OK)
        LOG_DEBUG("delivery", "an attempt failed",
                  FIELD_U64("publisher", publisher_id),
                  FIELD_TEXT("class", attempt_class_text(attempt->class)),
                  FIELD_U64("status", attempt->status));
    if (hold_until_ms != 0)
        leadership_held(dispatcher->leadership, reign, publisher_id, token,
                        hold_until_ms);
    log_news(leadership_answered(dispatcher->leadership, reign, publisher_id,
                                 token, attempt, clock_wall_ms()),
             publisher_id, attempt);
}

/* ---- Time and chance ---- */

static void on_timer(uv_timer_t *timer)
{
    dispatcher_turn(timer->data);
}

static void port_wake(void *context, uint64_t at_ms)
{
    struct dispatcher *dispatcher = context;
    uint64_t now_ms = clock_wall_ms();
    if (at_ms == 0)
        uv_timer_stop(&dispatcher->timer);
    else
        uv_timer_start(&dispatcher->timer, on_timer,
                       at_ms > now_ms ? at_ms - now_ms : 0, 0);
}

static void port_random(void *context, uint8_t *bytes, size_t length)
{
    (void)context;
    if (getentropy(bytes, length) != 0)
        abort(); /* Only a kernel without it fails so few bytes. */
}

/* ---- Tests ---- */

static void send_test(struct dispatcher *dispatcher,
                      const struct publisher *publisher, uint32_t slot)
{
    static const struct message nothing = {.id = 0};
    struct message message = nothing;
    char id[PUBLIC_ID_SIZE + sizeof "test_"];
    uint64_t chance;
    message.received_ms = clock_wall_ms();
    message.topic_id = publisher->topic_id;
    message.payload = slice_text("{\"test\":true}");
    port_random(dispatcher, (uint8_t *)&chance, sizeof chance);
    snprintf(id, sizeof id, "test_%016" PRIx64, chance);
    struct letter *letter = letter_new(0, &message);
    if (letter == NULL)
        abort(); /* A few bytes. */
    struct delivery_send send = {
        .reign = TEST_REIGN,
        .publisher_id = publisher->id,
        .token = slot,
        .options = &publisher->options,
        .topic = publisher->topic,
        .letter = letter,
        .attempt = 1,
        .test = true,
    };
    target_http_send(dispatcher->target, &send, id);
    letter_unref(letter);
}

int dispatcher_test(struct dispatcher *dispatcher, uint32_t publisher_id,
                    dispatcher_tested done, void *context, uint64_t token)
{
    const struct catalog_publisher *known =
        catalog_publisher(dispatcher->parts.catalog, publisher_id);
    uint32_t slot = 0;
    if (!leadership_is_running(dispatcher->leadership))
        return ERR_UNAVAILABLE;
    if (known == NULL)
        return ERR_NOT_FOUND;
    while (slot < TESTS_MAX && dispatcher->tests[slot].done != NULL)
        slot++;
    if (slot == TESTS_MAX)
        return ERR_BUSY;
    dispatcher->tests[slot] =
        (struct test){.done = done, .context = context, .token = token};
    send_test(dispatcher, &known->publisher, slot);
    return 0;
}

/* ---- Life ---- */

static const struct address_policy default_policy = {.loopback = true};

struct dispatcher *dispatcher_new(const struct dispatcher_parts *parts)
{
    struct dispatcher *dispatcher = memory_new_zeroed(1, sizeof *dispatcher);
    const struct leadership_port port = {
        .context = dispatcher,
        .accepts = port_accepts,
        .holds_lease = port_holds_lease,
        .propose = port_propose,
        .read = port_read,
        .read_page = port_read_page,
        .send = port_send,
        .wake = port_wake,
        .random = port_random,
    };
    const struct leadership_options options = {
        .node_id = parts->node_id,
        .sends_max = parts->sends_max,
    };
    dispatcher->parts = *parts;
    uv_timer_init(parts->loop, &dispatcher->timer);
    dispatcher->timer.data = dispatcher;
    const struct target_http_options target = {
        .sends_max = parts->sends_max,
        .policy = parts->policy != NULL ? parts->policy : &default_policy,
        .ca_file = parts->ca_file,
        .resolver = parts->resolver,
        .allowed = may_send,
        .done = on_answer,
        .context = dispatcher,
    };
    dispatcher->leadership = leadership_new(&port, &options, parts->catalog);
    dispatcher->target = target_http_new(parts->loop, &target);
    return dispatcher;
}

struct leadership *dispatcher_leadership(struct dispatcher *dispatcher)
{
    return dispatcher->leadership;
}

void dispatcher_lead(struct dispatcher *dispatcher)
{
    leadership_lead(dispatcher->leadership, clock_wall_ms());
}

void dispatcher_deposed(struct dispatcher *dispatcher)
{
    leadership_deposed(dispatcher->leadership);
}

void dispatcher_apply(struct dispatcher *dispatcher,
                      const struct command *command,
                      const struct command_result *result)
{
    leadership_apply(dispatcher->leadership, command, result);
}

void dispatcher_trust_clock(struct dispatcher *dispatcher, bool trusted)
{
    leadership_trust_clock(dispatcher->leadership, trusted);
}

void dispatcher_turn(struct dispatcher *dispatcher)
{
    leadership_run(dispatcher->leadership, clock_wall_ms());
}

bool dispatcher_activity(const struct dispatcher *dispatcher,
                         uint32_t publisher_id,
                         struct pipeline_statistics *ret_statistics)
{
    return leadership_activity(dispatcher->leadership, publisher_id,
                               clock_wall_ms(), ret_statistics);
}

struct scheduler_statistics
dispatcher_statistics(const struct dispatcher *dispatcher)
{
    return leadership_statistics(dispatcher->leadership);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct dispatcher *dispatcher = handle->data;
    void (*closed)(void *) = dispatcher->closed;
    void *context = dispatcher->closed_context;
    leadership_free(dispatcher->leadership);
    free(dispatcher);
    closed(context);
}

static void on_target_closed(void *context)
{
    struct dispatcher *dispatcher = context;
    uv_close((uv_handle_t *)&dispatcher->timer, on_timer_closed);
}

void dispatcher_close(struct dispatcher *dispatcher,
                      void (*closed)(void *context), void *context)
{
    dispatcher_deposed(dispatcher);
    dispatcher->closed = closed;
    dispatcher->closed_context = context;
    target_http_close(dispatcher->target, on_target_closed, dispatcher);
}
