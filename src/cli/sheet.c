/* One object of an answer, a member a line. */
#include "grid.h"
#include "terminal.h"

#include <stdio.h>

enum {
    NAME_COLUMNS_MAX = 28, /* A longer name stands on a line of its own. */
    VALUE_COLUMNS_MIN = 16,
    GAP = 2,
    NAME_BYTES = 128,
};

typedef void visitor(void *context, const char *name, const json_t *value);

static bool is_skipped(const char *name, const char *const *skip)
{
    for (; skip != NULL && *skip != NULL; skip++)
        if (strcmp(*skip, name) == 0)
            return true;
    return false;
}

/* Objects are walked into, lists of objects too: "last_error.status",
 * "deliveries.1.state". */
static void walk(const char *prefix, const json_t *value,
                 const char *const *skip, visitor *visit, void *context)
{
    const char *name;
    json_t *member;
    size_t i;
    char path[NAME_BYTES];
    const char *dot = prefix[0] == '\0' ? "" : ".";
    if (json_object_size(value) > 0) {
        json_object_foreach((json_t *)value, name, member)
        {
            snprintf(path, sizeof path, "%s%s%s", prefix, dot, name);
            if (!is_skipped(path, skip))
                walk(path, member, skip, visit, context);
        }
    } else if (json_is_object(json_array_get(value, 0))) {
        json_array_foreach(value, i, member)
        {
            snprintf(path, sizeof path, "%s%s%zu", prefix, dot, i + 1);
            walk(path, member, skip, visit, context);
        }
    } else {
        visit(context, prefix, value);
    }
}

static void visible_name(struct encoder *out, const char *name)
{
    out->length = 0;
    visible_add(out, slice_text(name));
}

static void measure(void *context, const char *name, const json_t *value)
{
    size_t *widest = context;
    struct encoder shown = {0};
    (void)value;
    visible_name(&shown, name);
    size_t columns = visible_columns(encoder_slice(&shown));
    if (columns > *widest && columns <= NAME_COLUMNS_MAX)
        *widest = columns;
    encoder_close(&shown);
}

static enum cell_kind kind_of(const char *name)
{
    size_t length = strlen(name);
    if (length >= 3 && strcmp(name + length - 3, "_at") == 0)
        return CELL_TIME;
    return length >= 5 && strcmp(name + length - 5, "state") == 0 ? CELL_STATE
                                                                  : CELL_TEXT;
}

/* What of the text goes on a line of so many columns: up to its last space,
 * where there is one. */
static struct slice line_of(struct slice text, size_t room)
{
    struct slice line = visible_cut(text, room);
    if (line.length == 0) /* One character wider than the room. */
        return text;
    if (line.length == text.length)
        return line;
    const uint8_t *space = memrchr(line.data, ' ', line.length);
    return space == NULL ? line
                         : slice_of(line.data, (size_t)(space - line.data) + 1);
}

/* In lines below each other, each at most `room` columns wide. */
static void print_wrapped(struct slice text, size_t indent, size_t room)
{
    do {
        struct slice line = line_of(text, room);
        printf("%.*s\n", (int)line.length,
               line.length == 0 ? "" : (const char *)line.data);
        text = slice_of(text.data + line.length, text.length - line.length);
        if (text.length > 0)
            printf("%*s", (int)indent, "");
    } while (text.length > 0);
}

static void print_member(void *context, const char *name, const json_t *value)
{
    size_t indent = *(size_t *)context + GAP;
    size_t columns = terminal_columns();
    struct encoder cell = {0};
    struct encoder shown = {0};
    enum cell_kind kind = kind_of(name);
    visible_name(&shown, name);
    size_t width = visible_columns(encoder_slice(&shown));
    bool narrow = columns < indent + VALUE_COLUMNS_MIN;
    printf("%s%.*s%s", terminal_paint(COLOUR_FAINT), (int)shown.length,
           encoder_text(&shown), terminal_unpaint(COLOUR_FAINT));
    if (narrow || width + GAP > indent) {
        indent = narrow ? GAP : indent;
        printf("\n%*s", (int)indent, "");
    } else {
        printf("%*s", (int)(indent - width), "");
    }
    cell_add(&cell, kind, value);
    enum terminal_colour colour = COLOUR_NONE;
    if (kind == CELL_STATE)
        colour = terminal_state_colour(encoder_text(&cell));
    fputs(terminal_paint(colour), stdout);
    print_wrapped(encoder_slice(&cell), indent, columns - indent);
    fputs(terminal_unpaint(colour), stdout);
    encoder_close(&shown);
    encoder_close(&cell);
}

void sheet_print(const json_t *object, const char *const *skip)
{
    size_t widest = 0;
    walk("", object, skip, measure, &widest);
    walk("", object, skip, print_member, &widest);
}
