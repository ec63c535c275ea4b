/* The cluster's tokens. */
#include "http/resources.h"

static void write_members(struct json_writer *json, const struct token *token)
{
    struct slice list = token->topics;
    struct slice topic;
    json_member_text(json, "name", token->name);
    json_member_string(json, "role", role_text(token->role));
    json_write_name(json, "topics");
    if (list.length == 0) {
        json_write_null(json);
    } else {
        json_write_begin(json, '[');
        while (text_list_next(&list, &topic) == 0)
            json_write_text(json, topic);
        json_write_end(json, ']');
    }
    json_member_time(json, "created_at", token->created_ms);
}

void token_write(struct json_writer *json, const struct token *token)
{
    json_write_begin(json, '{');
    write_members(json, token);
    json_write_end(json, '}');
}

/* The one time that it is told. */
static void on_created(struct request *request,
                       const struct backend_result *result)
{
    struct json_writer json = request_data_begin(request);
    json_write_begin(&json, '{');
    write_members(&json, &result->tokens[0]);
    json_member_text(&json, "token", result->secret);
    json_write_end(&json, '}');
    request_data_send(request, &json, 201);
}

void token_create(struct request *request)
{
    const struct backend *backend = request_backend(request);
    struct problem problem = {0};
    struct token token;
    request_body_token(request->body, &request->arena, &problem, &token);
    /* From the first one on every request needs one. */
    if (problem.status == 0 && request->caller.kind == CALLER_ANONYMOUS &&
        token.role != ROLE_ADMIN)
        problem_field(&problem, "role",
                      "must be admin for the first token: without one nobody "
                      "could make another");
    if (!request_failed(request, &problem))
        backend->token_create(backend->context,
                              request_wait(request, on_created), &token);
}

static void on_list(struct request *request,
                    const struct backend_result *result)
{
    uint32_t count = request_page_count(request, result->count);
    struct json_writer json = request_data_begin(request);
    json_write_begin(&json, '[');
    for (uint32_t i = 0; i < count; i++)
        token_write(&json, &result->tokens[i]);
    request_page_end(request, &json, 'k',
                     count < result->count ? result->tokens[count - 1].id : 0);
}

void token_list(struct request *request)
{
    const struct backend *backend = request_backend(request);
    struct backend_page page;
    if (request_page(request, 'k', &page))
        backend->token_list(backend->context, request_wait(request, on_list),
                            request->consistency, &page);
}

static void on_revoked(struct request *request,
                       const struct backend_result *result)
{
    (void)result;
    request_send(request, 204, NULL);
}

void token_revoke(struct request *request)
{
    const struct backend *backend = request_backend(request);
    backend->token_revoke(backend->context, request_wait(request, on_revoked),
                          request->parameter);
}
