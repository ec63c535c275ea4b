/* traffic.h - how many requests came by route and class of status, and how
 * long their answers took.
 *
 * Routes are those of the table, and one more for what has none: so the number
 * of series is bounded by the program, never by what clients send. Requests
 * that another node has sent on are counted there, by route, and here only as
 * a sum. Thread: the loop. */
#ifndef POSTOFFICE_HTTP_TRAFFIC_H
#define POSTOFFICE_HTTP_TRAFFIC_H

#include "base/codec.h"
#include "http/router.h"

enum {
    TRAFFIC_BUCKETS = 12,
    TRAFFIC_CLASSES = 5, /* 2xx to 5xx, behind those that saw no answer. */
};

struct traffic_lane {
    uint64_t answers[TRAFFIC_CLASSES];
    uint64_t buckets[TRAFFIC_BUCKETS]; /* Each for itself, not cumulative. */
    uint64_t count;                    /* Answered. */
    uint64_t sum_us;
};

struct traffic {
    const struct route *routes; /* Borrowed; ended by a NULL method. */
    uint32_t route_count;
    struct traffic_lane *lanes; /* By route; one more for none. */
    uint64_t served;            /* For other nodes. */
};

void traffic_init(struct traffic *traffic, const struct route *routes);
void traffic_close(struct traffic *traffic);

/* `route` NULL: none was found. Status 0: the client went before its
 * answer. */
void traffic_count(struct traffic *traffic, const struct route *route,
                   int status, uint64_t duration_us);

/* The families http_requests_total, http_request_duration_seconds and
 * http_served_requests_total; a route that was never asked is left out. */
void traffic_write(const struct traffic *traffic, struct encoder *out);

#endif
