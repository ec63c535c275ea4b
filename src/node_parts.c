/* Makes the parts of a node and wires them. */
#include "node_inside.h"

#include "base/bounds.h"
#include "base/clock.h"
#include "base/logger.h"

#include <stdio.h>
#include <sys/resource.h>

enum {
    READER_THREADS = 4,
    /* Searches take second place behind publishing and delivery: against one
     * thread at work, each has a tenth of a core. */
    SEARCH_THREADS = 2,
    SEARCH_NICENESS = 10,
    /* File descriptors that are not for targets and clients. */
    DESCRIPTORS_RESERVED = 128,
    SENDS_MAX = 8192,
    SECOND_MS = 1000,
};

/* As many descriptors as the system allows; half of them for targets. */
void node_share_descriptors(struct node *node)
{
    struct rlimit limit;
    rlim_t there = 1024;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
        there = limit.rlim_cur;
    }
    rlim_t half = there > 2 * DESCRIPTORS_RESERVED
                      ? (there - DESCRIPTORS_RESERVED) / 2
                      : DESCRIPTORS_RESERVED / 2;
    node->sends_max = half < SENDS_MAX ? (uint32_t)half : SENDS_MAX;
    node->connections_max =
        half < BOUND_HTTP_CONNECTIONS ? (uint32_t)half : BOUND_HTTP_CONNECTIONS;
}

int node_open_store(struct node *node, struct error *error)
{
    struct store_options options = {.map_bytes =
                                        node->settings->max_store_bytes};
    struct view *view = NULL;
    int rc = store_open(node->dir.store, &options, &node->store, error);
    if (rc != 0)
        return rc;
    node->catalog = catalog_new();
    node->news = news_new(node->catalog, clock_wall_ms());
    rc = view_begin(node->store, &view, error);
    if (rc == 0)
        rc = catalog_load(node->catalog, view, error);
    if (rc == 0)
        rc = token_book_load(node->tokens, view, error);
    view_end(view);
    return rc == 0 ? 0 : error_wrap(error, rc, "read the store");
}

static const char *raft_address(const struct settings *settings)
{
    return settings->raft_advertise != NULL ? settings->raft_advertise
                                            : settings->raft_listen;
}

int node_open_cluster(struct node *node, struct error *error)
{
    struct cluster_address members[SETTINGS_MEMBERS_MAX];
    struct slice secret;
    int rc = settings_secret(node->settings, &secret, error);
    if (rc != 0)
        return rc;
    for (uint32_t i = 0; i < node->settings->member_count; i++)
        members[i] = (struct cluster_address){
            .node_id = node->settings->members[i].id,
            .address = node->settings->members[i].address};
    struct cluster_options options = {
        .directory = node->dir.log,
        .node_id = node->settings->node_id,
        .address = raft_address(node->settings),
        .listen = node->settings->raft_listen,
        .secret = secret,
        .members = members,
        .members_count = node->settings->member_count,
        .election_timeout_ms = node->settings->election_timeout_ms,
        .heartbeat_ms = node->settings->heartbeat_ms,
        .applied_index = store_applied_index(node->store),
    };
    struct cluster_callbacks callbacks = node_cluster_callbacks(node);
    rc = cluster_open(&node->loop, &options, &callbacks, &node->cluster, error);
    if (rc == 0)
        proposer_attach(node->proposer, node->cluster);
    return rc;
}

static void tell_http(void *context, const struct backend_event *event)
{
    http_server_event(context, event);
}

static void on_second(uv_timer_t *timer)
{
    struct node *node = timer->data;
    struct cluster_status cluster = cluster_status(node->cluster);
    news_tick(node->news, clock_wall_ms(),
              writer_statistics(node->writer).backlog, cluster.leader_id,
              cluster.term);
}

int node_open_http(struct node *node, struct error *error)
{
    const struct settings *settings = node->settings;
    struct http_options options = {
        .listen = settings->listen.texts,
        .listen_count = settings->listen.count,
        .local = settings_is_local(settings),
        .advertised = settings->advertise_url,
        .body_bytes_max = settings->max_body_bytes,
        .message_bytes_max = settings->max_message_bytes,
        .bulk_messages_max = settings->max_bulk_messages,
        .connections_max = node->connections_max,
        .tls_certificate_file = settings->tls_certificate,
        .tls_key_file = settings->tls_key,
        /* An election, and another if the first one is split. */
        .leader_wait_ms = 3 * settings->election_timeout_ms,
    };
    struct backend backend = service_backend(node->service);
    int rc =
        http_server_open(&node->loop, &options, &backend, &node->http, error);
    if (rc != 0)
        return rc;
    service_attach(node->service, http_server_done, node->http);
    news_attach(node->news, tell_http, node->http);
    uv_timer_start(&node->second, on_second, SECOND_MS, SECOND_MS);
    gateway_attach(node->gateway, node->cluster, node->http);
    for (uint32_t i = 0; i < settings->listen.count; i++)
        LOG_INFO("http", "listening",
                 FIELD_TEXT("address", settings->listen.texts[i]),
                 FIELD_U64("port", http_server_port(node->http, i)));
    return 0;
}

