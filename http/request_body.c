/* Topics and publishers. What this version does not do yet is refused by
 * name: an option that is taken and then ignored would be a lie that shows
 * only when it matters. */
#include "http/request_body.h"

#include "base/bounds.h"
#include "http/target.h"

enum {
    DAY_SECONDS = 24 * 3600,
    /* Longer waits than these are mistakes of a unit. */
    TIMEOUT_SECONDS_MAX = 3600,
    RETRY_SECONDS_MAX = 30 * DAY_SECONDS,
    ATTEMPTS_MAX = 1000000,
    CHUNK_MAX = 1000,
};

/* Printable ASCII: what can stand in a URL. */
static bool is_visible(struct slice text)
{
    for (size_t i = 0; i < text.length; i++)
        if (text.data[i] <= ' ' || text.data[i] >= 0x7f)
            return false;
    return true;
}

void request_body_topic(struct slice body, struct arena *arena,
                        struct problem *problem,
                        struct topic_options *ret_options)
{
    static const char *const names[] = {"name",
                                        "origin_host",
                                        "recovery_enabled",
                                        "indexed_fields",
                                        "retention_seconds",
                                        "max_backlog_bytes",
                                        NULL};
    struct body_fields fields;
    *ret_options = (struct topic_options){0};
    if (!body_fields_scan(&fields, body, names, arena, problem))
        return;
    if (body_fields_text(&fields, "name", BODY_REQUIRED, BOUND_TOPIC_NAME,
                         &ret_options->name) &&
        !topic_name_is_valid(ret_options->name))
        problem_field(problem, "name", PROBLEM_INVALID);
    if (body_fields_text(&fields, "origin_host", BODY_REQUIRED, BOUND_TARGET,
                         &ret_options->origin_host) &&
        !is_visible(ret_options->origin_host))
        problem_field(problem, "origin_host", PROBLEM_INVALID);
    body_fields_boolean(&fields, "recovery_enabled", BODY_OPTIONAL,
                        &ret_options->recovery_enabled);
    body_fields_not_built(&fields, "indexed_fields");
    body_fields_not_built(&fields, "retention_seconds");
    body_fields_not_built(&fields, "max_backlog_bytes");
}

static void read_topic(struct body_fields *fields, struct slice *ret)
{
    if (body_fields_text(fields, "topic", BODY_REQUIRED, BOUND_TOPIC_NAME,
                         ret) &&
        !topic_name_is_valid(*ret))
        problem_field(fields->problem, "topic", PROBLEM_INVALID);
}

static void read_target(struct body_fields *fields,
                        struct publisher_options *options)
{
    bool given = body_fields_text(fields, "target", BODY_REQUIRED, BOUND_TARGET,
                                  &options->target);
    struct slice type = {0};
    if (!body_fields_text(fields, "type", BODY_REQUIRED, 16, &type))
        return;
    if (slice_is(type, "pubsub"))
        problem_not_built(fields->problem, "type");
    else if (!slice_is(type, "http"))
        problem_field(fields->problem, "type", PROBLEM_INVALID);
    else if (given && !target_is_valid(options->target))
        problem_field(fields->problem, "target", PROBLEM_INVALID);
}

static void read_pace(struct body_fields *fields,
                      struct publisher_options *options)
{
    body_fields_integer(fields, "seconds_timeout", 1, TIMEOUT_SECONDS_MAX,
                        &options->timeout_seconds);
    body_fields_integer(fields, "seconds_retry", 1, RETRY_SECONDS_MAX,
                        &options->retry_seconds);
    body_fields_integer(fields, "retry_max_seconds", 1, RETRY_SECONDS_MAX,
                        &options->retry_seconds_max);
    body_fields_integer(fields, "chunk_size", 1, CHUNK_MAX,
                        &options->chunk_size);
    body_fields_integer(fields, "max_in_flight", 1, BOUND_OPEN_POSITIONS,
                        &options->max_in_flight);
    body_fields_integer(fields, "max_attempts", 1, ATTEMPTS_MAX,
                        &options->max_attempts);
}

static void read_unbuilt(struct body_fields *fields)
{
    static const char *const orders[] = {"none", "key", "strict", NULL};
    static const char *const poison[] = {"dead_letter", "block", NULL};
    static const char *const guarantees[] = {"at_least_once", "at_most_once",
                                             NULL};
    static const char *const formats[] = {"payload", "payload_with_attributes",
                                          "cloudevents", "envelope", NULL};
    body_fields_choice(fields, "ordering", orders);
    body_fields_choice(fields, "on_poison", poison);
    body_fields_choice(fields, "guarantee", guarantees);
    body_fields_choice(fields, "body_format", formats);
    body_fields_not_built(fields, "rate_limit_per_second");
    body_fields_not_built(fields, "expire_after_seconds");
    body_fields_not_built(fields, "filter");
    body_fields_not_built(fields, "headers");
    body_fields_not_built(fields, "secret");
    body_fields_not_built(fields, "basic_auth");
    body_fields_not_built(fields, "bearer_token");
}

void request_body_publisher(struct slice body, struct arena *arena,
                            struct problem *problem,
                            struct backend_publisher_create *ret_create)
{
    static const char *const names[] = {
        "topic",         "target",
        "type",          "active",
        "from_now",      "seconds_timeout",
        "seconds_retry", "retry_max_seconds",
        "chunk_size",    "max_in_flight",
        "max_attempts",  "description",
        "ordering",      "on_poison",
        "guarantee",     "body_format",
        "filter",        "rate_limit_per_second",
        "headers",       "expire_after_seconds",
        "secret",        "basic_auth",
        "bearer_token",  NULL};
    *ret_create = (struct backend_publisher_create){
        .options = {.type = PUBLISHER_HTTP,
                    .timeout_seconds = 30,
                    .retry_seconds = 30,
                    .retry_seconds_max = 3600,
                    .chunk_size = 100,
                    .max_in_flight = 16,
                    .max_attempts = 100,
                    .guarantee = AT_LEAST_ONCE}};
    struct body_fields fields;
    if (!body_fields_scan(&fields, body, names, arena, problem))
        return;
    read_topic(&fields, &ret_create->topic);
    read_target(&fields, &ret_create->options);
    body_fields_boolean(&fields, "active", BODY_REQUIRED, &ret_create->active);
    body_fields_boolean(&fields, "from_now", BODY_OPTIONAL,
                        &ret_create->from_now);
    read_pace(&fields, &ret_create->options);
    body_fields_text(&fields, "description", BODY_OPTIONAL, BOUND_DESCRIPTION,
                     &ret_create->options.description);
    read_unbuilt(&fields);
}

void request_body_transfer(struct slice body, struct arena *arena,
                           struct problem *problem, uint32_t *ret_to)
{
    static const char *const names[] = {"to", NULL};
    struct body_fields fields;
    *ret_to = 0;
    if (body.length > 0 &&
        body_fields_scan(&fields, body, names, arena, problem))
        body_fields_integer(&fields, "to", 1, UINT16_MAX, ret_to);
}
