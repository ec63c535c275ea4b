/* Signatures against those that the public npm library `standardwebhooks`
 * makes: frozen ones, and by running it on random bodies when
 * POSTOFFICE_NODE_MODULES names a folder that it is installed in. */
#include "src/delivery/backoff.h"
#include "src/delivery/signature.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define SECRET_ONE "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define SECRET_TWO                                                             \
    "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMD" \
    "EyMzQ1Njc4OTo7PD0+Pw=="

#define SECRET_TOO_LONG                                                        \
    "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMD" \
    "EyMzQ1Njc4OTo7PD0+P0A="

static void sign(const char *first, const char *second, const char *id,
                 uint64_t timestamp, struct slice body,
                 char value[SIGNATURE_SIZE])
{
    struct signature_key keys[SIGNATURE_KEYS] = {0};
    struct signer *signer = signer_new();
    assert_true(first == NULL || signature_key_read(slice_text(first), keys));
    assert_true(second == NULL ||
                signature_key_read(slice_text(second), keys + 1));
    size_t length = signer_sign(signer, keys, id, timestamp, body, value);
    assert_true(length < SIGNATURE_SIZE);
    value[length] = '\0';
    signer_free(signer);
}

static void test_signatures_are_those_of_the_library(void **state)
{
    static const struct {
        const char *secret;
        const char *id;
        uint64_t timestamp;
        const char *body;
        const char *signature;
    } cases[] = {
        {SECRET_ONE, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
         "{\"test\": 2432232314}",
         "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
        {SECRET_ONE, "msg_1", 0, "",
         "v1,ij2G0S51rXTp+PMwqJOjeWFLEpktT32X6cQ9P08rbws="},
        {SECRET_TWO, "msg_1", 0, "",
         "v1,HZL6IFGXxAA5+E6GULAHVKyxB+KD+eUDyD0G8JJ0huU="},
        {SECRET_TWO, "msg_x", 1733000000, "{\"\xc3\xa9\":\"\xf0\x9f\x98\x80\"}",
         "v1,EvA6M38Yp+H/a+ryVQRF2NHeVkKEZPSHEO4EirUnZAo="},
    };
    char value[SIGNATURE_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sign(cases[i].secret, NULL, cases[i].id, cases[i].timestamp,
             slice_text(cases[i].body), value);
        assert_string_equal(value, cases[i].signature);
    }
}

/* The new secret's comes first; a key that is not there signs nothing. */
static void test_both_sign_during_rotation(void **state)
{
    char value[SIGNATURE_SIZE];
    (void)state;
    sign(SECRET_TWO, SECRET_ONE, "msg_1", 0, slice_text(""), value);
    assert_string_equal(value,
                        "v1,HZL6IFGXxAA5+E6GULAHVKyxB+KD+eUDyD0G8JJ0huU= "
                        "v1,ij2G0S51rXTp+PMwqJOjeWFLEpktT32X6cQ9P08rbws=");
    sign(NULL, SECRET_ONE, "msg_1", 0, slice_text(""), value);
    assert_string_equal(value,
                        "v1,ij2G0S51rXTp+PMwqJOjeWFLEpktT32X6cQ9P08rbws=");
    sign(NULL, NULL, "msg_1", 0, slice_text(""), value);
    assert_string_equal(value, "");
}

static void test_secrets_are_checked(void **state)
{
    static const char *const good[] = {
        SECRET_ONE, SECRET_TWO, "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGA==",
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGA"};
    static const char *const bad[] = {
        "",
        "whsec_",
        "secret",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa", /* 23 bytes */
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwA",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS-",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2La aSw",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw=",
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGA=",
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGA===",
        SECRET_TOO_LONG, /* 65 bytes */
    };
    struct signature_key key;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(signature_key_read(slice_text(good[i]), &key));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (signature_key_read(slice_text(bad[i]), &key))
            fail_msg("taken for a secret: %s", bad[i]);
}

static void test_new_secrets_are_secrets(void **state)
{
    char one[SIGNATURE_SECRET_SIZE];
    char other[SIGNATURE_SECRET_SIZE];
    struct signature_key key;
    (void)state;
    assert_true(signature_secret_new(one));
    assert_true(signature_secret_new(other));
    assert_string_not_equal(one, other);
    assert_true(signature_key_read(slice_text(one), &key));
    assert_int_equal(key.length, SIGNATURE_KEY_NEW);
    signature_key_wipe(&key);
    assert_int_equal(key.length, 0);
}

/* The library's own check of what we sign, with a body of random bytes that
 * are text. */
static void library_verifies(const char *modules, uint64_t now,
                             const char *secret, const char *signature,
                             const char *body, bool expected)
{
    char script[4096];
    snprintf(script, sizeof script,
             "NODE_PATH='%s' node -e \""
             "const {Webhook} = require('standardwebhooks');"
             "const h = {'webhook-id': 'msg_1', 'webhook-timestamp': '%llu',"
             " 'webhook-signature': '%s'};"
             "try { new Webhook('%s').verify('%s', h); }"
             "catch (e) { process.exit(3); }\"",
             modules, (unsigned long long)now, signature, secret, body);
    assert_int_equal(system(script), expected ? 0 : 3 << 8);
}

static void test_library_verifies(void **state)
{
    const char *modules = getenv("POSTOFFICE_NODE_MODULES");
    uint64_t random = 17;
    (void)state;
    if (modules == NULL)
        skip();
    for (int i = 0; i < 5; i++) {
        char one[SIGNATURE_SECRET_SIZE];
        char other[SIGNATURE_SECRET_SIZE];
        char body[600];
        char value[SIGNATURE_SIZE];
        size_t length = random_next(&random) % (sizeof body - 3) + 2;
        for (size_t k = 0; k < length; k++)
            body[k] = (char)('0' + random_next(&random) % 10);
        body[0] = '1'; /* A number is JSON, too. */
        body[length] = '\0';
        assert_true(signature_secret_new(one));
        assert_true(signature_secret_new(other));
        uint64_t now = (uint64_t)time(NULL);
        sign(one, other, "msg_1", now, slice_text(body), value);
        library_verifies(modules, now, one, value, body, true);
        library_verifies(modules, now, other, value, body, true);
        body[0] = '2';
        library_verifies(modules, now, one, value, body, false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signatures_are_those_of_the_library),
        cmocka_unit_test(test_both_sign_during_rotation),
        cmocka_unit_test(test_secrets_are_checked),
        cmocka_unit_test(test_new_secrets_are_secrets),
        cmocka_unit_test(test_library_verifies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
