/* From a filter's text to its clauses. Each complaint says where in the text:
 * a path of a section, a name in it and a place in its list. */
#include "storage/filter.h"

#include "base/bounds.h"
#include "base/error.h"
#include "base/json_pointer.h"
#include "storage/filter_inside.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { NODES_MAX = BOUND_FILTER_CLAUSES * BOUND_FILTER_DEPTH + 1 };

struct compiler {
    struct filter *filter;
    struct filter_error *error;
    /* Where it stands. */
    const char *section; /* NULL: above them. */
    struct slice name;   /* No data: above them. */
    int item;            /* -1: not in a list. */
};

static int complain(struct compiler *compiler, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static int complain(struct compiler *compiler, const char *format, ...)
{
    struct filter_error *error = compiler->error;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    size_t room = sizeof error->pointer;
    size_t used = 0;
    error->pointer[0] = '\0';
    if (compiler->section != NULL)
        used += json_pointer_append(error->pointer, room,
                                    slice_text(compiler->section));
    if (compiler->name.data != NULL)
        used += json_pointer_append(error->pointer + used, room - used,
                                    compiler->name);
    if (compiler->item >= 0) {
        char number[12];
        snprintf(number, sizeof number, "%d", compiler->item);
        json_pointer_append(error->pointer + used, room - used,
                            slice_text(number));
    }
    return ERR_INVALID;
}

/* ---- Values ---- */

static int read_value(struct compiler *compiler, bool on_payload,
                      const struct json_value *value, struct filter_value *ret)
{
    struct arena *arena = &compiler->filter->arena;
    ret->kind = value->kind;
    if (value->kind == KIND_STRING) {
        if (json_value_text(value, arena, &ret->text) != 0)
            return complain(compiler, "is not valid text");
        ret->text = arena_copy(arena, ret->text);
        return 0;
    }
    if (!on_payload)
        return complain(compiler, "must be a string or a list of strings");
    if (value->kind == KIND_OBJECT || value->kind == KIND_ARRAY)
        return complain(compiler, "must be a string, a number, true, false, "
                                  "null or a list of these");
    if (value->kind == KIND_NUMBER &&
        !json_number_of(arena_copy(arena, value->span), &ret->number))
        return complain(compiler, "has an exponent that is too large");
    return 0;
}

static int read_list(struct compiler *compiler, struct filter_clause *clause,
                     struct slice list)
{
    struct json_scan scan = json_scan_of(list);
    struct json_value value;
    uint32_t count = 0;
    json_scan_enter(&scan, KIND_ARRAY);
    while (json_scan_item(&scan, &value))
        count++;
    if (count == 0)
        return complain(compiler, "must not be empty");
    if (count > BOUND_FILTER_VALUES)
        return complain(compiler, "must have at most %d values",
                        BOUND_FILTER_VALUES);
    clause->values =
        arena_take(&compiler->filter->arena, count * sizeof *clause->values);
    clause->value_count = count;
    scan = json_scan_of(list);
    json_scan_enter(&scan, KIND_ARRAY);
    for (compiler->item = 0; json_scan_item(&scan, &value); compiler->item++) {
        int rc = read_value(compiler, clause->on_payload, &value,
                            &clause->values[compiler->item]);
        if (rc != 0)
            return rc;
    }
    compiler->item = -1;
    return 0;
}

static int read_values(struct compiler *compiler, struct filter_clause *clause,
                       const struct json_value *value)
{
    if (value->kind == KIND_ARRAY)
        return read_list(compiler, clause, value->span);
    clause->values =
        arena_take(&compiler->filter->arena, sizeof *clause->values);
    clause->value_count = 1;
    return read_value(compiler, clause->on_payload, value, clause->values);
}

/* ---- The tree of pointers ---- */

static uint32_t find_child(const struct filter *filter, uint32_t parent,
                           struct slice name)
{
    uint32_t child = filter->nodes[parent].child;
    while (child != FILTER_NONE &&
           !slice_equal(filter->nodes[child].name, name))
        child = filter->nodes[child].sibling;
    return child;
}

static uint32_t add_child(struct filter *filter, uint32_t parent,
                          const struct json_token *token)
{
    uint32_t child = filter->node_count++;
    filter->nodes[child] =
        (struct filter_node){.name = token->name,
                             .index = token->index,
                             .child = FILTER_NONE,
                             .sibling = filter->nodes[parent].child,
                             .clause = FILTER_NONE};
    filter->nodes[parent].child = child;
    return child;
}

static int plant(struct compiler *compiler, uint32_t clause)
{
    struct filter *filter = compiler->filter;
    struct json_token *tokens;
    uint32_t count;
    int rc = json_pointer_split(compiler->name, &filter->arena,
                                BOUND_FILTER_DEPTH, &tokens, &count);
    if (rc == ERR_TOO_LARGE)
        return complain(compiler, "a pointer must have at most %d parts",
                        BOUND_FILTER_DEPTH);
    if (rc != 0)
        return complain(compiler, "is not a JSON pointer, such as /customer/id "
                                  "(~1 stands for /, ~0 for ~)");
    uint32_t node = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t child = find_child(filter, node, tokens[i].name);
        node =
            child != FILTER_NONE ? child : add_child(filter, node, &tokens[i]);
    }
    if (filter->nodes[node].clause != FILTER_NONE)
        return complain(compiler, "stands here twice");
    filter->nodes[node].clause = clause;
    return 0;
}

