/* What flags become in a request: members of its body, or its query. */
#include "invocation.h"
#include "path.h"

#include <stdlib.h>

/* As the API spells it: with underscores. */
static void member_name(const struct flag *flag, char *name, size_t size)
{
    const char *from = flag->member != NULL ? flag->member : flag->name;
    size_t length = strnlen(from, size - 1);
    for (size_t i = 0; i < length; i++)
        name[i] = from[i] == '-' ? '_' : from[i];
    name[length] = '\0';
}

/* The object or list that a repeated flag fills, made at its first. */
static json_t *gathered(json_t *body, const char *name, json_t *make(void))
{
    json_t *found = json_object_get(body, name);
    if (found == NULL || json_is_null(found)) {
        found = make();
        json_object_set_new(body, name, found);
    }
    return found;
}

static int add_pair(json_t *body, const char *name, const char *text)
{
    const char *equals = strchr(text, '=');
    char *key = strndup(text, (size_t)(equals - text));
    json_t *pairs = gathered(body, name, json_object);
    int rc = key == NULL
                 ? -1
                 : json_object_set_new(pairs, key, json_string(equals + 1));
    free(key);
    return rc;
}

static int add_member(json_t *body, const struct invocation_value *value)
{
    const struct flag *flag = value->flag;
    char name[64];
    member_name(flag, name, sizeof name);
    if (flag->kind == FLAG_SWITCH)
        return json_object_set_new(body, name, json_true());
    if (value->text[0] == '\0')
        return json_object_set_new(body, name, json_null());
    switch (flag->kind) {
    case FLAG_BOOLEAN:
        return json_object_set_new(body, name,
                                   json_boolean(value->text[0] == 't'));
    case FLAG_ID_OR_TIME:
        if (!is_number(value->text))
            return json_object_set_new(body, name, json_string(value->text));
        /* fall through */
    case FLAG_NUMBER:
        return json_object_set_new(
            body, name, json_integer(strtoll(value->text, NULL, 10)));
    case FLAG_JSON:
        return json_object_set_new(
            body, name,
            json_loads(value->text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL));
    case FLAG_PAIR:
        return add_pair(body, name, value->text);
    case FLAG_LIST:
        return json_array_append_new(gathered(body, name, json_array),
                                     json_string(value->text));
    default:
        return json_object_set_new(body, name, json_string(value->text));
    }
}

json_t *flag_body(const struct invocation *invocation)
{
    json_t *body = json_object();
    for (unsigned i = 0; i < invocation->value_count; i++) {
        const struct invocation_value *value = &invocation->values[i];
        if (value->flag->place == PLACE_BODY && add_member(body, value) != 0)
            usage_error(invocation, "--%s is not UTF-8", value->flag->name);
    }
    return body;
}

void flag_query(const struct invocation *invocation, struct encoder *path)
{
    for (unsigned i = 0; i < invocation->value_count; i++) {
        const struct invocation_value *value = &invocation->values[i];
        const struct flag *flag = value->flag;
        if (flag->place != PLACE_QUERY)
            continue;
        char name[64];
        member_name(flag, name, sizeof name);
        if (flag->kind != FLAG_PAIR) {
            path_query(path, name, value->text != NULL ? value->text : "true");
            continue;
        }
        /* attr.NAME=VALUE: the pair's name is a part of the parameter's. */
        const char *equals = strchr(value->text, '=');
        struct encoder parameter = {0};
        encoder_print(&parameter, "%s%.*s", name, (int)(equals - value->text),
                      value->text);
        path_query(path, encoder_text(&parameter), equals + 1);
        encoder_close(&parameter);
    }
}
