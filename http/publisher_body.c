/* The bodies about publishers. */
#include "base/bounds.h"
#include "http/publisher_options.h"
#include "http/request_body.h"

static void read_topic(struct body_fields *fields, struct slice *ret)
{
    if (body_fields_text(fields, "topic", BODY_REQUIRED, BOUND_TOPIC_NAME,
                         ret) &&
        !topic_name_is_valid(*ret))
        problem_field(fields->problem, "topic", PROBLEM_INVALID);
}

static void read_type(struct body_fields *fields)
{
    struct slice type = {0};
    if (!body_fields_text(fields, "type", BODY_REQUIRED, 16, &type))
        return;
    if (slice_is(type, "pubsub"))
        problem_not_built(fields->problem, "type");
    else if (!slice_is(type, "http"))
        problem_field(fields->problem, "type", PROBLEM_INVALID);
}

static void tell_conflict(const struct publisher_options *options,
                          struct problem *problem)
{
    const char *text;
    const char *field = publisher_options_conflict(options, &text);
    if (field != NULL)
        problem_field(problem, field, text);
}

static const char *const names[] = {
    "topic", "type", "active", "from_now", PUBLISHER_OPTION_NAMES, NULL};

void request_body_publisher(struct slice body, struct arena *arena,
                            struct problem *problem,
                            struct backend_publisher_create *ret_create)
{
    struct body_fields fields;
    *ret_create = (struct backend_publisher_create){.active = false};
    publisher_options_init(&ret_create->options);
    if (!body_fields_scan(&fields, body, names, arena, problem))
        return;
    read_topic(&fields, &ret_create->topic);
    if (body_fields_value(&fields, "target") == NULL)
        problem_field(problem, "target", PROBLEM_BLANK);
    read_type(&fields);
    body_fields_boolean(&fields, "active", BODY_REQUIRED, &ret_create->active);
    body_fields_boolean(&fields, "from_now", BODY_OPTIONAL,
                        &ret_create->from_now);
    publisher_options_read(&fields, &ret_create->options);
    tell_conflict(&ret_create->options, problem);
}

void request_body_publisher_change(struct slice body, struct arena *arena,
                                   struct problem *problem,
                                   struct backend_publisher_change *ret_change)
{
    struct body_fields fields;
    *ret_change = (struct backend_publisher_change){0};
    publisher_options_init(&ret_change->options);
    if (!body_fields_scan_strict(&fields, body, names, arena, problem))
        return;
    body_fields_forbid(&fields, "topic", "cannot be changed");
    body_fields_forbid(&fields, "type", "cannot be changed");
    body_fields_forbid(&fields, "from_now",
                       "cannot be changed: a publisher has begun");
    ret_change->gives_active =
        body_fields_value(&fields, "active") != NULL &&
        body_fields_boolean(&fields, "active", BODY_REQUIRED,
                            &ret_change->active);
    ret_change->given = publisher_options_read(&fields, &ret_change->options);
    tell_conflict(&ret_change->options, problem);
}

void request_body_pause(struct slice body, struct arena *arena,
                        struct problem *problem, struct slice *ret_reason)
{
    static const char *const known[] = {"reason", NULL};
    struct body_fields fields;
    *ret_reason = slice_of(NULL, 0);
    if (body_fields_scan_strict(&fields, body, known, arena, problem))
        body_fields_text(&fields, "reason", BODY_OPTIONAL, BOUND_DESCRIPTION,
                         ret_reason);
}

void request_body_none(struct slice body, struct arena *arena,
                       struct problem *problem)
{
    static const char *const known[] = {NULL};
    struct body_fields fields;
    body_fields_scan_strict(&fields, body, known, arena, problem);
}
