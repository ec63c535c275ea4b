#include "http/idempotency_key.h"

#include "http/identity.h"
#include "storage/idempotency.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

/* A list of two keys is no key, for the space between them. */
static bool is_valid(struct slice key)
{
    for (size_t i = 0; i < key.length; i++)
        if (key.data[i] < 0x21 || key.data[i] > 0x7e)
            return false;
    return key.length >= 1 && key.length <= BOUND_IDEMPOTENCY_KEY;
}

/* False when there is no key, or a problem. */
static bool find_key(struct request *request, struct problem *problem,
                     struct slice *ret_key)
{
    if (!request_find_header(request, "idempotency-key", ret_key))
        return false;
    if (!is_valid(*ret_key))
        problem_header(problem, "Idempotency-Key",
                       "is not 1 to 255 visible ASCII characters, given once");
    return problem->status == 0;
}

static const struct idempotency *remember(struct request *request,
                                          enum idempotent_route route,
                                          struct slice key, struct slice body)
{
    struct idempotency *idempotency =
        arena_take(&request->arena, sizeof *idempotency);
    *idempotency = (struct idempotency){
        .scope = identity_scope(request), .route = (uint8_t)route, .key = key};
    idempotency_hash(body, idempotency->request_hash);
    request->keyed = true;
    return idempotency;
}

const struct idempotency *idempotency_key_read(struct request *request,
                                               enum idempotent_route route,
                                               struct problem *problem)
{
    struct slice key;
    if (!find_key(request, problem, &key))
        return NULL;
    return remember(request, route, key, request->body);
}

struct slice idempotency_key_of_lines(struct request *request,
                                      struct problem *problem)
{
    struct slice key;
    return find_key(request, problem, &key) ? key : slice_of(NULL, 0);
}

const struct idempotency *idempotency_key_line(struct request *request,
                                               struct slice key,
                                               uint32_t number,
                                               struct slice line)
{
    static_assert(IDEMPOTENCY_KEY_MAX - BOUND_IDEMPOTENCY_KEY >=
                      sizeof ":4294967295" - 1,
                  "a key has room for the number of its line");
    if (key.length == 0)
        return NULL;
    char text[IDEMPOTENCY_KEY_MAX + 1];
    int length = snprintf(text, sizeof text, "%.*s:%" PRIu32, (int)key.length,
                          key.data, number);
    return remember(request, IDEMPOTENT_BATCH,
                    arena_copy(&request->arena, slice_of(text, (size_t)length)),
                    line);
}
