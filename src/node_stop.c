/* The end of a node, in order: leadership is handed over, then deliveries, the
 * API, the log and the store end, each when the one before it has. */
#include "node_inside.h"

#include "base/logger.h"

enum {
    HTTP_GRACE_MS = 2000, /* For requests under way when the API closes. */
    /* The others learn who leads from its first message; until then they send
     * requests on to this node, and a refusal is certain where a connection
     * that ends is not. */
    LINGER_MS = 200,
};

static void on_handles_closed(uv_handle_t *handle)
{
    (void)handle;
}

static void on_reads_closed(void *context)
{
    (void)context;
}

static void on_resolver_closed(void *context)
{
    (void)context;
}

static void on_dispatcher_closed(void *context)
{
    struct node *node = context;
    node->dispatcher = NULL;
    resolver_close(node->resolver, on_resolver_closed, node);
    reads_close(node->reads, on_reads_closed, node);
    reads_close(node->searches, on_reads_closed, node);
    uv_close((uv_handle_t *)&node->applied, on_handles_closed);
    for (unsigned i = 0; i < 3; i++)
        uv_close((uv_handle_t *)&node->signals[i], on_handles_closed);
}

static void on_gateway_closed(void *context)
{
    struct node *node = context;
    node->gateway = NULL;
    dispatcher_close(node->dispatcher, on_dispatcher_closed, node);
}

static void on_chores_closed(void *context)
{
    struct node *node = context;
    node->chores = NULL;
    gateway_close(node->gateway, on_gateway_closed, node);
}

static void on_handover_closed(void *context)
{
    struct node *node = context;
    node->handover = NULL;
    chores_close(node->chores, on_chores_closed, node);
}

static void on_cluster_closed(void *context)
{
    struct node *node = context;
    node->cluster = NULL;
    writer_stop(node->writer);
    struct error failure;
    if (writer_failure(node->writer, &failure) != 0)
        node_die("store", &failure);
    node_take_applied(node);
    reads_stop(node->reads);
    reads_stop(node->searches);
    indexer_stop(node->indexer);
    handover_close(node->handover, on_handover_closed, node);
}

static void on_http_closed(void *context)
{
    struct node *node = context;
    node->http = NULL;
    gateway_detach(node->gateway);
    service_attach(node->service, NULL, NULL);
    uv_close((uv_handle_t *)&node->turn, on_handles_closed);
    news_attach(node->news, NULL, NULL);
    uv_close((uv_handle_t *)&node->second, on_handles_closed);
    store_watch_close(&node->watch);
    own_ports_close(&node->own_ports);
    clock_watch_close(&node->clock_watch);
    cluster_close(node->cluster, on_cluster_closed, node);
}

static void on_lingered(uv_timer_t *timer)
{
    struct node *node = timer->data;
    uv_close((uv_handle_t *)timer, on_handles_closed);
    http_server_close(node->http, HTTP_GRACE_MS, on_http_closed, node);
}

/* Whoever leads now, this node has done what it could. */
static void on_handed_over(void *context, int code, bool drained)
{
    struct node *node = context;
    /* A node alone has nobody to give its leadership to, nor to wait for. */
    if (!drained)
        LOG_WARN("delivery", "not every delivery ended in time: the next "
                             "leader sends them again, marked");
    uv_timer_start(&node->linger, on_lingered, code == 0 ? LINGER_MS : 0, 0);
}

void node_stop(struct node *node)
{
    node->stopping = true;
    handover_start(node->handover, 0, false, on_handed_over, node);
}
