/* service.h - fills the API's port: turns what http asks into commands and
 * reads, and their results into answers.
 * Thread: the loop. */
#ifndef POSTOFFICE_SERVICE_H
#define POSTOFFICE_SERVICE_H

#include "access/token_book.h"
#include "delivery/address_policy.h"
#include "delivery/catalog.h"
#include "dispatcher.h"
#include "gateway.h"
#include "handover.h"
#include "http/backend.h"
#include "news/news.h"
#include "proposer.h"
#include "reads.h"
#include "settings.h"
#include "storage/index.h"
#include "storage/writer.h"

struct service;

struct service_parts {
    struct catalog *catalog;
    struct proposer *proposer;
    struct reads *reads;
    struct reads *searches; /* A pool of their own: some take long. */
    struct index *index;
    struct writer *writer;
    struct dispatcher *dispatcher;
    struct cluster *cluster;
    struct gateway *gateway;
    struct handover *handover;
    const struct news *news;
    const struct token_book *tokens;
    const struct address_policy *policy; /* What targets may be. */
    const struct settings *settings;
    const char *raft_address;
    const char *url; /* This node's API. */
};

struct service *service_new(const struct service_parts *parts);
void service_free(struct service *service); /* NULL is fine. */

/* The table for http_server_open(). */
struct backend service_backend(struct service *service);

/* Once a turn of the loop: answers what has waited for other members. */
void service_turn(struct service *service);

/* What this node tells the others of itself. */
void service_report(void *service, struct peer_report *ret_report);

/* Where results go; NULL from the moment at which http is closed: what is
 * still under way is then dropped. */
void service_attach(struct service *service, backend_done done, void *context);

#endif
