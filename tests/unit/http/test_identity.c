/* Who may do what: every route with every role, limits to topics, the forms of
 * a token, and a caller of whom another member tells. */
#include "http_client.h"

#include "base/codec.h"
#include "base/logger.h"
#include "http/resources.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <cmocka.h>

static struct backend_caller caller_of(enum role role)
{
    return (struct backend_caller){
        .kind = CALLER_OF_FILE, .role = role, .name = slice_text("app")};
}

/* `header`: a whole line with its end, or empty. */
static char *ask(struct house *house, const char *method, const char *target,
                 const char *header, const char *body)
{
    char text[8192];
    int client = client_connect(house);
    snprintf(text, sizeof text,
             "%s %s HTTP/1.1\r\nHost: h\r\nx-request-id: r-9\r\n%s"
             "content-type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
             method, target, header, strlen(body), body);
    char *answer = client_exchange(house, client, text);
    close(client);
    assert_non_null(answer);
    return answer;
}

#define GOOD "Authorization: Bearer good\r\n"

static int status_of(struct house *house, const char *method,
                     const char *target, const char *header, const char *body)
{
    char *answer = ask(house, method, target, header, body);
    int status = answer_status(answer);
    if (status == 401)
        assert_non_null(strcasestr(
            answer, "\r\nwww-authenticate: Bearer realm=\"postoffice\"\r\n"));
    free(answer);
    return status;
}

/* ---- Every route, every role ---- */

/* What the contract says, told a second time: by method and path the roles
 * that may, as letters: P, R, O, A; "-": open to all. */
static const char *who_may(const struct route *route)
{
    static const struct {
        const char *method; /* NULL: any. */
        const char *prefix;
        const char *roles;
    } rules[] = {
        {NULL, "/livez", "-"},
        {NULL, "/readyz", "-"},
        {NULL, "/api/health", "-"},
        {NULL, "/openapi.json", "-"},
        {NULL, "/api/tokens", "A"},
        {NULL, "/api/audit", "A"},
        {NULL, "/api/backup", "A"},
        {NULL, "/api/cluster/members", "A"},
        {"POST", "/api/messages/{", "OA"},
        {"POST", "/api/messages", "POA"},
        {"POST", "/api/bulk_messages", "POA"},
        {"POST", "/api/schedule_messages", "POA"},
        {"GET", "/api/", "ROA"},
        {"GET", "/metrics", "ROA"},
        {NULL, "/api/", "OA"},
        {"GET", "/", "-"}, /* The web admin's files. */
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if ((rules[i].method == NULL ||
             strcmp(rules[i].method, route->method) == 0) &&
            strncmp(route->pattern, rules[i].prefix, strlen(rules[i].prefix)) ==
                0)
            return rules[i].roles;
    return "";
}

/* With a parameter that no handler takes, so that each answers by itself. */
static void fill_pattern(const char *pattern, char *target, size_t size)
{
    const char *brace = strchr(pattern, '{');
    const char *rest = brace == NULL ? "" : strchr(brace, '}') + 1;
    int length = brace == NULL ? (int)strlen(pattern) : (int)(brace - pattern);
    snprintf(target, size, "%.*s%s%s", length, pattern,
             brace == NULL ? "" : "!", rest);
}

static void check_route(struct house *house, const struct route *route,
                        const struct backend_caller *caller, char letter)
{
    char target[128];
    const char *roles = who_may(route);
    bool open = strcmp(roles, "-") == 0;
    fill_pattern(route->pattern, target, sizeof target);
    house->fake.caller = caller;
    int bare = status_of(house, route->method, target, "", "{");
    int shown = status_of(house, route->method, target, GOOD, "{");
    bool may = open || strchr(roles, letter) != NULL;
    if ((bare == 401) == open || shown == 401 || (shown == 403) == may)
        fail_msg("%s %s: %d without a token, %d with one of %c", route->method,
                 target, bare, shown, letter);
}

static void test_every_route_and_role(void **state)
{
    (void)state;
    static const char letters[] = "PROA";
    static const enum role roles[] = {ROLE_PUBLISH, ROLE_READ, ROLE_OPERATE,
                                      ROLE_ADMIN};
    struct house house;
    house_open(&house, NULL);
    for (unsigned i = 0; i < 4; i++) {
        struct backend_caller caller = caller_of(roles[i]);
        for (const struct route *route = http_routes; route->method != NULL;
             route++)
            check_route(&house, route, &caller, letters[i]);
    }
    house_close(&house, 0);
}

/* ---- Forms ---- */

static void test_forms_of_a_token(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        int status;
    } forms[] = {
        {"Authorization: Bearer good\r\n", 200},
        {"authorization: bearer   good\r\n", 200},
        {"Authorization: Basic YW55Omdvb2Q=\r\n", 200}, /* any:good */
        {"Authorization: basic Omdvb2Q=\r\n", 200},     /* :good */
        {"Authorization: Basic Z29vZDo=\r\n", 401},     /* good: */
        {"Authorization: Basic YW55Omdvb2Q6\r\n", 401}, /* any:good: */
        {"Authorization: Basic Z29vZA==\r\n", 401},     /* good */
        {"Authorization: Basic YW55Omdvb2Q!\r\n", 401},
        {"Authorization: Basic A\r\n", 401},
        {"Authorization: Basic \r\n", 401},
        {"Authorization: Bearer bad\r\n", 401},
        {"Authorization: Bearer goodx\r\n", 401},
        {"Authorization: Bearer goo\r\n", 401},
        {"Authorization: Bearer\r\n", 401},
        {"Authorization: Bearer \r\n", 401},
        {"Authorization: good\r\n", 401},
        {"Authorization: Digest good\r\n", 401},
        {"Authorization: Bearer good\r\nAuthorization: Bearer good\r\n", 401},
        {"Authorization: \r\n", 401},
        {"", 401},
    };
    struct house house;
    struct backend_caller caller = caller_of(ROLE_READ);
    house_open(&house, NULL);
    house.fake.caller = &caller;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        int status =
            status_of(&house, "GET", "/api/cluster", forms[i].header, "");
        if (status != forms[i].status)
            fail_msg("%d for %s", status, forms[i].header);
    }
    char huge[4096];
    memset(huge, 'a', sizeof huge);
    memcpy(huge, "Authorization: Bearer ", 22);
    memcpy(huge + sizeof huge - 3, "\r\n", 3);
    assert_int_equal(status_of(&house, "GET", "/api/cluster", huge, ""), 401);
    house_close(&house, 0);
}

