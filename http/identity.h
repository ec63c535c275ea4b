/* identity.h - who asks, and whether they may.
 *
 * A request shows a token: `Authorization: Bearer TOKEN` (RFC 6750), or Basic
 * (RFC 7617) with the token as the password, so that an old client needs but a
 * URL with credentials. Its role has rights, and the route table says which
 * right each route asks for:
 *
 *              PUBLISH  READ  OPERATE  ADMIN
 *     publish     x
 *     read                x
 *     operate     x       x      x
 *     admin       x       x      x       x
 *
 * A token that is limited to topics is confined to them by the table's other
 * column. What it names outside of them is refused (403), whether it exists or
 * not; what it asks for by number is not found (404), as if there were none;
 * lists leave it out.
 * Thread: the loop. */
#ifndef POSTOFFICE_HTTP_IDENTITY_H
#define POSTOFFICE_HTTP_IDENTITY_H

#include "http/request.h"

/* Finds out who asks, into request->caller, unless another member has told
 * (forward.h). False: the request has been refused, 401 or 403. */
bool identity_admit(struct request *request);

/* Whether a client's token still has the right that it was admitted by: what
 * is answered for hours asks now and then. */
bool identity_stands(struct request *request);

/* Calls handle(), at once or later, if what the path names is within the
 * caller's topics; else the request is refused. */
void identity_confine(struct request *request,
                      void (*handle)(struct request *request));

/* Whether the topic is among the caller's. */
bool identity_reaches(const struct request *request, struct slice topic);
/* The same; when it is not, that is the problem, unless there is one already
 * that the client must mend first. */
void identity_check_topic(const struct request *request, struct slice topic,
                          struct problem *problem);

/* Whose idempotency keys they are: 0 without a token. */
uint32_t identity_scope(const struct request *request);

/* As it travels to another member. Decoding borrows; false: malformed. */
void identity_encode(struct encoder *out, const struct backend_caller *caller);
bool identity_decode(struct decoder *in, struct backend_caller *ret_caller);

#endif
