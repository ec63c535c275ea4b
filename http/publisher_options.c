/* Each row of the table has its reader and its writer; most are of a few
 * kinds. Enums are read and written by the index of their word, which is
 * their value. */
#include "http/publisher_options.h"

#include "base/bounds.h"
#include "http/target.h"

#include <assert.h>

enum {
    DAY_SECONDS = 24 * 3600,
    /* Longer waits than these are mistakes of a unit. */
    TIMEOUT_SECONDS_MAX = 3600,
    RETRY_SECONDS_MAX = 30 * DAY_SECONDS,
    EXPIRE_SECONDS_MAX = 3650 * DAY_SECONDS,
    ATTEMPTS_MAX = 1000000,
    RATE_MAX = 1000000,
    CHUNK_MAX = 1000,
};

struct option {
    const char *name;
    size_t offset; /* In struct publisher_options. */
    size_t size;
    /* A value that is there, blank or not. */
    void (*read)(struct body_fields *fields, const struct option *option,
                 void *member);
    void (*write)(struct json_writer *json, const struct option *option,
                  const void *member);
    uint32_t standard; /* Of numbers and words. */
    uint32_t lowest;
    uint32_t highest;
    const char *const *words;
};

/* ---- Numbers and words ---- */

static void read_number(struct body_fields *fields, const struct option *option,
                        void *member)
{
    uint32_t *number = member;
    *number = option->standard;
    body_fields_integer(fields, option->name, option->lowest, option->highest,
                        number);
}

static void write_number(struct json_writer *json, const struct option *option,
                         const void *member)
{
    json_member_u64(json, option->name, *(const uint32_t *)member);
}

/* Where 0 stands for none. */
static void write_number_or_null(struct json_writer *json,
                                 const struct option *option,
                                 const void *member)
{
    json_member_u64_or_null(json, option->name, *(const uint32_t *)member);
}

static const char *const orderings[] = {"none", "key", "strict", NULL};
static const char *const poisons[] = {"dead_letter", "block", NULL};
static const char *const guarantees[] = {"at_least_once", "at_most_once", NULL};
static const char *const formats[] = {"payload", "payload_with_attributes",
                                      "cloudevents", "envelope", NULL};
static_assert(ORDERING_STRICT == 2 && POISON_BLOCK == 1 && AT_MOST_ONCE == 1 &&
                  BODY_ENVELOPE == 3,
              "words stand in the order of their enums");
static_assert(sizeof(enum ordering) == sizeof(uint32_t),
              "enums are read as numbers");

static void read_word(struct body_fields *fields, const struct option *option,
                      void *member)
{
    uint32_t index = option->standard;
    body_fields_choice(fields, option->name, option->words, &index);
    memcpy(member, &index, sizeof index);
}

static void write_word(struct json_writer *json, const struct option *option,
                       const void *member)
{
    uint32_t index;
    memcpy(&index, member, sizeof index);
    json_member_string(json, option->name, option->words[index]);
}

/* ---- Texts ---- */

static void read_text(struct body_fields *fields, const struct option *option,
                      void *member)
{
    struct slice *text = member;
    *text = slice_of(NULL, 0);
    body_fields_text(fields, option->name, BODY_OPTIONAL, option->highest,
                     text);
}

static void write_text(struct json_writer *json, const struct option *option,
                       const void *member)
{
    json_member_text_or_null(json, option->name, *(const struct slice *)member);
}

static void write_masked(struct json_writer *json, const struct option *option,
                         const void *member)
{
    const struct slice *secret = member;
    json_member_string(json, option->name, secret->length > 0 ? "***" : NULL);
}

static void read_target(struct body_fields *fields, const struct option *option,
                        void *member)
{
    struct slice *target = member;
    if (body_fields_text(fields, option->name, BODY_REQUIRED, BOUND_TARGET,
                         target) &&
        !target_is_valid(*target))
        problem_field(fields->problem, option->name, PROBLEM_INVALID);
}

/* ---- Filter and headers ---- */

static void read_filter(struct body_fields *fields, const struct option *option,
                        void *member)
{
    struct slice *filter = member;
    *filter = slice_of(NULL, 0);
    body_fields_filter(fields, option->name, filter);
}

