#include "http/resources.h"

/* Literal paths stand before patterns that would fit them too; the busiest
 * stand first. */
const struct route http_routes[] = {
    {"POST", "/api/messages", message_publish, "", true},
    {"GET", "/api/messages", NULL, NULL, false},
    {"POST", "/api/bulk_messages", message_publish_bulk, "", true},
    {"POST", "/api/messages/batch", NULL, NULL, false},
    {"POST", "/api/schedule_messages", NULL, NULL, false},
    {"GET", "/api/messages/{id}", message_get, "consistency", false},
    {"GET", "/api/messages/{id}/explain", NULL, NULL, false},
    {"POST", "/api/messages/{id}/retry", NULL, NULL, false},
    {"POST", "/api/messages/{id}/discard", NULL, NULL, false},

    {"POST", "/api/topics", topic_create, "", true},
    {"GET", "/api/topics", topic_list, "limit,cursor,consistency", false},
    {"GET", "/api/topics/{name}", NULL, NULL, false},
    {"PATCH", "/api/topics/{name}", NULL, NULL, false},
    {"DELETE", "/api/topics/{name}", NULL, NULL, false},

    {"POST", "/api/publishers", publisher_create, "", true},
    {"GET", "/api/publishers", publisher_list, "limit,cursor,consistency",
     false},
    {"GET", "/api/publishers/{id}", publisher_get, "consistency", false},
    {"PATCH", "/api/publishers/{id}", NULL, NULL, false},
    {"DELETE", "/api/publishers/{id}", publisher_delete, "", false},
    {"POST", "/api/publishers/{id}/pause", publisher_pause, "", false},
    {"POST", "/api/publishers/{id}/resume", publisher_resume, "", false},
    {"POST", "/api/publishers/{id}/test", NULL, NULL, false},
    {"POST", "/api/publishers/{id}/rotate-secret", NULL, NULL, false},
    {"POST", "/api/publishers/{id}/replay", NULL, NULL, false},
    {"GET", "/api/replays/{id}", NULL, NULL, false},
    {"DELETE", "/api/replays/{id}", NULL, NULL, false},

    {"GET", "/api/health", health_get, "", false},
    {"GET", "/livez", health_live, "verbose", false},
    {"GET", "/readyz", health_ready, "verbose", false},
    {"GET", "/readyz/write", health_write, "verbose", false},
    {"GET", "/metrics", metrics_get, "", false},

    {"GET", "/api/cluster", cluster_get, "", false},
    {"POST", "/api/cluster/members", NULL, NULL, false},
    {"DELETE", "/api/cluster/members/{id}", NULL, NULL, false},
    {"POST", "/api/cluster/transfer", NULL, NULL, false},
    {"GET", "/api/backup", NULL, NULL, false},
    {"GET", "/api/tokens", NULL, NULL, false},
    {"POST", "/api/tokens", NULL, NULL, false},
    {"DELETE", "/api/tokens/{name}", NULL, NULL, false},
    {"GET", "/api/audit", NULL, NULL, false},
    {"GET", "/api/stats", NULL, NULL, false},
    {"GET", "/api/events", NULL, NULL, false},
    {"GET", "/openapi.json", NULL, NULL, false},

    {"GET", "/", page_get, "", false},
    {"GET", "/page.css", page_style, "", false},
    {NULL, NULL, NULL, NULL, false},
};
