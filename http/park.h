/* park.h - requests that wait for a leader.
 *
 * While a cluster changes its leader, a request that only the leader can
 * answer is certainly not done (ERR_UNAVAILABLE): it waits here for a while and
 * is tried again, here or at the new leader, before its client is told 503.
 * A parked request holds a ticket, so that it is forgotten when its client
 * vanishes. Thread: the loop. */
#ifndef POSTOFFICE_HTTP_PARK_H
#define POSTOFFICE_HTTP_PARK_H

#include "http/request.h"

#include <uv.h>

struct park {
    uv_timer_t timer; /* Runs while somebody waits. */
    uint64_t *tickets;
    uint32_t count;
    uint32_t capacity;
    uint32_t wait_ms; /* In all; 0: nobody waits. */
};

void park_init(struct park *park, uv_loop_t *loop, uint32_t wait_ms);
/* The timer's handle closes with the others of the server. */
void park_close(struct park *park);

/* True: it waits, and will be tried again. False: it does not (another node
 * waits for it, or it has waited long enough): answer it. */
bool park_request(struct request *request);

#endif
