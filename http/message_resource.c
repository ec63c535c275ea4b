/* One message that is there, and a person's decisions about it. */
#include "http/resources.h"

#include "base/public_id.h"

static void on_message(struct request *request,
                       const struct backend_result *result)
{
    struct json_writer json = request_data_begin(request);
    message_write(&json, result, 0, MESSAGE_WHOLE);
    request_data_send(request, &json, 200);
}

bool message_id_parameter(struct request *request, uint64_t *ret_id)
{
    const struct backend *backend = request_backend(request);
    uint64_t space;
    if (!public_id_parse(request->parameter, &space, ret_id))
        return request_id_parameter(request, ret_id);
    if (space == backend->id_space(backend->context))
        return true;
    struct problem problem = {0};
    problem_from_code(&problem, ERR_NOT_FOUND, NULL, NULL);
    request_fail(request, &problem);
    return false;
}

void message_get(struct request *request)
{
    const struct backend *backend = request_backend(request);
    uint64_t id;
    if (message_id_parameter(request, &id))
        backend->message_get(backend->context,
                             request_wait(request, on_message),
                             request->consistency, id);
}

/* ---- Decisions ---- */

static bool read_decision(struct request *request, uint64_t *ret_id,
                          uint32_t *ret_publisher)
{
    struct problem problem = {0};
    if (!message_id_parameter(request, ret_id))
        return false;
    request_body_decision(request->body, &request->arena, &problem,
                          ret_publisher);
    return !request_failed(request, &problem);
}

void message_retry(struct request *request)
{
    const struct backend *backend = request_backend(request);
    uint64_t id;
    uint32_t publisher;
    if (read_decision(request, &id, &publisher))
        backend->message_retry(
            backend->context, request_wait(request, on_message), id, publisher);
}

void message_discard(struct request *request)
{
    const struct backend *backend = request_backend(request);
    uint64_t id;
    uint32_t publisher;
    if (read_decision(request, &id, &publisher))
        backend->message_discard(
            backend->context, request_wait(request, on_message), id, publisher);
}
