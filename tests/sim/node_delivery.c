/* The port below a node's leadership: proposals, reads, requests to receivers.
 * As src/dispatcher, without I/O. */
#include "node.h"

#include "base/memory.h"
#include "node_reads.h"
#include "src/delivery/delivery_read.h"
#include "world.h"

#include <stdlib.h>
#include <string.h>

/* ---- Proposals ---- */

static bool port_accepts(void *context)
{
    struct node *node = context;
    return proposer_check(node->proposer, 0) == 0;
}

static bool port_holds_lease(void *context)
{
    return node_holds_lease(context);
}

static void on_proposal(void *context, uint64_t token, int code, uint64_t index,
                        const struct command_result *result)
{
    struct node *node = context;
    (void)index;
    if (code == 0)
        leadership_decided(node->leadership, token, result, node_wall_ms(node));
}

/* A proposal that counts as applied at once, though it is in no log. */
struct premature {
    struct event event;
    uint64_t token;
};

static void on_premature(struct event *event)
{
    struct node *node = event->owner;
    const struct command_result result = {.code = 0};
    leadership_decided(node->leadership, ((struct premature *)event)->token,
                       &result, node_wall_ms(node));
    free(event);
}

/* With a rule off. True: it is not proposed any more. */
static bool mutate(struct node *node, struct slice bytes, uint64_t token)
{
    enum mutant mutant = node->world->options.mutant;
    struct command command;
    if (mutant != MUTANT_NO_TAKEOVER && mutant != MUTANT_GRANTS_UNSEEN)
        return false;
    if (command_next(&bytes, &command) != 0 ||
        (mutant == MUTANT_NO_TAKEOVER && command.type != COMMAND_TAKEOVER) ||
        (mutant == MUTANT_GRANTS_UNSEEN && command.type != COMMAND_GRANT))
        return false;
    struct premature *premature = memory_new_zeroed(1, sizeof *premature);
    premature->event.run = on_premature;
    premature->token = token;
    node_plan(node, &premature->event, 0);
    return mutant == MUTANT_NO_TAKEOVER;
}

static void port_propose(void *context, struct slice command, uint64_t token)
{
    struct node *node = context;
    struct slice rest = command;
    struct command decoded;
    if (command_next(&rest, &decoded) == 0)
        chronicle_proposed(node->world->chronicle, node, &decoded);
    if (mutate(node, command, token))
        return;
    struct encoder *out = proposer_begin(node->proposer);
    encoder_bytes(out, command);
    proposer_end(node->proposer, on_proposal, node, token);
}

/* ---- Reads ---- */

struct pipeline_read {
    struct read read;
    uint32_t reign;
    struct delivery_read what;
    struct feed_item *items;
    uint32_t count;
    uint64_t next_due_ms;
};

static int run_pipeline_read(struct read *read, struct view *view,
                             struct error *error)
{
    struct pipeline_read *mine = (struct pipeline_read *)read;
    return delivery_read_run(&mine->what, view, &read->arena, &mine->items,
                             &mine->count, &mine->next_due_ms, error);
}

static void pipeline_read_done(struct read *read)
{
    struct pipeline_read *mine = (struct pipeline_read *)read;
    struct node *node = read->event.owner;
    leadership_supplied(node->leadership, mine->reign, &mine->what, read->code,
                        mine->items, mine->count, mine->next_due_ms,
                        node_wall_ms(node));
}

static void forget_read(struct read *read)
{
    scheduler_forget_read(&((struct pipeline_read *)read)->what);
}

static void port_read(void *context, uint32_t reign,
                      const struct delivery_read *what)
{
    struct node *node = context;
    struct pipeline_read *mine = memory_new_zeroed(1, sizeof *mine);
    mine->reign = reign;
    mine->what = *what;
    mine->read.run = run_pipeline_read;
    mine->read.done = pipeline_read_done;
    mine->read.forget = forget_read;
    node_reads_submit(node, &mine->read,
                      what->committed ? 0
                                      : catalog_applied_index(node->catalog));
}

struct page_read {
    struct read read;
    uint32_t reign;
    uint32_t after_id;
    struct pipeline_view *views;
    uint32_t count;
};

static int run_page_read(struct read *read, struct view *view,
                         struct error *error)
{
    struct page_read *mine = (struct page_read *)read;
    return query_pipelines(view, mine->after_id, LEADERSHIP_PAGE, &read->arena,
                           &mine->views, &mine->count, error);
}

static void page_read_done(struct read *read)
{
    struct page_read *mine = (struct page_read *)read;
    struct node *node = read->event.owner;
    bool forget = node->world->options.mutant == MUTANT_FORGET_DOUBT;
    for (uint32_t i = 0; read->code == 0 && forget && i < mine->count; i++)
        for (uint32_t o = 0; o < mine->views[i].open_count; o++)
            mine->views[i].open[o].doubt = false;
    leadership_paged(node->leadership, mine->reign, mine->after_id, read->code,
                     mine->views, mine->count);
}

static void port_read_page(void *context, uint32_t reign, uint32_t after_id)
{
    struct node *node = context;
    struct page_read *mine = memory_new_zeroed(1, sizeof *mine);
    node->reign = reign;
    mine->reign = reign;
    mine->after_id = after_id;
    mine->read.run = run_page_read;
    mine->read.done = page_read_done;
    node_reads_submit(node, &mine->read, catalog_applied_index(node->catalog));
}

/* ---- Requests, time and chance ---- */

static void port_send(void *context, const struct delivery_send *send)
{
    receivers_send(context, send);
}

static void on_wake(struct event *event)
{
    struct node *node = event->owner;
    if (node->wake_ms == event->due_ms)
        node->wake_ms = 0;
    free(event); /* The turn that follows does the rest. */
}

static void port_wake(void *context, uint64_t at_ms)
{
    struct node *node = context;
    uint64_t now = node->world->timeline.now_ms;
    uint64_t wall = node_wall_ms(node);
    uint64_t delay = at_ms > wall ? at_ms - wall : 0;
    if (at_ms == 0 || (node->wake_ms != 0 && node->wake_ms <= now + delay))
        return; /* One that comes too soon does no harm. */
    struct event *event = memory_new_zeroed(1, sizeof *event);
    event->run = on_wake;
    node->wake_ms = now + delay;
    node_plan(node, event, delay);
}

static void port_random(void *context, uint8_t *bytes, size_t length)
{
    struct node *node = context;
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)dice_bits(&node->world->dice);
}

struct leadership *node_leadership_new(struct node *node)
{
    const struct leadership_port port = {
        .context = node,
        .accepts = port_accepts,
        .holds_lease = port_holds_lease,
        .propose = port_propose,
        .read = port_read,
        .read_page = port_read_page,
        .send = port_send,
        .wake = port_wake,
        .random = port_random,
    };
    const struct leadership_options options = {.node_id = node->id,
                                               .sends_max = 40};
    return leadership_new(&port, &options, node->catalog);
}
