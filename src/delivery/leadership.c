#include "leadership.h"

#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum phase {
    PHASE_IDLE,     /* Not the leader. */
    PHASE_TAKEOVER, /* The takeover is on its way through the log. */
    PHASE_LOADING,  /* The pipelines are being read. */
    PHASE_RUNNING,
};

struct leadership {
    struct leadership_port port;
    struct leadership_options options;
    const struct catalog *catalog;
    enum phase phase;
    uint32_t reign;
    struct scheduler *scheduler;        /* From PHASE_LOADING on. */
    struct scheduler_statistics before; /* Of earlier schedulers. */
    uint64_t decided_ms; /* While pipelines were read, something was. 0: no. */
    bool draining;
    bool clock_distrusted;
};

struct leadership *leadership_new(const struct leadership_port *port,
                                  const struct leadership_options *options,
                                  const struct catalog *catalog)
{
    struct leadership *leadership = memory_new_zeroed(1, sizeof *leadership);
    leadership->port = *port;
    leadership->options = *options;
    leadership->catalog = catalog;
    return leadership;
}

void leadership_free(struct leadership *leadership)
{
    if (leadership == NULL)
        return;
    scheduler_free(leadership->scheduler);
    free(leadership);
}

bool leadership_may_send(const struct leadership *leadership)
{
    return leadership->phase == PHASE_RUNNING &&
           leadership->port.holds_lease(leadership->port.context);
}

bool leadership_is_running(const struct leadership *leadership)
{
    return leadership->phase == PHASE_RUNNING;
}

/* ---- The scheduler's port ---- */

static bool port_ready(void *context)
{
    struct leadership *leadership = context;
    return leadership->port.accepts(leadership->port.context) &&
           leadership_may_send(leadership);
}

static void port_propose(void *context, struct slice command, uint64_t token)
{
    struct leadership *leadership = context;
    leadership->port.propose(leadership->port.context, command, token);
}

static void port_read(void *context, const struct delivery_read *read)
{
    struct leadership *leadership = context;
    leadership->port.read(leadership->port.context, leadership->reign, read);
}

static void port_send(void *context, const struct delivery_send *send)
{
    struct leadership *leadership = context;
    struct delivery_send mine = *send;
    mine.reign = leadership->reign;
    leadership->port.send(leadership->port.context, &mine);
}

static void port_wake(void *context, uint64_t at_ms)
{
    struct leadership *leadership = context;
    leadership->port.wake(leadership->port.context, at_ms);
}

static uint64_t random_number(struct leadership *leadership)
{
    uint8_t bytes[8];
    leadership->port.random(leadership->port.context, bytes, sizeof bytes);
    return get_u64(bytes);
}

static struct scheduler *new_scheduler(struct leadership *leadership)
{
    struct scheduler_port port = {
        .context = leadership,
        .ready = port_ready,
        .propose = port_propose,
        .read = port_read,
        .send = port_send,
        .wake = port_wake,
    };
    struct scheduler *scheduler = scheduler_new(
        &port, leadership->options.sends_max, random_number(leadership));
    const struct topic *topic;
    for (uint32_t id = 0;
         (topic = catalog_next_topic(leadership->catalog, &id)) != NULL;)
        scheduler_add_topic(scheduler, id, topic->options.name,
                            topic->last_position);
    if (leadership->draining)
        scheduler_drain(scheduler);
    scheduler_trust_clock(scheduler, !leadership->clock_distrusted);
    return scheduler;
}

/* ---- Taking over ---- */

/* Tokens of our own proposals are the reign, or 0 when nobody waits; the
 * scheduler's have a publisher's id, which is never 0, in their upper half. */
static bool is_own_token(uint64_t token)
{
    return token >> 32 == 0;
}

static void propose(struct leadership *leadership, struct encoder *command,
                    uint64_t token)
{
    leadership->port.propose(leadership->port.context, encoder_slice(command),
                             token);
    encoder_close(command);
}

/* The cluster's id, a random UUID (RFC 9562, version 4), and the space of its
 * public ids. */
