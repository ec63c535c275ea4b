/* ui/openapi.json says what the router does, and the router nothing else: each
 * route is an operation and each operation a route, with the same parameters,
 * kind of body, role, and whether it is built. */
#include "http/resources.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <strings.h>

#include <cmocka.h>

static json_t *document;

static int load(void **state)
{
    struct slice text = openapi_document();
    json_error_t error;
    (void)state;
    document = json_loadb((const char *)text.data, text.length,
                          JSON_REJECT_DUPLICATES, &error);
    if (document == NULL)
        fail_msg("line %d: %s", error.line, error.text);
    return 0;
}

static int unload(void **state)
{
    (void)state;
    json_decref(document);
    return 0;
}

/* ---- Walking the file ---- */

static json_t *at(json_t *value, const char *name)
{
    return json_object_get(value, name);
}

static json_t *shared(const char *kind, const char *name)
{
    return at(at(at(document, "components"), kind), name);
}

/* What a reference among the components points to, or the value itself. */
static json_t *resolve(json_t *value)
{
    static const char start[] = "#/components/";
    const char *reference = json_string_value(at(value, "$ref"));
    char kind[32];
    if (reference == NULL)
        return value;
    assert_memory_equal(reference, start, sizeof start - 1);
    const char *rest = reference + sizeof start - 1;
    const char *slash = strchr(rest, '/');
    assert_non_null(slash);
    size_t length = (size_t)(slash - rest);
    assert_in_range(length, 1, sizeof kind - 1);
    memcpy(kind, rest, length);
    kind[length] = '\0';
    json_t *found = shared(kind, slash + 1);
    if (found == NULL)
        fail_msg("%s points nowhere", reference);
    return found;
}

static json_t *operation_of(const struct route *route)
{
    char method[16] = {0};
    for (size_t i = 0; route->method[i] != '\0'; i++)
        method[i] = (char)(route->method[i] | 0x20);
    json_t *path = at(at(document, "paths"), route->pattern);
    json_t *operation = at(path, method);
    if (operation == NULL)
        fail_msg("%s %s is not in openapi.json", route->method, route->pattern);
    return operation;
}

static const struct route *route_of(const char *method, const char *pattern)
{
    for (const struct route *route = http_routes; route->method != NULL;
         route++)
        if (strcasecmp(route->method, method) == 0 &&
            strcmp(route->pattern, pattern) == 0)
            return route;
    return NULL;
}

/* ---- Both have the same operations ---- */

static void test_every_route_is_an_operation(void **state)
{
    (void)state;
    for (const struct route *route = http_routes; route->method != NULL;
         route++)
        operation_of(route);
}

static void test_every_operation_is_a_route(void **state)
{
    const char *pattern, *method;
    json_t *path, *operation;
    (void)state;
    json_object_foreach(at(document, "paths"), pattern, path)
    {
        json_object_foreach(path, method, operation)
        {
            if (strcmp(method, "parameters") != 0 &&
                route_of(method, pattern) == NULL)
                fail_msg("%s %s is no route", method, pattern);
        }
    }
}

static void test_operation_ids_are_unique(void **state)
{
    json_t *seen = json_object();
    (void)state;
    for (const struct route *route = http_routes; route->method != NULL;
         route++) {
        const char *id =
            json_string_value(at(operation_of(route), "operationId"));
        assert_non_null(id);
        if (at(seen, id) != NULL)
            fail_msg("operationId %s is given twice", id);
        json_object_set_new(seen, id, json_true());
    }
    json_decref(seen);
}

/* ---- Parameters ---- */

static bool is_in(json_t *parameter, const char *place)
{
    return strcmp(json_string_value(at(parameter, "in")), place) == 0;
}

/* The router's name of it: one that stands for any name behind a prefix says
 * so by x-any. */
static const char *router_name(json_t *parameter)
{
    json_t *any = at(parameter, "x-any");
    return json_string_value(any != NULL ? any : at(parameter, "name"));
}

static bool list_has(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *word = list; word != NULL && *word != '\0';) {
        const char *comma = strchr(word, ',');
        size_t of_word = comma == NULL ? strlen(word) : (size_t)(comma - word);
        if (of_word == length && memcmp(word, name, length) == 0)
            return true;
        word = comma == NULL ? NULL : comma + 1;
    }
    return false;
}

static size_t list_count(const char *list)
{
    size_t count = list == NULL || *list == '\0' ? 0 : 1;
    for (const char *at_byte = list; count > 0 && *at_byte != '\0'; at_byte++)
        count += *at_byte == ',';
    return count;
}

