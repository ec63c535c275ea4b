/* Why a message is where it is, at one publisher. */
#include "http/resources.h"

static void on_explained(struct request *request,
                         const struct backend_result *result)
{
    struct json_writer json = request_data_begin(request);
    explanation_write(&json, result, 0);
    request_data_send(request, &json, 200);
}

void message_explain(struct request *request)
{
    const struct backend *backend = request_backend(request);
    struct problem problem = {0};
    uint64_t id;
    uint32_t publisher = 0;
    if (!message_id_parameter(request, &id))
        return;
    if (!request_query_id(request, "publisher", &publisher, &problem))
        problem_parameter(&problem, "publisher", PROBLEM_BLANK);
    if (!request_failed(request, &problem))
        backend->message_explain(backend->context,
                                 request_wait(request, on_explained),
                                 request->consistency, id, publisher);
}
