/* metrics_publishers.h - the publishers' part of /metrics. Thread: any. */
#ifndef POSTOFFICE_HTTP_METRICS_PUBLISHERS_H
#define POSTOFFICE_HTTP_METRICS_PUBLISHERS_H

#include "base/codec.h"
#include "http/backend.h"

/* Appends the families for result->publishers and their activities. */
void metrics_write_publishers(struct encoder *out,
                              const struct backend_result *result,
                              uint64_t now_ms);

#endif
