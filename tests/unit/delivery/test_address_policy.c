/* Which addresses may be reached, in every form in which they can be put. */
#include "src/delivery/address_policy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct sockaddr_storage address_of(const char *text, uint16_t port)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&storage;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
    } else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
    } else {
        fail_msg("no address: %s", text);
    }
    return storage;
}

static const char *refuses(const struct address_policy *policy,
                           const char *text)
{
    struct sockaddr_storage address = address_of(text, 80);
    return address_policy_refuses(policy, (struct sockaddr *)&address);
}

static void expect(const struct address_policy *policy, const char *text,
                   const char *words)
{
    const char *got = refuses(policy, text);
    if ((got == NULL) != (words == NULL) ||
        (got != NULL && strstr(got, words) == NULL))
        fail_msg("%s: %s, expected %s", text, got == NULL ? "allowed" : got,
                 words == NULL ? "allowed" : words);
}

static const struct address_policy open_policy = {.loopback = true};
static const struct address_policy served_policy = {.loopback = false};
static const struct address_policy strict_policy = {.strict = true,
                                                    .loopback = true};

static void test_what_is_never_reached(void **state)
{
    static const struct {
        const char *address;
        const char *words;
    } cases[] = {
        {"169.254.169.254", "metadata"},
        {"169.254.170.2", "metadata"},
        {"100.100.100.200", "metadata"},
        {"168.63.129.16", "metadata"},
        {"fd00:ec2::254", "metadata"},
        {"fd20:ce::254", "metadata"},
        {"169.254.0.1", "link-local"},
        {"fe80::1", "link-local"},
        {"febf::1", "link-local"},
        {"0.0.0.0", "unspecified"},
        {"0.1.2.3", "unspecified"},
        {"::", "unspecified"},
        {"224.0.0.1", "multicast"},
        {"239.255.255.255", "multicast"},
        {"ff02::1", "multicast"},
        {"240.0.0.1", "reserved"},
        {"255.255.255.255", "reserved"},
        /* The same, wrapped. */
        {"::ffff:169.254.169.254", "metadata"},
        {"::169.254.169.254", "metadata"},
        {"64:ff9b::169.254.169.254", "metadata"},
        {"64:ff9b:1::a9fe:a9fe", "translated"},
        {"2002:a9fe:a9fe::1", "metadata"},
        {"2001:0:4136:e378:8000:63bf:5601:5601", "metadata"},
        {"2001:0:a9fe:a9fe::1", "metadata"},
        {"2001:db8::5efe:169.254.169.254", "metadata"},
        {"2001:db8::200:5efe:169.254.1.1", "link-local"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect(&open_policy, cases[i].address, cases[i].words);
        expect(&served_policy, cases[i].address, cases[i].words);
        /* Some lie in documentation ranges, which strict refuses first. */
        assert_non_null(refuses(&strict_policy, cases[i].address));
    }
}

static void test_loopback(void **state)
{
    static const char *const all[] = {
        "127.0.0.1",   "127.255.0.9",        "::1",          "::ffff:127.0.0.1",
        "::127.0.0.1", "64:ff9b::127.0.0.1", "2002:7f00:1::"};
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        expect(&open_policy, all[i], NULL);
        expect(&served_policy, all[i], "loopback");
        expect(&strict_policy, all[i], "loopback");
    }
}

static void test_private_ranges(void **state)
{
    static const char *const all[] = {
        "10.0.0.1",        "172.16.0.1",        "172.31.255.255",
        "192.168.9.9",     "100.64.0.1",        "198.18.0.1",
        "fc00::1",         "fdff::1",           "fec0::1",
        "::ffff:10.1.1.1", "64:ff9b::10.0.0.1", "2002:c0a8:101::1"};
    static const char *const public[] = {
        "1.1.1.1",     "172.15.255.255", "172.32.0.1",      "11.0.0.1",
        "192.169.0.1", "100.128.0.1",    "9.9.9.9",         "2606:4700::1111",
        "2a00::1",     "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"};
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        expect(&open_policy, all[i], NULL);
        expect(&strict_policy, all[i], "address");
    }
    for (size_t i = 0; i < sizeof public / sizeof *public; i++) {
        expect(&open_policy, public[i], NULL);
        expect(&strict_policy, public[i], NULL);
    }
}

static void test_lists(void **state)
{
    struct address_policy policy = {.strict = true};
    struct error error = {0};
    (void)state;
    assert_int_equal(
        address_range_parse("10.1.0.0/16", &policy.allow[0], &error), 0);
    assert_int_equal(address_range_parse("::1", &policy.allow[1], &error), 0);
    policy.allow_count = 2;
    assert_int_equal(
        address_range_parse("10.1.2.0/25", &policy.deny[0], &error), 0);
    assert_int_equal(
        address_range_parse("2606:4700::/32", &policy.deny[1], &error), 0);
    policy.deny_count = 2;
    expect(&policy, "10.1.3.4", NULL);
    expect(&policy, "::ffff:10.1.3.4", NULL);
    expect(&policy, "10.2.0.1", "private");
    expect(&policy, "10.1.2.127", "--target-deny");
    expect(&policy, "10.1.2.128", NULL);
    expect(&policy, "::1", NULL);
    expect(&policy, "127.0.0.1", "loopback");
    expect(&policy, "2606:4700::9", "--target-deny");
    expect(&policy, "2606:4701::9", NULL);
}