static void write_filter(struct json_writer *json, const struct option *option,
                         const void *member)
{
    const struct slice *filter = member;
    json_write_name(json, option->name);
    if (filter->length > 0)
        json_write_raw(json, *filter);
    else
        json_write_null(json);
}

/* Names compare in any case, as receivers read them. */
static bool same_header(struct slice a, struct slice b)
{
    if (a.length != b.length)
        return false;
    for (size_t i = 0; i < a.length; i++) {
        uint8_t x = a.data[i];
        uint8_t y = b.data[i];
        bool letter = (x | 0x20) >= 'a' && (x | 0x20) <= 'z';
        if (x != y && !(letter && (x ^ y) == 0x20))
            return false;
    }
    return true;
}

static bool header_is_there(struct slice list, struct slice name)
{
    struct slice known, value;
    while (text_list_next(&list, &known) == 0 &&
           text_list_next(&list, &value) == 0)
        if (same_header(known, name))
            return true;
    return false;
}

/* NULL, or what is wrong with it. What may be in a header is decided where
 * requests are made (backend.h). */
static const char *add_header(struct encoder *list, struct slice name,
                              const struct json_value *value,
                              struct arena *arena)
{
    struct slice text;
    if (value->kind != KIND_STRING || json_value_text(value, arena, &text) != 0)
        return "is invalid: a text is expected";
    if (name.length == 0 || name.length > BOUND_HEADER_NAME)
        return "has a name that is not 1 to 128 bytes long";
    if (text.length > BOUND_HEADER_VALUE)
        return "is longer than 1024 bytes";
    if (header_is_there(encoder_slice(list), name))
        return "is given twice";
    text_list_add(list, name);
    text_list_add(list, text);
    return NULL;
}

static void read_headers(struct body_fields *fields,
                         const struct option *option, void *member)
{
    struct slice *headers = member;
    struct encoder list = {0};
    struct json_value name, value;
    uint32_t count = 0;
    const struct json_value *object = body_fields_filled(fields, option->name);
    *headers = slice_of(NULL, 0);
    if (object == NULL)
        return;
    if (object->kind != KIND_OBJECT) {
        problem_field(fields->problem, option->name, PROBLEM_INVALID);
        return;
    }
    struct json_scan scan = json_scan_of(object->span);
    json_scan_enter(&scan, KIND_OBJECT);
    while (json_scan_member(&scan, &name, &value)) {
        struct slice decoded = {0};
        const char *fault = PROBLEM_INVALID;
        if (count++ == BOUND_HEADERS) {
            problem_field(fields->problem, option->name,
                          "has more than 32 members");
            break;
        }
        if (json_value_text(&name, fields->arena, &decoded) == 0)
            fault = add_header(&list, decoded, &value, fields->arena);
        if (fault != NULL)
            problem_element(fields->problem, option->name, decoded, fault);
    }
    *headers = arena_copy(fields->arena, encoder_slice(&list));
    encoder_close(&list);
}

static void write_headers(struct json_writer *json, const struct option *option,
                          const void *member)
{
    struct slice list = *(const struct slice *)member;
    struct slice name, value;
    json_write_name(json, option->name);
    json_write_begin(json, '{');
    while (text_list_next(&list, &name) == 0 &&
           text_list_next(&list, &value) == 0) {
        json_write_name_slice(json, name);
        json_write_text(json, value);
    }
    json_write_end(json, '}');
}

/* ---- The table ---- */

#define OPTION(text, member, reader, writer)                                   \
    .name = (text), .offset = offsetof(struct publisher_options, member),      \
    .size = sizeof((struct publisher_options *)NULL)->member,                  \
    .read = (reader), .write = (writer)
#define NUMBER(text, member, first, least, most)                               \
    {                                                                          \
        OPTION(text, member, read_number, write_number),                       \
            .standard = (first), .lowest = (least), .highest = (most)          \
    }
/* None unless it is given. */
#define LIMIT(text, member, most)                                              \
    {                                                                          \
        OPTION(text, member, read_number, write_number_or_null),               \
            .lowest = 1, .highest = (most)                                     \
    }
#define WORD(text, member, list)                                               \
    {                                                                          \
        OPTION(text, member, read_word, write_word), .words = (list)           \
    }
