/* metrics.h - what one publisher's deliveries were like: counts and
 * histograms, as Prometheus wants them.
 * Thread: the loop; plain data. */
#ifndef POSTOFFICE_DELIVERY_METRICS_H
#define POSTOFFICE_DELIVERY_METRICS_H

#include "storage/model.h"

enum { METRICS_BUCKETS = 14, METRICS_CLASSES = ATTEMPT_EXPIRED + 1 };

/* Upper bounds in milliseconds; what is above the last one is counted only in
 * the sum and the count. */
extern const uint32_t metrics_bounds_ms[METRICS_BUCKETS];

struct histogram {
    uint64_t buckets[METRICS_BUCKETS]; /* Each for itself, not cumulative. */
    uint64_t count;
    uint64_t sum_ms;
};

struct delivery_metrics {
    uint64_t outcomes[METRICS_CLASSES]; /* By enum attempt_class. */
    uint64_t dead;
    uint64_t ambiguous;
    uint64_t doubtful;           /* Sent again, marked. */
    uint64_t circuits;           /* How often the circuit opened. */
    struct histogram delivery;   /* From a request to its answer. */
    struct histogram end_to_end; /* From acceptance (or the time it was
                                  * scheduled for) to success. */
};

void histogram_add(struct histogram *histogram, uint64_t ms);

#endif