static void test_ranges_that_are_none(void **state)
{
    static const char *const bad[] = {
        "",
        "10",
        "10.0.0.0/33",
        "10.0.0.0/",
        "10.0.0.0/8x",
        "10.0.0.0/-1",
        "10.0.0.1/8",
        "::1/64",
        "fd00::/129",
        "name/8",
        "10.0.0.0/ 8",
        "/8",
        "::ffff:10.0.0.0/8",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/8"};
    struct address_range range;
    struct error error;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        error.text[0] = '\0';
        if (address_range_parse(bad[i], &range, &error) != ERR_INVALID)
            fail_msg("taken for a range: %s", bad[i]);
        assert_true(error.text[0] != '\0');
    }
}

static const char *own_refuses(const struct address_policy *policy,
                               const char *text, uint16_t port)
{
    struct sockaddr_storage address = address_of(text, port);
    return address_policy_refuses(policy, (struct sockaddr *)&address);
}

/* Neither by another name of the same machine, nor by an allow list. */
static void test_own_ports(void **state)
{
    struct address_policy policy = {.loopback = true};
    struct sockaddr_storage one = address_of("127.0.0.1", 4001);
    struct sockaddr_storage all = address_of("0.0.0.0", 4000);
    struct error error;
    (void)state;
    assert_true(address_policy_own(&policy, (struct sockaddr *)&one));
    assert_true(address_policy_own(&policy, (struct sockaddr *)&all));
    assert_int_equal(
        address_range_parse("127.0.0.0/8", &policy.allow[0], &error), 0);
    policy.allow_count = 1;
    assert_non_null(own_refuses(&policy, "127.0.0.1", 4001));
    assert_non_null(own_refuses(&policy, "::ffff:127.0.0.1", 4001));
    assert_non_null(own_refuses(&policy, "0.0.0.0", 4001));
    assert_null(own_refuses(&policy, "127.0.0.2", 4001));
    assert_non_null(own_refuses(&policy, "127.0.0.2", 4000));
    assert_non_null(own_refuses(&policy, "::1", 4000));
    assert_null(own_refuses(&policy, "127.0.0.1", 4002));
    assert_null(own_refuses(&policy, "9.9.9.9", 4000));
    address_policy_own_none(&policy);
    assert_null(own_refuses(&policy, "127.0.0.1", 4001));
}

static void test_literals_in_urls(void **state)
{
    static const char *const refused[] = {
        "http://169.254.169.254/latest",
        "http://0xa9.0xfe.0xa9.0xfe/",
        "http://0xa9fea9fe/",
        "http://2852039166",
        "http://0251.0376.0251.0376:80/",
        "http://169.254.43518/",
        "http://169.16689662?x",
        "HTTP://169.254.169.254.:8080/",
        "https://[::ffff:169.254.169.254]/",
        "https://[::ffff:a9fe:a9fe]:443#x",
        "https://[64:ff9b::a9fe:a9fe]",
        "http://[fd00:ec2::254]/",
        "http://[fe80::1]/",
        "http://0/",
        "http://0.0.0.0:9/",
    };
    static const char *const local[] = {
        "http://127.0.0.1/",      "http://127.1/",         "http://0x7f.1/",
        "http://2130706433/",     "http://017700000001/",  "http://[::1]:80/",
        "http://localhost/",      "http://LOCALHOST.:80/", "http://a.localhost",
        "http://[::ffff:7f00:1]/"};
    static const char *const names[] = {"http://example.org/",
                                        "https://169.254.169.254.example.org/",
                                        "http://localhost.example.org/",
                                        "http://notlocalhost/",
                                        "http://1.2.3.4.5/",
                                        "ftp://127.0.0.1/",
                                        "http://",
                                        "http:/"};
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (address_policy_refuses_url(&open_policy, slice_text(refused[i])) ==
            NULL)
            fail_msg("allowed: %s", refused[i]);
    for (size_t i = 0; i < sizeof local / sizeof *local; i++) {
        if (address_policy_refuses_url(&served_policy, slice_text(local[i])) ==
            NULL)
            fail_msg("allowed: %s", local[i]);
        assert_null(
            address_policy_refuses_url(&open_policy, slice_text(local[i])));
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_null(
            address_policy_refuses_url(&strict_policy, slice_text(names[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_never_reached),
        cmocka_unit_test(test_loopback),
        cmocka_unit_test(test_private_ranges),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_ranges_that_are_none),
        cmocka_unit_test(test_own_ports),
        cmocka_unit_test(test_literals_in_urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
