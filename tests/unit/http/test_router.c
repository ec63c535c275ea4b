#include "http/resources.h"
#include "http/router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static enum router_verdict find(const char *method, const char *path,
                                struct router_match *match)
{
    *match = (struct router_match){0};
    return router_find(http_routes, slice_text(method), slice_text(path),
                       match);
}

static void test_found(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path;
        void (*handle)(struct request *request);
        const char *parameter;
    } cases[] = {
        {"POST", "/api/messages", message_publish, ""},
        {"POST", "/api/messages/", message_publish, ""},
        {"GET", "/api/messages/42", message_get, "42"},
        {"GET", "/api/messages/42/", message_get, "42"},
        {"HEAD", "/api/messages/42", message_get, "42"},
        {"GET", "/api/publishers/7", publisher_get, "7"},
        {"DELETE", "/api/publishers/7", publisher_delete, "7"},
        {"POST", "/api/publishers/7/pause", publisher_pause, "7"},
        {"POST", "/api/publishers/7/resume/", publisher_resume, "7"},
        {"GET", "/readyz", health_ready, ""},
        {"GET", "/readyz/write", health_write, ""},
        {"GET", "/", page_get, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct router_match match;
        assert_int_equal(find(cases[i].method, cases[i].path, &match),
                         ROUTER_FOUND);
        assert_true(match.route->handle == cases[i].handle);
        assert_true(slice_is(match.parameter, cases[i].parameter));
        assert_int_equal(match.head, strcmp(cases[i].method, "HEAD") == 0);
    }
}

static void test_not_found(void **state)
{
    (void)state;
    static const char *const paths[] = {"",
                                        "///",
                                        "/api",
                                        "/API/topics",
                                        "/api//topics",
                                        "/api/topics//",
                                        "/api/messages/1/2",
                                        "/api/messages/42/explainx",
                                        "/api/publishers//pause",
                                        "/livezz",
                                        "*",
                                        "/.."};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct router_match match;
        if (find("GET", paths[i], &match) != ROUTER_NONE)
            fail_msg("found: %s", paths[i]);
    }
}

static void test_allow(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path, *allow;
    } cases[] = {
        {"PUT", "/api/topics", "POST, GET, HEAD"},
        {"PATCH", "/api/messages", "POST, GET, HEAD"},
        {"GET", "/api/bulk_messages", "POST"},
        {"GET", "/api/messages/batch", "POST"},
        {"POST", "/api/messages/42", "GET, HEAD"},
        {"OPTIONS", "/api/publishers/1", "GET, HEAD, PATCH, DELETE"},
        {"post", "/api/bulk_messages", "POST"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct router_match match;
        assert_int_equal(find(cases[i].method, cases[i].path, &match),
                         ROUTER_METHOD);
        assert_string_equal(match.allow, cases[i].allow);
    }
}

/* No route hides another: each is found by its own pattern. */
static void test_every_route_is_reachable(void **state)
{
    (void)state;
    for (const struct route *route = http_routes; route->method != NULL;
         route++) {
        struct router_match match;
        assert_int_equal(find(route->method, route->pattern, &match),
                         ROUTER_FOUND);
        assert_ptr_equal(match.route, route);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_not_found),
        cmocka_unit_test(test_allow),
        cmocka_unit_test(test_every_route_is_reachable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
