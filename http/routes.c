#include "http/resources.h"

/* Literal paths stand before patterns that would fit them too; the busiest
 * stand first. */
const struct route http_routes[] = {
    {"POST", "/api/messages", message_publish, "", true, true},
    {"GET", "/api/messages", message_list,
     "topic,publisher,state,key,limit,cursor,consistency,received_from,"
     "received_to,processed_from,processed_to,q,attr.*,field.*",
     false, true},
    {"POST", "/api/bulk_messages", message_publish_bulk, "", true, true},
    {"POST", "/api/messages/batch", NULL, NULL, false, false},
    {"POST", "/api/schedule_messages", message_schedule, "", true, true},
    {"GET", "/api/messages/{id}", message_get, "consistency", false, true},
    {"GET", "/api/messages/{id}/explain", message_explain,
     "publisher,consistency", false, true},
    {"POST", "/api/messages/{id}/retry", message_retry, "", true, true},
    {"POST", "/api/messages/{id}/discard", message_discard, "", true, true},

    {"POST", "/api/topics", topic_create, "", true, true},
    {"GET", "/api/topics", topic_list, "limit,cursor,consistency", false, true},
    {"GET", "/api/topics/{name}", topic_get, "consistency", false, true},
    {"PATCH", "/api/topics/{name}", topic_change, "", true, true},
    {"DELETE", "/api/topics/{name}", topic_delete, "force", false, true},

    {"POST", "/api/publishers", publisher_create, "", true, true},
    {"GET", "/api/publishers", publisher_list, "limit,cursor,consistency",
     false, true},
    {"GET", "/api/publishers/{id}", publisher_get, "consistency", false, true},
    {"PATCH", "/api/publishers/{id}", publisher_change, "", true, true},
    {"DELETE", "/api/publishers/{id}", publisher_delete, "", false, true},
    {"POST", "/api/publishers/{id}/pause", publisher_pause, "", true, true},
    {"POST", "/api/publishers/{id}/resume", publisher_resume, "", true, true},
    {"POST", "/api/publishers/{id}/test", publisher_test, "", true, true},
    {"POST", "/api/publishers/{id}/rotate-secret", publisher_rotate, "", true,
     true},
    {"POST", "/api/publishers/{id}/replay", replay_start, "", true, true},
    {"GET", "/api/replays/{id}", replay_get, "consistency", false, true},
    {"DELETE", "/api/replays/{id}", replay_cancel, "", false, true},

    {"GET", "/api/health", health_get, "", false, false},
    {"GET", "/livez", health_live, "verbose", false, false},
    {"GET", "/readyz", health_ready, "verbose", false, false},
    {"GET", "/readyz/write", health_write, "verbose", false, false},
    {"GET", "/metrics", metrics_get, "", false, false},

    {"GET", "/api/cluster", cluster_get, "", false, false},
    {"POST", "/api/cluster/members", NULL, NULL, false, false},
    {"DELETE", "/api/cluster/members/{id}", NULL, NULL, false, false},
    {"POST", "/api/cluster/transfer", cluster_hand_over, "", true, true},
    {"GET", "/api/backup", NULL, NULL, false, false},
    {"GET", "/api/tokens", NULL, NULL, false, false},
    {"POST", "/api/tokens", NULL, NULL, false, false},
    {"DELETE", "/api/tokens/{name}", NULL, NULL, false, false},
    {"GET", "/api/audit", NULL, NULL, false, false},
    {"GET", "/api/stats", NULL, NULL, false, false},
    {"GET", "/api/events", NULL, NULL, false, false},
    {"GET", "/openapi.json", NULL, NULL, false, false},

    {"GET", "/", page_get, "", false, false},
    {"GET", "/page.css", page_style, "", false, false},
    {NULL, NULL, NULL, NULL, false, false},
};