static void propose_init(struct leadership *leadership, uint64_t now_ms)
{
    struct command_init init;
    struct encoder command = {0};
    leadership->port.random(leadership->port.context, init.cluster_id,
                            sizeof init.cluster_id);
    init.cluster_id[6] = (uint8_t)((init.cluster_id[6] & 0x0f) | 0x40);
    init.cluster_id[8] = (uint8_t)((init.cluster_id[8] & 0x3f) | 0x80);
    init.id_space = random_number(leadership) | 1u; /* 0 means unknown. */
    command_init_encode(&command, now_ms, &init);
    propose(leadership, &command, 0);
}

void leadership_lead(struct leadership *leadership, uint64_t now_ms)
{
    struct encoder command = {0};
    assert(leadership->phase == PHASE_IDLE);
    leadership->reign++;
    leadership->phase = PHASE_TAKEOVER;
    if (catalog_identity(leadership->catalog)->id_space == 0)
        propose_init(leadership, now_ms);
    command_takeover_encode(&command, now_ms, leadership->options.node_id);
    propose(leadership, &command, leadership->reign);
}

static void forget_scheduler(struct leadership *leadership)
{
    if (leadership->scheduler == NULL)
        return;
    leadership->before = leadership_statistics(leadership);
    leadership->before.sends_in_flight = 0;
    leadership->before.recent_bytes = 0;
    scheduler_free(leadership->scheduler);
    leadership->scheduler = NULL;
    leadership->port.wake(leadership->port.context, 0);
}

void leadership_deposed(struct leadership *leadership)
{
    leadership->reign++;
    leadership->phase = PHASE_IDLE;
    forget_scheduler(leadership);
}

static void begin_loading(struct leadership *leadership)
{
    leadership->scheduler = new_scheduler(leadership);
    leadership->phase = PHASE_LOADING;
    leadership->decided_ms = 0;
    leadership->port.read_page(leadership->port.context, leadership->reign, 0);
}

/* The catalog is newer than the view: a publisher may have been paused or
 * deleted meanwhile. What only the view tells (next, what is open) cannot
 * have moved, since nothing is granted yet. */
static void add_pipeline(struct leadership *leadership,
                         struct pipeline_view *view)
{
    const struct catalog_publisher *known =
        catalog_publisher(leadership->catalog, view->publisher.id);
    if (known == NULL)
        return;
    view->publisher = known->publisher;
    scheduler_add(leadership->scheduler, view);
}

/* One that was created since, or while the pages were read. */
static void add_new_pipeline(struct leadership *leadership,
                             const struct catalog_publisher *known)
{
    struct pipeline_view view = {.publisher = known->publisher,
                                 .next = known->start};
    scheduler_add(leadership->scheduler, &view);
}

static void finish_loading(struct leadership *leadership)
{
    const struct catalog_publisher *known;
    struct pipeline_statistics ignored;
    for (uint32_t id = 0;
         (known = catalog_next_publisher(leadership->catalog, &id)) != NULL;) {
        if (!scheduler_statistics_of(leadership->scheduler, id, 0, &ignored))
            add_new_pipeline(leadership, known);
    }
    leadership->phase = PHASE_RUNNING;
    /* The views may be older than that, and tell of no retry that is due. */
    if (leadership->decided_ms != 0)
        scheduler_decided(leadership->scheduler, 0, leadership->decided_ms);
}

void leadership_paged(struct leadership *leadership, uint32_t reign,
                      uint32_t after_id, int code, struct pipeline_view *views,
                      uint32_t count)
{
    if (reign != leadership->reign || leadership->phase != PHASE_LOADING)
        return;
    for (uint32_t i = 0; code == 0 && i < count; i++)
        add_pipeline(leadership, &views[i]);
    if (code == 0 && count < LEADERSHIP_PAGE) {
        finish_loading(leadership);
        return;
    }
    if (code == 0)
        after_id = views[count - 1].publisher.id;
    leadership->port.read_page(leadership->port.context, leadership->reign,
                               after_id);
}

