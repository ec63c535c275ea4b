/* idempotency_key.h - the header Idempotency-Key of a request that may be sent
 * again: 1 to 255 visible ASCII characters, given once.
 * Thread: the loop. */
#ifndef POSTOFFICE_HTTP_IDEMPOTENCY_KEY_H
#define POSTOFFICE_HTTP_IDEMPOTENCY_KEY_H

#include "http/request.h"

/* The key and the hash of the body, in the request's arena; NULL when there is
 * no such header, or when there is a problem, in it or before. */
const struct idempotency *idempotency_key_read(struct request *request,
                                               enum idempotent_route route,
                                               struct problem *problem);

/* For a request of lines, each of which is carried out once for itself: the
 * key, empty as above; then that of line `number`, KEY:number. Without a key
 * NULL. */
struct slice idempotency_key_of_lines(struct request *request,
                                      struct problem *problem);
const struct idempotency *idempotency_key_line(struct request *request,
                                               struct slice key,
                                               uint32_t number,
                                               struct slice line);

#endif
