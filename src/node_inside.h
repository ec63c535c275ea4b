/* node_inside.h - what the node's files share: node_parts.c (makes the parts
 * and wires them), node_entries.c (what the log commits, on its way through the
 * store; who leads), node_stop.c (the order of the end) and node.c (start,
 * turns of the loop, signals). Thread: the loop. */
#ifndef POSTOFFICE_NODE_INSIDE_H
#define POSTOFFICE_NODE_INSIDE_H

#include "access/token_book.h"
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
#include "settings.h"
#include "storage/writer.h"
#include "store_watch.h"

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

/* node_entries.c: a failed disk or a corrupt store ends the process. */
_Noreturn void node_die(const char *component, const struct error *error);
/* What the cluster tells. */
struct cluster_callbacks node_cluster_callbacks(struct node *node);
/* The writer has something; on its thread, and on the loop. */
void node_wake_applied(void *context);
void node_on_applied(uv_async_t *async);
/* Takes back what the writer is done with. */
void node_take_applied(struct node *node);

/* node_stop.c: hands leadership over, then ends deliveries, API, log and store;
 * the loop runs dry then. */
void node_stop(struct node *node);

/* node_parts.c: each in this order. Errors have words. */
void node_share_descriptors(struct node *node);
int node_open_store(struct node *node, struct error *error);
void node_make_parts(struct node *node);
int node_open_cluster(struct node *node, struct error *error);
void node_make_service(struct node *node);
int node_open_http(struct node *node, struct error *error);
void node_free_parts(struct node *node);

#endif