/* ---- Events of the scheduler ---- */

void leadership_decided(struct leadership *leadership, uint64_t token,
                        const struct command_result *result, uint64_t now_ms)
{
    if (!is_own_token(token)) {
        if (leadership->scheduler != NULL)
            scheduler_applied(leadership->scheduler, token, result, now_ms);
    } else if (token == leadership->reign &&
               leadership->phase == PHASE_TAKEOVER) {
        begin_loading(leadership);
    }
}

void leadership_supplied(struct leadership *leadership, uint32_t reign,
                         const struct delivery_read *read, int code,
                         const struct feed_item *items, uint32_t count,
                         uint64_t next_due_ms, uint64_t now_ms)
{
    if (reign == leadership->reign && leadership->scheduler != NULL)
        scheduler_supplied(leadership->scheduler, read, code, items, count,
                           next_due_ms, now_ms);
    else
        scheduler_forget_read(read);
}

void leadership_held(struct leadership *leadership, uint32_t reign,
                     uint32_t publisher_id, uint64_t token, uint64_t until_ms)
{
    if (reign == leadership->reign && leadership->scheduler != NULL)
        scheduler_held(leadership->scheduler, publisher_id, token, until_ms);
}

/* An answer to an earlier reign's request says nothing to this one: what it
 * sent is in doubt, and its token may name something else by now. */
enum trouble_news leadership_answered(struct leadership *leadership,
                                      uint32_t reign, uint32_t publisher_id,
                                      uint64_t token,
                                      const struct attempt *attempt,
                                      uint64_t now_ms)
{
    if (reign != leadership->reign || leadership->scheduler == NULL)
        return TROUBLE_NO_NEWS;
    return scheduler_answered(leadership->scheduler, publisher_id, token,
                              attempt, now_ms);
}

void leadership_run(struct leadership *leadership, uint64_t now_ms)
{
    if (leadership->phase == PHASE_RUNNING)
        scheduler_run(leadership->scheduler, now_ms);
}

/* ---- Applied commands ---- */

/* A message's position is its id, unless it is scheduled for later: then it
 * has none yet. */
static void apply_messages(struct leadership *leadership,
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
        if (message_is_later(&message))
            scheduler_scheduled(leadership->scheduler, message.topic_id,
                                message.schedule_ms);
        else
            scheduler_published(leadership->scheduler, message.topic_id,
                                message.id, &message);
    }
}

/* While pages are read, publishers that come and go are left to
 * finish_loading() and add_pipeline(), which look at the catalog. */
static void apply_publisher(struct leadership *leadership,
                            const struct command *command,
                            const struct command_result *result)
{
    struct command_pause pause;
    struct command_publisher_update update;
    uint32_t id;
    switch (command->type) {
    case COMMAND_PUBLISHER_CREATE:
        if (leadership->phase == PHASE_RUNNING)
            add_new_pipeline(
                leadership,
                catalog_publisher(leadership->catalog, (uint32_t)result->id));
        break;
    case COMMAND_PUBLISHER_DELETE:
        if (command_publisher_delete_decode(command->body, &id) == 0)
            scheduler_remove(leadership->scheduler, id);
        break;
    case COMMAND_PUBLISHER_PAUSE:
        if (command_pause_decode(command->body, &pause) == 0)
            scheduler_pause(leadership->scheduler, pause.publisher_id,
                            pause.paused);
        break;
    case COMMAND_PUBLISHER_UPDATE:
        /* The catalog has the options as they are stored. */
        if (command_publisher_update_decode(command->body, &update) == 0)
            scheduler_update(
                leadership->scheduler, update.publisher_id,
                &catalog_publisher(leadership->catalog, update.publisher_id)
                     ->publisher.options,
                result->time_ms);
        break;
    default:
        break;
    }
}

