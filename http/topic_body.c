/* The bodies about topics. */
#include "base/bounds.h"
#include "http/request_body.h"

enum {
    DAY_SECONDS = 24 * 3600,
    RETENTION_SECONDS_MAX = 36500 * UINT64_C(1) * DAY_SECONDS,
    ORIGIN_MAX = BOUND_TARGET,
};
static const uint64_t backlog_bytes_max = UINT64_C(1) << 50;

/* Printable ASCII: what can stand in a URL. */
static bool is_visible(struct slice text)
{
    for (size_t i = 0; i < text.length; i++)
        if (text.data[i] <= ' ' || text.data[i] >= 0x7f)
            return false;
    return true;
}

/* RFC 6901: steps behind slashes; a tilde is followed by 0 or 1. */
static bool is_pointer(struct slice text)
{
    if (text.length == 0 || text.length > BOUND_INDEXED_POINTER ||
        text.data[0] != '/')
        return false;
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] != '~')
            continue;
        if (i + 1 == text.length ||
            (text.data[i + 1] != '0' && text.data[i + 1] != '1'))
            return false;
    }
    return true;
}

static const char *pointer_fault(struct slice text)
{
    return is_pointer(text)
               ? NULL
               : "is invalid: JSON pointers such as \"/customer/id\" are "
                 "expected";
}

static void read_indexed(struct body_fields *fields, struct slice *ret)
{
    static const struct body_list pointers = {
        .most = BOUND_INDEXED_FIELDS,
        .too_many = "has more than 16 elements",
        .twice = "holds a JSON pointer twice",
        .check = pointer_fault};
    *ret = slice_of(NULL, 0);
    body_fields_list(fields, "indexed_fields", &pointers, ret);
}

/* What is given; blank stands for the default. */
static uint32_t read_options(struct body_fields *fields,
                             struct topic_options *options)
{
    uint32_t given = 0;
    if (body_fields_value(fields, "origin_host") != NULL) {
        given |= TOPIC_GIVES_ORIGIN_HOST;
        if (body_fields_text(fields, "origin_host", BODY_REQUIRED, ORIGIN_MAX,
                             &options->origin_host) &&
            !is_visible(options->origin_host))
            problem_field(fields->problem, "origin_host", PROBLEM_INVALID);
    }
    if (body_fields_value(fields, "recovery_enabled") != NULL) {
        given |= TOPIC_GIVES_RECOVERY;
        body_fields_boolean(fields, "recovery_enabled", BODY_OPTIONAL,
                            &options->recovery_enabled);
    }
    if (body_fields_value(fields, "retention_seconds") != NULL) {
        given |= TOPIC_GIVES_RETENTION;
        body_fields_integer_u64(fields, "retention_seconds", 1,
                                RETENTION_SECONDS_MAX,
                                &options->retention_seconds);
    }
    if (body_fields_value(fields, "max_backlog_bytes") != NULL) {
        given |= TOPIC_GIVES_BACKLOG;
        body_fields_integer_u64(fields, "max_backlog_bytes", 1,
                                backlog_bytes_max, &options->max_backlog_bytes);
    }
    if (body_fields_value(fields, "indexed_fields") != NULL) {
        given |= TOPIC_GIVES_INDEXED;
        read_indexed(fields, &options->indexed_fields);
    }
    return given;
}

static const char *const names[] = {"name",
                                    "origin_host",
                                    "recovery_enabled",
                                    "indexed_fields",
                                    "retention_seconds",
                                    "max_backlog_bytes",
                                    NULL};

void request_body_topic(struct slice body, struct arena *arena,
                        struct problem *problem,
                        struct topic_options *ret_options)
{
    struct body_fields fields;
    *ret_options = (struct topic_options){0};
    if (!body_fields_scan(&fields, body, names, arena, problem))
        return;
    if (body_fields_text(&fields, "name", BODY_REQUIRED, BOUND_TOPIC_NAME,
                         &ret_options->name) &&
        !topic_name_is_valid(ret_options->name))
        problem_field(problem, "name", PROBLEM_INVALID);
    if (!(read_options(&fields, ret_options) & TOPIC_GIVES_ORIGIN_HOST))
        problem_field(problem, "origin_host", PROBLEM_BLANK);
}

void request_body_topic_change(struct slice body, struct arena *arena,
                               struct problem *problem,
                               struct backend_topic_change *ret_change)
{
    struct body_fields fields;
    *ret_change = (struct backend_topic_change){0};
    if (!body_fields_scan_strict(&fields, body, names, arena, problem))
        return;
    body_fields_forbid(&fields, "name", "cannot be changed");
    ret_change->given = read_options(&fields, &ret_change->options);
}