static void test_query_parameters(void **state)
{
    (void)state;
    for (const struct route *route = http_routes; route->method != NULL;
         route++) {
        json_t *reference;
        size_t index, count = 0;
        json_array_foreach(at(operation_of(route), "parameters"), index,
                           reference)
        {
            json_t *parameter = resolve(reference);
            if (!is_in(parameter, "query"))
                continue;
            count++;
            if (!list_has(route->parameters, router_name(parameter)))
                fail_msg("%s %s does not know the parameter %s", route->method,
                         route->pattern, router_name(parameter));
        }
        if (count != list_count(route->parameters))
            fail_msg("%s %s: openapi.json has %zu of the parameters %s",
                     route->method, route->pattern, count, route->parameters);
    }
}

/* The one in braces, told once for all methods of the path. */
static void test_path_parameters(void **state)
{
    const char *pattern;
    json_t *path;
    (void)state;
    json_object_foreach(at(document, "paths"), pattern, path)
    {
        json_t *list = at(path, "parameters");
        const char *brace = strchr(pattern, '{');
        assert_int_equal(json_array_size(list), brace != NULL);
        if (brace == NULL)
            continue;
        json_t *parameter = resolve(json_array_get(list, 0));
        const char *name = json_string_value(at(parameter, "name"));
        assert_true(is_in(parameter, "path"));
        assert_true(json_is_true(at(parameter, "required")));
        assert_int_equal(strcspn(brace + 1, "}"), strlen(name));
        assert_memory_equal(brace + 1, name, strlen(name));
    }
}

/* ---- What else the table says ---- */

static void test_bodies(void **state)
{
    (void)state;
    for (const struct route *route = http_routes; route->method != NULL;
         route++) {
        json_t *body = at(operation_of(route), "requestBody");
        bool json = at(at(body, "content"), "application/json") != NULL;
        if (json != route->json)
            fail_msg("%s %s: whether it takes JSON differs", route->method,
                     route->pattern);
    }
}

static void test_roles(void **state)
{
    static const char *const words[] = {[RIGHT_ADMIN] = "admin",
                                        [RIGHT_OPERATE] = "operate",
                                        [RIGHT_READ] = "read",
                                        [RIGHT_PUBLISH] = "publish",
                                        [RIGHT_NONE] = "none"};
    (void)state;
    for (const struct route *route = http_routes; route->method != NULL;
         route++) {
        json_t *operation = operation_of(route);
        json_t *security = at(operation, "security");
        assert_string_equal(json_string_value(at(operation, "x-role")),
                            words[route->right]);
        /* Otherwise that of the whole file holds, and refusals are named. */
        bool open = json_is_array(security) && json_array_size(security) == 0;
        bool refused = at(at(operation, "responses"), "401") != NULL &&
                       at(at(operation, "responses"), "403") != NULL;
        if (open != (route->right == RIGHT_NONE) || open == refused)
            fail_msg("%s %s: whether it is open differs", route->method,
                     route->pattern);
    }
}

/* What is not built answers 501, and nothing but refusals. */
static void test_not_built(void **state)
{
    (void)state;
    for (const struct route *route = http_routes; route->method != NULL;
         route++) {
        json_t *operation = operation_of(route);
        json_t *responses = at(operation, "responses");
        bool marked = json_is_true(at(operation, "x-not-built"));
        if (marked != (route->handle == NULL))
            fail_msg("%s %s: x-not-built is wrong", route->method,
                     route->pattern);
        if (marked) {
            assert_int_equal(json_object_size(responses), 3);
            assert_non_null(at(responses, "501"));
        }
    }
}

static void test_version(void **state)
{
    json_t *info = at(document, "info");
    (void)state;
    assert_string_equal(json_string_value(at(document, "openapi")), "3.1.0");
    assert_string_equal(json_string_value(at(info, "version")),
                        POSTOFFICE_VERSION);
}

/* Every reference among the components points to something that is there. */
static void follow(json_t *value)
{
    const char *name;
    size_t index;
    json_t *each;
    resolve(value);
    json_object_foreach(value, name, each) follow(each);
    json_array_foreach(value, index, each) follow(each);
}

static void test_references(void **state)
{
    (void)state;
    follow(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_route_is_an_operation),
        cmocka_unit_test(test_every_operation_is_a_route),
        cmocka_unit_test(test_operation_ids_are_unique),
        cmocka_unit_test(test_query_parameters),
        cmocka_unit_test(test_path_parameters),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_roles),
        cmocka_unit_test(test_not_built),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_references),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
