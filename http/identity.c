#include "http/identity.h"

#include "base/bounds.h"
#include "http/authorization.h"
#include "http/resources.h"

#include <xxhash.h>

/* ---- Roles ---- */

static bool role_has(enum role role, enum route_right right)
{
    switch (right) {
    case RIGHT_NONE:
        return true;
    case RIGHT_PUBLISH:
        return role != ROLE_READ;
    case RIGHT_READ:
        return role != ROLE_PUBLISH;
    case RIGHT_OPERATE:
        return role == ROLE_OPERATE || role == ROLE_ADMIN;
    case RIGHT_ADMIN:
        break;
    }
    return role == ROLE_ADMIN;
}

static const char *needed_roles(enum route_right right)
{
    switch (right) {
    case RIGHT_PUBLISH:
        return "This needs a token of role publish, operate or admin.";
    case RIGHT_READ:
        return "This needs a token of role read, operate or admin.";
    case RIGHT_OPERATE:
        return "This needs a token of role operate or admin.";
    case RIGHT_NONE:
    case RIGHT_ADMIN:
        break;
    }
    return "This needs a token of role admin.";
}

/* ---- The header ---- */

/* NULL, or what is wrong; *ret_token without data when there is no header. */
static const char *read_header(struct request *request, struct slice *ret_token)
{
    struct slice value;
    *ret_token = slice_of(NULL, 0);
    if (!request_find_header(request, "authorization", &value))
        return NULL;
    if (authorization_token(value, &request->arena, ret_token))
        return NULL;
    return "The header Authorization is neither Bearer and a token nor Basic "
           "with a token as the password.";
}

/* ---- Admission ---- */

static void refuse(struct request *request, int status, const char *code,
                   const char *detail)
{
    struct problem problem = {0};
    if (status == 401)
        request_header(request, "www-authenticate",
                       slice_text("Bearer realm=\"postoffice\""));
    problem_set(&problem, status, code, detail);
    request_fail(request, &problem);
}

static bool refuse_unknown(struct request *request, const char *detail)
{
    refuse(request, 401, "unauthorized", detail);
    return false;
}

static bool identify(struct request *request)
{
    const struct backend *backend = request_backend(request);
    struct backend_caller *caller = &request->caller;
    struct slice token;
    const char *fault = read_header(request, &token);
    if (fault != NULL)
        return refuse_unknown(request, fault);
    if (backend->authenticate == NULL) {
        *caller = (struct backend_caller){.role = ROLE_ADMIN,
                                          .name = slice_text("anonymous")};
        return true;
    }
    if (!backend->authenticate(backend->context, token, caller))
        return refuse_unknown(
            request, token.data == NULL
                         ? "This needs a token: the header Authorization with "
                           "Bearer and the token, or Basic with the token as "
                           "the password."
                         : "This token is not known here: it was never made, "
                           "or it was revoked.");
    caller->name = arena_copy(&request->arena, caller->name);
    if (caller->topics.length > 0)
        caller->topics = arena_copy(&request->arena, caller->topics);
    return true;
}

/* The member that sent it on has identified the caller. */
static bool recognize(struct request *request)
{
    const struct backend *backend = request_backend(request);
    if (backend->recognize == NULL ||
        backend->recognize(backend->context, &request->caller))
        return true;
    return refuse_unknown(request, request->caller.kind == CALLER_ANONYMOUS
                                       ? "This needs a token: the cluster's "
                                         "leader takes no request without."
                                       : "This token was revoked.");
}

bool identity_admit(struct request *request)
{
    enum route_right right = request->route->right;
    if (right == RIGHT_NONE)
        return true;
    bool known =
        request->forwarded != NULL ? recognize(request) : identify(request);
    if (!known)
        return false;
    if (role_has(request->caller.role, right))
        return true;
    refuse(request, 403, "forbidden", needed_roles(right));
    return false;
}