/* ---- Clauses ---- */

static int check_attribute(struct compiler *compiler)
{
    const struct filter *filter = compiler->filter;
    if (compiler->name.length == 0 ||
        compiler->name.length > BOUND_ATTRIBUTE_NAME)
        return complain(compiler, "an attribute's name has 1 to %d bytes",
                        BOUND_ATTRIBUTE_NAME);
    for (uint32_t i = 0; i + 1 < filter->clause_count; i++) {
        if (!filter->clauses[i].on_payload &&
            slice_equal(filter->clauses[i].name, compiler->name))
            return complain(compiler, "stands here twice");
    }
    return 0;
}

static int read_clause(struct compiler *compiler, bool on_payload,
                       const struct json_value *name,
                       const struct json_value *value)
{
    struct filter *filter = compiler->filter;
    struct slice text;
    if (json_value_text(name, &filter->arena, &text) != 0)
        return complain(compiler, "has a name that is not valid text");
    compiler->name = arena_copy(&filter->arena, text);
    if (filter->clause_count == BOUND_FILTER_CLAUSES)
        return complain(compiler, "a filter has at most %d clauses",
                        BOUND_FILTER_CLAUSES);
    struct filter_clause *clause = &filter->clauses[filter->clause_count++];
    clause->on_payload = on_payload;
    clause->name = compiler->name;
    int rc = on_payload ? plant(compiler, filter->clause_count - 1)
                        : check_attribute(compiler);
    if (rc == 0)
        rc = read_values(compiler, clause, value);
    return rc;
}

static int read_section(struct compiler *compiler, const char *section,
                        const struct json_value *content)
{
    struct json_value name;
    struct json_value value;
    compiler->section = section;
    if (content->kind != KIND_OBJECT)
        return complain(compiler, "must be an object");
    struct json_scan scan = json_scan_of(content->span);
    json_scan_enter(&scan, KIND_OBJECT);
    while (json_scan_member(&scan, &name, &value)) {
        int rc = read_clause(compiler, section[0] == 'p', &name, &value);
        if (rc != 0)
            return rc;
        compiler->name = slice_of(NULL, 0);
    }
    compiler->section = NULL;
    return 0;
}

static int read_member(struct compiler *compiler, const struct json_value *name,
                       const struct json_value *value, unsigned *seen)
{
    static const char *const sections[] = {"attributes", "payload"};
    for (unsigned i = 0; i < 2; i++) {
        if (!json_value_is(name, sections[i]))
            continue;
        if ((*seen & 1u << i) != 0) {
            compiler->section = sections[i];
            return complain(compiler, "stands here twice");
        }
        *seen |= 1u << i;
        return read_section(compiler, sections[i], value);
    }
    struct slice text;
    if (json_value_text(name, &compiler->filter->arena, &text) != 0)
        return complain(compiler, "has a name that is not valid text");
    compiler->name = text;
    return complain(compiler,
                    "is unknown: a filter has attributes and payload");
}

static int read_filter(struct compiler *compiler, struct slice text)
{
    struct json_value all;
    struct json_value name;
    struct json_value value;
    unsigned seen = 0;
    if (text.length > BOUND_FILTER_BYTES)
        return complain(compiler, "must have at most %d bytes",
                        BOUND_FILTER_BYTES);
    struct json_scan scan = json_scan_of(text);
    if (!json_scan_value(&scan, &all) || !json_scan_end(&scan))
        return complain(compiler, "is not JSON: %s", scan.failure);
    if (all.kind != KIND_OBJECT)
        return complain(compiler, "must be an object");
    scan = json_scan_of(all.span);
    json_scan_enter(&scan, KIND_OBJECT);
    while (json_scan_member(&scan, &name, &value)) {
        int rc = read_member(compiler, &name, &value, &seen);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* Nodes take room for the worst case while compiling and only what they need
 * afterwards: thousands of publishers may have a filter. */
int filter_compile(struct slice text, struct filter **ret_filter,
                   struct filter_error *error)
{
    struct filter *filter = memory_new_zeroed(1, sizeof *filter);
    struct filter_node *nodes = memory_new(NODES_MAX * sizeof *nodes);
    struct filter_error unread;
    struct compiler compiler = {
        .filter = filter, .error = error != NULL ? error : &unread, .item = -1};
    nodes[0] = (struct filter_node){.index = JSON_POINTER_NO_INDEX,
                                    .child = FILTER_NONE,
                                    .sibling = FILTER_NONE,
                                    .clause = FILTER_NONE};
    filter->references = 1;
    filter->nodes = nodes;
    filter->node_count = 1;
    int rc = read_filter(&compiler, text);
    size_t size = filter->node_count * sizeof *nodes;
    filter->nodes = arena_take(&filter->arena, size);
    memcpy(filter->nodes, nodes, size);
    free(nodes);
    if (rc != 0)
        filter_unref(filter);
    else
        *ret_filter = filter;
    return rc;
}

struct filter *filter_ref(struct filter *filter)
{
    if (filter != NULL)
        filter->references++;
    return filter;
}

void filter_unref(struct filter *filter)
{
    if (filter == NULL || --filter->references > 0)
        return;
    arena_close(&filter->arena);
    free(filter);
}
