#include "metrics.h"

const uint32_t metrics_bounds_ms[METRICS_BUCKETS] = {
    1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10000, 60000, 600000};

void histogram_add(struct histogram *histogram, uint64_t ms)
{
    histogram->count++;
    histogram->sum_ms += ms;
    for (int i = 0; i < METRICS_BUCKETS; i++) {
        if (ms <= metrics_bounds_ms[i]) {
            histogram->buckets[i]++;
            return;
        }
    }
}
