#include "node.h"

#include "access/token_book.h"
#include "base/bounds.h"
#include "base/clock.h"
#include "base/logger.h"
#include "base/memory.h"
#include "chores.h"
#include "clock_watch.h"
#include "data_dir.h"
#include "delivery/catalog.h"
#include "dispatcher.h"
#include "gateway.h"
#include "handover.h"
#include "http/server.h"
#include "indexer.h"
#include "news/news.h"
#include "own_ports.h"
#include "proposer.h"
#include "raft/cluster.h"
#include "reads.h"
#include "service.h"
#include "storage/writer.h"
#include "store_watch.h"
#include "target_policy.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    READER_THREADS = 4,
    /* Searches take second place behind publishing and delivery: against one
     * thread at work, each has a tenth of a core. */
    SEARCH_THREADS = 2,
    SEARCH_NICENESS = 10,
    HTTP_GRACE_MS = 2000, /* For requests under way when the API closes. */
    /* The others learn who leads from its first message; until then they send
     * requests on to this node, and a refusal is certain where a connection
     * that ends is not. */
    LINGER_MS = 200,
    /* File descriptors that are not for targets and clients. */
    DESCRIPTORS_RESERVED = 128,
    SENDS_MAX = 8192,
    SECOND_MS = 1000,
};

struct node {
    const struct settings *settings;
    uv_loop_t loop;
    struct address_policy policy;
    struct own_ports own_ports;
    struct data_dir dir;
    struct store *store;
    struct writer *writer;
    struct store_watch watch;
    struct clock_watch clock_watch;
    struct reads *reads;
    struct reads *searches;
    struct index *index; /* NULL: it could not be opened. */
    struct indexer *indexer;
    struct cluster *cluster;
    struct catalog *catalog;
    struct token_book *tokens;
    struct proposer *proposer;
    struct resolver *resolver;
    struct dispatcher *dispatcher;
    struct chores *chores;
    struct gateway *gateway;
    struct handover *handover;
    struct service *service;
    struct news *news;
    struct http_server *http;
    char url[300];
    uv_async_t applied; /* The writer has something. */
    uv_timer_t linger;  /* Between the handover and the end of the API. */
    uv_prepare_t turn;  /* Before the loop sleeps: hand over what gathered. */
    uv_timer_t second;  /* For the news. */
    uv_signal_t signals[3];
    uint32_t sends_max;
    uint32_t connections_max;
    size_t applying_bytes; /* Handed to the writer, not yet back. */
    bool blocked;          /* A committed entry waits for room. */
    uint64_t durable_told; /* To the cluster. */
    uint64_t handed_index; /* The last entry that went to the writer. */
    bool elected;          /* It leads once this entry is applied: */
    uint64_t lead_after;
    bool leading;
    bool stopping;
};

/* ---- Entries through the store ---- */

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

static void die(const char *component, const struct error *error)
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
        die("store", &failure);
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

static void take_applied(struct node *node)
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

static void on_applied(uv_async_t *async)
{
    struct node *node = async->data;
    if (node->cluster == NULL)
        return; /* Stopping: on_cluster_closed() has seen to everything. */
    tell_durable(node);
    take_applied(node);
    if (node->blocked && node->applying_bytes < BOUND_APPLY_BYTES / 2) {
        node->blocked = false;
        cluster_resume(node->cluster);
    }
}

/* On the writer's thread. */
static void wake_applied(void *context)
{
    struct node *node = context;
    uv_async_send(&node->applied);
}

/* What the events of this turn made possible goes out together. */
static void on_turn(uv_prepare_t *turn)
{
    struct node *node = turn->data;
    service_turn(node->service);
    dispatcher_turn(node->dispatcher);
    proposer_pump(node->proposer);
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
    die("raft", error);
}

/* ---- Stopping, in order: deliveries, API, log, store ---- */

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
        die("store", &failure);
    take_applied(node);
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

static int load_tokens(struct node *node, struct error *error)
{
    struct token_list list;
    if (node->settings->api_tokens_file == NULL)
        return 0;
    int rc = token_file_read(node->settings->api_tokens_file, &list, error);
    if (rc != 0)
        return rc;
    LOG_INFO("node", "tokens read",
             FIELD_TEXT("file", node->settings->api_tokens_file),
             FIELD_U64("tokens", list.count));
    token_book_set_file(node->tokens, &list);
    return 0;
}

/* What cannot be read leaves things as they are: a slip in a file neither
 * opens the API nor locks its users out. */
