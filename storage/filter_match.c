/* A filter and a message. Attributes are compared on the way through their
 * encoding; of the payload, the tree of pointers picks what the clauses want
 * in one walk, each byte read once, and then each clause looks at what was
 * found for it. */
#include "storage/filter.h"

#include "base/json_pointer.h"
#include "storage/command.h"
#include "storage/filter_inside.h"

#include <stdio.h>

/* What stands where a clause looks. */
struct found {
    bool present;
    struct slice text;       /* An attribute's value. */
    struct json_value value; /* A payload's. */
};

/* ---- Finding ---- */

/* Of a name that stands twice the last counts: what the first one had is
 * forgotten. */
static void forget(const struct filter *filter, uint32_t node,
                   struct found *found)
{
    if (filter->nodes[node].clause != FILTER_NONE)
        found[filter->nodes[node].clause].present = false;
    for (uint32_t child = filter->nodes[node].child; child != FILTER_NONE;
         child = filter->nodes[child].sibling)
        forget(filter, child, found);
}

/* Takes the value that comes next. Recursion is as deep as the deepest
 * pointer: BOUND_FILTER_DEPTH. */
static void find_below(const struct filter *filter, uint32_t node,
                       struct json_scan *scan, struct found *found);

static void find_in_object(const struct filter *filter, uint32_t node,
                           struct json_scan *scan, struct found *found)
{
    struct json_value name;
    struct json_value value;
    json_scan_enter(scan, KIND_OBJECT);
    while (json_scan_name(scan, &name)) {
        uint32_t child = filter->nodes[node].child;
        while (child != FILTER_NONE &&
               !json_value_equals(&name, filter->nodes[child].name))
            child = filter->nodes[child].sibling;
        if (child == FILTER_NONE) {
            json_scan_value(scan, &value);
            continue;
        }
        forget(filter, child, found);
        find_below(filter, child, scan, found);
        json_scan_leave(scan, KIND_OBJECT);
    }
}

static void find_in_list(const struct filter *filter, uint32_t node,
                         struct json_scan *scan, struct found *found)
{
    struct json_value value;
    json_scan_enter(scan, KIND_ARRAY);
    for (uint32_t index = 0; json_scan_next(scan); index++) {
        uint32_t child = filter->nodes[node].child;
        while (child != FILTER_NONE && filter->nodes[child].index != index)
            child = filter->nodes[child].sibling;
        if (child == FILTER_NONE) {
            json_scan_value(scan, &value);
            continue;
        }
        find_below(filter, child, scan, found);
        json_scan_leave(scan, KIND_ARRAY);
    }
}

static void find_below(const struct filter *filter, uint32_t node,
                       struct json_scan *scan, struct found *found)
{
    struct json_value value = {.kind = KIND_OBJECT};
    uint32_t clause = filter->nodes[node].clause;
    bool inside = filter->nodes[node].child != FILTER_NONE;
    uint8_t first = json_scan_peek(scan);
    const uint8_t *start = scan->at;
    if (inside && first == '{') {
        find_in_object(filter, node, scan, found);
    } else if (inside && first == '[') {
        value.kind = KIND_ARRAY;
        find_in_list(filter, node, scan, found);
    } else if (!json_scan_value(scan, &value)) {
        return;
    }
    if (clause == FILTER_NONE)
        return;
    value.span = slice_of(start, (size_t)(scan->at - start));
    found[clause].present = true;
    found[clause].value = value;
}

static void find_in_payload(const struct filter *filter, struct slice payload,
                            struct found *found)
{
    struct json_scan scan = json_scan_of(payload);
    const struct filter_node *root = &filter->nodes[0];
    if (root->child == FILTER_NONE && root->clause == FILTER_NONE)
        return; /* Attributes decide alone. */
    find_below(filter, 0, &scan, found);
    if (!json_scan_end(&scan))
        forget(filter, 0, found);
}