static void apply_topic(struct leadership *leadership,
                        const struct command *command,
                        const struct command_result *result)
{
    struct command_topic_delete deletion;
    if (command->type == COMMAND_TOPIC_CREATE) {
        const struct topic *topic =
            catalog_topic(leadership->catalog, (uint32_t)result->id);
        scheduler_add_topic(leadership->scheduler, topic->id,
                            topic->options.name, topic->last_position);
    } else if (command_topic_delete_decode(command->body, &deletion) == 0) {
        scheduler_remove_topic(leadership->scheduler, deletion.topic_id);
    }
}

/* What a person decides, or a replay brings back. */
static void apply_decision(struct leadership *leadership,
                           const struct command *command,
                           const struct command_result *result)
{
    struct command_decision decision;
    struct command_decision_step step;
    uint32_t publisher_id = 0; /* All. */
    if (command->type == COMMAND_RETRY || command->type == COMMAND_DISCARD) {
        if (command_decision_decode(command->body, &decision) == 0)
            publisher_id = decision.publisher_id;
    } else if (command->type != COMMAND_REPLAY_STEP &&
               command_decision_step_decode(command->body, &step) == 0) {
        publisher_id = step.publisher_id;
    }
    if (leadership->phase == PHASE_LOADING)
        leadership->decided_ms = result->time_ms;
    scheduler_decided(leadership->scheduler, publisher_id, result->time_ms);
}

void leadership_apply(struct leadership *leadership,
                      const struct command *command,
                      const struct command_result *result)
{
    if (leadership->scheduler == NULL || result->code != 0)
        return;
    switch (command->type) {
    case COMMAND_MESSAGES:
        apply_messages(leadership, command, result);
        break;
    case COMMAND_RELEASE:
        if (result->count > 0)
            scheduler_released(leadership->scheduler, (uint32_t)result->id,
                               result->position + result->count - 1);
        break;
    case COMMAND_TOPIC_CREATE:
    case COMMAND_TOPIC_DELETE:
        apply_topic(leadership, command, result);
        break;
    case COMMAND_RETRY:
    case COMMAND_DISCARD:
    case COMMAND_RETRY_STEP:
    case COMMAND_DISCARD_STEP:
    case COMMAND_REPLAY_STEP:
        apply_decision(leadership, command, result);
        break;
    default:
        apply_publisher(leadership, command, result);
        break;
    }
}

/* ---- Draining ---- */

void leadership_drain(struct leadership *leadership)
{
    leadership->draining = true;
    if (leadership->scheduler != NULL)
        scheduler_drain(leadership->scheduler);
}

/* What is open by then is in doubt, as for any new leader. */
void leadership_resume(struct leadership *leadership, uint64_t now_ms)
{
    leadership->draining = false;
    if (leadership->phase == PHASE_IDLE)
        return;
    leadership_deposed(leadership);
    leadership_lead(leadership, now_ms);
}

void leadership_trust_clock(struct leadership *leadership, bool trusted)
{
    leadership->clock_distrusted = !trusted;
    if (leadership->scheduler != NULL)
        scheduler_trust_clock(leadership->scheduler, trusted);
}

bool leadership_is_drained(const struct leadership *leadership)
{
    return leadership->draining &&
           (leadership->scheduler == NULL ||
            scheduler_is_drained(leadership->scheduler));
}

/* ---- Figures ---- */

bool leadership_activity(const struct leadership *leadership,
                         uint32_t publisher_id, uint64_t now_ms,
                         struct pipeline_statistics *ret_statistics)
{
    return leadership->scheduler != NULL &&
           scheduler_statistics_of(leadership->scheduler, publisher_id, now_ms,
                                   ret_statistics);
}

struct scheduler_statistics
leadership_statistics(const struct leadership *leadership)
{
    struct scheduler_statistics sum = leadership->before;
    if (leadership->scheduler != NULL) {
        struct scheduler_statistics now =
            scheduler_statistics(leadership->scheduler);
        sum.sends_in_flight = now.sends_in_flight;
        sum.recent_bytes = now.recent_bytes;
        sum.succeeded += now.succeeded;
        sum.failed += now.failed;
        sum.dead += now.dead;
        sum.doubtful += now.doubtful;
    }
    return sum;
}