static void reload(struct node *node)
{
    struct error error = {0};
    if (logger_reopen(&error) != 0)
        LOG_ERROR("node", "the log goes on in the old file",
                  FIELD_TEXT("error", error.text));
    LOG_INFO("node", "SIGHUP: reloading");
    if (load_tokens(node, &error) != 0)
        LOG_ERROR("node", "the tokens stay as they were",
                  FIELD_TEXT("error", error.text));
    if (node->http != NULL)
        http_server_reload(node->http);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct node *node = handle->data;
    if (number == SIGHUP) {
        reload(node);
        return;
    }
    if (node->stopping) {
        LOG_WARN("node", "second signal: stopping at once");
        _exit(1);
    }
    LOG_INFO("node", "stopping", FIELD_U64("signal", number));
    node->stopping = true;
    handover_start(node->handover, 0, false, on_handed_over, node);
}

/* ---- Starting ---- */

/* As many descriptors as the system allows; half of them for targets. */
static void share_descriptors(struct node *node)
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

static int open_store(struct node *node, struct error *error)
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

static int open_cluster(struct node *node, struct error *error)
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
    struct cluster_callbacks callbacks = {
        .context = node,
        .committed = on_committed,
        .leading = on_leading,
        .deposed = on_deposed,
        .writable = on_writable,
        .requested = on_requested,
        .failed = on_failed,
    };
    rc = cluster_open(&node->loop, &options, &callbacks, &node->cluster, error);
    if (rc == 0)
        proposer_attach(node->proposer, node->cluster);
    return rc;
}

static int open_http(struct node *node, struct error *error)
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

static void init_handles(struct node *node)
{
    static const int numbers[3] = {SIGTERM, SIGINT, SIGHUP};
    uv_async_init(&node->loop, &node->applied, on_applied);
    uv_prepare_init(&node->loop, &node->turn);
    uv_timer_init(&node->loop, &node->linger);
    uv_timer_init(&node->loop, &node->second);
    node->applied.data = node;
    node->linger.data = node;
    node->turn.data = node;
    node->second.data = node;
    for (unsigned i = 0; i < 3; i++) {
        uv_signal_init(&node->loop, &node->signals[i]);
        node->signals[i].data = node;
        uv_signal_start(&node->signals[i], on_signal, numbers[i]);
    }
    uv_prepare_start(&node->turn, on_turn);
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

static void make_parts(struct node *node)
{
    node->proposer = proposer_new();
    node->writer =
        writer_start(node->store, node->dir.store, wake_applied, node);
    node->gateway =
        gateway_new(&node->loop, node->settings->node_id, report, node);
    node->reads =
        reads_new(&node->loop, node->store, node->writer, READER_THREADS, 0);
    node->searches = reads_new(&node->loop, node->store, node->writer,
                               SEARCH_THREADS, SEARCH_NICENESS);
    open_index(node);
}

static void make_service(struct node *node)
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

static void free_parts(struct node *node)
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

/* A start that fails ends the process soon after: what runs already is left
 * to that, save the directory's lock. */
static int start(struct node *node, struct error *error)
{
    int rc = target_policy_fill(node->settings, &node->policy, error);
    node->tokens = token_book_new(node->settings->api_tokens_file != NULL);
    if (rc == 0)
        rc = load_tokens(node, error);
    if (rc == 0)
        rc = data_dir_open(node->settings->data_dir, &node->dir, error);
    if (rc == 0)
        rc = open_store(node, error);
    if (rc != 0)
        return rc;
    init_handles(node);
    make_parts(node);
    rc = open_cluster(node, error);
    if (rc != 0)
        return rc;
    store_watch_start(&node->watch, &node->loop, node->cluster,
                      node->settings->election_timeout_ms);
    make_service(node);
    watch_clock(node);
    return open_http(node, error);
}

int node_run(const struct settings *settings, struct error *error)
{
    /* Not freed when the start fails: the process ends, and what of it runs
     * already may still look at it. */
    static struct node the_node;
    struct node *node = &the_node;
    node->settings = settings;
    signal(SIGPIPE, SIG_IGN);
    share_descriptors(node);
    uv_loop_init(&node->loop);
    int rc = start(node, error);
    if (rc != 0)
        return rc;
    LOG_INFO("node", "started", FIELD_TEXT("version", POSTOFFICE_VERSION),
             FIELD_U64("node", settings->node_id),
             FIELD_TEXT("data", settings->data_dir));
    uv_run(&node->loop, UV_RUN_DEFAULT);
    uv_loop_close(&node->loop);
    free_parts(node);
    LOG_INFO("node", "stopped");
    return 0;
}