/* Nobody has made a token: what is shown is no matter. */
static void test_without_tokens_all_may(void **state)
{
    (void)state;
    struct house house;
    house_open(&house, NULL);
    assert_int_equal(status_of(&house, "GET", "/api/cluster", "", ""), 200);
    assert_int_equal(status_of(&house, "GET", "/api/cluster", GOOD, ""), 200);
    house_close(&house, 0);
}

/* ---- Topics ---- */

static struct encoder topics;

static struct backend_caller limited(enum role role, const char *topic)
{
    struct backend_caller caller = caller_of(role);
    topics.length = 0;
    text_list_add(&topics, slice_text("other"));
    text_list_add(&topics, slice_text(topic));
    caller.topics = encoder_slice(&topics);
    return caller;
}

struct limit_case {
    const char *method;
    const char *target;
    const char *body;
    int inside;
    int outside;
};

static const struct limit_case limits[] = {
    {"POST", "/api/messages",
     "{\"topic\":\"orders\",\"payload\":1,\"attributes\":{}}", 201, 403},
    {"POST", "/api/bulk_messages",
     "{\"topic\":\"orders\",\"payload\":[1],\"attributes\":{}}", 201, 403},
    {"POST", "/api/bulk_messages",
     "{\"topic\":\"orders\",\"payload\":[],\"attributes\":{}}", 201, 403},
    {"POST", "/api/schedule_messages",
     "{\"topic\":\"orders\",\"payload\":1,\"attributes\":{},"
     "\"schedule_at\":\"2030-01-01T00:00:00Z\"}",
     201, 403},
    {"POST", "/api/topics", "{\"name\":\"orders\",\"origin_host\":\"h\"}", 201,
     403},
    {"GET", "/api/topics/orders", "", 200, 403},
    {"PATCH", "/api/topics/orders", "{\"retention_seconds\":5}", 200, 403},
    {"DELETE", "/api/topics/orders", "", 204, 403},
    {"POST", "/api/publishers",
     "{\"topic\":\"orders\",\"target\":\"http://h/\",\"type\":\"http\","
     "\"active\":true}",
     201, 403},
    {"GET", "/api/publishers/7", "", 200, 404},
    {"PATCH", "/api/publishers/7", "{\"max_attempts\":5}", 200, 404},
    {"DELETE", "/api/publishers/7", "", 204, 404},
    {"POST", "/api/publishers/7/pause", "", 200, 404},
    {"POST", "/api/publishers/7/resume", "", 200, 404},
    {"POST", "/api/publishers/7/rotate-secret", "", 200, 404},
    {"GET", "/api/messages/9", "", 200, 404},
    {"GET", "/api/messages/9?consistency=local", "", 200, 404},
    {"POST", "/api/messages/9/retry", "", 200, 404},
    {"POST", "/api/messages/9/discard", "", 200, 404},
    {"GET", "/api/messages?topic=orders", "", 200, 403},
    {"GET", "/api/cluster", "", 403, 403},
    {"GET", "/metrics", "", 403, 403},
    {"POST", "/api/cluster/transfer", "{}", 403, 403},
    {"GET", "/livez", "", 200, 200},
};

