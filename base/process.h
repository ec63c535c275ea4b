/* process.h - what the kernel says of this process: processor time, memory,
 * descriptors. Named and meant as Prometheus's client libraries do
 * (`process_*`), so that ready dashboards find them.
 *
 * Reads /proc, which takes no disk but walks a list of descriptors: not for
 * the loop. Thread: any. */
#ifndef POSTOFFICE_BASE_PROCESS_H
#define POSTOFFICE_BASE_PROCESS_H

#include <stdint.h>

/* What could not be read is 0. */
struct process_figures {
    uint64_t cpu_us;
    uint64_t resident_bytes;
    uint64_t virtual_bytes;
    uint64_t open_descriptors;
    uint64_t descriptors_max;
    uint64_t threads;
    uint64_t started_us; /* Since the Unix epoch. */
};

struct process_figures process_measure(void);

#endif