#define TEXT(text, member, writer, most)                                       \
    {                                                                          \
        OPTION(text, member, read_text, writer), .highest = (most)             \
    }

/* In the order of PUBLISHER_OPTION_NAMES. */
static const struct option options_table[] = {
    {OPTION("target", target, read_target, write_text)},
    NUMBER("seconds_timeout", timeout_seconds, 30, 1, TIMEOUT_SECONDS_MAX),
    NUMBER("seconds_retry", retry_seconds, 30, 1, RETRY_SECONDS_MAX),
    NUMBER("retry_max_seconds", retry_seconds_max, 3600, 1, RETRY_SECONDS_MAX),
    NUMBER("chunk_size", chunk_size, 100, 1, CHUNK_MAX),
    NUMBER("max_in_flight", max_in_flight, 16, 1, BOUND_OPEN_POSITIONS),
    NUMBER("max_attempts", max_attempts, 100, 1, ATTEMPTS_MAX),
    WORD("guarantee", guarantee, guarantees),
    TEXT("description", description, write_text, BOUND_DESCRIPTION),
    LIMIT("expire_after_seconds", expire_after_seconds, EXPIRE_SECONDS_MAX),
    LIMIT("rate_limit_per_second", rate_limit_per_second, RATE_MAX),
    WORD("ordering", ordering, orderings),
    WORD("on_poison", on_poison, poisons),
    WORD("body_format", body_format, formats),
    {OPTION("filter", filter, read_filter, write_filter)},
    {OPTION("headers", headers, read_headers, write_headers)},
    TEXT("secret", secret, write_masked, BOUND_HEADER_VALUE),
    TEXT("basic_auth", basic_auth, write_masked, BOUND_HEADER_VALUE),
    TEXT("bearer_token", bearer_token, write_masked, BOUND_BEARER_TOKEN),
};
enum { OPTIONS = sizeof options_table / sizeof *options_table };

static void *member_of(struct publisher_options *options,
                       const struct option *option)
{
    return (char *)options + option->offset;
}

void publisher_options_init(struct publisher_options *options)
{
    *options = (struct publisher_options){.type = PUBLISHER_HTTP};
    for (unsigned i = 0; i < OPTIONS; i++)
        if (options_table[i].read == read_number)
            memcpy(member_of(options, &options_table[i]),
                   &options_table[i].standard, sizeof(uint32_t));
}

uint32_t publisher_options_read(struct body_fields *fields,
                                struct publisher_options *options)
{
    uint32_t given = 0;
    for (unsigned i = 0; i < OPTIONS; i++) {
        const struct option *option = &options_table[i];
        if (body_fields_value(fields, option->name) == NULL)
            continue;
        option->read(fields, option, member_of(options, option));
        given |= 1u << i;
    }
    return given;
}

void publisher_options_merge(struct publisher_options *options,
                             const struct publisher_options *from,
                             uint32_t given)
{
    for (unsigned i = 0; i < OPTIONS; i++) {
        const struct option *option = &options_table[i];
        if (given & 1u << i)
            memcpy(member_of(options, option),
                   (const char *)from + option->offset, option->size);
    }
}

const char *publisher_options_conflict(const struct publisher_options *options,
                                       const char **ret_text)
{
    if (options->basic_auth.length > 0 && options->bearer_token.length > 0) {
        *ret_text = "cannot stand beside basic_auth";
        return "bearer_token";
    }
    bool authorized =
        options->basic_auth.length > 0 || options->bearer_token.length > 0;
    if (authorized &&
        header_is_there(options->headers, slice_text("authorization"))) {
        *ret_text = "holds an authorization beside basic_auth or bearer_token";
        return "headers";
    }
    return NULL;
}

void publisher_options_write(struct json_writer *json,
                             const struct publisher_options *options,
                             bool clear)
{
    json_member_string(json, "type", publisher_type_text(options->type));
    for (unsigned i = 0; i < OPTIONS; i++) {
        const struct option *option = &options_table[i];
        const void *member = (const char *)options + option->offset;
        if (clear && member == &options->secret)
            write_text(json, option, member);
        else
            option->write(json, option, member);
    }
}

const char *publisher_type_text(enum publisher_type type)
{
    return type == PUBLISHER_PUBSUB ? "pubsub" : "http";
}