static void find_attributes(const struct filter *filter,
                            struct slice attributes, struct found *found)
{
    struct slice name;
    struct slice value;
    while (attribute_next(&attributes, &name, &value) == 0) {
        for (uint32_t i = 0; i < filter->clause_count; i++) {
            if (filter->clauses[i].on_payload ||
                !slice_equal(filter->clauses[i].name, name))
                continue;
            found[i].present = true;
            found[i].text = value;
        }
    }
}

/* ---- Comparing ---- */

static bool value_equals(const struct json_value *value,
                         const struct filter_value *wanted)
{
    struct json_number number;
    if (value->kind != wanted->kind)
        return false;
    if (value->kind == KIND_STRING)
        return json_value_equals(value, wanted->text);
    if (value->kind == KIND_NUMBER)
        return json_number_of(value->span, &number) &&
               json_number_equal(&number, &wanted->number);
    return true; /* true, false and null: the kind is the value. */
}

static bool clause_holds(const struct filter_clause *clause,
                         const struct found *found)
{
    if (!found->present)
        return false;
    for (uint32_t i = 0; i < clause->value_count; i++) {
        if (clause->on_payload
                ? value_equals(&found->value, &clause->values[i])
                : slice_equal(found->text, clause->values[i].text))
            return true;
    }
    return false;
}

/* The first clause that fails, or FILTER_NONE. Attributes come first: where
 * they decide, the payload is not even looked at. */
static uint32_t first_failure(const struct filter *filter,
                              struct slice attributes, struct slice payload,
                              struct found *found)
{
    for (uint32_t i = 0; i < filter->clause_count; i++)
        found[i].present = false;
    find_attributes(filter, attributes, found);
    for (uint32_t i = 0; i < filter->clause_count; i++) {
        if (!filter->clauses[i].on_payload &&
            !clause_holds(&filter->clauses[i], &found[i]))
            return i;
    }
    find_in_payload(filter, payload, found);
    for (uint32_t i = 0; i < filter->clause_count; i++) {
        if (filter->clauses[i].on_payload &&
            !clause_holds(&filter->clauses[i], &found[i]))
            return i;
    }
    return FILTER_NONE;
}

bool filter_match(const struct filter *filter, struct slice attributes,
                  struct slice payload)
{
    struct found found[BOUND_FILTER_CLAUSES];
    return filter == NULL ||
           first_failure(filter, attributes, payload, found) == FILTER_NONE;
}

/* ---- Words ---- */

static int shown(struct slice text)
{
    return text.length < 64 ? (int)text.length : 64;
}

static void tell_failure(const struct filter_clause *clause,
                         const struct found *found,
                         struct filter_verdict *verdict)
{
    struct slice name = clause->name;
    struct slice value = clause->on_payload ? found->value.span : found->text;
    const char *quote = clause->on_payload ? "" : "\"";
    const char *kind = clause->on_payload ? "payload" : "attribute";
    if (!found->present)
        snprintf(verdict->text, sizeof verdict->text, "%s \"%.*s\" is missing",
                 kind, shown(name), (const char *)name.data);
    else
        snprintf(
            verdict->text, sizeof verdict->text,
            "%s \"%.*s\" is %s%.*s%s%s, which is none of the filter's values",
            kind, shown(name), (const char *)name.data, quote, shown(value),
            (const char *)value.data, value.length > 64 ? "..." : "", quote);
    size_t used = json_pointer_append(
        verdict->clause, sizeof verdict->clause,
        slice_text(clause->on_payload ? "payload" : "attributes"));
    json_pointer_append(verdict->clause + used, sizeof verdict->clause - used,
                        name);
}

void filter_explain(const struct filter *filter, struct slice attributes,
                    struct slice payload, struct filter_verdict *ret_verdict)
{
    struct found found[BOUND_FILTER_CLAUSES];
    *ret_verdict = (struct filter_verdict){.matches = true};
    if (filter == NULL)
        return;
    uint32_t failed = first_failure(filter, attributes, payload, found);
    if (failed == FILTER_NONE)
        return;
    ret_verdict->matches = false;
    tell_failure(&filter->clauses[failed], &found[failed], ret_verdict);
}