bool identity_stands(struct request *request)
{
    const struct backend *backend = request_backend(request);
    struct backend_caller caller;
    struct slice token;
    if (backend->authenticate == NULL)
        return true;
    return read_header(request, &token) == NULL &&
           backend->authenticate(backend->context, token, &caller) &&
           role_has(caller.role, request->route->right) &&
           slice_equal(caller.topics, request->caller.topics);
}

/* ---- Topics ---- */

static const char outside[] = "This token is limited to other topics.";

bool identity_reaches(const struct request *request, struct slice topic)
{
    return request->caller.topics.length == 0 ||
           text_list_has(request->caller.topics, topic);
}

void identity_check_topic(const struct request *request, struct slice topic,
                          struct problem *problem)
{
    if (problem->status == 0 && !identity_reaches(request, topic))
        problem_set(problem, 403, "forbidden", outside);
}

static void on_topic_known(struct request *request,
                           const struct backend_result *result)
{
    struct problem problem = {0};
    if (identity_reaches(request, result->topics[0].options.name)) {
        request->confined(request);
        return;
    }
    problem_from_code(&problem, ERR_NOT_FOUND, NULL, NULL);
    request_fail(request, &problem);
}

static void ask_topic(struct request *request, enum backend_thing thing,
                      uint64_t id)
{
    const struct backend *backend = request_backend(request);
    backend->topic_of(backend->context, request_wait(request, on_topic_known),
                      request->consistency, thing, id);
}

void identity_confine(struct request *request,
                      void (*handle)(struct request *request))
{
    uint64_t id;
    uint32_t small;
    if (request->caller.topics.length == 0 ||
        request->route->right == RIGHT_NONE) {
        handle(request);
        return;
    }
    request->confined = handle;
    switch (request->route->reach) {
    case REACH_CLUSTER:
        refuse(request, 403, "forbidden",
               "This is about the whole cluster: it needs a token that is not "
               "limited to topics.");
        return;
    case REACH_TOPIC:
        if (identity_reaches(request, request->parameter))
            handle(request);
        else
            refuse(request, 403, "forbidden", outside);
        return;
    case REACH_PUBLISHER:
        if (request_small_id(request, &small))
            ask_topic(request, THING_PUBLISHER, small);
        return;
    case REACH_MESSAGE:
        if (message_id_parameter(request, &id))
            ask_topic(request, THING_MESSAGE, id);
        return;
    case REACH_REPLAY:
        if (request_small_id(request, &small))
            ask_topic(request, THING_REPLAY, small);
        return;
    case REACH_HANDLER:
        handle(request);
        return;
    }
}

/* ---- For others ---- */

/* By name, so that a token that was exchanged under its name keeps its keys.
 * Two names that meet in 32 bits would share theirs: one in four thousand
 * million, for keys that would have to be equal too. */
uint32_t identity_scope(const struct request *request)
{
    struct slice name = request->caller.name;
    if (request->caller.kind == CALLER_ANONYMOUS)
        return 0;
    uint32_t scope = (uint32_t)XXH3_64bits(name.data, name.length);
    return scope == 0 ? 1 : scope;
}

void identity_encode(struct encoder *out, const struct backend_caller *caller)
{
    encoder_u8(out, (uint8_t)caller->kind);
    encoder_u32(out, caller->token_id);
    encoder_u8(out, (uint8_t)caller->role);
    encoder_string(out, caller->name);
    encoder_string(out, caller->topics);
}

bool identity_decode(struct decoder *in, struct backend_caller *ret_caller)
{
    uint8_t kind = decoder_u8(in);
    struct backend_caller caller = {.token_id = decoder_u32(in)};
    uint8_t role = decoder_u8(in);
    caller.name = decoder_string(in);
    caller.topics = decoder_string(in);
    if (in->failed || kind > CALLER_OF_STORE || role < ROLE_PUBLISH ||
        role > ROLE_ADMIN || caller.name.length == 0 ||
        caller.name.length > BOUND_TOKEN_NAME)
        return false;
    caller.kind = (enum backend_caller_kind)kind;
    caller.role = (enum role)role;
    *ret_caller = caller;
    return true;
}
