/* Requests that a web page of somebody else has made: Origin and Host. */
#include "http_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* `headers`: whole lines with their ends. */
static void expect(struct house *house, const char *method, const char *headers,
                   const char *code)
{
    char text[1024];
    int client = client_connect(house);
    /* A body that no handler takes: what is let in is answered 400. */
    snprintf(text, sizeof text,
             "%s /api/topics HTTP/1.%d\r\n%sContent-Length: 1\r\n\r\n{", method,
             strstr(headers, "Host") != NULL, headers);
    char *answer = client_exchange(house, client, text);
    close(client);
    assert_non_null(answer);
    bool refused = answer_status(answer) == 403;
    if (refused != (code != NULL) || (refused && strstr(answer, code) == NULL))
        fail_msg("%s %s: %s", method, headers, answer);
    free(answer);
}

static void open_house(struct house *house, bool local)
{
    struct http_options options = {.body_bytes_max = 1 << 20,
                                   .message_bytes_max = 1 << 16,
                                   .bulk_messages_max = 10,
                                   .connections_max = 64,
                                   .local = local,
                                   .advertised = "http://po.example:8080/x"};
    house_open(house, &options);
}

static const char *const here[] = {
    "localhost",    "LocalHost:4000", "127.0.0.1", "127.0.0.1:4000",
    "127.9.9.9:80", "[::1]",          "[::1]:80",  "a.localhost:4000",
    "po.example",   "PO.example:443",
};
static const char *const elsewhere[] = {
    "evil.example",     "evil.example:4000", "127.0.0.1.evil.example",
    "127.evil.example", "localhost.evil",    "evillocalhost",
    "10.0.0.1:4000",    "[::2]:4000",        "[::1].evil",
    "0.0.0.0:4000",     ".localhost",        "po.example.evil",
};

static void test_a_foreign_host_is_refused_on_loopback(void **state)
{
    struct house house;
    char header[128];
    (void)state;
    for (int local = 0; local <= 1; local++) {
        open_house(&house, local == 1);
        for (size_t i = 0; i < sizeof here / sizeof *here; i++) {
            snprintf(header, sizeof header, "Host: %s\r\n", here[i]);
            expect(&house, "POST", header, NULL);
            expect(&house, "GET", header, NULL);
        }
        for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++) {
            snprintf(header, sizeof header, "Host: %s\r\n", elsewhere[i]);
            const char *code = local == 1 ? "foreign_host" : NULL;
            expect(&house, "POST", header, code);
            expect(&house, "GET", header, code);
        }
        expect(&house, "POST", "", NULL); /* HTTP/1.0 */
        house_close(&house, 0);
    }
}

/* Whoever shows a token is no page that guesses. */
static void test_with_a_token_any_host_is_good(void **state)
{
    static const struct backend_caller caller = {.kind = CALLER_OF_FILE,
                                                 .role = ROLE_ADMIN,
                                                 .name = {(uint8_t *)"app", 3}};
    struct house house;
    (void)state;
    open_house(&house, true);
    house.fake.caller = &caller;
    expect(&house, "POST", "Host: po.evil\r\nAuthorization: Bearer good\r\n",
           NULL);
    expect(&house, "POST",
           "Host: h\r\nOrigin: http://evil\r\nAuthorization: Bearer good\r\n",
           "cross_origin");
    house_close(&house, 0);
}

static void test_another_origin_changes_nothing(void **state)
{
    struct house house;
    (void)state;
    open_house(&house, false);
    static const char *const other[] = {
        "http://evil.example", "null",     "http://h:81", "http://h.evil",
        "https://evil",        "h",        "http://",     "",
        "http://hh",           "http://g",
    };
    char header[128];
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        snprintf(header, sizeof header, "Host: h\r\nOrigin: %s\r\n", other[i]);
        expect(&house, "POST", header, "cross_origin");
        /* A page may ask, but is not shown the answer. */
        expect(&house, "GET", header, NULL);
    }
    expect(&house, "POST", "Host: h\r\nOrigin: http://h\r\n", NULL);
    expect(&house, "POST", "Host: h\r\nOrigin: https://H\r\n", NULL);
    expect(&house, "POST", "Host: h:81\r\nOrigin: http://h:81\r\n", NULL);
    expect(&house, "POST", "Origin: http://default\r\n", "cross_origin");
    expect(&house, "POST", "Host: h\r\n", NULL);
    house_close(&house, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_foreign_host_is_refused_on_loopback),
        cmocka_unit_test(test_with_a_token_any_host_is_good),
        cmocka_unit_test(test_another_origin_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
