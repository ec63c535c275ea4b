/* Level by level: the value that was found is the text that the next token
 * looks into, so that nothing is built and what lies beside the way is only
 * passed over. */
#include "storage/search_field.h"

static bool find_member(struct slice text, struct slice name,
                        struct json_value *ret_value)
{
    struct json_scan scan = json_scan_of(text);
    struct json_value member;
    struct json_value value;
    bool found = false;
    json_scan_enter(&scan, KIND_OBJECT);
    while (json_scan_member(&scan, &member, &value)) {
        if (!json_value_equals(&member, name))
            continue;
        *ret_value = value;
        found = true;
    }
    return found && scan.failure == NULL;
}

static bool find_item(struct slice text, uint32_t index,
                      struct json_value *ret_value)
{
    struct json_scan scan = json_scan_of(text);
    json_scan_enter(&scan, KIND_ARRAY);
    for (uint32_t i = 0; json_scan_item(&scan, ret_value); i++)
        if (i == index)
            return true;
    return false;
}

bool field_find(struct slice payload, const struct json_token *tokens,
                uint32_t count, struct json_value *ret_value)
{
    struct json_scan scan = json_scan_of(payload);
    if (!json_scan_value(&scan, ret_value))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct slice text = ret_value->span;
        bool found = false;
        if (ret_value->kind == KIND_OBJECT)
            found = find_member(text, tokens[i].name, ret_value);
        else if (ret_value->kind == KIND_ARRAY)
            found = tokens[i].index != JSON_POINTER_NO_INDEX &&
                    find_item(text, tokens[i].index, ret_value);
        if (!found)
            return false;
    }
    return true;
}

/* What stands between the quotes. */
static struct slice inside(const struct json_value *value)
{
    return value->kind == KIND_STRING
               ? slice_of(value->span.data + 1, value->span.length - 2)
               : value->span;
}

bool field_equals(const struct json_value *value, struct slice text)
{
    return slice_equal(inside(value), text) || json_value_equals(value, text);
}

uint32_t field_texts(const struct json_value *value, struct arena *arena,
                     struct slice ret_texts[FIELD_TEXTS_MAX])
{
    ret_texts[0] = inside(value);
    if (value->kind != KIND_STRING || !value->escaped ||
        json_value_text(value, arena, &ret_texts[1]) != 0)
        return 1;
    return 2;
}
