/* metrics_members.h - the cluster's part of /metrics: which program this is,
 * and each member as this node sees it. Thread: the loop. */
#ifndef POSTOFFICE_HTTP_METRICS_MEMBERS_H
#define POSTOFFICE_HTTP_METRICS_MEMBERS_H

#include "base/codec.h"
#include "http/backend.h"

void metrics_write_members(struct encoder *out,
                           const struct backend_status *status);

#endif
