/* Addresses as people write them. */
#include "raft/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void expect(const char *text, const char *host, const char *port)
{
    struct address address;
    struct error error = {0};
    assert_int_equal(address_parse(text, &address, &error), 0);
    assert_string_equal(address.host, host);
    assert_string_equal(address.port, port);
}

static void test_addresses_are_taken_apart(void **state)
{
    (void)state;
    expect("127.0.0.1:4001", "127.0.0.1", "4001");
    expect("[::1]:4001", "::1", "4001");
    expect("postoffice-0.postoffice:65535", "postoffice-0.postoffice", "65535");
    expect("h:0", "h", "0");
}

static void test_other_texts_are_refused_with_words(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",        "4001",  "host", "host:",   ":4001",    "h:65536",
        "h:99999", "h:x",   "h:-1", "h:+1",    "h:000001", "::1:80",
        "[]:80",   "[::1]", "h:1 ", "[::1]80", "h::1",     "[::1:80"};
    char host[400];
    struct address address;
    struct error error;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        error = (struct error){0};
        assert_int_equal(address_parse(texts[i], &address, &error),
                         ERR_INVALID);
        assert_non_null(strstr(error.text, "HOST:PORT"));
    }
    memset(host, 'a', sizeof host);
    memcpy(host + 300, ":1", 3);
    assert_int_equal(address_parse(host, &address, &error), ERR_INVALID);
}

static bool is_loopback(const char *text)
{
    struct address address;
    struct sockaddr_storage number;
    struct error error;
    assert_int_equal(address_parse(text, &address, &error), 0);
    assert_true(address_is_number(&address, &number));
    return address_is_loopback((struct sockaddr *)&number);
}

static void test_loopback_is_known_in_each_form(void **state)
{
    (void)state;
    assert_true(is_loopback("127.0.0.1:1"));
    assert_true(is_loopback("127.255.3.4:1"));
    assert_true(is_loopback("[::1]:1"));
    assert_true(is_loopback("[::ffff:127.0.0.1]:1"));
    assert_false(is_loopback("0.0.0.0:1"));
    assert_false(is_loopback("[::]:1"));
    assert_false(is_loopback("128.0.0.1:1"));
    assert_false(is_loopback("[::ffff:10.0.0.1]:1"));
    assert_false(is_loopback("[fe80::1]:1"));
}

static void test_names_are_no_numbers(void **state)
{
    (void)state;
    struct address address;
    struct sockaddr_storage number;
    struct error error;
    assert_int_equal(address_parse("localhost:1", &address, &error), 0);
    assert_false(address_is_number(&address, &number));
}

static void expect_format(const char *text, const char *expected)
{
    struct address address;
    struct sockaddr_storage number;
    struct error error;
    char made[ADDRESS_TEXT];
    assert_int_equal(address_parse(text, &address, &error), 0);
    assert_true(address_is_number(&address, &number));
    address_format((struct sockaddr *)&number, made);
    assert_string_equal(made, expected);
}

static void test_addresses_are_written_without_port(void **state)
{
    (void)state;
    struct sockaddr_storage none = {0};
    char made[ADDRESS_TEXT];
    expect_format("10.1.2.3:99", "10.1.2.3");
    expect_format("[fe80::1]:99", "fe80::1");
    expect_format("[::ffff:10.1.2.3]:99", "10.1.2.3");
    address_format((struct sockaddr *)&none, made);
    assert_string_equal(made, "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_are_taken_apart),
        cmocka_unit_test(test_other_texts_are_refused_with_words),
        cmocka_unit_test(test_loopback_is_known_in_each_form),
        cmocka_unit_test(test_names_are_no_numbers),
        cmocka_unit_test(test_addresses_are_written_without_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
