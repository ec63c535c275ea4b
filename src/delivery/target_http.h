/* target_http.h - delivery by HTTP POST: libcurl's multi interface on the
 * loop.
 *
 * Keep-alive connections; no redirects, no proxy, http and https only. One
 * attempt is one request: where libcurl would silently repeat a POST because
 * a reused connection broke, the attempt fails instead, since the receiver
 * may have seen the first one. Answers are read within bounds and never
 * decompressed. docs/delivery.md lists what becomes of each kind of answer and
 * failure.
 * Thread: the loop. */
#ifndef POSTOFFICE_DELIVERY_TARGET_HTTP_H
#define POSTOFFICE_DELIVERY_TARGET_HTTP_H

#include "address_policy.h"
#include "base/error.h"
#include "resolver.h"
#include "scheduler.h"

#include <uv.h>

struct target_http;

/* What came of a request. The attempt's number is not filled in; its
 * response is valid during the call. `hold_until_ms`: a 429 or 503 said by
 * Retry-After when to come back, in wall-clock milliseconds; 0: none did. */
typedef void (*target_http_done)(void *context, uint32_t reign,
                                 uint32_t publisher_id, uint64_t token,
                                 const struct attempt *attempt,
                                 uint64_t hold_until_ms);

/* Asked in the moment before a request goes out, which may be long after
 * target_http_send(): a leader that stood still may lead no more. */
typedef bool (*target_http_allowed)(void *context);

struct target_http_options {
    uint32_t sends_max;
    const struct address_policy *policy; /* Borrowed; may change. */
    /* Certificates that are trusted beside the system's; borrowed, or NULL. */
    const char *ca_file;
    struct resolver *resolver; /* Borrowed; outlives this. */
    target_http_allowed allowed;
    target_http_done done;
    void *context; /* Of both. */
};

struct target_http *target_http_new(uv_loop_t *loop,
                                    const struct target_http_options *options);

/* Posts the letter; done() comes later, never before this returns.
 * `public_id` is copied. */
void target_http_send(struct target_http *target,
                      const struct delivery_send *send, const char *public_id);

/* Breaks off what is under way without done(), then calls closed() and frees.
 * From no callback of this module. */
void target_http_close(struct target_http *target,
                       void (*closed)(void *context), void *context);

#endif
