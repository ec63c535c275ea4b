/* What the log commits goes through the store and back, to all who keep
 * something in memory; and this node leads when it has applied all that was
 * acknowledged before. */
#include "node_inside.h"

#include "base/bounds.h"
#include "base/logger.h"
#include "base/memory.h"

#include <stdlib.h>
#include <unistd.h>

/* An entry on its way through the writer holds its buffer. */
struct applying {
    struct writer_item item;
    struct buffer *buffer;
};

static bool on_committed(void *context, const struct cluster_entry *entry)
{
    struct node *node = context;
    if (node->applying_bytes > 0 &&
        node->applying_bytes + entry->bytes.length > BOUND_APPLY_BYTES) {
        node->blocked = true;
        return false;
    }
    struct applying *applying = memory_new(sizeof *applying);
    applying->item =
        (struct writer_item){.index = entry->index, .entry = entry->bytes};
    applying->buffer = buffer_ref(entry->buffer);
    node->applying_bytes += entry->bytes.length;
    node->handed_index = entry->index;
    store_watch_handed(&node->watch);
    if (node->leading || node->elected)
        writer_push(node->writer, &applying->item);
    else
        writer_gather(node->writer, &applying->item);
    return true;
}

static void tell_applied(struct node *node, struct writer_item *item)
{
    struct slice rest = item->entry;
    struct command command;
    for (uint32_t i = 0; i < item->count && command_next(&rest, &command) == 0;
         i++) {
        news_applied(node->news, &command, &item->results[i]);
        catalog_apply(node->catalog, &command, &item->results[i]);
        token_book_apply(node->tokens, &command, &item->results[i]);
        dispatcher_apply(node->dispatcher, &command, &item->results[i]);
        if (node->leading)
            chores_applied(node->chores, &command);
    }
    catalog_set_applied_index(node->catalog, item->index);
    proposer_applied(node->proposer, item->index, item->results, item->count);
}

void node_die(const char *component, const struct error *error)
{
    LOG_ERROR(component, "this node cannot go on and stops",
              FIELD_TEXT("error", error->text));
    _exit(1);
}

/* The log behind what the store holds durably can be used again. */
static void tell_durable(struct node *node)
{
    struct error failure;
    if (writer_failure(node->writer, &failure) != 0)
        node_die("store", &failure);
    uint64_t durable = writer_durable_index(node->writer);
    if (durable > node->durable_told) {
        node->durable_told = durable;
        cluster_durable(node->cluster, durable);
    }
}

/* What the leaders before have acknowledged is known here only when it is
 * applied: before that a topic that exists would be refused, and a read would
 * miss what was promised. */
static void lead_when_applied(struct node *node)
{
    if (!node->elected ||
        catalog_applied_index(node->catalog) < node->lead_after)
        return;
    node->elected = false;
    node->leading = true;
    proposer_lead(node->proposer, true);
    dispatcher_lead(node->dispatcher);
    chores_lead(node->chores);
}

void node_take_applied(struct node *node)
{
    struct writer_item *item = writer_take_done(node->writer);
    while (item != NULL) {
        struct applying *applying = (struct applying *)item;
        item = (struct writer_item *)item->link.next;
        tell_applied(node, &applying->item);
        store_watch_returned(&node->watch);
        node->applying_bytes -= applying->item.entry.length;
        arena_close(&applying->item.arena);
        buffer_unref(applying->buffer);
        free(applying);
    }
    lead_when_applied(node);
}

void node_on_applied(uv_async_t *async)
{
    struct node *node = async->data;
    if (node->cluster == NULL)
        return; /* Stopping: on_cluster_closed() has seen to everything. */
    tell_durable(node);
    node_take_applied(node);
    if (node->blocked && node->applying_bytes < BOUND_APPLY_BYTES / 2) {
        node->blocked = false;
        cluster_resume(node->cluster);
    }
}

/* On the writer's thread. */
void node_wake_applied(void *context)
{
    struct node *node = context;
    uv_async_send(&node->applied);
}

/* ---- Leadership ---- */

static void on_leading(void *context, uint64_t term)
{
    struct node *node = context;
    (void)term;
    node->elected = true;
    node->lead_after = node->handed_index;
    writer_hurry(node->writer);
    lead_when_applied(node);
}

static void on_deposed(void *context)
{
    struct node *node = context;
    node->leading = false;
    node->elected = false;
    dispatcher_deposed(node->dispatcher);
    chores_stop(node->chores);
    proposer_lead(node->proposer, false);
}

static void on_writable(void *context)
{
    struct node *node = context;
    proposer_pump(node->proposer);
}

static void on_requested(void *context, const struct cluster_asked *asked)
{
    struct node *node = context;
    gateway_requested(node->gateway, asked);
}

static void on_failed(void *context, const struct error *error)
{
    (void)context;
    node_die("raft", error);
}

struct cluster_callbacks node_cluster_callbacks(struct node *node)
{
    return (struct cluster_callbacks){
        .context = node,
        .committed = on_committed,
        .leading = on_leading,
        .deposed = on_deposed,
        .writable = on_writable,
        .requested = on_requested,
        .failed = on_failed,
    };
}
