#include "http/identity.h"
#include "http/resources.h"

/* A secret shows once: in the answer to what has set it. */
static void send_one(struct request *request,
                     const struct backend_result *result, int status,
                     bool clear)
{
    struct json_writer json = request_data_begin(request);
    json_write_begin(&json, '{');
    publisher_write(&json, result, 0, clear);
    json_write_end(&json, '}');
    request_data_send(request, &json, status);
}

static void on_created(struct request *request,
                       const struct backend_result *result)
{
    send_one(request, result, 201, true);
}

static void on_one(struct request *request, const struct backend_result *result)
{
    send_one(request, result, 200, false);
}

static void on_rotated(struct request *request,
                       const struct backend_result *result)
{
    send_one(request, result, 200, true);
}

/* What delivery would refuse joins what is wrong with the body's form. */
static void tell_faults(struct request *request,
                        const struct publisher_options *options,
                        struct problem *problem)
{
    const struct backend *backend = request_backend(request);
    struct backend_fault faults[BACKEND_FAULTS_MAX];
    if (problem->status != 0 && problem->status != 400)
        return;
    uint32_t count =
        backend->publisher_faults(backend->context, options, faults);
    for (uint32_t i = 0; i < count; i++)
        problem_element(problem, faults[i].field, faults[i].element,
                        faults[i].text);
}

void publisher_create(struct request *request)
{
    const struct backend *backend = request_backend(request);
    struct problem problem = {0};
    struct backend_publisher_create create;
    request_body_publisher(request->body, &request->arena, &problem, &create);
    identity_check_topic(request, create.topic, &problem);
    tell_faults(request, &create.options, &problem);
    if (!request_failed(request, &problem))
        backend->publisher_create(backend->context,
                                  request_wait(request, on_created), &create);
}

static void on_list(struct request *request,
                    const struct backend_result *result)
{
    uint32_t count = request_page_count(request, result->count);
    struct json_writer json = request_data_begin(request);
    json_write_begin(&json, '[');
    for (uint32_t i = 0; i < count; i++) {
        if (!identity_reaches(request, result->publishers[i].publisher.topic))
            continue;
        json_write_begin(&json, '{');
        publisher_write(&json, result, i, false);
        json_write_end(&json, '}');
    }
    request_page_end(
        request, &json, 'p',
        count < result->count ? result->publishers[count - 1].publisher.id : 0);
}

void publisher_list(struct request *request)
{
    const struct backend *backend = request_backend(request);
    struct backend_page page;
    if (request_page(request, 'p', &page))
        backend->publisher_list(backend->context,
                                request_wait(request, on_list),
                                request->consistency, &page);
}

void publisher_get(struct request *request)
{
    const struct backend *backend = request_backend(request);
    uint32_t id;
    if (request_small_id(request, &id))
        backend->publisher_get(backend->context, request_wait(request, on_one),
                               request->consistency, id);
}

/* A secret that the change gives shows in its answer. */
void publisher_change(struct request *request)
{
    const struct backend *backend = request_backend(request);
    struct problem problem = {0};
    struct backend_publisher_change change;
    uint32_t id;
    if (!request_small_id(request, &id))
        return;
    request_body_publisher_change(request->body, &request->arena, &problem,
                                  &change);
    tell_faults(request, &change.options, &problem);
    if (request_failed(request, &problem))
        return;
    change.id = id;
    backend->publisher_change(
        backend->context,
        request_wait(request,
                     change.options.secret.length > 0 ? on_rotated : on_one),
        &change);
}

static void on_deleted(struct request *request,
                       const struct backend_result *result)
{
    (void)result;
    request_send(request, 204, NULL);
}

void publisher_delete(struct request *request)
{
    const struct backend *backend = request_backend(request);
    uint32_t id;
    if (request_small_id(request, &id))
        backend->publisher_delete(backend->context,
                                  request_wait(request, on_deleted), id);
}

void publisher_pause(struct request *request)
{
    const struct backend *backend = request_backend(request);
    struct problem problem = {0};
    struct slice reason;
    uint32_t id;
    if (!request_small_id(request, &id))
        return;
    request_body_pause(request->body, &request->arena, &problem, &reason);
    if (!request_failed(request, &problem))
        backend->publisher_pause(
            backend->context, request_wait(request, on_one), id, true, reason);
}

/* The id, of a request whose body has nothing to say. */
static bool read_bare(struct request *request, uint32_t *ret_id)
{
    struct problem problem = {0};
    if (!request_small_id(request, ret_id))
        return false;
    request_body_none(request->body, &request->arena, &problem);
    return !request_failed(request, &problem);
}

void publisher_resume(struct request *request)
{
    const struct backend *backend = request_backend(request);
    uint32_t id;
    if (read_bare(request, &id))
        backend->publisher_pause(backend->context,
                                 request_wait(request, on_one), id, false,
                                 slice_of(NULL, 0));
}

void publisher_rotate(struct request *request)
{
    const struct backend *backend = request_backend(request);
    uint32_t id;
    if (read_bare(request, &id))
        backend->publisher_rotate(backend->context,
                                  request_wait(request, on_rotated), id);
}

static void on_tested(struct request *request,
                      const struct backend_result *result)
{
    struct json_writer json = request_data_begin(request);
    json_write_begin(&json, '{');
    publisher_write(&json, result, 0, false);
    json_write_name(&json, "test");
    attempt_write(&json, result->attempt);
    json_write_end(&json, '}');
    request_data_send(request, &json, 200);
}

void publisher_test(struct request *request)
{
    const struct backend *backend = request_backend(request);
    uint32_t id;
    if (read_bare(request, &id))
        backend->publisher_test(backend->context,
                                request_wait(request, on_tested), id);
}
