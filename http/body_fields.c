#include "http/body_fields.h"

#include "base/bounds.h"
#include "base/error.h"
#include "http/timestamp.h"
#include "storage/filter.h"
#include "storage/model.h"

#include <inttypes.h>
#include <stdio.h>

/* Which name a member has; -1: an unknown one. */
static int name_index(const struct body_fields *fields,
                      const struct json_value *name)
{
    for (int i = 0; fields->names[i] != NULL; i++)
        if (json_value_is(name, fields->names[i]))
            return i;
    return -1;
}

static bool malformed(struct body_fields *fields, const struct json_scan *scan)
{
    char words[160];
    snprintf(words, sizeof words,
             "The body is not the JSON expected: %s, at "
             "byte %td.",
             scan->failure, scan->at - scan->start);
    struct slice kept = arena_copy(fields->arena, slice_text(words));
    problem_set(fields->problem, 400, "malformed_json",
                (const char *)kept.data);
    return false;
}

static void tell_unknown(struct body_fields *fields,
                         const struct json_value *name)
{
    struct slice text;
    if (json_value_text(name, fields->arena, &text) != 0)
        text = name->span;
    struct slice kept = arena_copy(fields->arena, text);
    problem_field(fields->problem, (const char *)kept.data,
                  "is not a field of this request");
}

static bool scan_object(struct body_fields *fields, struct slice body,
                        bool strict)
{
    struct json_scan scan = json_scan_of(body);
    struct json_value name, value;
    json_scan_enter(&scan, KIND_OBJECT);
    while (json_scan_member(&scan, &name, &value)) {
        int index = name_index(fields, &name);
        if (index < 0) {
            if (strict)
                tell_unknown(fields, &name);
            continue;
        }
        if (fields->seen & 1u << index)
            problem_field(fields->problem, fields->names[index],
                          "is given twice");
        fields->seen |= 1u << index;
        fields->values[index] = value;
    }
    return json_scan_end(&scan) ? true : malformed(fields, &scan);
}

static void begin(struct body_fields *fields, const char *const *names,
                  struct arena *arena, struct problem *problem)
{
    fields->names = names;
    fields->seen = 0;
    fields->arena = arena;
    fields->problem = problem;
}

bool body_fields_scan(struct body_fields *fields, struct slice body,
                      const char *const *names, struct arena *arena,
                      struct problem *problem)
{
    begin(fields, names, arena, problem);
    return scan_object(fields, body, false);
}

bool body_fields_scan_strict(struct body_fields *fields, struct slice body,
                             const char *const *names, struct arena *arena,
                             struct problem *problem)
{
    begin(fields, names, arena, problem);
    return body.length == 0 || scan_object(fields, body, true);
}

const struct json_value *body_fields_value(const struct body_fields *fields,
                                           const char *name)
{
    for (unsigned i = 0; fields->names[i] != NULL; i++)
        if (strcmp(fields->names[i], name) == 0)
            return fields->seen & 1u << i ? &fields->values[i] : NULL;
    return NULL;
}

const struct json_value *body_fields_filled(const struct body_fields *fields,
                                            const char *name)
{
    const struct json_value *value = body_fields_value(fields, name);
    if (value == NULL || value->kind == KIND_NULL ||
        (value->kind == KIND_STRING && value->span.length == 2))
        return NULL;
    return value;
}

/* The value, or NULL with the error told when it is needed. */
static const struct json_value *filled_or_told(struct body_fields *fields,
                                               const char *name,
                                               enum body_need need)
{
    const struct json_value *value = body_fields_filled(fields, name);
    if (value == NULL && need == BODY_REQUIRED)
        problem_field(fields->problem, name, PROBLEM_BLANK);
    return value;
}

bool body_fields_text(struct body_fields *fields, const char *name,
                      enum body_need need, size_t length_max, struct slice *ret)
{
    const struct json_value *value = filled_or_told(fields, name, need);
    if (value == NULL)
        return false;
    struct slice text;
    if (value->kind != KIND_STRING ||
        json_value_text(value, fields->arena, &text) != 0 ||
        text.length > length_max) {
        problem_field(fields->problem, name, PROBLEM_INVALID);
        return false;
    }
    *ret = text;
    return true;
}

bool body_fields_boolean(struct body_fields *fields, const char *name,
                         enum body_need need, bool *ret)
{
    const struct json_value *value = filled_or_told(fields, name, need);
    if (value == NULL)
        return false;
    bool text = value->kind == KIND_STRING;
    if (value->kind == KIND_TRUE || (text && json_value_is(value, "true"))) {
        *ret = true;
    } else if (value->kind == KIND_FALSE ||
               (text && json_value_is(value, "false"))) {
        *ret = false;
    } else {
        problem_field(fields->problem, name, PROBLEM_INVALID);
        return false;
    }
    return true;
}

