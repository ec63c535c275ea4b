/* The body that asks for a token. */
#include "base/bounds.h"
#include "http/request_body.h"

static void read_role(struct body_fields *fields, enum role *ret_role)
{
    struct slice text;
    if (body_fields_text(fields, "role", BODY_REQUIRED, BOUND_TOKEN_NAME,
                         &text) &&
        !role_find(text, ret_role))
        problem_field(fields->problem, "role",
                      "is not publish, read, operate or admin");
}

static const char *topic_fault(struct slice name)
{
    return topic_name_is_valid(name) ? NULL : "is not a list of topic names";
}

void request_body_token(struct slice body, struct arena *arena,
                        struct problem *problem, struct token *ret_token)
{
    static const char *const names[] = {"name", "role", "topics", NULL};
    static const struct body_list topics = {.most = BOUND_TOKEN_TOPICS,
                                            .too_many =
                                                "has more than 100 elements",
                                            .twice = "names a topic twice",
                                            .check = topic_fault};
    struct body_fields fields;
    const char *field;
    *ret_token = (struct token){0};
    if (!body_fields_scan_strict(&fields, body, names, arena, problem))
        return;
    bool named = body_fields_text(&fields, "name", BODY_REQUIRED,
                                  BOUND_TOKEN_NAME, &ret_token->name);
    read_role(&fields, &ret_token->role);
    body_fields_list(&fields, "topics", &topics, &ret_token->topics);
    const char *fault = named ? token_fault(ret_token, &field) : NULL;
    if (fault != NULL)
        problem_field(problem, field, fault);
}