static void report(void *context, struct peer_report *ret_report)
{
    struct node *node = context;
    service_report(node->service, ret_report);
}

/* Searches do without it, if they must. */
static void open_index(struct node *node)
{
    struct error error = {0};
    const struct settings *settings = node->settings;
    int rc = index_open(node->dir.index, settings->max_store_bytes,
                        &node->index, &error);
    if (rc == 0)
        node->indexer = indexer_start(node->index, node->store, node->dir.index,
                                      settings->min_free_bytes);
    else
        LOG_WARN("index", "searches look at each message",
                 FIELD_TEXT("error", error.text));
}

void node_make_parts(struct node *node)
{
    node->proposer = proposer_new();
    node->writer =
        writer_start(node->store, node->dir.store, node_wake_applied, node);
    node->gateway =
        gateway_new(&node->loop, node->settings->node_id, report, node);
    node->reads =
        reads_new(&node->loop, node->store, node->writer, READER_THREADS, 0);
    node->searches = reads_new(&node->loop, node->store, node->writer,
                               SEARCH_THREADS, SEARCH_NICENESS);
    open_index(node);
}

static void watch_clock(struct node *node)
{
    node->clock_watch =
        (struct clock_watch){.cluster = node->cluster,
                             .gateway = node->gateway,
                             .dispatcher = node->dispatcher,
                             .chores = node->chores,
                             .node_id = node->settings->node_id};
    clock_watch_start(&node->clock_watch, &node->loop);
}

void node_make_service(struct node *node)
{
    const struct settings *settings = node->settings;
    node->resolver = resolver_new(&node->loop);
    struct dispatcher_parts delivery = {
        .loop = &node->loop,
        .catalog = node->catalog,
        .proposer = node->proposer,
        .reads = node->reads,
        .cluster = node->cluster,
        .node_id = settings->node_id,
        .sends_max = node->sends_max,
        .policy = &node->policy,
        .ca_file = settings->target_ca,
        .resolver = node->resolver,
    };
    node->dispatcher = dispatcher_new(&delivery);
    struct chore_parts chores = {
        .loop = &node->loop,
        .catalog = node->catalog,
        .proposer = node->proposer,
        .reads = node->reads,
    };
    struct chores_settings kept = {.retention_seconds =
                                       settings->retention_seconds};
    node->chores = chores_new(&chores, &kept);
    node->handover = handover_new(&node->loop, node->dispatcher, node->cluster,
                                  settings->drain_seconds * 1000);
    if (settings->advertise_url != NULL)
        snprintf(node->url, sizeof node->url, "%s", settings->advertise_url);
    else
        snprintf(node->url, sizeof node->url, "%s://%s",
                 settings->tls_certificate == NULL ? "http" : "https",
                 settings->listen.texts[0]);
    struct service_parts parts = {
        .catalog = node->catalog,
        .proposer = node->proposer,
        .reads = node->reads,
        .searches = node->searches,
        .index = node->index,
        .writer = node->writer,
        .dispatcher = node->dispatcher,
        .cluster = node->cluster,
        .gateway = node->gateway,
        .handover = node->handover,
        .news = node->news,
        .tokens = node->tokens,
        .policy = &node->policy,
        .settings = settings,
        .raft_address = raft_address(settings),
        .url = node->url,
    };
    node->service = service_new(&parts);
    const struct own_ports_parts own = {.loop = &node->loop,
                                        .cluster = node->cluster,
                                        .gateway = node->gateway,
                                        .resolver = node->resolver,
                                        .policy = &node->policy,
                                        .url = node->url};
    own_ports_start(&node->own_ports, &own);
    watch_clock(node);
}

void node_free_parts(struct node *node)
{
    service_free(node->service);
    news_free(node->news);
    proposer_free(node->proposer);
    catalog_free(node->catalog);
    token_book_free(node->tokens);
    writer_free(node->writer);
    index_close(node->index);
    store_close(node->store);
    data_dir_close(&node->dir);
}