bool body_fields_integer_u64(struct body_fields *fields, const char *name,
                             uint64_t lowest, uint64_t highest, uint64_t *ret)
{
    const struct json_value *value = body_fields_filled(fields, name);
    uint64_t number;
    if (value == NULL)
        return false;
    if (json_value_u64(value, &number) && number >= lowest &&
        number <= highest) {
        *ret = number;
        return true;
    }
    char words[128];
    snprintf(words, sizeof words,
             PROBLEM_INVALID ": an integer from %" PRIu64 " to %" PRIu64
                             " is expected",
             lowest, highest);
    struct slice kept = arena_copy(fields->arena, slice_text(words));
    problem_field(fields->problem, name, (const char *)kept.data);
    return false;
}

bool body_fields_integer(struct body_fields *fields, const char *name,
                         uint32_t lowest, uint32_t highest, uint32_t *ret)
{
    uint64_t number;
    if (!body_fields_integer_u64(fields, name, lowest, highest, &number))
        return false;
    *ret = (uint32_t)number;
    return true;
}

bool body_fields_choice(struct body_fields *fields, const char *name,
                        const char *const *words, uint32_t *ret)
{
    const struct json_value *value = body_fields_filled(fields, name);
    if (value == NULL)
        return false;
    for (uint32_t i = 0; words[i] != NULL; i++) {
        if (json_value_is(value, words[i])) {
            *ret = i;
            return true;
        }
    }
    problem_field(fields->problem, name, PROBLEM_INVALID);
    return false;
}

void body_fields_forbid(struct body_fields *fields, const char *name,
                        const char *text)
{
    if (body_fields_value(fields, name) != NULL)
        problem_field(fields->problem, name, text);
}

static bool object_is_empty(const struct json_value *value)
{
    struct json_scan scan = json_scan_of(value->span);
    struct json_value name, member;
    return value->kind == KIND_OBJECT && json_scan_enter(&scan, KIND_OBJECT) &&
           !json_scan_member(&scan, &name, &member);
}

bool body_fields_filter(struct body_fields *fields, const char *name,
                        struct slice *ret)
{
    const struct json_value *value = body_fields_filled(fields, name);
    struct filter *filter = NULL;
    struct filter_error error;
    if (value == NULL || object_is_empty(value))
        return false;
    if (filter_compile(value->span, &filter, &error) != 0) {
        struct slice pointer =
            arena_copy(fields->arena, slice_text(error.pointer));
        struct slice text = arena_copy(fields->arena, slice_text(error.text));
        problem_pointer(fields->problem, name, pointer,
                        (const char *)text.data);
        return false;
    }
    filter_unref(filter);
    *ret = value->span;
    return true;
}

static const char *add_text(struct encoder *list, const struct json_value *item,
                            const struct body_list *kind, struct arena *arena)
{
    struct slice text = {0};
    if (item->kind != KIND_STRING || json_value_text(item, arena, &text) != 0)
        text = slice_of(NULL, 0);
    const char *fault = kind->check(text);
    if (fault == NULL && text_list_has(encoder_slice(list), text))
        fault = kind->twice;
    if (fault == NULL)
        text_list_add(list, text);
    return fault;
}

bool body_fields_list(struct body_fields *fields, const char *name,
                      const struct body_list *kind, struct slice *ret)
{
    const struct json_value *value = body_fields_filled(fields, name);
    struct json_value item;
    struct encoder list = {0};
    const char *fault = NULL;
    uint32_t count = 0;
    if (value == NULL)
        return false;
    struct json_scan scan = json_scan_of(value->span);
    if (value->kind != KIND_ARRAY)
        fault = PROBLEM_INVALID;
    else
        json_scan_enter(&scan, KIND_ARRAY);
    while (fault == NULL && json_scan_item(&scan, &item))
        fault = count++ == kind->most
                    ? kind->too_many
                    : add_text(&list, &item, kind, fields->arena);
    if (fault != NULL)
        problem_field(fields->problem, name, fault);
    else
        *ret = arena_copy(fields->arena, encoder_slice(&list));
    encoder_close(&list);
    return fault == NULL;
}

bool body_fields_time(struct body_fields *fields, const char *name,
                      enum body_need need, uint64_t *ret_ms)
{
    struct slice text = {0};
    if (!body_fields_text(fields, name, need, TIMESTAMP_LENGTH_MAX, &text))
        return false;
    if (timestamp_parse(text, ret_ms))
        return true;
    problem_field(fields->problem, name, PROBLEM_INVALID);
    return false;
}

void body_fields_not_built(struct body_fields *fields, const char *name)
{
    const struct json_value *value = body_fields_filled(fields, name);
    if (value != NULL && !object_is_empty(value))
        problem_not_built(fields->problem, name);
}
