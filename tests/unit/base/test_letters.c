/* Texts of peers that are read to the letter: base64 and hosts. */
#include "base/base64.h"
#include "base/host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* From a copy of exactly the size into room of exactly the size, so that a
 * sanitizer sees any overrun. */
static void expect_base64(const char *text, const char *wanted)
{
    size_t length = strlen(text);
    size_t found = 0;
    uint8_t *copy = malloc(length == 0 ? 1 : length);
    uint8_t *bytes = malloc(base64_size(length));
    memcpy(copy, text, length);
    bool good = base64_decode(slice_of(copy, length), bytes, &found);
    if (good != (wanted != NULL))
        fail_msg("%s: %d", text, good);
    if (good)
        assert_true(slice_is(slice_of(bytes, found), wanted));
    free(bytes);
    free(copy);
}

/* The first are the vectors of RFC 4648, section 10. */
static void test_base64(void **state)
{
    static const char *const pairs[][2] = {
        {"", ""},
        {"Zg==", "f"},
        {"Zm8=", "fo"},
        {"Zm9v", "foo"},
        {"Zm9vYg==", "foob"},
        {"Zm9vYmE=", "fooba"},
        {"Zm9vYmFy", "foobar"},
        {"Zg", "f"},
        {"Zm9vYmE", "fooba"},
        {"Pz8/", "???"},
        {"fn5+", "~~~"},
    };
    static const char *const bad[] = {
        "Z",     "Zg=",   "Zg===",  "Zm8==",  "Zm9v=", "Zm9v====", "=",
        " Zm9v", "Zm9v ", "Zm9v\n", "Zm\n9v", "Zm-_",  "Zm9v.",    "Z=g=",
    };
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        expect_base64(pairs[i][0], pairs[i][1]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_base64(bad[i], NULL);
}

static void test_loopback(void **state)
{
    static const char *const here[] = {
        "localhost:80", "LOCALHOST", "127.0.0.1:1",
        "127.255.0.9",  "[::1]",     "[::1]:80",
    };
    static const char *const elsewhere[] = {
        "",
        ":80",
        "127.evil.example:80",
        "127.1",
        "localhost.",
        "a.localhost:1",
        "[::1].evil",
        "[::2]:1",
        "0.0.0.0:1",
        "::1",
        "127.0.0.1.evil:1",
        "128.0.0.1",
        "127.0.0.1234567890",
    };
    (void)state;
    for (size_t i = 0; i < sizeof here / sizeof *here; i++)
        if (!host_is_loopback(host_of(slice_text(here[i]))))
            fail_msg("%s", here[i]);
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
        if (host_is_loopback(host_of(slice_text(elsewhere[i]))))
            fail_msg("%s", elsewhere[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_loopback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
