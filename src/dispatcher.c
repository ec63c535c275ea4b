#include "dispatcher.h"

#include "base/bounds.h"
#include "base/clock.h"
#include "base/logger.h"
#include "base/memory.h"
#include "base/public_id.h"
#include "delivery/target_http.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

enum phase {
    PHASE_IDLE,     /* Not the leader. */
    PHASE_TAKEOVER, /* The takeover is on its way through the log. */
    PHASE_LOADING,  /* The pipelines are being read. */
    PHASE_RUNNING,
};

enum { PIPELINES_PAGE = 256 };

struct dispatcher {
    struct dispatcher_parts parts;
    enum phase phase;
    uint64_t reign; /* Counts leaderships: answers to an earlier one are
                     * dropped. */
    struct scheduler *scheduler;        /* From PHASE_LOADING on. */
    struct scheduler_statistics before; /* Of earlier schedulers. */
    struct target_http *target;
    uv_timer_t timer;
    bool draining;
    void (*closed)(void *context);
    void *closed_context;
};

/* ---- The scheduler's port ---- */

static bool holds_lease(void *context)
{
    struct dispatcher *dispatcher = context;
    return dispatcher->phase == PHASE_RUNNING &&
           cluster_lease_until_ms(dispatcher->parts.cluster) > clock_ms();
}

static bool port_ready(void *context)
{
    struct dispatcher *dispatcher = context;
    return proposer_check(dispatcher->parts.proposer, 0) == 0 &&
           holds_lease(dispatcher);
}

static void on_proposal(void *context, uint64_t token, int code, uint64_t index,
                        const struct command_result *result)
{
    struct dispatcher *dispatcher = context;
    (void)index;
    /* Refused as a whole means deposed: the scheduler is gone already. */
    if (code == 0 && dispatcher->scheduler != NULL)
        scheduler_applied(dispatcher->scheduler, token, result->code,
                          clock_wall_ms());
}

static void port_propose(void *context, struct slice command, uint64_t token)
{
    struct dispatcher *dispatcher = context;
    struct encoder *out = proposer_begin(dispatcher->parts.proposer);
    encoder_bytes(out, command);
    proposer_end(dispatcher->parts.proposer, on_proposal, dispatcher, token);
}

/* A read for one pipeline. */
struct pipeline_read {
    struct read_job job;
    struct dispatcher *dispatcher;
    uint64_t reign;
    struct delivery_read read;
    struct feed_item *items;
    uint32_t count;
    uint64_t next_due_ms;
    uint64_t positions[];
};

static int run_pipeline_read(struct read_job *job, struct view *view,
                             struct error *error)
{
    struct pipeline_read *mine = (struct pipeline_read *)job;
    const struct delivery_read *read = &mine->read;
    switch (read->kind) {
    case DELIVERY_FEED:
        return query_feed(view, read->topic_id, read->from, read->count,
                          BOUND_FEED_BYTES, &job->arena, &mine->items,
                          &mine->count, error);
    case DELIVERY_DUE:
        return query_due(view, read->publisher_id, read->due_ms, read->count,
                         BOUND_FEED_BYTES, &job->arena, &mine->items,
                         &mine->count, &mine->next_due_ms, error);
    case DELIVERY_LOAD:
        return query_positions(view, read->topic_id, mine->positions,
                               read->count, &job->arena, &mine->items,
                               &mine->count, error);
    }
    return ERR_INVALID;
}

static void pipeline_read_done(struct read_job *job)
{
    struct pipeline_read *mine = (struct pipeline_read *)job;
    struct dispatcher *dispatcher = mine->dispatcher;
    if (job->code != 0 && job->code != ERR_BUSY)
        LOG_ERROR("delivery", "reading messages failed",
                  FIELD_U64("publisher", mine->read.publisher_id),
                  FIELD_TEXT("error", job->error.text));
    if (mine->reign == dispatcher->reign && dispatcher->scheduler != NULL)
        scheduler_supplied(dispatcher->scheduler, mine->read.kind,
                           mine->read.publisher_id, job->code, mine->items,
                           mine->count, mine->next_due_ms, clock_wall_ms());
    arena_close(&job->arena);
    free(mine);
}

