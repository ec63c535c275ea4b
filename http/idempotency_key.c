#include "http/idempotency_key.h"

#include "http/identity.h"
#include "storage/idempotency.h"

/* A list of two keys is no key, for the space between them. */
static bool is_valid(struct slice key)
{
    for (size_t i = 0; i < key.length; i++)
        if (key.data[i] < 0x21 || key.data[i] > 0x7e)
            return false;
    return key.length >= 1 && key.length <= BOUND_IDEMPOTENCY_KEY;
}

const struct idempotency *idempotency_key_read(struct request *request,
                                               enum idempotent_route route,
                                               struct problem *problem)
{
    struct slice key;
    if (!request_find_header(request, "idempotency-key", &key))
        return NULL;
    if (!is_valid(key))
        problem_header(problem, "Idempotency-Key",
                       "is not 1 to 255 visible ASCII characters, given once");
    if (problem->status != 0)
        return NULL;
    struct idempotency *idempotency =
        arena_take(&request->arena, sizeof *idempotency);
    *idempotency = (struct idempotency){
        .scope = identity_scope(request), .route = (uint8_t)route, .key = key};
    idempotency_hash(request->body, idempotency->request_hash);
    request->keyed = true;
    return idempotency;
}