/* Elsewhere: through a member that must send it on, and says who asks. */
static void check_limits(bool elsewhere)
{
    for (size_t i = 0; i < 2 * (sizeof limits / sizeof *limits); i++) {
        const struct limit_case *one = &limits[i / 2];
        bool inside = i % 2 == 0;
        struct house house;
        struct backend_caller caller =
            limited(ROLE_OPERATE, inside ? "orders" : "order");
        house_open(&house, NULL);
        house.fake.caller = &caller;
        house.fake.elsewhere = elsewhere;
        int status =
            status_of(&house, one->method, one->target, GOOD, one->body);
        if (status != (inside ? one->inside : one->outside))
            fail_msg("%s %s: %d %s", one->method, one->target, status,
                     inside ? "inside" : "outside");
        house_close(&house, 0);
    }
}

static void test_a_limited_token_is_confined(void **state)
{
    (void)state;
    check_limits(false);
    check_limits(true);
}

/* Lists leave out what the caller may not see, and go on all the same. */
static void test_lists_are_filtered(void **state)
{
    (void)state;
    static const char *const lists[] = {"/api/topics?limit=2",
                                        "/api/publishers?limit=1",
                                        "/api/messages?limit=1"};
    for (size_t i = 0; i < 2 * (sizeof lists / sizeof *lists); i++) {
        bool inside = i % 2 == 0;
        struct house house;
        struct backend_caller caller =
            limited(ROLE_READ, inside ? "orders" : "order");
        house_open(&house, NULL);
        house.fake.caller = &caller;
        house.fake.list_total = 5;
        char *answer = ask(&house, "GET", lists[i / 2], GOOD, "");
        assert_int_equal(answer_status(answer), 200);
        assert_int_equal(strstr(answer, "{\"data\":[]") == NULL, inside);
        assert_true(i / 2 == 1 ||
                    strstr(answer, "\"next_cursor\":null") == NULL);
        free(answer);
        house_close(&house, 0);
    }
}

/* ---- Others' word ---- */

/* The leader is told who asks, not the token; and it knows better who was
 * revoked. */
static void test_a_caller_is_told_on(void **state)
{
    (void)state;
    struct house house;
    struct backend_caller caller = caller_of(ROLE_READ);
    caller.kind = CALLER_OF_STORE;
    caller.token_id = 12;
    house_open(&house, NULL);
    house.fake.elsewhere = true;
    house.fake.caller = &caller;
    assert_int_equal(status_of(&house, "GET", "/api/topics", GOOD, ""), 200);
    assert_non_null(strstr(house.fake.log, "recognize 2 12 app\n"));
    house.fake.revoked = true;
    assert_int_equal(status_of(&house, "GET", "/api/topics", GOOD, ""), 401);
    house_close(&house, 0);
}

/* ---- Idempotency ---- */

static void publish_once(struct house *house, const struct backend_caller *as)
{
    house->fake.caller = as;
    assert_int_equal(
        status_of(house, "POST", "/api/messages", GOOD "Idempotency-Key: k\r\n",
                  "{\"topic\":\"orders\",\"payload\":1,\"attributes\":{}}"),
        201);
}

/* Keys are their caller's: the number in front is the scope. */
static void test_keys_are_scoped_by_token(void **state)
{
    (void)state;
    struct house house;
    struct backend_caller app = caller_of(ROLE_PUBLISH);
    struct backend_caller web = app;
    unsigned scopes[4];
    web.name = slice_text("web");
    house_open(&house, NULL);
    publish_once(&house, NULL);
    publish_once(&house, &app);
    publish_once(&house, &web);
    publish_once(&house, &app);
    const char *at = house.fake.log;
    for (unsigned i = 0; i < 4; i++) {
        at = strstr(at, "once ");
        assert_non_null(at);
        assert_int_equal(sscanf(at, "once %u:", &scopes[i]), 1);
        at++;
    }
    assert_int_equal(scopes[0], 0);
    assert_int_not_equal(scopes[1], 0);
    assert_int_not_equal(scopes[2], scopes[1]);
    assert_int_equal(scopes[3], scopes[1]);
    house_close(&house, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_route_and_role),
        cmocka_unit_test(test_forms_of_a_token),
        cmocka_unit_test(test_without_tokens_all_may),
        cmocka_unit_test(test_a_limited_token_is_confined),
        cmocka_unit_test(test_lists_are_filtered),
        cmocka_unit_test(test_a_caller_is_told_on),
        cmocka_unit_test(test_keys_are_scoped_by_token),
    };
    logger_setup(LOGGER_ERROR, LOGGER_TEXT);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    encoder_close(&topics);
    return failed;
}