static void port_read(void *context, const struct delivery_read *read)
{
    struct dispatcher *dispatcher = context;
    uint32_t positions = read->kind == DELIVERY_LOAD ? read->count : 0;
    struct pipeline_read *mine =
        memory_new(sizeof *mine + positions * sizeof mine->positions[0]);
    *mine = (struct pipeline_read){
        .dispatcher = dispatcher, .reign = dispatcher->reign, .read = *read};
    mine->read.positions = NULL;
    if (positions > 0)
        memcpy(mine->positions, read->positions,
               positions * sizeof mine->positions[0]);
    mine->job.run = run_pipeline_read;
    mine->job.done = pipeline_read_done;
    mine->job.waiter.index = catalog_applied_index(dispatcher->parts.catalog);
    reads_submit(dispatcher->parts.reads, &mine->job);
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

static void on_answer(void *context, uint32_t publisher_id, uint64_t token,
                      const struct attempt *attempt)
{
    struct dispatcher *dispatcher = context;
    if (dispatcher->scheduler == NULL)
        return;
    if (attempt->class != ATTEMPT_OK)
        LOG_DEBUG("delivery", "an attempt failed",
                  FIELD_U64("publisher", publisher_id),
                  FIELD_TEXT("class", attempt_class_text(attempt->class)),
                  FIELD_U64("status", attempt->status));
    scheduler_answered(dispatcher->scheduler, publisher_id, token, attempt,
                       clock_wall_ms());
}

/* ---- Taking over ---- */

static void load_page(struct dispatcher *dispatcher, uint32_t after_id);

struct page_read {
    struct read_job job;
    struct dispatcher *dispatcher;
    uint64_t reign;
    uint32_t after_id;
    struct pipeline_view *views;
    uint32_t count;
};

static int run_page_read(struct read_job *job, struct view *view,
                         struct error *error)
{
    struct page_read *mine = (struct page_read *)job;
    return query_pipelines(view, mine->after_id, PIPELINES_PAGE, &job->arena,
                           &mine->views, &mine->count, error);
}

/* The catalog is newer than the view: a publisher may have been paused or
 * deleted meanwhile. What only the view tells (next, what is open) cannot
 * have moved, since nothing is granted yet. */
static void add_pipeline(struct dispatcher *dispatcher,
                         struct pipeline_view *view)
{
    const struct catalog_publisher *known =
        catalog_publisher(dispatcher->parts.catalog, view->publisher.id);
    if (known == NULL)
        return;
    view->publisher.paused = known->publisher.paused;
    scheduler_add(dispatcher->scheduler, view);
}

/* One that was created since, or while the pages were read. */
static void add_new_pipeline(struct dispatcher *dispatcher,
                             const struct catalog_publisher *known)
{
    struct pipeline_view view = {.publisher = known->publisher,
                                 .next = known->start};
    scheduler_add(dispatcher->scheduler, &view);
}

static void finish_loading(struct dispatcher *dispatcher)
{
    const struct catalog_publisher *known;
    struct pipeline_statistics ignored;
    for (uint32_t id = 0; (known = catalog_next_publisher(
                               dispatcher->parts.catalog, &id)) != NULL;) {
        if (!scheduler_statistics_of(dispatcher->scheduler, id, 0, &ignored))
            add_new_pipeline(dispatcher, known);
    }
    dispatcher->phase = PHASE_RUNNING;
    LOG_INFO(
        "delivery", "delivering",
        FIELD_U64("publishers", catalog_publishers(dispatcher->parts.catalog)));
}

static void page_read_done(struct read_job *job)
{
    struct page_read *mine = (struct page_read *)job;
    struct dispatcher *dispatcher = mine->dispatcher;
    if (mine->reign == dispatcher->reign &&
        dispatcher->phase == PHASE_LOADING) {
        if (job->code != 0) {
            LOG_ERROR("delivery", "reading the publishers failed",
                      FIELD_TEXT("error", job->error.text));
            load_page(dispatcher, mine->after_id);
        } else {
            for (uint32_t i = 0; i < mine->count; i++)
                add_pipeline(dispatcher, &mine->views[i]);
            if (mine->count == PIPELINES_PAGE)
                load_page(dispatcher,
                          mine->views[mine->count - 1].publisher.id);
            else
                finish_loading(dispatcher);
        }
    }
    arena_close(&job->arena);
    free(mine);
}

static void load_page(struct dispatcher *dispatcher, uint32_t after_id)
{
    struct page_read *mine = memory_new(sizeof *mine);
    *mine = (struct page_read){.dispatcher = dispatcher,
                               .reign = dispatcher->reign,
                               .after_id = after_id};
    mine->job.run = run_page_read;
    mine->job.done = page_read_done;
    mine->job.waiter.index = catalog_applied_index(dispatcher->parts.catalog);
    reads_submit(dispatcher->parts.reads, &mine->job);
}

static const struct scheduler_port port_template = {
    .ready = port_ready,
    .propose = port_propose,
    .read = port_read,
    .send = port_send,
    .wake = port_wake,
};

static void begin_loading(struct dispatcher *dispatcher)
{
    struct scheduler_port port = port_template;
    port.context = dispatcher;
    uint64_t seed = clock_us() ^ clock_wall_ms() << 20;
    dispatcher->scheduler =
        scheduler_new(&port, dispatcher->parts.sends_max, seed);
    const struct topic *topic;
    for (uint32_t id = 0;
         (topic = catalog_next_topic(dispatcher->parts.catalog, &id)) != NULL;)
        scheduler_add_topic(dispatcher->scheduler, id, topic->options.name,
                            topic->last_position);
    if (dispatcher->draining)
        scheduler_drain(dispatcher->scheduler);
    dispatcher->phase = PHASE_LOADING;
    load_page(dispatcher, 0);
}

static void on_takeover(void *context, uint64_t reign, int code, uint64_t index,
                        const struct command_result *result)
{
    struct dispatcher *dispatcher = context;
    (void)index;
    (void)result;
    if (code == 0 && reign == dispatcher->reign &&
        dispatcher->phase == PHASE_TAKEOVER)
        begin_loading(dispatcher);
}

static void on_init(void *context, uint64_t token, int code, uint64_t index,
                    const struct command_result *result)
{
    (void)context;
    (void)token;
    (void)code;
    (void)index;
    (void)result;
}

/* The cluster's id, and the space of its public ids. */
static void propose_init(struct dispatcher *dispatcher)
{
    struct command_init init;
    uuid_t space;
    uuid_generate_random(init.cluster_id);
    uuid_generate_random(space);
    init.id_space = get_u64(space) | 1u; /* 0 means unknown. */
    command_init_encode(proposer_begin(dispatcher->parts.proposer),
                        clock_wall_ms(), &init);
    proposer_end(dispatcher->parts.proposer, on_init, NULL, 0);
}

void dispatcher_lead(struct dispatcher *dispatcher)
{
    assert(dispatcher->phase == PHASE_IDLE);
    dispatcher->reign++;
    dispatcher->phase = PHASE_TAKEOVER;
    if (catalog_identity(dispatcher->parts.catalog)->id_space == 0)
        propose_init(dispatcher);
    command_takeover_encode(proposer_begin(dispatcher->parts.proposer),
                            clock_wall_ms(), dispatcher->parts.node_id);
    proposer_end(dispatcher->parts.proposer, on_takeover, dispatcher,
                 dispatcher->reign);
}

static void forget_scheduler(struct dispatcher *dispatcher)
{
    if (dispatcher->scheduler == NULL)
        return;
    dispatcher->before = dispatcher_statistics(dispatcher);
    dispatcher->before.sends_in_flight = 0;
    dispatcher->before.recent_bytes = 0;
    scheduler_free(dispatcher->scheduler);
    dispatcher->scheduler = NULL;
    uv_timer_stop(&dispatcher->timer);
}

void dispatcher_deposed(struct dispatcher *dispatcher)
{
    dispatcher->reign++;
    dispatcher->phase = PHASE_IDLE;
    forget_scheduler(dispatcher);
}

/* ---- Applied commands ---- */

static void apply_messages(struct dispatcher *dispatcher,
                           const struct command *command,
                           const struct command_result *result)
{
    uint32_t count;
    struct slice records;
    struct message message;
    if (command_messages_decode(command->body, &count, &records) != 0)
        return;
    for (uint32_t i = 0; i < count && message_next(&records, &message) == 0;
         i++) {
        message.id = result->id + i;
        message.received_ms = result->time_ms;
        scheduler_published(dispatcher->scheduler, message.topic_id,
                            result->position + i, &message);
    }
}

/* While pages are read, publishers that come and go are left to
 * finish_loading() and add_pipeline(), which look at the catalog. */
static void apply_publisher(struct dispatcher *dispatcher,
                            const struct command *command,
                            const struct command_result *result)
{
    struct command_pause pause;
    uint32_t id;
    switch (command->type) {
    case COMMAND_PUBLISHER_CREATE:
        if (dispatcher->phase == PHASE_RUNNING)
            add_new_pipeline(dispatcher,
                             catalog_publisher(dispatcher->parts.catalog,
                                               (uint32_t)result->id));
        break;
    case COMMAND_PUBLISHER_DELETE:
        if (command_publisher_delete_decode(command->body, &id) == 0)
            scheduler_remove(dispatcher->scheduler, id);
        break;
    case COMMAND_PUBLISHER_PAUSE:
        if (command_pause_decode(command->body, &pause) == 0)
            scheduler_pause(dispatcher->scheduler, pause.publisher_id,
                            pause.paused);
        break;
    default:
        break;
    }
}

void dispatcher_apply(struct dispatcher *dispatcher,
                      const struct command *command,
                      const struct command_result *result)
{
    if (dispatcher->scheduler == NULL || result->code != 0)
        return;
    if (command->type == COMMAND_MESSAGES) {
        apply_messages(dispatcher, command, result);
    } else if (command->type == COMMAND_TOPIC_CREATE) {
        const struct topic *topic =
            catalog_topic(dispatcher->parts.catalog, (uint32_t)result->id);
        scheduler_add_topic(dispatcher->scheduler, topic->id,
                            topic->options.name, topic->last_position);
    } else {
        apply_publisher(dispatcher, command, result);
    }
}

/* ---- Life ---- */

struct dispatcher *dispatcher_new(const struct dispatcher_parts *parts)
{
    struct dispatcher *dispatcher = memory_new_zeroed(1, sizeof *dispatcher);
    dispatcher->parts = *parts;
    uv_timer_init(parts->loop, &dispatcher->timer);
    dispatcher->timer.data = dispatcher;
    dispatcher->target = target_http_new(parts->loop, parts->sends_max,
                                         holds_lease, on_answer, dispatcher);
    return dispatcher;
}

void dispatcher_turn(struct dispatcher *dispatcher)
{
    if (dispatcher->phase == PHASE_RUNNING)
        scheduler_run(dispatcher->scheduler, clock_wall_ms());
}

void dispatcher_drain(struct dispatcher *dispatcher)
{
    dispatcher->draining = true;
    if (dispatcher->scheduler != NULL)
        scheduler_drain(dispatcher->scheduler);
}

/* As a new leader would begin: nothing is open, or it is in doubt. */
void dispatcher_resume(struct dispatcher *dispatcher)
{
    bool leads = dispatcher->phase != PHASE_IDLE;
    dispatcher->draining = false;
    if (!leads || proposer_check(dispatcher->parts.proposer, 0) != 0)
        return;
    dispatcher_deposed(dispatcher);
    dispatcher_lead(dispatcher);
}

bool dispatcher_is_drained(const struct dispatcher *dispatcher)
{
    return dispatcher->draining &&
           (dispatcher->scheduler == NULL ||
            scheduler_is_drained(dispatcher->scheduler));
}

bool dispatcher_activity(const struct dispatcher *dispatcher,
                         uint32_t publisher_id,
                         struct pipeline_statistics *ret_statistics)
{
    return dispatcher->scheduler != NULL &&
           scheduler_statistics_of(dispatcher->scheduler, publisher_id,
                                   clock_wall_ms(), ret_statistics);
}

struct scheduler_statistics
dispatcher_statistics(const struct dispatcher *dispatcher)
{
    struct scheduler_statistics sum = dispatcher->before;
    if (dispatcher->scheduler != NULL) {
        struct scheduler_statistics now =
            scheduler_statistics(dispatcher->scheduler);
        sum.sends_in_flight = now.sends_in_flight;
        sum.recent_bytes = now.recent_bytes;
        sum.succeeded += now.succeeded;
        sum.failed += now.failed;
        sum.dead += now.dead;
        sum.doubtful += now.doubtful;
    }
    return sum;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct dispatcher *dispatcher = handle->data;
    void (*closed)(void *) = dispatcher->closed;
    void *context = dispatcher->closed_context;
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
