/* service_inside.h - what the files of the service share: service.c (the
 * operations), service_status.c (health, space, figures) and
 * service_forward.c (requests for another node). */
#ifndef POSTOFFICE_SERVICE_INSIDE_H
#define POSTOFFICE_SERVICE_INSIDE_H

#include "service.h"

struct service {
    struct service_parts parts;
    backend_done done;
    void *done_context;
    struct writer_statistics writer; /* Not older than STATISTICS_MS. */
    uint64_t writer_ms;
    uint64_t leader_seen_ms;
    uint64_t published;
    uint64_t published_bytes;
    uint64_t refused;
};

/* Gives a result to http, with the id space filled in. */
void service_answer(struct service *service, struct backend_result *result);

/* service_status.c: 0 when a message of so many bytes would be taken now; else
 * ERR_BUSY, ERR_UNAVAILABLE or ERR_NO_SPACE, with words. */
int service_publish_check(struct service *service, size_t size,
                          const char **ret_detail);
void service_status(void *context, struct backend_status *ret_status);
void service_metrics(void *context, struct backend_metrics *ret_metrics);

#endif
