#include "cell.h"

#include "base/clock.h"
#include "terminal.h"

#include <stdlib.h>
#include <time.h>

enum { TIME_DATE = 10, TIME_SECONDS = 19 }; /* Of YYYY-MM-DDThh:mm:ss.sssZ */

static void add_time(struct encoder *out, const char *text)
{
    if (strlen(text) < TIME_SECONDS || text[TIME_DATE] != 'T') {
        visible_add(out, slice_text(text));
        return;
    }
    visible_add(out, slice_of(text, TIME_DATE));
    encoder_u8(out, ' ');
    visible_add(out,
                slice_of(text + TIME_DATE + 1, TIME_SECONDS - TIME_DATE - 1));
}

/* Two clocks are compared, the node's and ours: what is a little in the future
 * is now. */
static void add_age(struct encoder *out, const char *text)
{
    struct tm parts = {0};
    if (strptime(text, "%Y-%m-%dT%H:%M:%S", &parts) == NULL) {
        visible_add(out, slice_text(text));
        return;
    }
    long long passed =
        (long long)(clock_wall_ms() / 1000) - (long long)timegm(&parts);
    if (passed < 0)
        passed = 0;
    if (passed < 60)
        encoder_print(out, "%llds", passed);
    else if (passed < 60 * 60)
        encoder_print(out, "%lldm", passed / 60);
    else if (passed < 48 * 60 * 60)
        encoder_print(out, "%lldh", passed / (60 * 60));
    else
        encoder_print(out, "%lldd", passed / (24 * 60 * 60));
}

static void add_string(struct encoder *out, enum cell_kind kind,
                       const json_t *value)
{
    const char *text = json_string_value(value);
    if (kind == CELL_TIME)
        add_time(out, text);
    else if (kind == CELL_AGE)
        add_age(out, text);
    else
        visible_add(out, slice_of(text, json_string_length(value)));
}

/* Texts one after the other; what else a list may hold stays JSON. */
static bool add_list(struct encoder *out, const json_t *list)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item) if (!json_is_string(item)) return false;
    json_array_foreach(list, i, item)
    {
        if (i > 0)
            encoder_bytes(out, slice_text(","));
        add_string(out, CELL_TEXT, item);
    }
    return i > 0;
}

void cell_add(struct encoder *out, enum cell_kind kind, const json_t *value)
{
    if (value == NULL || json_is_null(value)) {
        encoder_u8(out, kind == CELL_LIMIT ? '*' : '-');
    } else if (json_is_string(value)) {
        add_string(out, kind, value);
    } else if (json_is_boolean(value)) {
        encoder_print(out, "%s", json_is_true(value) ? "yes" : "no");
    } else if (json_is_integer(value)) {
        encoder_print(out, "%lld", (long long)json_integer_value(value));
    } else if (json_is_real(value)) {
        encoder_print(out, "%.1f", json_real_value(value));
    } else if (!json_is_array(value) || !add_list(out, value)) {
        char *text = json_dumps(value, JSON_COMPACT);
        visible_json(out, slice_text(text));
        free(text);
    }
}

json_t *json_below(const json_t *object, const char *path)
{
    const char *dot;
    while ((dot = strchr(path, '.')) != NULL) {
        object = json_object_getn(object, path, (size_t)(dot - path));
        path = dot + 1;
    }
    return json_object_get(object, path);
}

const char *json_text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "-";
}

long long json_count_of(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}
