/* authorization.h - the token in a request's header Authorization: behind
 * Bearer (RFC 6750), or as the password of Basic (RFC 7617), whatever the user
 * is called there.
 * Thread: any. */
#ifndef POSTOFFICE_HTTP_AUTHORIZATION_H
#define POSTOFFICE_HTTP_AUTHORIZATION_H

#include "base/memory.h"
#include "base/slice.h"

#include <stdbool.h>

/* False: it is neither, or longer than BOUND_TOKEN_HEADER; then *ret_token is
 * untouched. The token borrows from the value, or lives in the arena. */
bool authorization_token(struct slice value, struct arena *arena,
                         struct slice *ret_token);

#endif
